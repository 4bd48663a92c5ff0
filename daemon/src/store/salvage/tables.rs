//! What is carried over, in the order in which one refers to the other; and how a row is told to be whole.
//!
//! How far the changes of an outside calendar are known is not carried over: all of it is looked at anew.

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::store::book::salvage as book;

/// One table.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) rows: Rows,
    /// Reads the row of that number in the new file as the daemon does; nothing where the constraints of the columns are
    /// enough.
    pub(super) is_read: Option<fn(&Connection, i64) -> rusqlite::Result<()>>,
}

/// How its rows are found one by one.
pub(super) enum Rows {
    /// By their number.
    Numbered,
    /// With the row of another table, which was carried over before: its column here, and there.
    Of { column: &'static str, table: &'static str, id: &'static str },
}

const fn numbered(name: &'static str) -> Table {
    Table { name, rows: Rows::Numbered, is_read: None }
}

/// The book first: it is what people rely on.
pub(super) const ALL: [Table; 9] = [
    Table { is_read: Some(book::reads_appointment), ..numbered("appointments") },
    numbered("messages"),
    Table {
        name: "calendar_links",
        rows: Rows::Of { column: "appointment", table: "appointments", id: "id" },
        is_read: None,
    },
    Table { is_read: Some(book::reads_errand), ..numbered("outbox") },
    numbered("audit"),
    numbered("calls"),
    Table { name: "turns", rows: Rows::Of { column: "call", table: "calls", id: "id" }, is_read: None },
    numbered("events"),
    numbered("usage"),
];

/// Columns that are times, in milliseconds since 1970.
const TIMES: [&str; 18] = [
    "starts",
    "ends",
    "busy_from",
    "busy_to",
    "hold_ends",
    "booked_at",
    "cancelled_at",
    "kept_since",
    "taken_at",
    "read_at",
    "created_at",
    "not_before",
    "due_at",
    "settled_at",
    "at",
    "started_at",
    "answered_at",
    "ended_at",
];

/// Whether a value may be one of ours. What is left of a page that something else was written over may look like a row.
pub(super) fn is_plausible(column: &str, value: &Value) -> bool {
    match value {
        Value::Integer(millis) if TIMES.contains(&column) => Timestamp::from_millisecond(*millis).is_ok(),
        Value::Text(text) if column == "detail" => serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(),
        Value::Text(text) => !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')),
        _ => true,
    }
}
