//! `clock`: a box without a battery wakes up in the past, and nobody trusts a certificate that is not valid yet.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};

use super::finding::Finding;
use super::system::{self, System};

/// Certificates bear that much.
const BEARABLE: SignedDuration = SignedDuration::from_secs(30);
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);
/// No box had this program before.
const EARLIEST: &str = "2026-11-01T00:00:00Z";

/// What is known of the time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Facts {
    pub(super) now: Timestamp,
    /// The system has set its clock by a server.
    pub(super) synchronised: Option<bool>,
    /// Somebody is to do so.
    pub(super) service: Option<bool>,
    /// By how much a server on the network is ahead of us.
    pub(super) ahead: Option<SignedDuration>,
}

/// Asks the system, and the server at `base`, whose answer bears a date.
pub(super) async fn look(system: &System, http: Option<&reqwest::Client>, base: Option<&str>) -> Facts {
    let timedate =
        system::ask("timedatectl", &["show", "-p", "NTPSynchronized", "-p", "NTP"]).await.unwrap_or_default();
    let said = |key| system::property(&timedate, key).map(|value| value == "yes");
    let stamped = system.path("/run/systemd/timesync/synchronized").exists().then_some(true);
    let ahead = match (http, base) {
        (Some(http), Some(base)) => ahead_of_us(http, base).await,
        _ => None,
    };
    let synchronised = said("NTPSynchronized").filter(|known| *known).or(stamped).or(said("NTPSynchronized"));
    Facts { now: Timestamp::now(), synchronised, service: said("NTP"), ahead }
}

async fn ahead_of_us(http: &reqwest::Client, base: &str) -> Option<SignedDuration> {
    let answer = http.head(base).timeout(ANSWERS_WITHIN).send().await.ok()?;
    let date = answer.headers().get(http::header::DATE)?.to_str().ok()?.to_owned();
    let theirs = DateTimeParser::new().parse_timestamp(&date).ok()?;
    Some(theirs.duration_since(Timestamp::now()))
}

/// The check.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let earliest: Timestamp = EARLIEST.parse().expect("it is a time");
    let now = facts.now.strftime("%Y-%m-%d %H:%M UTC");
    let restart = "sudo timedatectl set-ntp true && sudo systemctl restart systemd-timesyncd";
    if facts.now < earliest {
        let what = format!("the clock says {now}, which is past: no certificate is valid then");
        return vec![Finding::wrong(what, restart)];
    }
    if let Some(ahead) = facts.ahead.filter(|ahead| ahead.abs() > BEARABLE) {
        let (by, way) = (ahead.abs().as_secs(), if ahead.is_positive() { "behind" } else { "ahead" });
        return vec![Finding::wrong(format!("the clock is {by} s {way} of the network's time"), restart)];
    }
    match (facts.synchronised, facts.service) {
        (Some(true), _) => vec![Finding::ok(format!("{now}, set by a time server"))],
        (Some(false), Some(false)) => {
            let what = format!("{now}, and nobody sets the clock by a time server");
            vec![Finding::advice(what, "sudo apt-get install systemd-timesyncd && sudo timedatectl set-ntp true")]
        }
        (Some(false), _) => {
            let what = format!("{now}, not yet set by a time server: port 123 of UDP may be closed");
            vec![Finding::advice(what, "timedatectl timesync-status")]
        }
        (None, _) if facts.ahead.is_some() => vec![Finding::ok(format!("{now}, as servers on the network say"))],
        (None, _) => vec![Finding::skipped(format!("{now}; nobody here knows whether that is right"))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::doctor::finding::Outcome;

    fn facts(now: &str, synchronised: Option<bool>, service: Option<bool>, ahead: Option<i64>) -> Facts {
        Facts { now: now.parse().unwrap(), synchronised, service, ahead: ahead.map(SignedDuration::from_secs) }
    }

    #[test]
    fn a_clock_is_right_or_it_is_told_why_not() {
        let now = "2027-01-01T12:00:00Z";
        for (facts, outcome, said) in [
            (facts(now, Some(true), Some(true), Some(1)), Outcome::Ok, "set by a time server"),
            (facts(now, None, None, Some(0)), Outcome::Ok, "servers on the network"),
            (facts(now, None, None, None), Outcome::Skipped, "nobody here knows"),
            (facts("1970-01-01T00:01:00Z", Some(true), None, None), Outcome::Wrong, "1970-01-01 00:01"),
            (facts(now, Some(true), None, Some(3_600)), Outcome::Wrong, "3600 s behind"),
            (facts(now, None, None, Some(-90)), Outcome::Wrong, "90 s ahead"),
            (facts(now, Some(false), Some(false), None), Outcome::Advice, "nobody sets the clock"),
            (facts(now, Some(false), Some(true), Some(2)), Outcome::Advice, "not yet set"),
        ] {
            let [finding] = &judge(&facts)[..] else { panic!("one") };
            assert!(finding.outcome == outcome && finding.what.contains(said), "{finding:?}");
            assert_eq!(finding.fix.is_some(), !matches!(outcome, Outcome::Ok | Outcome::Skipped), "{finding:?}");
        }
    }
}
