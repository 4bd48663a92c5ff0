//! What may come of asking a calendar server.

use std::time::Duration;

use frontdesk_core::caldav::ReadError;
use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// A server that asks for more patience than this is tried again all the same: staff wait for the entry.
const MOST_PATIENCE: Duration = Duration::from_hours(1);

/// Why a calendar was not read or written. The texts name no patient and repeat no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalError {
    /// The server's or the network's trouble, which passes.
    #[error("the calendar server cannot be used right now: {found}; it is tried again")]
    Retry {
        /// What was met.
        found: String,
        /// When the server wants to be asked again; never more than an hour.
        after: Option<Duration>,
    },
    /// A person must give us access, again or at all.
    #[error("the calendar server does not let us in: {0}")]
    NeedsConsent(String),
    /// Our configuration, or the calendar at its server, is not set up for this.
    #[error("the calendar is not set up: {0}")]
    Config(String),
    /// Staff's change holds, ours was not written.
    #[error("somebody has changed the appointment in the calendar: theirs holds, read the changes first")]
    Conflict,
    /// Staff have deleted it.
    #[error("somebody has deleted the appointment from the calendar: it counts as cancelled by the clinic")]
    NotFound,
    /// The server's answer does not tell.
    #[error("what is in the calendar is not known: {0}")]
    Unknown(String),
    /// Ours.
    #[error("the calendar server does not understand us ({0}): that is a mistake of this program, please report it")]
    Bug(String),
}

/// Whether and when it makes sense to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Not before that time has passed.
    After(Duration),
    /// With growing delays.
    Later,
    /// Not by itself: something must be decided first.
    Never,
}

impl CalError {
    /// Whether and when it makes sense to try the same again. A person may mend what keeps us out at any time, so that
    /// is tried again too, but it is not news.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Retry { after: Some(after), .. } => Retry::After(*after),
            Self::Retry { after: None, .. } | Self::Unknown(_) | Self::NeedsConsent(_) | Self::Config(_) => {
                Retry::Later
            }
            Self::Conflict | Self::NotFound | Self::Bug(_) => Retry::Never,
        }
    }
}

impl From<ReadError> for CalError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Elsewhere { .. } => Self::Config(format!(
                "{error}; passwords are sent to one host only: write the address that it uses now into [calendar] url"
            )),
            ReadError::Part(_) => Self::Retry { found: error.to_string(), after: None },
            ReadError::Zone { .. } | ReadError::Recurrence { .. } => {
                Self::Unknown(format!("{error}; change that entry in the calendar, or delete it"))
            }
            ReadError::Xml { .. } | ReadError::Shape(_) | ReadError::Calendar(_) => Self::Unknown(error.to_string()),
        }
    }
}

/// Reads `Retry-After`: seconds, or a date (RFC 9110, 10.2.3). `None` if it is neither; no more than an hour.
pub(super) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let wanted = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else {
        let until = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        until.duration_since(now).try_into().unwrap_or(Duration::ZERO)
    };
    Some(wanted.min(MOST_PATIENCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_asked_for_in_seconds_or_until_a_time() {
        let now = "2026-11-27T01:00:00Z".parse().unwrap();
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Fri, 27 Nov 2026 01:02:00 GMT", Some(120)),
            ("Fri, 27 Nov 2026 00:00:00 GMT", Some(0)),
            ("99999999", Some(3_600)),
            ("soon", None),
            ("-5", None),
            ("", None),
        ] {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn what_somebody_must_decide_is_not_tried_again() {
        assert_eq!(CalError::Conflict.retry(), Retry::Never);
        let patient = CalError::Retry { found: String::new(), after: Some(Duration::from_secs(5)) };
        assert_eq!(patient.retry(), Retry::After(Duration::from_secs(5)));
        assert_eq!(CalError::Unknown(String::new()).retry(), Retry::Later);
    }
}
