//! When a consent ends by itself, and when to say so.
//!
//! While an OAuth project's status is "Testing", Google ends what it grants after seven days; its answer says so in
//! `refresh_token_expires_in`, which is documented for other grants with an end (Google's OAuth 2.0 documentation,
//! November 2026).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::config::GooglePublishing;

const TESTING: SignedDuration = SignedDuration::from_hours(7 * 24);
/// From when on a person is told. Somebody must find time to come by.
const FORETOLD: SignedDuration = SignedDuration::from_hours(3 * 24);
/// How often.
const TOLD_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// When a consent of `consented_at` ends, as is known at `now`. What Google says, `lives`, counts more than what the
/// configuration says of the project.
pub(super) fn of(
    consented_at: Timestamp,
    now: Timestamp,
    lives: Option<Duration>,
    publishing: Option<GooglePublishing>,
) -> Option<Timestamp> {
    if let Some(lives) = lives {
        return now.checked_add(SignedDuration::try_from(lives).ok()?).ok();
    }
    (publishing == Some(GooglePublishing::Testing))
        .then(|| consented_at.saturating_add(TESTING).unwrap_or(Timestamp::MAX))
}

/// Whether it is time to say that a consent ends at `ends_at`, last said at `told`.
pub(super) fn is_due(ends_at: Timestamp, now: Timestamp, told: Option<Timestamp>) -> bool {
    // A clock that was set back must not silence it.
    let is_old = |told: Timestamp| now.duration_since(told).abs() >= TOLD_EVERY;
    ends_at.duration_since(now) <= FORETOLD && told.is_none_or(is_old)
}

/// How long until then, in words.
pub(super) fn words(ends_at: Timestamp, now: Timestamp) -> String {
    let left = ends_at.duration_since(now);
    match (left.as_hours() / 24, left.as_hours()) {
        (_, hours) if hours < 0 || left.is_negative() => "has ended".to_owned(),
        (0, 0) => "ends within the hour".to_owned(),
        (0, 1) => "ends in an hour".to_owned(),
        (0 | 1, hours) => format!("ends in {hours} hours"),
        (days, _) => format!("ends in {days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn what_google_says_counts_more_than_what_is_configured() {
        let (consented, now) = (at("2026-11-20T10:00:00Z"), at("2026-11-22T10:00:00Z"));
        let week = Some(Duration::from_secs(604_799));
        assert_eq!(of(consented, now, week, Some(GooglePublishing::Production)), Some(at("2026-11-29T09:59:59Z")));
        assert_eq!(of(consented, now, None, Some(GooglePublishing::Testing)), Some(at("2026-11-27T10:00:00Z")));
        assert_eq!(of(consented, now, None, Some(GooglePublishing::Production)), None);
        assert_eq!(of(consented, now, None, None), None);
        assert_eq!(of(consented, now, Some(Duration::MAX), None), None, "no clock shows that");
    }

    #[test]
    fn it_is_said_three_days_before_and_every_day_from_then_on() {
        let ends = at("2026-11-27T10:00:00Z");
        let due = |now: &str, told: Option<&str>| is_due(ends, at(now), told.map(at));
        assert!(!due("2026-11-24T09:00:00Z", None));
        assert!(due("2026-11-24T10:00:00Z", None));
        assert!(!due("2026-11-25T09:00:00Z", Some("2026-11-24T10:00:00Z")));
        assert!(due("2026-11-25T10:00:00Z", Some("2026-11-24T10:00:00Z")));
        assert!(due("2026-12-25T10:00:00Z", Some("2026-11-24T10:00:00Z")), "and after it");
        assert!(due("2026-11-25T10:00:00Z", Some("2027-11-24T10:00:00Z")), "the clock was set");
    }

    #[test]
    fn how_long_is_said_in_words() {
        let ends = at("2026-11-27T10:00:00Z");
        for (now, said) in [
            ("2026-11-27T10:00:01Z", "has ended"),
            ("2026-11-27T09:30:00Z", "ends within the hour"),
            ("2026-11-27T08:30:00Z", "ends in an hour"),
            ("2026-11-26T04:00:00Z", "ends in 30 hours"),
            ("2026-11-24T09:00:00Z", "ends in 3 days"),
        ] {
            assert_eq!(words(ends, at(now)), said, "{now}");
        }
    }
}
