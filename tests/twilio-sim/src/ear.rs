//! How the caller hears: whether the agent is audible, for how long, and for how long it has been quiet.

use std::{sync::LazyLock, time::Duration};

use frontdesk_voice::mulaw;

/// A frame louder than this is speech: about -45 dBFS, far above mu-law's idle noise, far below a quiet voice.
const AUDIBLE_RMS: i64 = 184;

/// Pauses shorter than this belong to speech: between words a voice drops to nothing.
const WORD_PAUSE: u64 = 200 * 8;

/// Follows the level of what is heard. Time is counted in samples.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    audible: u64,
    quiet: u64,
    spoken: bool,
}

impl Ear {
    /// Listens to the next samples (mu-law).
    pub(crate) fn hear(&mut self, heard: &[u8]) {
        let samples = heard.len() as u64;
        if is_audible(heard) {
            self.audible += samples;
            self.quiet = 0;
            self.spoken = true;
        } else {
            self.quiet += samples;
            if self.quiet >= WORD_PAUSE {
                self.audible = 0;
            } else if self.audible > 0 {
                self.audible += samples;
            }
        }
    }

    /// How long the agent has been speaking, pauses between words included.
    pub(crate) fn audible_for(&self) -> Duration {
        Duration::from_micros(self.audible * 125)
    }

    /// How long the agent has been quiet.
    pub(crate) fn quiet_for(&self) -> Duration {
        Duration::from_micros(self.quiet * 125)
    }

    /// Whether the agent was audible since [`forget_speech`](Self::forget_speech).
    pub(crate) fn has_spoken(&self) -> bool {
        self.spoken
    }

    /// From here on only new speech counts.
    pub(crate) fn forget_speech(&mut self) {
        self.spoken = false;
    }
}

/// The square of every code's sample: hundreds of calls are listened to at once.
static POWER: LazyLock<[i64; 256]> =
    LazyLock::new(|| std::array::from_fn(|code| i64::from(mulaw::decode(code as u8)).pow(2)));

/// Whether these samples (mu-law) are loud enough to be speech.
pub(crate) fn is_audible(codes: &[u8]) -> bool {
    let table = &*POWER;
    let power: i64 = codes.iter().map(|&code| table[usize::from(code)]).sum();
    !codes.is_empty() && power > AUDIBLE_RMS.pow(2) * codes.len() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_between_words_does_not_end_speech() {
        let mut ear = Ear::default();
        ear.hear(&[0x80; 800]);
        ear.hear(&[0xFF; 800]);
        ear.hear(&[0x80; 800]);
        assert_eq!(ear.audible_for(), Duration::from_millis(300));
        ear.hear(&[0xFF; 1_600]);
        assert_eq!(ear.audible_for(), Duration::ZERO);
        assert_eq!(ear.quiet_for(), Duration::from_millis(200));
        assert!(ear.has_spoken());
    }

    #[test]
    fn one_bit_of_noise_is_not_speech() {
        assert!(!is_audible(&[0x7E; 160]));
        assert!(!is_audible(&[]));
        assert!(is_audible(&[mulaw::encode(300); 160]));
    }
}
