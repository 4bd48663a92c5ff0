//! What can be asked: listings and single calls, in the shape in which they become JSON.
//!
//! Field names are in snake case, times are RFC 3339 texts, lengths are milliseconds.

use frontdesk_core::session::id::ConversationId;
use frontdesk_core::twilio::number::PhoneNumber;
use frontdesk_core::twilio::sid::CallSid;
use frontdesk_core::twilio::webhook::CallStatus;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};
use serde::{Deserialize, Serialize};

use super::record::{Event, Tokens, Turn, Who};

/// Calls in one listing, at most.
pub const MAX_LISTED: usize = 500;

/// Which calls are listed, the newest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallFilter {
    /// How many; 0 and anything beyond [`MAX_LISTED`] mean [`MAX_LISTED`].
    #[serde(default)]
    pub limit: usize,
    /// Only calls before the one with this id: the last id of a listing asks for the next.
    #[serde(default)]
    pub before: Option<i64>,
    /// Only calls that are running.
    #[serde(default)]
    pub active_only: bool,
}

/// One call in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSummary {
    /// Grows with every call.
    pub id: i64,
    /// Twilio's identifier, `CA…`; our own, `DK…`, at the desk.
    pub call_sid: String,
    /// The account; null at the desk.
    pub account_sid: Option<String>,
    /// `inbound`, `outbound-api`, `outbound-dial` or `desk`.
    pub direction: String,
    /// Who called; null when withheld. Whole in JSON, masked in a log.
    #[serde(with = "e164")]
    pub caller: Option<PhoneNumber>,
    /// Who was called.
    #[serde(with = "e164")]
    pub callee: Option<PhoneNumber>,
    /// The conversation's id in our logs.
    pub live_id: Option<String>,
    /// When it was announced.
    pub started_at: Timestamp,
    /// When audio began to flow.
    pub answered_at: Option<Timestamp>,
    /// Null while it is running.
    pub ended_at: Option<Timestamp>,
    /// Why it ended; `power-loss` when nobody saw it.
    pub end_reason: Option<String>,
    /// The last status that Twilio reported.
    pub twilio_status: Option<String>,
    /// From the first audio to the end; null while it is running or if it was never answered.
    pub duration_ms: Option<i64>,
    /// How many turns were heard.
    pub turns: u64,
}

/// One call with everything that is recorded of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallWithTurns {
    /// The call.
    #[serde(flatten)]
    pub call: CallSummary,
    /// What was heard, in order.
    pub transcript: Vec<Turn>,
    /// What else happened, in order.
    pub events: Vec<Event>,
    /// Tokens of the whole call.
    pub tokens: Tokens,
}

/// How a call of the past ended, for those who must recognise it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedCall {
    /// The call.
    pub call: CallSid,
    /// Why it ended, as in its record.
    pub reason: String,
    /// Twilio has reported a final status.
    pub over_at_twilio: bool,
}

const SUMMARY: &str = "
    SELECT id, call_sid, NULLIF(account_sid, ''), direction, caller, callee, live_id, started_at, answered_at, ended_at, end_reason,
           twilio_status, (SELECT COUNT(*) FROM turns WHERE call = calls.id)
    FROM calls";
const TOKENS: &str = "
    SELECT COALESCE(SUM(prompt), 0), COALESCE(SUM(response), 0), COALESCE(SUM(total), 0) FROM usage WHERE call = ?1";

pub(super) fn calls(db: &Connection, filter: CallFilter) -> Result<Vec<CallSummary>> {
    let limit = if filter.limit == 0 { MAX_LISTED } else { filter.limit.min(MAX_LISTED) };
    // Two statements, because only the literal condition lets SQLite use the index of running calls.
    let running = if filter.active_only { "AND ended_at IS NULL" } else { "" };
    let sql = format!("{SUMMARY} WHERE id < ?1 {running} ORDER BY id DESC LIMIT ?2");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(params![filter.before.unwrap_or(i64::MAX), limit as i64], summary)?;
    rows.collect()
}

pub(super) fn call(db: &Connection, id: &ConversationId) -> Result<Option<CallWithTurns>> {
    let sql = format!("{SUMMARY} WHERE call_sid = ?1");
    let Some(call) = db.prepare_cached(&sql)?.query_row([id.as_str()], summary).optional()? else {
        return Ok(None);
    };
    let sql = "SELECT seq, who, text, started_at, ended_at, interrupted FROM turns WHERE call = ?1 ORDER BY seq";
    let transcript = db.prepare_cached(sql)?.query_map([call.id], turn)?.collect::<Result<_>>()?;
    let sql = "SELECT at, kind, detail FROM events WHERE call = ?1 ORDER BY id";
    let events = db.prepare_cached(sql)?.query_map([call.id], event)?.collect::<Result<_>>()?;
    let tokens = db.prepare_cached(TOKENS)?.query_row([call.id], tokens)?;
    Ok(Some(CallWithTurns { call, transcript, events, tokens }))
}

pub(super) fn ended(db: &Connection, most: usize) -> Result<Vec<EndedCall>> {
    let sql = "SELECT call_sid, COALESCE(end_reason, ''), COALESCE(twilio_status, '') FROM calls
               WHERE ended_at IS NOT NULL AND direction <> 'desk' ORDER BY id DESC LIMIT ?1";
    let ended = |row: &Row<'_>| {
        // Nobody will ask for a call whose name is none of Twilio's.
        let Ok(call) = CallSid::parse(row.get_ref(0)?.as_str()?) else { return Ok(None) };
        let over_at_twilio = CallStatus::read(row.get_ref(2)?.as_str()?).is_final();
        Ok(Some(EndedCall { call, reason: row.get(1)?, over_at_twilio }))
    };
    let mut newest_first: Vec<_> =
        db.prepare(sql)?.query_map([most as i64], ended)?.filter_map(Result::transpose).collect::<Result<_>>()?;
    newest_first.reverse();
    Ok(newest_first)
}

fn summary(row: &Row<'_>) -> Result<CallSummary> {
    let number = |column: usize| -> Result<Option<PhoneNumber>> {
        Ok(row.get::<_, Option<String>>(column)?.and_then(|text| PhoneNumber::parse(&text).ok()))
    };
    let (answered_at, ended_at) = (optional_time(row, 8)?, optional_time(row, 9)?);
    let duration = answered_at.zip(ended_at).map(|(from, to)| to.duration_since(from).as_millis().max(0) as i64);
    Ok(CallSummary {
        id: row.get(0)?,
        call_sid: row.get(1)?,
        account_sid: row.get(2)?,
        direction: row.get(3)?,
        caller: number(4)?,
        callee: number(5)?,
        live_id: row.get(6)?,
        started_at: time(row, 7)?,
        answered_at,
        ended_at,
        end_reason: row.get(10)?,
        twilio_status: row.get(11)?,
        duration_ms: duration,
        turns: count(row, 12)?,
    })
}

fn turn(row: &Row<'_>) -> Result<Turn> {
    Ok(Turn {
        seq: row.get(0)?,
        who: who(row, 1)?,
        text: row.get(2)?,
        started_at: time(row, 3)?,
        ended_at: time(row, 4)?,
        interrupted: row.get(5)?,
    })
}

fn who(row: &Row<'_>, column: usize) -> Result<Who> {
    let word = row.get_ref(column)?.as_str()?;
    let unknown = || {
        let reason = format!("{word:?} is nobody's turn").into();
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, reason)
    };
    Who::from_stored(word).ok_or_else(unknown)
}

fn event(row: &Row<'_>) -> Result<Event> {
    let detail = serde_json::from_str(row.get_ref(2)?.as_str()?).unwrap_or_default();
    Ok(Event { at: time(row, 0)?, kind: row.get::<_, String>(1)?.into(), detail })
}

fn tokens(row: &Row<'_>) -> Result<Tokens> {
    Ok(Tokens { prompt: count(row, 0)?, response: count(row, 1)?, total: count(row, 2)? })
}

pub(super) fn count(row: &Row<'_>, column: usize) -> Result<u64> {
    Ok(row.get::<_, i64>(column)?.max(0).unsigned_abs())
}

pub(super) fn optional_time(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>> {
    let millis: Option<i64> = row.get(column)?;
    millis
        .map(|millis| {
            let known = rusqlite::types::Type::Integer;
            Timestamp::from_millisecond(millis)
                .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, known, Box::new(error)))
        })
        .transpose()
}

pub(super) fn time(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    optional_time(row, column)?.ok_or(rusqlite::Error::IntegralValueOutOfRange(column, 0))
}

/// Numbers are whole in JSON: staff call people back.
pub(super) mod e164 {
    use frontdesk_core::twilio::number::PhoneNumber;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    #[expect(clippy::ref_option, reason = "the signature that serde's `with` calls")]
    pub(in crate::store) fn serialize<S: Serializer>(
        number: &Option<PhoneNumber>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        number.as_ref().map(PhoneNumber::as_e164).serialize(serializer)
    }

    pub(in crate::store) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<PhoneNumber>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| PhoneNumber::parse(&text)).transpose().map_err(serde::de::Error::custom)
    }
}
