//! The two clocks of a machine, put side by side: monotonic for deciding, civil for recording.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// Translates monotonic instants into civil time, as it stood when the clock was made.
///
/// A civil clock that is set later moves no record of a running call against its others.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    instant: Instant,
    civil: Timestamp,
}

impl Clock {
    /// Reads both clocks.
    pub fn start() -> Self {
        Self { instant: Instant::now(), civil: Timestamp::now() }
    }

    /// The civil time of `instant`.
    pub fn civil(&self, instant: Instant) -> Timestamp {
        let after = instant.saturating_duration_since(self.instant);
        let before = self.instant.saturating_duration_since(instant);
        let shift = |span| SignedDuration::try_from(span).unwrap_or_default();
        self.civil.saturating_add(shift(after) - shift(before)).unwrap_or(self.civil)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn distances_stay() {
        let clock = Clock::start();
        let later = clock.instant + Duration::from_millis(1_500);
        let apart = clock.civil(later).duration_since(clock.civil(clock.instant));
        assert_eq!(apart, SignedDuration::from_millis(1_500));
    }
}
