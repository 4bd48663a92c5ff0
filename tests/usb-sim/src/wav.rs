//! WAV files: 16 bits, any number of channels when read (mixed down), mono when written. And another sampling rate, for
//! speech that was recorded at one that the device does not have.

use std::f64::consts::PI;
use std::fmt;

/// Mono sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// Samples a second.
    pub rate: u32,
    /// The samples.
    pub pcm: Vec<i16>,
}

/// Why a file cannot be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WavError {
    /// No RIFF file of type WAVE.
    NotWav,
    /// Format, bits: not what is read here.
    Format(u16, u16),
    /// No `fmt ` chunk before the data, or one that makes no sense.
    NoFormat,
    /// No `data` chunk.
    NoData,
}

impl fmt::Display for WavError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWav => write!(f, "this is no WAV file"),
            Self::Format(format, bits) => {
                write!(f, "the WAV file has format {format} with {bits} bits; PCM (1) with 16 bits would do")
            }
            Self::NoFormat => write!(f, "the WAV file does not say its format"),
            Self::NoData => write!(f, "the WAV file holds no sound"),
        }
    }
}

impl std::error::Error for WavError {}

impl Sound {
    /// Reads a file's bytes. A data chunk that is cut, or whose length was never filled in, is taken as far as it goes.
    pub fn decode(bytes: &[u8]) -> Result<Self, WavError> {
        if bytes.len() < 12 || &bytes[..4] != b"RIFF" || &bytes[8..12] != b"WAVE" {
            return Err(WavError::NotWav);
        }
        let mut format = None;
        let mut rest = &bytes[12..];
        while let Some(head) = rest.first_chunk::<8>() {
            let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let body = &rest[8..];
            let chunk = &body[..length.min(body.len())];
            match &head[..4] {
                b"fmt " => format = Some(parse_format(chunk)?),
                b"data" => {
                    let (channels, rate) = format.ok_or(WavError::NoFormat)?;
                    return Ok(Self { rate, pcm: mix(chunk, channels) });
                }
                _ => {}
            }
            rest = body.get(length + length % 2..).unwrap_or_default();
        }
        Err(WavError::NoData)
    }

    /// A file's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let data = self.pcm.len() as u32 * 2;
        let mut out = b"RIFF".to_vec();
        out.extend((36 + data).to_le_bytes());
        out.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
        out.extend(self.rate.to_le_bytes());
        out.extend((self.rate * 2).to_le_bytes());
        out.extend(b"\x02\0\x10\0data");
        out.extend(data.to_le_bytes());
        out.extend(self.pcm.iter().flat_map(|sample| sample.to_le_bytes()));
        out
    }

    /// The same sound at `rate`; itself, bit by bit, when it has that rate.
    ///
    /// Windowed sinc, 16 zero crossings a side: nothing audible folds back or is lost below nine tenths of the lower rate's
    /// half.
    #[must_use]
    pub fn at(&self, rate: u32) -> Self {
        if rate == self.rate || self.rate == 0 {
            return Self { rate, pcm: self.pcm.clone() };
        }
        let step = f64::from(self.rate) / f64::from(rate);
        let cut = (1.0 / step).min(1.0) * 0.95;
        let reach = 16.0 / cut;
        let count = self.pcm.len() as u64 * u64::from(rate) / u64::from(self.rate);
        let sample = |at: u64| {
            let centre = at as f64 * step;
            let first = (centre - reach).ceil().max(0.0) as usize;
            let last = ((centre + reach).floor().max(0.0) as usize + 1).min(self.pcm.len());
            let near = self.pcm.get(first..last).unwrap_or_default().iter().enumerate();
            let sum: f64 = near
                .map(|(index, value)| f64::from(*value) * kernel((first + index) as f64 - centre, cut, reach))
                .sum();
            sum.round().clamp(-32_768.0, 32_767.0) as i16
        };
        Self { rate, pcm: (0..count).map(sample).collect() }
    }
}

/// A low pass of `cut` times half the sampling rate, `distance` samples from its middle; Hann's window.
fn kernel(distance: f64, cut: f64, reach: f64) -> f64 {
    let x = distance * cut * PI;
    let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
    cut * sinc * (0.5 + 0.5 * (PI * distance / reach).cos())
}

fn parse_format(chunk: &[u8]) -> Result<(usize, u32), WavError> {
    let Some(it) = chunk.first_chunk::<16>() else { return Err(WavError::NoFormat) };
    let word = |at: usize| u16::from_le_bytes([it[at], it[at + 1]]);
    // 0xFFFE is the extensible form, whose first two bytes of the sub-format say what it is.
    let format = match (word(0), chunk.get(24..26)) {
        (0xFFFE, Some(format)) => u16::from_le_bytes([format[0], format[1]]),
        (format, _) => format,
    };
    if (format, word(14)) != (1, 16) {
        return Err(WavError::Format(format, word(14)));
    }
    let rate = u32::from_le_bytes([it[4], it[5], it[6], it[7]]);
    match (word(2), rate) {
        (0, _) | (_, 0) => Err(WavError::NoFormat),
        (channels, rate) => Ok((usize::from(channels), rate)),
    }
}

fn mix(data: &[u8], channels: usize) -> Vec<i16> {
    let frame = |bytes: &[u8]| {
        let sum: i32 = bytes.chunks_exact(2).map(|it| i32::from(i16::from_le_bytes([it[0], it[1]]))).sum();
        (sum / channels as i32) as i16
    };
    data.chunks_exact(2 * channels).map(frame).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tone(rate: u32, hz: f64, seconds: f64) -> Sound {
        let sample = |at: u32| ((f64::from(at) * hz * 2.0 * PI / f64::from(rate)).sin() * 10_000.0) as i16;
        Sound { rate, pcm: (0..(f64::from(rate) * seconds) as u32).map(sample).collect() }
    }

    #[test]
    fn a_tone_is_the_same_tone_at_another_rate() {
        for (from, to) in [(22_050, 48_000), (16_000, 48_000), (48_000, 16_000), (44_100, 16_000)] {
            let there = tone(from, 1000.0, 0.5).at(to);
            let wanted = tone(to, 1000.0, 0.5);
            assert!(there.pcm.len().abs_diff(wanted.pcm.len()) <= 1);
            let middle = 400..there.pcm.len() - 400;
            let worst = middle.map(|at| (i32::from(there.pcm[at]) - i32::from(wanted.pcm[at])).abs()).max().unwrap();
            assert!(worst < 100, "{from} to {to}: {worst} of 10000"); // 40 dB down
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_gone() {
        let folded = tone(48_000, 11_000.0, 0.2).at(16_000);
        let peak = folded.pcm[200..3000].iter().map(|it| it.unsigned_abs()).max().unwrap();
        assert!(peak < 100, "{peak} of 10000");
    }

    #[test]
    fn stereo_is_mixed_and_other_chunks_are_passed_over() {
        let mut bytes = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0\x01\0\x02\0".to_vec();
        bytes.extend(48_000_u32.to_le_bytes());
        bytes.extend(b"\0\0\0\0\x04\0\x10\0data\xFF\xFF\xFF\xFF");
        bytes.extend([100_i16, 300, -8, -10].iter().flat_map(|it| it.to_le_bytes()));
        assert_eq!(Sound::decode(&bytes), Ok(Sound { rate: 48_000, pcm: vec![200, -9] }));
    }

    #[test]
    fn what_cannot_be_played_is_said() {
        assert_eq!(Sound::decode(b"OggS"), Err(WavError::NotWav));
        assert_eq!(Sound::decode(b"RIFF\0\0\0\0WAVE"), Err(WavError::NoData));
        assert_eq!(Sound::decode(b"RIFF\0\0\0\0WAVEdata\0\0\0\0"), Err(WavError::NoFormat));
        let mut eight = Sound { rate: 8000, pcm: vec![1] }.encode();
        eight[34] = 8;
        assert_eq!(Sound::decode(&eight), Err(WavError::Format(1, 8)));
    }

    proptest! {
        #[test]
        fn files_come_back_as_they_were_written(rate in 1_u32..200_000, pcm in prop::collection::vec(any::<i16>(), 0..100)) {
            let sound = Sound { rate, pcm };
            prop_assert_eq!(Sound::decode(&sound.encode()), Ok(sound));
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Sound::decode(&bytes);
            let mut file = b"RIFF\0\0\0\0WAVE".to_vec();
            file.extend(bytes);
            let _ = Sound::decode(&file);
        }
    }
}
