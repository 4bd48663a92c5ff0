//! How the daemon's work outside goes: the part of [`Health`](super::reply::Health) about errands and calendars. Names
//! nobody.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Trouble outside passes: what has lasted longer than that is a person's to look at.
pub const LATE: Duration = Duration::from_mins(15);

/// Whether what follows from bookings is carried out: mail, text messages, calendar entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxHealth {
    /// Errands that should have been done by now, and are tried.
    pub waiting: u64,
    /// Those that were given up.
    pub dead: u64,
    /// How long the oldest of the waiting ones has been wanted, in seconds; 0 if none waits.
    pub oldest_age_s: u64,
    /// What needs a person's attention, and what would show it.
    pub why: Option<String>,
}

/// Whether the calendars outside can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarHealth {
    /// Calendars that could not be used for a quarter of an hour.
    pub unusable: usize,
    /// What needs a person's attention, and what would show it.
    pub why: Option<String>,
}

impl OutboxHealth {
    /// What these figures mean.
    pub fn of(waiting: u64, dead: u64, oldest_age_s: u64) -> Self {
        let given_up = (dead > 0).then(|| {
            let (errands, were) = errands(dead, "was", "were");
            format!("{errands} {were} given up: frontdeskctl outbox list --dead says which and why")
        });
        let late = (oldest_age_s >= LATE.as_secs()).then(|| {
            let (errands, wait) = errands(waiting, "waits", "wait");
            let minutes = oldest_age_s / 60;
            format!(
                "{errands} {wait}, the oldest for {minutes} minutes: frontdeskctl outbox list says what is in the way"
            )
        });
        let why: Vec<String> = given_up.into_iter().chain(late).collect();
        Self { waiting, dead, oldest_age_s, why: (!why.is_empty()).then(|| why.join("; ")) }
    }
}

impl CalendarHealth {
    /// What it means that so many have been out of use for longer than [`LATE`].
    pub fn of(unusable: usize) -> Self {
        let minutes = LATE.as_secs() / 60;
        let why = match unusable {
            0 => None,
            1 => Some("1 calendar has".to_owned()),
            many => Some(format!("{many} calendars have")),
        };
        let lasts =
            format!("not been usable for more than {minutes} minutes: journalctl -u frontdeskd says whose and why");
        Self { unusable, why: why.map(|whose| format!("{whose} {lasts}")) }
    }
}

fn errands(many: u64, one_does: &'static str, many_do: &'static str) -> (String, &'static str) {
    if many == 1 { ("1 errand".to_owned(), one_does) } else { (format!("{many} errands"), many_do) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_up_or_waits_for_long_is_told_with_the_command_that_shows_it() {
        assert_eq!(OutboxHealth::of(7, 0, 899).why, None, "it passes");
        assert_eq!(
            OutboxHealth::of(0, 1, 0).why.unwrap(),
            "1 errand was given up: frontdeskctl outbox list --dead says which and why"
        );
        assert_eq!(
            OutboxHealth::of(2, 3, 1_200).why.unwrap(),
            "3 errands were given up: frontdeskctl outbox list --dead says which and why; 2 errands wait, the oldest for 20 \
             minutes: frontdeskctl outbox list says what is in the way"
        );
        assert!(OutboxHealth::of(1, 0, 900).why.unwrap().starts_with("1 errand waits, the oldest for 15 minutes"));
    }

    #[test]
    fn a_calendar_is_missed_after_a_quarter_of_an_hour() {
        assert_eq!(CalendarHealth::of(0).why, None);
        let said = "not been usable for more than 15 minutes: journalctl -u frontdeskd says whose and why";
        assert_eq!(CalendarHealth::of(1).why.unwrap(), format!("1 calendar has {said}"));
        assert_eq!(CalendarHealth::of(3).why.unwrap(), format!("3 calendars have {said}"));
    }
}
