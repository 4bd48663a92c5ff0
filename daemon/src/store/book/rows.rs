//! Finding appointments, and reading their rows.

use frontdesk_core::booking::appointment::{
    Appointment, AppointmentId, Busy, Patient, Reference, Slot, Span, State, name_key,
};
use frontdesk_core::clinic::ids::{LocationId, PractitionerId, TypeId};
use frontdesk_core::twilio::number::PhoneNumber;
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Params, Result, Row, params};

use super::super::query::time;

/// No appointment is longer, the schema sees to that: what overlaps with a time begins no earlier before it.
pub(super) const LONGEST: i64 = 86_400_000;

const COLUMNS: &str = "id, reference, state, kind, practitioner, location, starts, ends, busy_from, busy_to, language, \
                       revision, name, phone, email, sms, born, arranged_by, note, held_by, hold_ends, booked_by, moved_by, \
                       moved_with";

/// An appointment and what else is known of it.
pub(super) struct Known {
    pub(super) appointment: Appointment,
    /// Whether it was held and is not any more; its state then says held.
    pub(super) lapsed: bool,
    pub(super) held_by: String,
    pub(super) hold_ends: Timestamp,
    pub(super) booked_by: Option<String>,
    pub(super) moved_by: Option<String>,
    pub(super) moved_with: Option<String>,
}

/// A value that is none of ours: who has written it?
fn foreign(column: usize, what: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, format!("not {what}").into())
}

fn text<T>(row: &Row<'_>, column: usize, what: &'static str, read: impl FnOnce(&str) -> Option<T>) -> Result<T> {
    read(row.get_ref(column)?.as_str()?).ok_or_else(|| foreign(column, what))
}

fn optional<T>(
    row: &Row<'_>,
    column: usize,
    what: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>> {
    let Some(written) = row.get_ref(column)?.as_str_or_null()? else { return Ok(None) };
    read(written).map(Some).ok_or_else(|| foreign(column, what))
}

/// Reads an appointment's name.
pub(super) fn id(text: &str) -> Option<AppointmentId> {
    (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok().map(AppointmentId)).flatten()
}

fn patient(row: &Row<'_>) -> Result<Option<Patient>> {
    let Some(name) = row.get::<_, Option<String>>(12)? else { return Ok(None) };
    Ok(Some(Patient {
        name,
        phone: optional(row, 13, "a phone number", |text| PhoneNumber::parse(text).ok())?,
        email: row.get(14)?,
        sms: row.get(15)?,
        born: optional(row, 16, "a date", |text| text.parse().ok())?,
        booked_by: row.get(17)?,
        note: row.get(18)?,
    }))
}

fn known(row: &Row<'_>) -> Result<Known> {
    let (state, lapsed) = text(row, 2, "a state", |word| match word {
        "held" => Some((State::Held, false)),
        "lapsed" => Some((State::Held, true)),
        "booked" => Some((State::Booked, false)),
        "cancelled" => Some((State::Cancelled, false)),
        _ => None,
    })?;
    let slot = Slot {
        kind: text(row, 3, "an id", |text| TypeId::parse(text).ok())?,
        practitioner: text(row, 4, "an id", |text| PractitionerId::parse(text).ok())?,
        location: text(row, 5, "an id", |text| LocationId::parse(text).ok())?,
        time: Span { from: time(row, 6)?, to: time(row, 7)? },
        busy: Span { from: time(row, 8)?, to: time(row, 9)? },
    };
    let appointment = Appointment {
        id: text(row, 0, "an id", id)?,
        reference: text(row, 1, "a reference", Reference::parse)?,
        slot,
        patient: patient(row)?,
        language: row.get(10)?,
        state,
        revision: row.get(11)?,
    };
    Ok(Known {
        appointment,
        lapsed,
        held_by: row.get(19)?,
        hold_ends: time(row, 20)?,
        booked_by: row.get(21)?,
        moved_by: row.get(22)?,
        moved_with: row.get(23)?,
    })
}

fn one(db: &Connection, condition: &str, with: impl Params) -> Result<Option<Known>> {
    let sql = format!("SELECT {COLUMNS} FROM appointments WHERE {condition}");
    db.prepare_cached(&sql)?.query_row(with, known).optional()
}

fn all(db: &Connection, condition: &str, with: impl Params) -> Result<Vec<Appointment>> {
    let sql = format!("SELECT {COLUMNS} FROM appointments WHERE {condition} ORDER BY starts");
    db.prepare_cached(&sql)?.query_map(with, |row| known(row).map(|known| known.appointment))?.collect()
}

/// Everything that is known of one, lapsed holds included.
pub(super) fn find(db: &Connection, id: AppointmentId) -> Result<Option<Known>> {
    one(db, "id = ?1", [id.to_string()])
}

pub(super) fn appointment(db: &Connection, id: AppointmentId) -> Result<Option<Appointment>> {
    let known = one(db, "id = ?1 AND state <> 'lapsed'", [id.to_string()])?;
    Ok(known.map(|known| known.appointment))
}

pub(super) fn by_reference(db: &Connection, reference: Reference, now: Timestamp) -> Result<Option<Appointment>> {
    let condition =
        "reference = ?1 AND state IN ('held', 'booked') AND ends > ?2 AND (state = 'booked' OR hold_ends > ?2)";
    let known = one(db, condition, params![reference.to_string(), now.as_millisecond()])?;
    Ok(known.map(|known| known.appointment))
}

pub(super) fn by_phone(db: &Connection, phone: &PhoneNumber, now: Timestamp) -> Result<Vec<Appointment>> {
    all(db, "phone = ?1 AND state = 'booked' AND ends > ?2", params![phone.as_e164(), now.as_millisecond()])
}

pub(super) fn by_name(db: &Connection, name: &str, span: Span) -> Result<Vec<Appointment>> {
    let condition = "name_key = ?1 AND state = 'booked' AND starts >= ?2 AND starts < ?3";
    let (from, to) = (span.from.as_millisecond(), span.to.as_millisecond());
    all(db, condition, params![name_key(name), from, to])
}

/// A hold of that conversation, if it has one.
pub(super) fn held_by(db: &Connection, conversation: &str) -> Result<Option<Known>> {
    one(db, "state = 'held' AND held_by = ?1", [conversation])
}

/// Booked and cancelled appointments, and holds that have not run out, that overlap with `span`; the first first.
pub(in crate::store) fn within(db: &Connection, span: Span, now: Timestamp, most: usize) -> Result<Vec<Appointment>> {
    let condition = "starts < ?2 AND starts > ?1 - ?3 AND ends > ?1
                     AND (state IN ('booked', 'cancelled') OR (state = 'held' AND hold_ends > ?4))";
    let sql = format!("SELECT {COLUMNS} FROM appointments WHERE {condition} ORDER BY starts, id LIMIT ?5");
    let (from, to) = (span.from.as_millisecond(), span.to.as_millisecond());
    let with = params![from, to, LONGEST, now.as_millisecond(), most as i64];
    db.prepare_cached(&sql)?.query_map(with, |row| known(row).map(|known| known.appointment))?.collect()
}

/// Reads the row of that number.
pub(super) fn in_row(db: &Connection, row: i64) -> Result<()> {
    let sql = format!("SELECT {COLUMNS} FROM appointments WHERE rowid = ?1");
    db.prepare_cached(&sql)?.query_row([row], known).map(drop)
}

/// From the index alone, for thousands of rows.
const BOOKED: &str = "
    SELECT busy_from, busy_to, kind, rowid FROM appointments INDEXED BY appointments_busy
    WHERE practitioner = ?1 AND state = 'booked' AND busy_from < ?3 AND busy_from > ?2 - ?4 AND busy_to > ?2
    ORDER BY busy_from";
/// Holds are few.
const HELD: &str = "
    SELECT busy_from, busy_to, kind, rowid, practitioner FROM appointments INDEXED BY appointments_held
    WHERE state = 'held' AND hold_ends > ?1 AND busy_from < ?3 AND busy_to > ?2";

/// What keeps each of `of` within `span`: what is booked, in order, then what is held.
pub(super) fn busy(
    db: &Connection,
    of: &[PractitionerId],
    span: Span,
    now: Timestamp,
    except: Option<AppointmentId>,
) -> Result<Vec<Busy>> {
    let (from, to, now) = (span.from.as_millisecond(), span.to.as_millisecond(), now.as_millisecond());
    let except = except.map(|id| number(db, id)).transpose()?.flatten();
    let (mut found, mut kinds) = (Vec::new(), Kinds::default());
    let mut booked = db.prepare_cached(BOOKED)?;
    for practitioner in of {
        let mut rows = booked.query(params![practitioner.as_str(), from, to, LONGEST])?;
        while let Some(row) = rows.next()? {
            if except.is_some() && except == row.get(3)? {
                continue;
            }
            found.push(kinds.busy(row, practitioner)?);
        }
    }
    let mut held = db.prepare_cached(HELD)?;
    let mut rows = held.query(params![now, from, to])?;
    while let Some(row) = rows.next()? {
        let who = row.get_ref(4)?.as_str()?;
        let Some(practitioner) = of.iter().find(|id| id.as_str() == who) else { continue };
        if except.is_none() || except != row.get(3)? {
            found.push(kinds.busy(row, practitioner)?);
        }
    }
    Ok(found)
}

/// The number of an appointment's row.
fn number(db: &Connection, id: AppointmentId) -> Result<Option<i64>> {
    let sql = "SELECT rowid FROM appointments WHERE id = ?1";
    db.prepare_cached(sql)?.query_row([id.to_string()], |row| row.get(0)).optional()
}

/// The types that were read so far: most rows are of one of the same few.
#[derive(Default)]
struct Kinds(Vec<TypeId>);

impl Kinds {
    fn busy(&mut self, row: &Row<'_>, practitioner: &PractitionerId) -> Result<Busy> {
        let span = Span { from: time(row, 0)?, to: time(row, 1)? };
        let word = row.get_ref(2)?.as_str()?;
        let kind = if let Some(kind) = self.0.iter().find(|kind| kind.as_str() == word) {
            kind.clone()
        } else {
            let kind = TypeId::parse(word).map_err(|_| foreign(2, "an id"))?;
            self.0.push(kind.clone());
            kind
        };
        Ok(Busy { practitioner: practitioner.clone(), span, kind: Some(kind) })
    }
}
