//! What may come of asking a calendar server.

use std::time::Duration;

use frontdesk_core::caldav::ReadError;
use frontdesk_core::caldav::object::Taken;
use frontdesk_core::google;

use crate::google::AccessError;

/// A server that asks for more patience than this is tried again all the same: staff wait for the entry.
pub(super) const MOST_PATIENCE: Duration = Duration::from_hours(1);

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
    /// One of a practitioner's calendars does not tell, another has.
    #[error("{why}")]
    Partly {
        /// What that other says of when they are busy.
        known: Vec<Taken>,
        /// What is wrong with the one.
        why: Box<CalError>,
    },
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
            Self::Partly { why, .. } => why.retry(),
        }
    }

    /// What is known of when somebody is busy, although not all is.
    pub fn known(self) -> Vec<Taken> {
        match self {
            Self::Partly { known, .. } => known,
            _ => Vec::new(),
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

impl From<google::ReadError> for CalError {
    fn from(error: google::ReadError) -> Self {
        match error {
            google::ReadError::Event(_) | google::ReadError::Zone(_) => {
                Self::Unknown(format!("{error}; change that entry in the calendar, or delete it"))
            }
            google::ReadError::Json { .. } | google::ReadError::Shape(_) | google::ReadError::Silent(_) => {
                Self::Unknown(error.to_string())
            }
        }
    }
}

impl From<AccessError> for CalError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::NeedsConsent(why) => Self::NeedsConsent(why),
            AccessError::Config(why) => Self::Config(why),
            AccessError::Retry { found } => Self::Retry { found, after: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_must_decide_is_not_tried_again() {
        assert_eq!(CalError::Conflict.retry(), Retry::Never);
        let patient = CalError::Retry { found: String::new(), after: Some(Duration::from_secs(5)) };
        assert_eq!(patient.retry(), Retry::After(Duration::from_secs(5)));
        assert_eq!(CalError::Unknown(String::new()).retry(), Retry::Later);
    }
}
