//! What Gmail's answers mean for a letter, by what was asked.
//!
//! ```text
//! Account ─► Look ─► Draft ─► Send
//! └─ nothing was sent: try again ┘  └ nobody knows, unless the draft tells
//! ```
//!
//! Source: the machine-readable definition of the Gmail API v1 (revision 20261005) and Google's guide to its errors, read in
//! November 2026.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::Sent;

/// Google's limit for a mailbox or a project is counted by the day; asked every hour, it is noticed when it is over.
const A_DAYS_LIMIT: Duration = Duration::from_hours(1);
/// Letters of a reason that are repeated; Google's longest has 33.
const LONGEST_REASON: usize = 40;
/// Google writes the time at which it may be asked again into its sentence.
const RETRY_AFTER: &str = "Retry after ";
/// What would do if we are not let in, whoever we are.
const LOG_IN: &str = "log in again (frontdeskctl google login), or make a new key for the service account";

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Whose mailbox it is, and what it may send as.
    Account,
    /// Whether the letter was sent before.
    Look,
    /// To keep the letter as a draft.
    Draft,
    /// To send it. From here on it may have been taken, whatever is seen here.
    Send,
}

/// What came instead of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nobody answers there: nothing was asked.
    Unreachable,
    /// The connection was cut.
    Cut,
    /// Nothing came in time.
    Silence,
    /// Something accepted it that does not speak as Gmail does.
    Strange,
}

/// What is known of a letter whose sending has no clear end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// Nothing can be seen in the mailbox.
    None,
    /// The mailbox will show at the next attempt whether it was sent.
    Kept,
}

/// An answer that refuses, in Google's words; read from anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Google's word for the reason, such as `insufficientPermissions`; empty if the answer is none of Google's.
    pub reason: String,
    /// Google's sentence. It may hold addresses and is not repeated.
    message: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Document {
    error: Error,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Error {
    message: String,
    status: String,
    errors: Vec<Reason>,
    details: Vec<Reason>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Reason {
    reason: String,
}

impl Refusal {
    /// Reads an answer's body: Google's document in its older or newer shape, a proxy's page, or nothing.
    pub fn read(status: u16, body: &[u8]) -> Self {
        let Document { error } = serde_json::from_slice(body).unwrap_or_default();
        let first =
            |reasons: Vec<Reason>| reasons.into_iter().map(|named| named.reason).find(|reason| !reason.is_empty());
        let reason = first(error.errors).or_else(|| first(error.details)).unwrap_or(error.status);
        let is_a_word = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
        let reason = reason.chars().take_while(is_a_word).take(LONGEST_REASON).collect();
        Self { status, reason, message: error.message }
    }

    /// Whether our token does not reach that far: the same may be asked in another way.
    pub fn lacks_right(&self) -> bool {
        self.status == 403 && matches!(&*self.reason, "insufficientPermissions" | "ACCESS_TOKEN_SCOPE_INSUFFICIENT")
    }

    /// How long Google wants to be left alone, by its sentence: `… Retry after 2026-11-21T10:15:00.000Z`.
    fn patience(&self, now: Timestamp) -> Option<Duration> {
        let (_, text) = self.message.split_once(RETRY_AFTER)?;
        let time: Timestamp = text.split_whitespace().next()?.trim_end_matches(['.', ')']).parse().ok()?;
        Some(time.duration_since(now).try_into().unwrap_or(Duration::ZERO))
    }
}

/// What a refusal means. `after` is what the header `Retry-After` asks for.
///
/// A status that may come after Gmail has taken the letter leaves it open, where sending was asked.
pub fn refused(step: Step, refusal: &Refusal, after: Option<Duration>, trace: Trace, now: Timestamp) -> Sent {
    let space = if refusal.reason.is_empty() { "" } else { " " };
    let said = format!("Gmail answered HTTP {}{space}{}", refusal.status, refusal.reason);
    let because = |why: &str| format!("{said}: {why}");
    let later = |after| Sent::Retry { why: because("too many at a time"), after };
    match (refusal.status, &*refusal.reason) {
        (401, _) => Sent::Misconfigured(because(LOG_IN)),
        (403, "rateLimitExceeded" | "userRateLimitExceeded") | (429, _) => {
            later(after.or_else(|| refusal.patience(now)))
        }
        (403, "dailyLimitExceeded" | "quotaExceeded") => {
            Sent::Retry { why: because("the day's limit is reached"), after: Some(A_DAYS_LIMIT) }
        }
        (403, _) => Sent::Misconfigured(because(forbidden(refusal))),
        (400, "failedPrecondition" | "FAILED_PRECONDITION") => {
            Sent::Misconfigured(because("the account has no mailbox, or the service account may not act for it"))
        }
        (400, _) if step == Step::Send || step == Step::Draft => {
            Sent::Rejected(because("it takes no letter to that address, or not this letter"))
        }
        (413, _) => Sent::Rejected(because("the letter is too large")),
        (404 | 300..=399, _) => Sent::Misconfigured(because("that is not Gmail's: check [google] endpoint")),
        (500..=599, _) if step == Step::Send => open(said, after, trace),
        (408 | 500..=599, _) => Sent::Retry { why: said, after },
        _ => Sent::Misconfigured(because("that is a mistake of this program, or not Gmail's: please report it")),
    }
}

fn forbidden(refusal: &Refusal) -> &'static str {
    match &*refusal.reason {
        _ if refusal.lacks_right() => {
            "access was given without the right to send mail: log in again (frontdeskctl google login), or have that right \
             delegated to the service account"
        }
        "domainPolicy" => "the administrator of the clinic's domain does not allow it",
        "accessNotConfigured" | "SERVICE_DISABLED" => "switch on the Gmail API in the project of the client or key",
        _ => "the account may not do this",
    }
}

/// What it means that no answer came.
pub fn failed(step: Step, fault: Fault, trace: Trace) -> Sent {
    let why = match fault {
        Fault::Unreachable => "Gmail cannot be reached",
        Fault::Cut => "Gmail's answer was lost",
        Fault::Silence => "Gmail did not answer in time",
        Fault::Strange => "what answered is not Gmail's: check [google] endpoint, or what stands before Google",
    };
    if step == Step::Send && fault != Fault::Unreachable {
        return open(why.to_owned(), None, trace);
    }
    if fault == Fault::Strange {
        return Sent::Misconfigured(why.to_owned());
    }
    Sent::Retry { why: why.to_owned(), after: None }
}

fn open(why: String, after: Option<Duration>, trace: Trace) -> Sent {
    match trace {
        Trace::None => Sent::Unknown(why),
        Trace::Kept => Sent::Open { why, after },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    /// An answer in the shape that Google's older services have.
    fn says(status: u16, reason: &str, message: &str) -> Refusal {
        let document = json!({ "error": {
            "code": status, "message": message, "errors": [{ "domain": "global", "reason": reason, "message": message }],
        } });
        Refusal::read(status, document.to_string().as_bytes())
    }

    fn class(sent: &Sent) -> &'static str {
        match sent {
            Sent::Done { .. } | Sent::Moot(_) => "fine",
            Sent::Retry { .. } => "retry",
            Sent::Misconfigured(_) => "misconfigured",
            Sent::Rejected(_) => "rejected",
            Sent::Unknown(_) => "unknown",
            Sent::Open { .. } => "open",
        }
    }

    #[test]
    fn a_refusal_says_whose_fault_it_is_and_whether_to_try_again() {
        for (status, reason, expected) in [
            (400, "invalidArgument", "rejected"),
            (400, "failedPrecondition", "misconfigured"),
            (401, "authError", "misconfigured"),
            (403, "insufficientPermissions", "misconfigured"),
            (403, "domainPolicy", "misconfigured"),
            (403, "accessNotConfigured", "misconfigured"),
            (403, "rateLimitExceeded", "retry"),
            (403, "userRateLimitExceeded", "retry"),
            (403, "dailyLimitExceeded", "retry"),
            (404, "notFound", "misconfigured"),
            (302, "", "misconfigured"),
            (413, "", "rejected"),
            (429, "rateLimitExceeded", "retry"),
            (500, "backendError", "unknown"),
            (503, "backendError", "unknown"),
            (418, "", "misconfigured"),
        ] {
            let sent = refused(Step::Send, &says(status, reason, "no"), None, Trace::None, NOW);
            assert_eq!(class(&sent), expected, "{status} {reason}: {sent:?}");
        }
    }

    #[test]
    fn only_a_letter_that_was_to_be_sent_may_have_been() {
        for step in [Step::Account, Step::Look, Step::Draft, Step::Send] {
            let (down, sent) = (says(503, "backendError", "no"), step == Step::Send);
            for (trace, open) in [(Trace::None, "unknown"), (Trace::Kept, "open")] {
                let expected = if sent { open } else { "retry" };
                assert_eq!(class(&refused(step, &down, None, trace, NOW)), expected, "{step:?}");
                assert_eq!(class(&failed(step, Fault::Cut, trace)), expected, "{step:?}");
                assert_eq!(class(&failed(step, Fault::Silence, trace)), expected, "{step:?}");
                let strange = if sent { open } else { "misconfigured" };
                assert_eq!(class(&failed(step, Fault::Strange, trace)), strange, "{step:?}");
                assert_eq!(class(&failed(step, Fault::Unreachable, trace)), "retry", "{step:?}");
            }
        }
    }

    #[test]
    fn a_limit_is_waited_for_as_long_as_google_says() {
        let waits = |refusal: &Refusal, header| match refused(Step::Send, refusal, header, Trace::None, NOW) {
            Sent::Retry { after, .. } => after,
            sent => panic!("{sent:?}"),
        };
        let said = says(429, "rateLimitExceeded", "User-rate limit exceeded.  Retry after 1970-01-01T00:15:00.000Z");
        assert_eq!(waits(&said, None), Some(Duration::from_mins(15)));
        assert_eq!(waits(&said, Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        let past = says(429, "", "Retry after 1969-01-01T00:00:00Z");
        assert_eq!(waits(&past, None), Some(Duration::ZERO));
        assert_eq!(waits(&says(429, "", "Retry after lunch"), None), None);
        let (down, wanted) = (says(503, "backendError", "no"), Some(Duration::from_mins(2)));
        let open = refused(Step::Send, &down, wanted, Trace::Kept, NOW);
        assert!(matches!(open, Sent::Open { after, .. } if after == wanted), "{open:?}");
        assert_eq!(waits(&says(403, "dailyLimitExceeded", "no"), None), Some(Duration::from_hours(1)));
    }

    #[test]
    fn the_newer_shape_names_its_reason_elsewhere_and_a_missing_right_is_told_in_both() {
        let newer = json!({ "error": { "code": 403, "status": "PERMISSION_DENIED", "details": [
            { "@type": "type.googleapis.com/google.rpc.Help" },
            { "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT" },
        ] } });
        let newer = Refusal::read(403, newer.to_string().as_bytes());
        for refusal in [newer, says(403, "insufficientPermissions", "no")] {
            assert!(refusal.lacks_right(), "{refusal:?}");
            let sent = refused(Step::Send, &refusal, None, Trace::None, NOW);
            let both = |why: &str| why.contains("google login") && why.contains("service account");
            assert!(matches!(&sent, Sent::Misconfigured(why) if both(why)), "{sent:?}");
        }
        let bare = Refusal::read(403, br#"{"error":{"status":"PERMISSION_DENIED"}}"#);
        assert_eq!((&*bare.reason, bare.lacks_right()), ("PERMISSION_DENIED", false));
    }

    proptest! {
        #[test]
        fn no_answer_panics_and_nothing_of_it_is_repeated_but_one_word(
            status in 100_u16..600, body in prop::collection::vec(any::<u8>(), 0..200), text in any::<String>(),
        ) {
            let named = says(status, &format!("word{text}"), &format!("ana@example.org Retry after {text}"));
            for refusal in [named, Refusal::read(status, &body)] {
                for step in [Step::Account, Step::Look, Step::Draft, Step::Send] {
                    if let Sent::Retry { why, .. } | Sent::Misconfigured(why) | Sent::Rejected(why) | Sent::Unknown(why)
                        | Sent::Open { why, .. } = refused(step, &refusal, None, Trace::None, NOW)
                    {
                        prop_assert!(!why.contains('@') && !why.contains(char::is_control) && why.len() < 200, "{why}");
                    }
                }
            }
        }
    }
}
