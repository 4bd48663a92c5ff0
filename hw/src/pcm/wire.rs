//! Samples as the device wants them: interleaved, of its format, against our mono 16 bits.

use super::negotiate::Format;

/// Mixes interleaved `frames` down to mono; returns how many samples. What does not fit is left out.
///
/// All channels count alike: a speakerphone with two has its one microphone on both or its beams on each.
pub fn to_mono(frames: &[u8], format: Format, channels: u16, mono: &mut [i16]) -> usize {
    let width = format.bytes();
    let channels = usize::from(channels.max(1));
    let mut count = 0;
    for (frame, out) in frames.chunks_exact(width * channels).zip(mono.iter_mut()) {
        let sum: i64 = frame.chunks_exact(width).map(|sample| i64::from(sample_of(sample, format))).sum();
        *out = (sum / channels as i64) as i16;
        count += 1;
    }
    count
}

/// Spreads `mono` over all channels of interleaved `frames`; returns how many bytes.
pub fn from_mono(mono: &[i16], format: Format, channels: u16, frames: &mut [u8]) -> usize {
    let width = format.bytes();
    let channels = usize::from(channels.max(1));
    let mut bytes = 0;
    for (sample, frame) in mono.iter().zip(frames.chunks_exact_mut(width * channels)) {
        for place in frame.chunks_exact_mut(width) {
            write_sample(*sample, format, place);
        }
        bytes += width * channels;
    }
    bytes
}

/// The upper 16 bits of one little-endian sample.
fn sample_of(bytes: &[u8], format: Format) -> i16 {
    match (format, bytes) {
        (Format::S16, &[low, high]) | (Format::S24Packed, &[_, low, high]) | (Format::S32, &[_, _, low, high]) => {
            i16::from_le_bytes([low, high])
        }
        _ => 0,
    }
}

fn write_sample(sample: i16, format: Format, place: &mut [u8]) {
    let [low, high] = sample.to_le_bytes();
    match (format, place) {
        (Format::S16, [a, b]) => (*a, *b) = (low, high),
        (Format::S24Packed, [a, b, c]) => (*a, *b, *c) = (0, low, high),
        (Format::S32, [a, b, c, d]) => (*a, *b, *c, *d) = (0, 0, low, high),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_format_carries_what_was_given(
            mono in prop::collection::vec(any::<i16>(), 0..480),
            channels in 1u16..=8,
            format in prop::sample::select(vec![Format::S16, Format::S24Packed, Format::S32]),
        ) {
            let mut frames = vec![0xAA; mono.len() * format.bytes() * usize::from(channels)];
            prop_assert_eq!(from_mono(&mono, format, channels, &mut frames), frames.len());
            let mut back = vec![0; mono.len()];
            prop_assert_eq!(to_mono(&frames, format, channels, &mut back), mono.len());
            prop_assert_eq!(back, mono);
        }
    }

    #[test]
    fn two_channels_meet_in_the_middle_without_overflow() {
        let mut mono = [0; 2];
        let frames: Vec<u8> = [i16::MAX, i16::MAX, -30_000, 10_000].into_iter().flat_map(i16::to_le_bytes).collect();
        assert_eq!(to_mono(&frames, Format::S16, 2, &mut mono), 2);
        assert_eq!(mono, [i16::MAX, -10_000]);
    }
}
