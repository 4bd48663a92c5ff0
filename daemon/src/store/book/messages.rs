//! What callers leave for staff.

use frontdesk_core::booking::book::Message;
use frontdesk_core::session::id::ConversationId;
use frontdesk_core::twilio::number::PhoneNumber;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::audit::{self, Action, Actor};

/// Keeps a message once and returns its number.
pub(super) fn take(
    db: &Connection,
    at: Timestamp,
    message: &Message,
    by: &ConversationId,
    now: Timestamp,
) -> Result<i64> {
    let Message { name, phone, topic, text, today } = message;
    let phone = phone.as_ref().map(PhoneNumber::as_e164);
    let same =
        "SELECT id FROM messages WHERE conversation = ?1 AND name = ?2 AND phone IS ?3 AND topic = ?4 AND text = ?5
                AND today = ?6";
    let with = params![by.as_str(), name, phone, topic, text, today];
    let kept: Option<i64> = db.prepare_cached(same)?.query_row(with, |row| row.get(0)).optional()?;
    if let Some(kept) = kept {
        return Ok(kept);
    }
    let insert = "INSERT INTO messages (conversation, name, phone, topic, text, today, taken_at)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let with = params![by.as_str(), name, phone, topic, text, today, now.as_millisecond()];
    let id = db.prepare_cached(insert)?.insert(with)?;
    audit::add(db, at, Actor::Conversation(by), Action::Create, &format!("message:{id}"), "message")?;
    Ok(id)
}
