//! G.711 mu-law, as phone lines carry it: one byte a sample.
//!
//! The encoder is the 16-bit family of the formula (ITU-T G.711 with all sixteen bits taking part);
//! the 14-bit family of the ITU sample code differs from it by one step for a few negative inputs.

/// The byte that stands for silence.
pub const SILENCE: u8 = 0xFF;

const BIAS: i32 = 132;
const CLIP: i32 = 32_635;

const DECODED: [i16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = expand(byte as u8);
        byte += 1;
    }
    table
};

const fn expand(byte: u8) -> i16 {
    let inverted = !byte as i32;
    let exponent = (inverted >> 4) & 7;
    let mantissa = inverted & 15;
    let magnitude = ((mantissa * 8 + BIAS) << exponent) - BIAS;
    if inverted & 0x80 != 0 { -magnitude as i16 } else { magnitude as i16 }
}

/// The sample that `byte` stands for.
pub fn decode(byte: u8) -> i16 {
    DECODED[byte as usize]
}

/// The byte of a positive sample, by its biased magnitude without the three lowest bits, which never matter. A look-up is
/// a third of the computation, and every sample of a call passes here three times.
const ENCODED: [u8; ((CLIP + BIAS) >> 3) as usize + 1] = {
    let mut table = [0; ((CLIP + BIAS) >> 3) as usize + 1];
    let mut step = 0;
    while step < table.len() {
        table[step] = compress((step as i32) << 3);
        step += 1;
    }
    table
};

const fn compress(magnitude: i32) -> u8 {
    // The bias keeps bit 7 or a higher one set in what is looked up: the logarithm lies between 7 and 14.
    let exponent = if magnitude < 1 << 7 { 0 } else { magnitude.ilog2() as i32 - 7 };
    let mantissa = (magnitude >> (exponent + 3)) & 15;
    !(exponent << 4 | mantissa) as u8
}

/// The byte nearest to `sample`.
pub fn encode(sample: i16) -> u8 {
    let value = i32::from(sample);
    let sign = (value >> 31) as u8 & 0x80;
    ENCODED[((value.abs().min(CLIP) + BIAS) >> 3) as usize] ^ sign
}

/// Appends the decoded samples of `bytes` to `pcm`.
pub fn decode_into(bytes: &[u8], pcm: &mut Vec<i16>) {
    pcm.extend(bytes.iter().map(|&byte| decode(byte)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::digest::{SHA256, digest};

    #[test]
    fn decodes_the_published_points() {
        let points = [
            (0x00, -32_124),
            (0x01, -31_100),
            (0x0F, -16_764),
            (0x3F, -1_980),
            (0x7E, -8),
            (0x7F, 0),
            (0x80, 32_124),
            (0x8F, 16_764),
            (0xBF, 1_980),
            (0xD5, 716),
            (0xFE, 8),
            (0xFF, 0),
        ];
        for (byte, sample) in points {
            assert_eq!(decode(byte), sample, "{byte:#04x}");
        }
    }

    #[test]
    fn encodes_the_published_points() {
        let points = [
            (0, 0xFF),
            (8, 0xFE),
            (-8, 0x7E),
            (100, 0xF2),
            (-100, 0x72),
            (1_000, 0xCE),
            (-1_000, 0x4E),
            (8_000, 0xA0),
            (-8_000, 0x20),
            (32_767, 0x80),
            (-32_768, 0x00),
        ];
        for (sample, byte) in points {
            assert_eq!(encode(sample), byte, "{sample}");
        }
    }

    #[test]
    fn a_sine_encodes_to_the_known_digest() {
        let bytes: Vec<u8> = (0..160)
            .map(|n| (8_000.0 * (2.0 * std::f64::consts::PI * 440.0 * f64::from(n) / 8_000.0).sin()).round() as i16)
            .map(encode)
            .collect();
        let sum = digest(&SHA256, &bytes);
        assert_eq!(format!("{sum:?}"), "SHA256:ce941ef162b56a67c21756087fdd924e24cd5b18e95e2b76c510410629cbe098");
    }

    #[test]
    fn every_byte_survives_the_round_trip() {
        for byte in 0..=255u8 {
            // 0x7F is minus zero, which no sample encodes to.
            let expected = if byte == 0x7F { 0xFF } else { byte };
            assert_eq!(encode(decode(byte)), expected);
        }
    }

    #[test]
    fn the_error_stays_within_half_a_step() {
        for sample in i16::MIN..=i16::MAX {
            let error = (i32::from(decode(encode(sample))) - i32::from(sample)).abs();
            let step = (i32::from(sample).abs() / 16).max(8) + BIAS / 16;
            assert!(error <= step.max(644), "{sample} came back {error} away");
        }
    }
}
