//! How the person hears: whether the loudspeaker is audible, for how long, and for how long it has been quiet.

use frontdesk_voice::measure::rms_dbfs;

use crate::recording::samples_in;
use std::time::Duration;

/// Louder than this is a voice: far above a converter's noise, far below a quiet speaker.
const AUDIBLE_DBFS: f32 = -45.0;
/// Pauses shorter than this belong to speech: between words a voice drops to nothing.
const WORD_PAUSE: Duration = Duration::from_millis(200);

/// Follows the level of what is heard, block by block. Time is counted in samples.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    audible: u64,
    quiet: u64,
    onset: Option<u64>,
}

impl Ear {
    /// Listens to the next block, which begins at position `at`.
    pub(crate) fn hear(&mut self, at: u64, block: &[i16]) {
        let samples = block.len() as u64;
        if rms_dbfs(block) > AUDIBLE_DBFS {
            self.onset.get_or_insert(at);
            self.audible += samples;
            self.quiet = 0;
            return;
        }
        self.quiet += samples;
        if self.quiet >= samples_in(WORD_PAUSE) {
            self.audible = 0;
            self.onset = None;
        } else if self.audible > 0 {
            self.audible += samples;
        }
    }

    /// For how many samples a voice has been there, pauses between words included.
    pub(crate) fn audible(&self) -> u64 {
        self.audible
    }

    /// For how many samples it has been quiet.
    pub(crate) fn quiet(&self) -> u64 {
        self.quiet
    }

    /// Where the voice that is there began.
    pub(crate) fn onset(&self) -> Option<u64> {
        self.onset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_between_words_does_not_end_speech() {
        let mut ear = Ear::default();
        let mut at = 0;
        let mut hear = |ear: &mut Ear, level: i16, blocks: u64| {
            for _ in 0..blocks {
                ear.hear(at, &[level; 480]);
                at += 480;
            }
        };
        hear(&mut ear, 0, 3);
        assert_eq!((ear.audible(), ear.quiet(), ear.onset()), (0, 3 * 480, None));
        hear(&mut ear, 3_000, 10);
        hear(&mut ear, 0, 10);
        hear(&mut ear, 3_000, 10);
        assert_eq!((ear.audible(), ear.quiet(), ear.onset()), (30 * 480, 0, Some(3 * 480)));
        hear(&mut ear, 0, 20);
        assert_eq!((ear.audible(), ear.quiet(), ear.onset()), (0, 20 * 480, None));
    }
}
