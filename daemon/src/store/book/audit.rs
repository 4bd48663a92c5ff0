//! Who changed what: a table that is only added to, whose rows are chained, so that one that was changed or taken out
//! shows. It names fields, never values.

use std::fmt::Write as _;

use frontdesk_core::session::id::ConversationId;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};
use serde::{Deserialize, Serialize};

use super::super::query::time;
use crate::store::{Store, StoreError};

/// Who did something.
#[derive(Debug, Clone, Copy)]
pub(super) enum Actor<'a> {
    /// A caller, or somebody at the desk, by way of the agent.
    Conversation(&'a ConversationId),
    /// A person with access to the admin listener or the control socket.
    Staff,
    /// The daemon: the outbox, an outside calendar.
    System,
}

impl Actor<'_> {
    fn name(self) -> String {
        match self {
            Self::Conversation(id @ ConversationId::Call(_)) => format!("call:{id}"),
            Self::Conversation(id @ ConversationId::Desk(_)) => format!("desk:{id}"),
            Self::Staff => "staff".to_owned(),
            Self::System => "system".to_owned(),
        }
    }
}

/// What somebody did.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    View,
    Create,
    Change,
    Cancel,
    Send,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Create => "create",
            Self::Change => "change",
            Self::Cancel => "cancel",
            Self::Send => "send",
        }
    }
}

/// One row of the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// 1, 2, 3, …
    pub id: i64,
    /// When, by the box's own clock.
    pub at: Timestamp,
    /// `call:CA…`, `desk:DK…`, `staff` or `system`.
    pub actor: String,
    /// `view`, `create`, `change`, `cancel` or `send`.
    pub action: String,
    /// Of what: `appointment:…`, `message:…`, `errand:…`.
    pub object: String,
    /// Which fields, or what came of it; never their values.
    pub fields: String,
    /// SHA-256 of the last row's hash and of this row.
    pub hash: String,
}

impl AuditEntry {
    /// The hash that it must have behind a row with the hash `last`.
    fn expected(&self, last: &str) -> String {
        let Self { id, at, actor, action, object, fields, hash: _ } = self;
        // A line feed is in none of them, so no two rows are the same text.
        let text = [last, &id.to_string(), &at.as_millisecond().to_string(), actor, action, object, fields].join("\n");
        let mut hash = String::with_capacity(64);
        for byte in digest(&SHA256, text.as_bytes()).as_ref() {
            write!(hash, "{byte:02x}").expect("writing into a string does not fail");
        }
        hash
    }
}

/// Adds a row, within the transaction of the change.
pub(super) fn add(
    db: &Connection,
    at: Timestamp,
    actor: Actor<'_>,
    action: Action,
    object: &str,
    fields: &str,
) -> Result<()> {
    let last = "SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1";
    let last: Option<(i64, String)> =
        db.prepare_cached(last)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (id, last) = last.map_or_else(|| (1, String::new()), |(id, hash)| (id + 1, hash));
    let entry = AuditEntry {
        id,
        at,
        actor: actor.name(),
        action: action.as_str().to_owned(),
        object: object.to_owned(),
        fields: fields.to_owned(),
        hash: String::new(),
    };
    let hash = entry.expected(&last);
    let AuditEntry { id, at, actor, action, object, fields, hash: _ } = entry;
    let with = params![id, at.as_millisecond(), actor, action, object, fields, hash];
    db.prepare_cached("INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?.execute(with).map(drop)
}

fn entry(row: &Row<'_>) -> Result<AuditEntry> {
    Ok(AuditEntry {
        id: row.get(0)?,
        at: time(row, 1)?,
        actor: row.get(2)?,
        action: row.get(3)?,
        object: row.get(4)?,
        fields: row.get(5)?,
        hash: row.get(6)?,
    })
}

/// The first row that does not follow from the one before it.
fn first_broken(db: &Connection) -> Result<Option<i64>> {
    let mut statement = db.prepare("SELECT * FROM audit ORDER BY id")?;
    let (mut next, mut last) = (1, String::new());
    for found in statement.query_map([], entry)? {
        let found = found?;
        if found.id != next || found.hash != found.expected(&last) {
            return Ok(Some(found.id));
        }
        (next, last) = (found.id + 1, found.hash);
    }
    Ok(None)
}

impl Store {
    /// Rows of the audit behind the one with the number `after`, the oldest first, at most `most` of them.
    pub async fn audit(&self, after: i64, most: usize) -> std::result::Result<Vec<AuditEntry>, StoreError> {
        let read = move |db: &Connection| {
            let mut statement = db.prepare_cached("SELECT * FROM audit WHERE id > ?1 ORDER BY id LIMIT ?2")?;
            statement.query_map(params![after, most as i64], entry)?.collect()
        };
        self.ask("reading the audit", read).await
    }

    /// The first row of the audit that was changed, or before which one is missing; `None` if it is whole. Reads all of
    /// it, on the store's thread. Rows taken from its end do not show.
    pub async fn audit_broken_at(&self) -> std::result::Result<Option<i64>, StoreError> {
        self.ask("checking the audit", first_broken).await
    }
}
