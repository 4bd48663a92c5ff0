//! What an answer that is an error means (Google's guide to errors of the Calendar API, November 2026).

use serde::Deserialize;

use super::shown;

/// Why something was not done, sorted by what would help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The token is worn out or withdrawn: another one is tried once.
    Token,
    /// The account has not been given this right by a person.
    Consent,
    /// The API is switched off in the account's project.
    NotEnabled,
    /// The calendar is not shared with the account for this.
    NotShared,
    /// It is there no more, or never was; with 404 it may also be out of our sight.
    Missing,
    /// It was there and is deleted; of a list: what is asked for reaches further back than Google remembers.
    Gone,
    /// The id is or was used by another entry.
    Duplicate,
    /// Somebody has changed it since.
    Stale,
    /// Too much at once, or Google's own trouble: it passes.
    Passing,
    /// So much that more would only prolong it: an hour's rest.
    Exhausted,
    /// No answer of this API's.
    Elsewhere,
    /// A mistake of ours.
    Ours,
}

/// The meaning of a status that is no success, with the body that came with it.
pub fn refusal(status: u16, body: &str) -> Refusal {
    match status {
        401 => Refusal::Token,
        403 => forbidden(&reason(body)),
        404 => Refusal::Missing,
        409 => Refusal::Duplicate,
        410 => Refusal::Gone,
        412 => Refusal::Stale,
        408 | 425 | 429 | 500..=599 => Refusal::Passing,
        200..=399 | 405 | 407 | 451 => Refusal::Elsewhere,
        _ => Refusal::Ours,
    }
}

fn forbidden(reason: &str) -> Refusal {
    match reason {
        "rateLimitExceeded" | "userRateLimitExceeded" | "RATE_LIMIT_EXCEEDED" => Refusal::Passing,
        "quotaExceeded" | "dailyLimitExceeded" | "RESOURCE_EXHAUSTED" => Refusal::Exhausted,
        "insufficientPermissions" | "ACCESS_TOKEN_SCOPE_INSUFFICIENT" => Refusal::Consent,
        "accessNotConfigured" | "SERVICE_DISABLED" => Refusal::NotEnabled,
        // We never name guests.
        "forbiddenForServiceAccounts" => Refusal::Ours,
        // No word of Google's: somebody between us does not let us through.
        "" => Refusal::Elsewhere,
        _ => Refusal::NotShared,
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Raw {
    error: RawError,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawError {
    errors: Vec<RawReason>,
    details: Vec<RawReason>,
    status: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawReason {
    reason: Option<String>,
}

/// Google's word for it; empty if the body is not Google's. A letter, a digit or `_` each, and short: fit for a log.
///
/// A proxy may answer with a page of its own: that is no error here.
pub fn reason(body: &str) -> String {
    let RawError { errors, details, status } = serde_json::from_str::<Raw>(body).unwrap_or_default().error;
    let first = |list: Vec<RawReason>| list.into_iter().find_map(|one| one.reason);
    let reason = first(errors).or_else(|| first(details)).or(status).unwrap_or_default();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if reason.chars().all(is_word) { shown(&reason) } else { String::new() }
}

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod tests;
