//! Google Calendar (v3) without a socket: what is asked of it, and what its answers mean.
//!
//! ```text
//! query, entry: parameters, bodies ──► (the shell's HTTP) ──┬─► page, event: entries ──► busy time, what became of ours
//!                                                           ├─► free_busy: busy time alone
//!                                                           └─► refusal: whose fault it is
//! ```
//!
//! An answer that cannot be understood is a [`ReadError`], never a calendar without entries: somebody would be promised a
//! time that is taken. The facts are from Google's reference of the API and its guides (November 2026); what they leave
//! open is said where it matters.
//!
//! - [`event`]: entries. [`page`]: lists of them. [`entry`]: the entry that we write. [`query`]: what a list is asked for.
//! - [`free_busy`]: calendars that tell no more than when somebody is busy.
//! - [`refusal`]: answers that are errors.

pub mod entry;
pub mod event;
pub mod free_busy;
pub mod page;
pub mod query;
pub mod refusal;

use serde::Deserialize;

/// Characters of somebody else's word that an error repeats.
const SHOWN: usize = 40;

/// Why an answer of Google's does not tell what is in the calendar. The texts repeat nothing that somebody wrote into an
/// entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Not JSON, or not of this shape: another server's page, or half an answer.
    #[error("the answer is not what Google Calendar says (line {line}, column {column})")]
    Json {
        /// From 1.
        line: usize,
        /// From 1; 0 at the end of the text.
        column: usize,
    },
    /// JSON of something else, or with a part missing.
    #[error("the answer is JSON, but {0}")]
    Shape(&'static str),
    /// An entry that cannot be placed.
    #[error("an entry cannot be read: {0}")]
    Event(&'static str),
    /// A time in a zone that nobody knows.
    #[error("an entry is meant in the time zone {0:?}, which is not known")]
    Zone(String),
    /// A calendar does not tell when somebody is busy, and that is no free calendar.
    #[error(
        "a calendar does not say when it is busy (Google says {0:?}): share it with the account, or take it out of [calendar]"
    )]
    Silent(String),
}

/// Reads a document of Google's. What it does not name is passed over.
fn document<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, ReadError> {
    // The parser quotes what it did not expect: somebody's words.
    serde_json::from_str(text).map_err(|error| ReadError::Json { line: error.line(), column: error.column() })
}

/// The beginning of a word that is not ours, as an error may repeat it.
fn shown(word: &str) -> String {
    word.chars().filter(|c| !c.is_control()).take(SHOWN).collect()
}
