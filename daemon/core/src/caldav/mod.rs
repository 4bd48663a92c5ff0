//! CalDAV (RFC 4791, RFC 6578) without a socket: what is asked of a calendar server, and what its answers mean.
//!
//! ```text
//! request: bodies ──► (the shell's HTTP) ──► multistatus: hrefs, tags, iCalendar ──► object: entries ──► busy time
//!                          ▲                                                            │
//!                 address: where                                        zone, recur: when exactly
//! ```
//!
//! An answer that cannot be understood is a [`ReadError`], never a calendar without entries: somebody would be promised a
//! time that is taken. Facts about servers were seen with Radicale 3.9 (November 2026) unless they name another.
//!
//! - [`request`]: bodies of requests. [`multistatus`]: the answers' XML. [`address`]: hrefs and redirects.
//! - [`mod@line`]: content lines of iCalendar (RFC 5545). [`object`]: entries and the time that they take.
//! - [`zone`]: which zone a name means. [`recur`]: recurrence rules.

pub mod address;
pub mod line;
pub mod multistatus;
pub mod object;
pub mod recur;
pub mod request;
mod windows;
pub mod zone;

use jiff::civil::Date;

/// Why an answer of a calendar server does not tell what is in the calendar. The texts repeat nothing that somebody wrote
/// into an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Not XML, or XML with a document type, which no WebDAV server sends: another server's page, or half an answer.
    #[error("the answer is not XML of a calendar server (line {line}, column {column})")]
    Xml {
        /// From 1.
        line: u32,
        /// From 1.
        column: u32,
    },
    /// XML of something else, or with a part missing.
    #[error("the answer is XML, but {0}")]
    Shape(&'static str),
    /// The server could not say one part of what was asked.
    #[error("the server has left out a part of the answer (status {0})")]
    Part(u16),
    /// An address that is none, or that lies on another host, to which the password is not sent.
    #[error("the server names an address that is not its own{}", host.as_ref().map_or_else(String::new, |host| format!(", on {host}")))]
    Elsewhere {
        /// The other host, if it is an address at all.
        host: Option<String>,
    },
    /// Not iCalendar.
    #[error("an entry is not iCalendar: {0}")]
    Calendar(&'static str),
    /// A time in a zone that nobody knows.
    #[error("an entry of {on} is meant in the time zone {name:?}, which is not known")]
    Zone {
        /// Its name, cut if it is long.
        name: String,
        /// The day on which it begins.
        on: Date,
    },
    /// A recurrence that cannot be worked out here.
    #[error("the recurring entry that begins on {on} cannot be worked out: {what}")]
    Recurrence {
        /// What is in the way.
        what: &'static str,
        /// The day on which it begins.
        on: Date,
    },
}
