//! Identifiers and times in the forms that Twilio uses, and the seeded randomness behind them.

use jiff::{Timestamp, tz::TimeZone};

/// A small seeded generator (xorshift64*): the same seed gives the same identifiers, order of parameters and noise.
///
/// Nothing here guards a secret, so speed and repeatability matter and unpredictability does not.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// A generator for `stream` of `seed`; different streams of one seed do not resemble each other.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mixed = seed ^ stream.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut rng = Self(mixed | 1);
        for _ in 0..8 {
            rng.bits();
        }
        rng
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`, which is at least 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound.max(1)
    }

    /// A number in -1.0..1.0.
    pub fn signed_unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }

    /// Puts `items` into a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }

    /// A SID: two letters of kind (`CA`, `MZ`, `RE`, …) and 32 hexadecimal digits.
    pub fn sid(&mut self, kind: &str) -> String {
        format!("{kind}{:016x}{:016x}", self.bits(), self.bits())
    }

    /// A token in the shape of a UUID, as `I-Twilio-Idempotency-Token` carries.
    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.bits(), self.bits());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xFFFF,
            high & 0xFFF,
            low >> 52,
            low & 0xFFFF_FFFF_FFFF
        )
    }
}

/// Now as RFC 2822 in UTC, the form of REST bodies and call status callbacks.
pub(crate) fn rfc2822_now() -> String {
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    jiff::fmt::rfc2822::to_string(&now).expect("a present-day time has an RFC 2822 form")
}

/// Now as ISO 8601 with milliseconds, the form of stream callbacks.
pub(crate) fn iso8601_now() -> String {
    format!("{:.3}", Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sid_has_two_letters_and_32_digits() {
        let sid = Rng::new(1, 2).sid("CA");
        assert_eq!(sid.len(), 34);
        assert!(sid[2..].bytes().all(|b| b.is_ascii_hexdigit()), "{sid}");
    }

    #[test]
    fn the_same_seed_gives_the_same_ids_and_another_stream_does_not() {
        assert_eq!(Rng::new(7, 1).sid("MZ"), Rng::new(7, 1).sid("MZ"));
        assert_ne!(Rng::new(7, 1).sid("MZ"), Rng::new(7, 2).sid("MZ"));
    }

    #[test]
    fn times_have_the_shape_of_the_field() {
        let rfc = rfc2822_now();
        assert!(rfc.ends_with(" +0000") && rfc.contains(", "), "{rfc}");
        let iso = iso8601_now();
        assert!(iso.ends_with('Z') && iso.len() == 24, "{iso}");
    }
}
