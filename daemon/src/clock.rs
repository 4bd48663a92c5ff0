//! The two clocks of a machine, put side by side: monotonic for deciding, civil for recording.
//!
//! A box without a battery for its clock starts in the past and is set right once the network is there. So a reading
//! serves one call, whose times then keep their distances, and never the whole life of the daemon.

pub mod sanity;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// Where the civil time goes on from while the machine's clock is known to be wrong. There is one clock in a machine, so
/// this is the process's.
static FLOOR: Mutex<Option<Clock>> = Mutex::new(None);

/// Translates monotonic instants into civil time, as it stood when the clock was read.
///
/// A civil clock that is set later moves no record of a running call against its others.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    instant: Instant,
    civil: Timestamp,
}

impl Clock {
    /// Reads both clocks, for records: before the machine's clock is set right its civil time goes on from the last that
    /// was known, so that no record lies before those that are there, and none is erased for its age.
    pub fn read() -> Self {
        let (machine, floor) = (Self::machine(), *floor());
        floor.map_or(machine, |floor| machine.not_before(&floor))
    }

    /// Reads both clocks as the machine has them.
    pub fn machine() -> Self {
        Self::at(Instant::now(), Timestamp::now())
    }

    /// Makes known that the machine's clock is wrong, and that the civil time goes on from `floor`; or that it is right.
    pub(crate) fn go_on_from(from: Option<Self>) {
        *floor() = from;
    }

    fn not_before(self, floor: &Self) -> Self {
        Self { civil: self.civil.max(floor.civil(self.instant)), ..self }
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

fn floor() -> MutexGuard<'static, Option<Clock>> {
    FLOOR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A time for people, whatever the zone: `1970-01-01 00:03`, in UTC.
pub fn shown(at: Timestamp) -> impl std::fmt::Display {
    at.strftime("%Y-%m-%d %H:%M").to_string()
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
    fn records_made_before_the_clock_is_set_follow_those_of_before() {
        let began = Instant::now();
        let floor = Clock::at(began, "2027-03-01T12:00:00Z".parse().unwrap());
        let (wrong, right) = ("1970-01-01T00:05:00Z".parse().unwrap(), "2027-03-02T08:00:00Z".parse().unwrap());
        let later = began + Duration::from_mins(5);
        let of = |civil| Clock::at(later, civil).not_before(&floor).civil(later).to_string();
        assert_eq!(of(wrong), "2027-03-01T12:05:00Z");
        assert_eq!(of(right), "2027-03-02T08:00:00Z");
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
