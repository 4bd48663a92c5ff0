//! What a check says.

use serde::Serialize;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::ctl) enum Outcome {
    /// As it should be.
    Ok,
    /// It works, and could be better.
    Advice,
    /// Somebody must do something.
    Wrong,
    /// It could not be looked at.
    Skipped,
}

impl Outcome {
    /// As it is shown, all as wide.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok     ",
            Self::Advice => "advice ",
            Self::Wrong => "WRONG  ",
            Self::Skipped => "skipped",
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::ctl) struct Finding {
    /// How it is.
    pub(in crate::ctl) outcome: Outcome,
    /// In a sentence.
    pub(in crate::ctl) what: String,
    /// The command that mends it, or what to do; null where nothing needs to be done.
    pub(in crate::ctl) fix: Option<String>,
}

impl Finding {
    pub(super) fn ok(what: impl Into<String>) -> Self {
        Self { outcome: Outcome::Ok, what: what.into(), fix: None }
    }

    pub(super) fn advice(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { outcome: Outcome::Advice, what: what.into(), fix: Some(fix.into()) }
    }

    pub(super) fn wrong(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { outcome: Outcome::Wrong, what: what.into(), fix: Some(fix.into()) }
    }

    pub(super) fn skipped(why: impl Into<String>) -> Self {
        Self { outcome: Outcome::Skipped, what: why.into(), fix: None }
    }

    pub(super) fn skipped_but(why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { outcome: Outcome::Skipped, what: why.into(), fix: Some(fix.into()) }
    }
}

/// `1 call`, `2 calls`.
pub(super) fn count(many: u64, one: &str) -> String {
    if many == 1 { format!("1 {one}") } else { format!("{many} {one}s") }
}
