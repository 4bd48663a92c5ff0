//! What is recorded: small typed facts about a call, written in the order in which they are handed over.

use std::borrow::Cow;
use std::time::Duration;

use frontdesk_core::session::id::ConversationId;
use frontdesk_core::twilio::number::{CallerId, PhoneNumber};
use frontdesk_core::twilio::sid::AccountSid;
use frontdesk_core::twilio::webhook::{CallStatus, Direction};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Result, named_params, params};
use serde::{Deserialize, Serialize};

use super::book::release;

/// One fact about a call, or a conversation at the desk. Facts about a call that was never started are refused.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A call was announced. Repeated by a retried webhook, it changes nothing.
    CallStarted {
        /// The call.
        call: ConversationId,
        /// Its account.
        account: AccountSid,
        /// Who started it.
        direction: Direction,
        /// Who calls.
        caller: CallerId,
        /// Who is called.
        callee: Option<PhoneNumber>,
        /// When the webhook arrived.
        at: Timestamp,
    },
    /// A conversation began at the desk.
    DeskStarted {
        /// The conversation.
        call: ConversationId,
        /// When.
        at: Timestamp,
    },
    /// Audio flows.
    CallAnswered {
        /// The call.
        call: ConversationId,
        /// When.
        at: Timestamp,
    },
    /// The call has a conversation with the model.
    LiveStarted {
        /// The call.
        call: ConversationId,
        /// The conversation's id in our logs.
        live_id: String,
    },
    /// Something was said. A turn that is recorded again, by its `seq`, replaces what it was before.
    Turn {
        /// The call.
        call: ConversationId,
        /// What was heard.
        turn: Turn,
    },
    /// Something happened.
    Event {
        /// The call.
        call: ConversationId,
        /// What and when.
        event: Event,
    },
    /// The model reported its tokens.
    Usage {
        /// The call.
        call: ConversationId,
        /// When.
        at: Timestamp,
        /// How many since the last report.
        tokens: Tokens,
    },
    /// The call is over.
    CallEnded {
        /// The call.
        call: ConversationId,
        /// When.
        at: Timestamp,
        /// Why, in one or two words: `caller-hung-up`, `goodbye`, `handed-over`.
        reason: Cow<'static, str>,
    },
    /// Nothing of a conversation runs any more: what it still holds is free again.
    CallLeft {
        /// The call.
        call: ConversationId,
    },
    /// Twilio reported how far the call is. Reports that were overtaken, and those after a final one, change nothing.
    TwilioStatus {
        /// The call.
        call: ConversationId,
        /// When the report arrived.
        at: Timestamp,
        /// How far.
        status: CallStatus,
        /// Its number, if it has one.
        sequence: Option<u32>,
        /// Connected time, with a final status.
        duration: Option<Duration>,
    },
}

/// Whose turn it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The person.
    Caller,
    /// The model.
    Agent,
}

impl Who {
    const ALL: [Self; 2] = [Self::Caller, Self::Agent];

    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Agent => "agent",
        }
    }

    pub(super) fn from_stored(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|who| who.as_str() == word)
    }
}

/// One party's say, as far as it was heard.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Order within the call, from 0.
    pub seq: u32,
    /// Whose.
    pub who: Who,
    /// What was heard.
    pub text: String,
    /// Its first sound.
    pub started_at: Timestamp,
    /// Its last sound.
    pub ended_at: Timestamp,
    /// It was cut short by the other party.
    pub interrupted: bool,
}

/// Speech does not belong into a log: only its length is shown.
impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seq, who, text, .. } = self;
        write!(f, "Turn {{ seq: {seq}, who: {}, text: {} bytes }}", who.as_str(), text.len())
    }
}

/// Something that happened to a call besides speech.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// A word such as `resumed` or `stream-error`.
    pub kind: Cow<'static, str>,
    /// More about it; never speech, keys or names.
    pub detail: serde_json::Value,
}

/// Tokens that a conversation used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Read.
    pub prompt: u64,
    /// Generated.
    pub response: u64,
    /// As billed; can exceed the two.
    pub total: u64,
}

impl Record {
    /// The call that it tells of.
    pub fn call(&self) -> &ConversationId {
        match self {
            Self::CallStarted { call, .. }
            | Self::DeskStarted { call, .. }
            | Self::CallAnswered { call, .. }
            | Self::LiveStarted { call, .. }
            | Self::Turn { call, .. }
            | Self::Event { call, .. }
            | Self::Usage { call, .. }
            | Self::CallEnded { call, .. }
            | Self::CallLeft { call }
            | Self::TwilioStatus { call, .. } => call,
        }
    }

    /// Writes the fact within the transaction that is open; `false` if its call is not known.
    pub(super) fn write(&self, db: &Connection) -> Result<bool> {
        if let Self::CallStarted { call, account, direction, caller, callee, at } = self {
            db.prepare_cached(INSERT_CALL)?.execute(params![
                call.as_str(),
                account.as_str(),
                direction.as_str(),
                caller.number().map(PhoneNumber::as_e164),
                callee.as_ref().map(PhoneNumber::as_e164),
                at.as_millisecond(),
            ])?;
            return Ok(true);
        }
        if let Self::DeskStarted { call, at } = self {
            db.prepare_cached(INSERT_DESK)?.execute(params![call.as_str(), at.as_millisecond()])?;
            return Ok(true);
        }
        let find = "SELECT id FROM calls WHERE call_sid = ?1";
        let id: Option<i64> =
            db.prepare_cached(find)?.query_row([self.call().as_str()], |row| row.get(0)).optional()?;
        match id {
            Some(id) => self.write_to(id, db).map(|()| true),
            None => Ok(false),
        }
    }

    fn write_to(&self, id: i64, db: &Connection) -> Result<()> {
        match self {
            Self::CallStarted { .. } | Self::DeskStarted { .. } => {}
            Self::CallAnswered { at, .. } => {
                let sql = "UPDATE calls SET answered_at = COALESCE(answered_at, ?2) WHERE id = ?1";
                db.prepare_cached(sql)?.execute(params![id, at.as_millisecond()])?;
            }
            Self::LiveStarted { live_id, .. } => {
                db.prepare_cached("UPDATE calls SET live_id = ?2 WHERE id = ?1")?.execute(params![id, live_id])?;
            }
            Self::Turn { turn, .. } => {
                let (from, to) = (turn.started_at.as_millisecond(), turn.ended_at.as_millisecond());
                let values = params![id, turn.seq, turn.who.as_str(), turn.text, from, to, turn.interrupted];
                db.prepare_cached("INSERT OR REPLACE INTO turns VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
                    .execute(values)?;
            }
            Self::Event { event, .. } => {
                let sql = "INSERT INTO events (call, at, kind, detail) VALUES (?1, ?2, ?3, ?4)";
                let values = params![id, event.at.as_millisecond(), event.kind, event.detail.to_string()];
                db.prepare_cached(sql)?.execute(values)?;
            }
            Self::Usage { at, tokens, .. } => {
                let Tokens { prompt, response, total } = *tokens;
                // The peer's word is not trusted so far that a sum over all calls could overflow.
                let count = |tokens: u64| u32::try_from(tokens).unwrap_or(u32::MAX);
                db.prepare_cached(INSERT_USAGE)?.execute(params![
                    id,
                    at.as_millisecond(),
                    count(prompt),
                    count(response),
                    count(total),
                ])?;
            }
            Self::CallEnded { at, reason, .. } => {
                let sql = "UPDATE calls SET ended_at = ?2, end_reason = ?3 WHERE id = ?1";
                db.prepare_cached(sql)?.execute(params![id, at.as_millisecond(), reason])?;
            }
            // Nobody is left to say yes, and what they have said yes to is done.
            Self::CallLeft { call } => release(db, call)?,
            Self::TwilioStatus { at, status, sequence, duration, .. } => {
                db.prepare_cached(UPDATE_STATUS)?.execute(named_params! {
                    ":id": id,
                    ":status": status.as_str(),
                    ":seq": sequence,
                    ":final": status.is_final(),
                    ":at": at.as_millisecond(),
                    ":duration": duration.map(|duration| duration.as_secs() as i64),
                })?;
            }
        }
        Ok(())
    }
}

const INSERT_CALL: &str = "
    INSERT INTO calls (call_sid, account_sid, direction, caller, callee, started_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (call_sid) DO NOTHING";

/// No account and no numbers: nobody called.
const INSERT_DESK: &str = "
    INSERT INTO calls (call_sid, account_sid, direction, started_at) VALUES (?1, '', 'desk', ?2)
    ON CONFLICT (call_sid) DO NOTHING";

const INSERT_USAGE: &str = "
    INSERT INTO usage (call, at, prompt, response, total) VALUES (?1, ?2, ?3, ?4, ?5)";

/// A final status also ends a call whose end we did not see; our own word for it, of the clock that told the
/// call's other times, replaces Twilio's.
const UPDATE_STATUS: &str = "
    UPDATE calls SET
        twilio_status = :status,
        twilio_seq    = COALESCE(:seq, twilio_seq),
        duration_s    = COALESCE(:duration, duration_s),
        ended_at      = CASE WHEN :final THEN COALESCE(ended_at, :at) ELSE ended_at END,
        end_reason    = CASE WHEN :final THEN COALESCE(end_reason, :status) ELSE end_reason END
    WHERE id = :id
      AND COALESCE(twilio_status, '') NOT IN ('completed', 'busy', 'no-answer', 'failed', 'canceled')
      AND (:final OR :seq IS NULL OR twilio_seq IS NULL OR :seq > twilio_seq)";
