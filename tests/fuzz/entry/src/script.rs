//! Scripts: how a row of bytes becomes a row of acts.
//!
//! An act is one byte and its operands. Only the five low bits of the act's byte count, so that every byte means
//! something to the fuzzer, and a letter in either case means the same to whoever writes a seed by hand.

use arbitrary::{Arbitrary, Unstructured};
use std::time::Duration;

/// Acts of one script that are carried out; what follows is ignored.
pub const MOST_ACTS: usize = 400;

/// The letter of the next act.
pub fn letter(bytes: &mut Unstructured<'_>) -> arbitrary::Result<u8> {
    Ok(bytes.arbitrary::<u8>()? & 31 | 64)
}

/// Reads acts until the bytes are used up.
pub fn acts<'a, A: Arbitrary<'a>>(bytes: &mut Unstructured<'a>) -> Vec<A> {
    let mut acts = Vec::new();
    while !bytes.is_empty() && acts.len() < MOST_ACTS {
        acts.extend(A::arbitrary(bytes).ok());
    }
    acts
}

/// Up to 255 bytes, their number first.
pub fn piece<'a>(bytes: &mut Unstructured<'a>) -> arbitrary::Result<&'a [u8]> {
    let length = usize::from(bytes.arbitrary::<u8>()?);
    bytes.bytes(length.min(bytes.len()))
}

/// Text of up to 255 bytes; what is no UTF-8 is replaced.
pub fn text(bytes: &mut Unstructured<'_>) -> arbitrary::Result<String> {
    piece(bytes).map(|piece| String::from_utf8_lossy(piece).into_owned())
}

/// Milliseconds, steps of `step`.
pub fn span(bytes: &mut Unstructured<'_>, step: u64) -> arbitrary::Result<Duration> {
    Ok(Duration::from_millis(u64::from(bytes.arbitrary::<u8>()?) * step))
}

/// A kind of sound: what matters to gates, detectors and filters is how loud and how lively it is.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub struct Sound(u8);

impl Sound {
    /// Digital silence.
    pub const SILENCE: Self = Self(0);
    /// The buzz of a loud voice.
    pub const VOICE: Self = Self(3);

    /// `samples` of it.
    pub fn pcm(self, samples: usize) -> Vec<i16> {
        let level = [0_i32, 40, 2_000, 12_000, 32_767][usize::from(self.0) % 5];
        let lively = self.0 / 5;
        let mut state = u32::from(self.0) | 1;
        (0..samples)
            .map(|n| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (state >> 16) as i32 % (2 * level + 1) - level;
                // A buzz with the period of a voice, roughened by noise.
                let buzz = if n % 110 < 12 { level } else { -level / 8 };
                let mixed = if lively.is_multiple_of(2) { buzz + noise / 16 } else { noise };
                mixed.clamp(-32_768, 32_767) as i16
            })
            .collect()
    }
}
