//! What a close of the service means, and what to do about it.
//!
//! The Live API has no error message: every refusal is a close code and a reason cut at 123 bytes. Codes are coarse, so
//! the reason's words decide. The table is the collected experience of public issue trackers, 2025 to November 2026.

use std::fmt;

/// What the connection was doing when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before `setupComplete`, without a handle.
    FreshSetup,
    /// Before `setupComplete`, with a handle.
    Resuming,
    /// Afterwards.
    Talking,
}

/// What to do about a close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Configuration or account: trying again changes nothing. Tell a technician.
    Fail,
    /// The handle is worthless: connect without it at once and tell the model what was said.
    Fresh,
    /// Try again with the handle, after a back-off.
    Retry,
    /// The quota is used up: other calls will meet it too.
    Quota,
    /// A text that is not in the table: try again, but not for ever.
    Unknown,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// The WebSocket close code; 1006 when the connection just broke.
    pub code: u16,
    /// The service's words, possibly cut.
    pub reason: String,
}

impl Close {
    /// A connection that broke without a word.
    pub fn broken(reason: impl Into<String>) -> Self {
        Self { code: 1006, reason: reason.into() }
    }

    /// What to do about it.
    pub fn verdict(&self, phase: Phase) -> Verdict {
        let reason = self.reason.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
        match self.code {
            1007 => invalid(&says, phase),
            1008 => policy(&says, phase),
            1011 | 1013 if says(&["quota", "resource_exhausted", "overloaded", "too_many"]) => Verdict::Quota,
            1000 | 1001 | 1005 | 1006 | 1011 | 1013 => Verdict::Retry,
            // Too large a message for some library's limit: the next one will be too.
            1009 => Verdict::Fail,
            _ => Verdict::Unknown,
        }
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reason.is_empty() {
            return write!(f, "close {}", self.code);
        }
        write!(f, "close {}: {}", self.code, self.reason)
    }
}

/// 1007: something we sent, or the credential.
fn invalid(says: &impl Fn(&[&str]) -> bool, phase: Phase) -> Verdict {
    if says(&["session handle"]) {
        return Verdict::Fresh;
    }
    if says(&["api key", "auth token", "access_token", "location is not supported", "not supported for this model"]) {
        return Verdict::Fail;
    }
    if says(&["precondition check failed"]) {
        return Verdict::Retry;
    }
    match phase {
        // Whatever is wrong with it, the same setup without the handle deserves one try.
        Phase::Resuming | Phase::Talking => Verdict::Fresh,
        Phase::FreshSetup => Verdict::Fail,
    }
}

/// 1008: the model, the session, or access.
fn policy(says: &impl Fn(&[&str]) -> bool, phase: Phase) -> Verdict {
    if says(&["session not found"]) {
        return Verdict::Fresh;
    }
    if says(&["requested entity was not found"]) {
        return if phase == Phase::FreshSetup { Verdict::Fail } else { Verdict::Fresh };
    }
    if says(&[
        "is not found for api version",
        "publisher model",
        "permission",
        "denied",
        "suspended",
        "has not been used",
    ]) {
        return Verdict::Fail;
    }
    if says(&["operation was aborted"]) {
        return Verdict::Retry;
    }
    match phase {
        Phase::FreshSetup => Verdict::Fail,
        // "Operation is not implemented, or supported, or enabled." comes in mid-session around tool calls.
        Phase::Resuming | Phase::Talking => Verdict::Unknown,
    }
}

/// Why a connection could not be opened at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectFailure {
    /// The upgrade was answered with another status than 101.
    #[error("the service answered the WebSocket upgrade with HTTP {status}")]
    Http {
        /// The status.
        status: u16,
    },
    /// No credential, or none that could be had.
    #[error("no access: {0}")]
    Credential(String),
    /// Name resolution, TCP, TLS or a time-out.
    #[error("no connection: {0}")]
    Network(String),
}

impl ConnectFailure {
    /// What to do about it.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Http { status: 429 } => Verdict::Quota,
            Self::Http { status: 500..=599 } | Self::Network(_) => Verdict::Retry,
            // 401 and 403 have been tried again with a fresh token by whoever holds the credential.
            Self::Http { .. } | Self::Credential(_) => Verdict::Fail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Phase::{FreshSetup, Resuming, Talking};
    use Verdict::{Fail, Fresh, Quota, Retry, Unknown};

    #[test]
    fn every_known_close_is_classified() {
        let table: &[(u16, &str, Phase, Verdict)] = &[
            (1000, "", Talking, Retry),
            (1001, "", Talking, Retry),
            (1006, "connection reset", Talking, Retry),
            (1007, "Request contains an invalid argument.", FreshSetup, Fail),
            (1007, "Request contains an invalid argument.", Resuming, Fresh),
            (1007, "Request contains an invalid argument.", Talking, Fresh),
            (1007, "Invalid JSON payload received. Unknown name \"x\" at 'setup'", FreshSetup, Fail),
            (1007, "Precondition check failed.", Talking, Retry),
            (1007, "API key not valid. Please pass a valid API key.", Resuming, Fail),
            (1007, "API key expired. Please renew the API key.", FreshSetup, Fail),
            (1007, "User location is not supported for the API use.", FreshSetup, Fail),
            (1007, "Thinking level is not supported for this model", Resuming, Fail),
            (1007, "Invalid session handle", Resuming, Fresh),
            (1008, "models/x is not found for API version v1beta, or is not supported", FreshSetup, Fail),
            (1008, "Publisher model `x` was not found", FreshSetup, Fail),
            (1008, "Operation is not implemented, or supported, or enabled.", FreshSetup, Fail),
            (1008, "Operation is not implemented, or supported, or enabled.", Talking, Unknown),
            (1008, "The operation was aborted.", Talking, Retry),
            (1008, "BidiGenerateContent session not found", Resuming, Fresh),
            (1008, "Requested entity was not found.", Resuming, Fresh),
            (1008, "Requested entity was not found.", FreshSetup, Fail),
            (1009, "too big", Talking, Fail),
            (1011, "Internal error encountered.", Talking, Retry),
            (1011, "The service is currently unavailable.", Talking, Retry),
            (1011, "Deadline expired before operation could complete.", Talking, Retry),
            (1011, "You exceeded your current quota, please check your plan", FreshSetup, Quota),
            (1011, "RESOURCE_EXHAUSTED", Talking, Quota),
            (4029, "", Talking, Unknown),
        ];
        for &(code, reason, phase, verdict) in table {
            let close = Close { code, reason: reason.to_owned() };
            assert_eq!(close.verdict(phase), verdict, "{close} while {phase:?}");
        }
    }

    #[test]
    fn failures_to_connect_are_classified() {
        assert_eq!(ConnectFailure::Http { status: 404 }.verdict(), Fail);
        assert_eq!(ConnectFailure::Http { status: 429 }.verdict(), Quota);
        assert_eq!(ConnectFailure::Http { status: 503 }.verdict(), Retry);
        assert_eq!(ConnectFailure::Network("timed out".into()).verdict(), Retry);
    }
}
