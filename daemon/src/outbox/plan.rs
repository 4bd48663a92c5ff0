//! What follows from an attempt. Pure: the time is an argument.

use std::time::Duration;

use frontdesk_core::backoff::Backoff;
use frontdesk_core::booking::book::ErrandKind;
use jiff::{SignedDuration, Timestamp};

use super::carrier::Outcome;
use crate::store::{Due, Room, Settlement};

/// The first repetition, and the longest wait for one.
const FIRST: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_hours(1);
/// A service that asks for more than a day is not waited for so long.
const LONGEST_ASKED: Duration = Duration::from_hours(24);
/// Attempts until an errand is given up: about three days of a service that is away, whatever the clock says.
const MOST: u32 = 80;
/// Characters of what came of an attempt, at most.
const NOTE: usize = 300;

/// How many errands of a kind are carried out at once: a slow mail server holds up no calendar.
pub fn at_once(kind: ErrandKind) -> usize {
    match kind {
        ErrandKind::Calendar => 4,
        ErrandKind::Mail | ErrandKind::Sms | ErrandKind::Reminder | ErrandKind::Message => 2,
    }
}

/// How many of each kind may still be begun beside those that are carried out.
pub fn room(carried: &[ErrandKind]) -> Room {
    ErrandKind::ALL.map(|kind| at_once(kind).saturating_sub(carried.iter().filter(|other| **other == kind).count()))
}

/// What follows from the end of an attempt at `now`. The jitter comes from the errand's number and the attempt, so that
/// those which failed together are not tried together.
pub fn settlement(due: &Due, outcome: Outcome, now: Timestamp) -> Settlement {
    match outcome {
        Outcome::Done { note } => Settlement::Done(plain(&note)),
        Outcome::Dead { why } => Settlement::Dead(plain(&why)),
        Outcome::Retry { why, after } => again(due, &why, after, false, now),
        Outcome::Unsure { why, after } => again(due, &why, after, true, now),
    }
}

fn again(due: &Due, why: &str, after: Option<Duration>, unsure: bool, now: Timestamp) -> Settlement {
    if due.attempt >= MOST {
        return Settlement::Dead(plain(&format!("given up after {} attempts: {why}", due.attempt)));
    }
    let asked = after.unwrap_or_default().min(LONGEST_ASKED);
    let wait = SignedDuration::try_from(wait(due).max(asked)).unwrap_or(SignedDuration::from_hours(1));
    Settlement::Again { at: now.saturating_add(wait).unwrap_or(Timestamp::MAX), why: plain(why), unsure }
}

fn wait(due: &Due) -> Duration {
    let seed = due.id.unsigned_abs() ^ u64::from(due.attempt) << 32;
    let tries = due.attempt.saturating_sub(1).min(16) as usize;
    // The same delays as the iterator's, without keeping one for each errand over the daemon's restarts.
    Backoff::new(FIRST, LONGEST, seed).nth(tries).unwrap_or(LONGEST)
}

/// One line of a note that people read: what a service answered may have anything in it.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(NOTE).collect()
}

#[cfg(test)]
mod tests {
    use frontdesk_core::booking::appointment::AppointmentId;
    use frontdesk_core::booking::book::Errand;
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn attempt(id: i64, attempt: u32) -> Due {
        Due { id, key: "k".to_owned(), errand: Errand::Mail(AppointmentId(1)), attempt, unsure: false }
    }

    fn failed(due: &Due, after: Option<Duration>) -> Settlement {
        settlement(due, Outcome::Retry { why: "away".to_owned(), after }, NOW)
    }

    fn wait_after(due: &Due, after: Option<Duration>) -> f64 {
        let Settlement::Again { at, .. } = failed(due, after) else { panic!("given up") };
        at.duration_since(NOW).as_secs_f64()
    }

    #[test]
    fn waits_double_up_to_an_hour_and_do_not_march() {
        for (n, base) in [(1, 30.0), (2, 60.0), (3, 120.0), (8, 3_600.0), (MOST - 1, 3_600.0)] {
            let waited = wait_after(&attempt(7, n), None);
            assert!((base * 0.8..=base * 1.2).contains(&waited), "{waited} s after attempt {n}");
        }
        assert!((wait_after(&attempt(7, 1), None) - wait_after(&attempt(8, 1), None)).abs() > 0.001);
    }

    #[test]
    fn a_service_that_asks_for_time_is_given_it_but_no_more_than_a_day() {
        let minute = wait_after(&attempt(7, 1), Some(Duration::from_mins(5)));
        let week = wait_after(&attempt(7, 1), Some(Duration::from_hours(24 * 7)));
        assert_eq!((minute, week), (300.0, 86_400.0));
        let unsure = Outcome::Unsure { why: "503".to_owned(), after: Some(Duration::from_mins(5)) };
        let Settlement::Again { at, unsure: true, .. } = settlement(&attempt(7, 1), unsure, NOW) else {
            panic!("sure")
        };
        assert_eq!(at.duration_since(NOW), SignedDuration::from_mins(5), "also where it may have been done");
        assert!(wait_after(&attempt(7, 5), Some(Duration::from_secs(1))) > 100.0, "a second is not enough by then");
    }

    #[test]
    fn after_days_of_trying_it_is_given_up_with_the_last_reason() {
        assert!(matches!(failed(&attempt(7, MOST - 1), None), Settlement::Again { .. }));
        assert_eq!(failed(&attempt(7, MOST), None), Settlement::Dead("given up after 80 attempts: away".to_owned()));
        let (hours, first) = (wait_after(&attempt(1, 20), None) / 3_600.0, 0.8);
        assert!(hours * f64::from(MOST) > 60.0 * first, "a weekend without a network is survived");
    }

    #[test]
    fn what_a_service_answers_is_one_short_line() {
        let why = format!("no\r\n\u{1b}[2J{}", "x".repeat(1_000));
        let Settlement::Dead(note) = settlement(&attempt(1, 1), Outcome::Dead { why }, NOW) else { panic!("alive") };
        assert!(note.starts_with("no   [2Jx") && note.chars().count() == NOTE, "{note}");
    }

    proptest! {
        #[test]
        fn no_kind_is_carried_out_more_often_at_once_than_it_may(carried in prop::collection::vec(0..5_usize, 0..20)) {
            let carried: Vec<_> = carried.into_iter().map(|n| ErrandKind::ALL[n]).collect();
            for (kind, room) in ErrandKind::ALL.into_iter().zip(room(&carried)) {
                let runs = carried.iter().filter(|other| **other == kind).count();
                prop_assert_eq!(room, at_once(kind).max(runs) - runs);
            }
        }
    }
}
