//! What was to be heard at one place of the room.

use std::{collections::VecDeque, ops::Range, time::Duration};

use crate::RATE;

/// Ten minutes: longer than any story, and no room that is left alone fills the memory (58 MB).
const KEPT: usize = 600 * RATE as usize;

/// The newest ten minutes at one place, 48 kHz. Positions are samples since the room was made; the loudspeaker's and the
/// microphone's are the same instants.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    first: u64,
    pcm: VecDeque<i16>,
}

impl Recording {
    /// The position behind the newest sample.
    pub fn end(&self) -> u64 {
        self.first + self.pcm.len() as u64
    }

    /// Samples of these positions; silence for what is older than ten minutes or has not happened.
    pub fn samples(&self, positions: Range<u64>) -> Vec<i16> {
        positions.map(|at| self.at(at)).collect()
    }

    /// Everything from this position on.
    pub fn since(&self, position: u64) -> Vec<i16> {
        self.samples(position..self.end().max(position))
    }

    /// The newest `span`.
    pub fn newest(&self, span: Duration) -> Vec<i16> {
        self.since(self.end().saturating_sub(samples_in(span)))
    }

    pub(crate) fn at(&self, position: u64) -> i16 {
        let index = position.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.pcm.get(index)).copied().unwrap_or(0)
    }

    pub(crate) fn push(&mut self, block: &[i16]) {
        self.pcm.extend(block);
        let excess = self.pcm.len().saturating_sub(KEPT);
        self.pcm.drain(..excess);
        self.first += excess as u64;
    }
}

/// Samples of the room's rate in `span`, rounded down.
pub(crate) fn samples_in(span: Duration) -> u64 {
    (span.as_nanos() * u128::from(RATE) / 1_000_000_000) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_stay_when_the_oldest_is_forgotten() {
        let mut recording = Recording::default();
        for n in 0..(KEPT / 480 + 2) {
            recording.push(&[n as i16; 480]);
        }
        let end = recording.end();
        assert_eq!(end, (KEPT + 960) as u64);
        assert_eq!(recording.samples(0..2), [0, 0]);
        assert_eq!(recording.since(end - 1), [(KEPT / 480 + 1) as i16]);
        assert_eq!(recording.newest(Duration::from_millis(10)).len(), 480);
        assert_eq!(recording.samples(end..end + 1), [0]);
    }
}
