//! Which store a file is: a random name that is made with it and that its copies have too.

use rusqlite::Connection;

/// The seventh step. In a file of its own it would not go with the copies.
pub(super) const SCHEMA: &str = "
    CREATE TABLE identity (id TEXT NOT NULL) STRICT; -- one row: 32 hexadecimal digits
    INSERT INTO identity (id) SELECT lower(hex(randomblob(16)));";

/// A store's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity(String);

impl Identity {
    /// Nothing if it is none, as in what is left of a damaged file.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_one = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_one.then(|| Self(text.to_owned()))
    }

    /// The name of the store in a file; nothing if it has none yet, or it cannot be read.
    pub(super) fn of(db: &Connection) -> Option<Self> {
        let id: String = db.query_row("SELECT id FROM identity", [], |row| row.get(0)).ok()?;
        Self::parse(&id)
    }

    /// Gives it to a file that takes the other's place.
    pub(super) fn give(&self, db: &Connection) -> rusqlite::Result<()> {
        db.execute("UPDATE identity SET id = ?1", [&self.0]).map(drop)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}
