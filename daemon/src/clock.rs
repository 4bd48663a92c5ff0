//! The two clocks of a machine, put side by side: monotonic for deciding, civil for recording.
//!
//! A box without a battery for its clock starts in the past and is set right once the network is there. So a reading
//! serves one call, whose times then keep their distances, and never the whole life of the daemon.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// Translates monotonic instants into civil time, as it stood when the clock was read.
///
/// A civil clock that is set later moves no record of a running call against its others.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    instant: Instant,
    civil: Timestamp,
}

impl Clock {
    /// Reads both clocks.
    pub fn read() -> Self {
        Self::at(Instant::now(), Timestamp::now())
    }

    /// Both clocks, as somebody else has read them.
    pub fn at(instant: Instant, civil: Timestamp) -> Self {
        Self { instant, civil }
    }

    /// When it was read.
    pub fn instant(&self) -> Instant {
        self.instant
    }

    /// The civil time of `instant`.
    pub fn civil(&self, instant: Instant) -> Timestamp {
        let after = instant.saturating_duration_since(self.instant);
        let before = self.instant.saturating_duration_since(instant);
        let shift = |span| SignedDuration::try_from(span).unwrap_or_default();
        self.civil.saturating_add(shift(after) - shift(before)).unwrap_or(self.civil)
    }

    /// How far the civil clock was set ahead between this reading and a `later` one, negative if back. A suspended
    /// machine looks like one whose clock was set ahead.
    pub fn set_by(&self, later: &Self) -> SignedDuration {
        later.civil.duration_since(self.civil(later.instant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn distances_stay() {
        let clock = Clock::read();
        let later = clock.instant + Duration::from_millis(1_500);
        let apart = clock.civil(later).duration_since(clock.civil(clock.instant));
        assert_eq!(apart, SignedDuration::from_millis(1_500));
    }

    #[test]
    fn a_clock_that_was_set_is_told_from_one_that_ran() {
        let hour = Duration::from_hours(1);
        let clock = Clock::read();
        let ran = Clock::at(clock.instant + hour, clock.civil + hour);
        assert_eq!(clock.set_by(&ran), SignedDuration::ZERO);
        let ahead = Clock::at(clock.instant + hour, clock.civil + 3 * hour);
        assert_eq!(
            (clock.set_by(&ahead), ahead.set_by(&clock)),
            (SignedDuration::from_hours(2), SignedDuration::from_hours(-2))
        );
    }
}
