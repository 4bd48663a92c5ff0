//! Whether the machine's clock can be right.
//!
//! A box without a battery for its clock comes up in 1970, or where systemd left off, until the network tells the time.
//! By then no certificate is valid, and "today" is a day long past: nobody is connected, and nothing is booked.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// This version did not exist before: 2026-11-01. No clock that shows less is right.
pub const MADE: Timestamp = Timestamp::constant(1_793_491_200, 0);
/// A clock that was a little fast when it was last looked at is no reason to wait: certificates leave more room.
const SLACK: SignedDuration = SignedDuration::from_hours(1);
/// A clock behind the last known time is waited for that long, and then believed: what was known may itself have been
/// wrong, and a box that waits for ever answers nobody.
pub const PATIENCE: Duration = Duration::from_mins(10);

/// What is seen of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// What it shows.
    pub shows: Timestamp,
    /// The time service says that it has been set since the machine came up.
    pub is_set: bool,
    /// How long it has been waited for.
    pub waited: Duration,
}

impl Look {
    /// Whether it can be right, as far as can be told by the time that was `known` last.
    pub fn can_be_right(&self, known: Option<Timestamp>) -> bool {
        let behind = known.is_some_and(|known| known.duration_since(self.shows) > SLACK);
        self.shows >= MADE && (!behind || self.is_set || self.waited >= PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(shows: &str) -> Look {
        Look { shows: shows.parse().unwrap(), is_set: false, waited: Duration::ZERO }
    }

    #[test]
    fn a_clock_from_before_this_version_is_wrong_whatever_is_said_of_it() {
        assert_eq!(MADE.to_string(), "2026-11-01T00:00:00Z");
        for shows in ["1970-01-01T00:03:00Z", "2025-06-01T12:00:00Z", "2026-10-31T23:59:59Z"] {
            let look = Look { is_set: true, waited: 2 * PATIENCE, ..look(shows) };
            assert!(!look.can_be_right(None), "{shows}");
        }
        assert!(look("2026-11-01T00:00:00Z").can_be_right(None));
    }

    #[test]
    fn a_clock_behind_what_was_known_is_waited_for_until_it_is_set_or_patience_ends() {
        let known = Some("2027-03-01T12:00:00Z".parse().unwrap());
        let behind = look("2027-02-01T12:00:00Z");
        assert!(!behind.can_be_right(known));
        assert!(look("2027-03-01T11:30:00Z").can_be_right(known), "it was a little fast");
        assert!(look("2027-03-02T00:00:00Z").can_be_right(known));
        assert!(Look { is_set: true, ..behind }.can_be_right(known), "what was known was wrong");
        assert!(!Look { waited: PATIENCE.saturating_sub(Duration::from_secs(1)), ..behind }.can_be_right(known));
        assert!(Look { waited: PATIENCE, ..behind }.can_be_right(known));
    }
}
