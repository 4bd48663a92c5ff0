//! Holding, booking, moving and taking back. Each is refused by the database itself if it would make two overlap.

use frontdesk_core::booking::appointment::{
    Appointment, AppointmentId, Patient, Reference, Slot, Span, State, name_key,
};
use frontdesk_core::booking::book::BookError;
use frontdesk_core::session::id::ConversationId;
use frontdesk_core::twilio::number::PhoneNumber;
use jiff::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};
use rusqlite::{Connection, Result, named_params, params};

use super::audit::{self, Action, Actor};
use super::rows::{self, Known};
use super::{errands, failed, sort};

/// References tried until one is found that nobody has: with a clinic's few thousand appointments, two are rare.
const TRIES: usize = 16;

/// What is to be held.
pub(super) struct Wish<'a> {
    pub(super) slot: &'a Slot,
    /// The appointment that is to be moved there.
    pub(super) instead_of: Option<AppointmentId>,
    pub(super) by: &'a ConversationId,
    pub(super) language: &'a str,
    pub(super) ends: Timestamp,
}

/// No name can be made up for an appointment.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers, or every reference is in use")]
struct NoName;

fn random() -> Result<u128, BookError> {
    let mut bits = [0; 16];
    SystemRandom::new().fill(&mut bits).map_err(|_| failed(NoName))?;
    Ok(u128::from_ne_bytes(bits))
}

/// A UUID version 7 (RFC 9562, 5.7): milliseconds, then random bits around version and variant.
fn new_id(now: Timestamp, random: u128) -> AppointmentId {
    let millis = (now.as_millisecond() as u128 & 0xffff_ffff_ffff) << 80;
    let (high, low) = ((random >> 64) & 0xfff, random & 0x3fff_ffff_ffff_ffff);
    AppointmentId(millis | 0x7 << 76 | high << 64 | 0b10 << 62 | low)
}

fn new_reference(db: &Connection) -> Result<Reference, BookError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM appointments WHERE reference = ?1 AND state IN ('held', 'booked'))";
    for _ in 0..TRIES {
        let reference = Reference::of(random()? as u64);
        let used: bool = db
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row([reference.to_string()], |row| row.get(0)))
            .map_err(failed)?;
        if !used {
            return Ok(reference);
        }
    }
    Err(failed(NoName))
}

/// The appointment that was just written.
fn read(db: &Connection, id: AppointmentId) -> Result<Appointment, BookError> {
    rows::appointment(db, id).map_err(failed)?.ok_or(BookError::Unknown)
}

fn known(db: &Connection, id: AppointmentId) -> Result<Known, BookError> {
    rows::find(db, id).map_err(failed)?.ok_or(BookError::Unknown)
}

/// Holds that have run out do not stand in anybody's way.
fn lapse_overdue(db: &Connection, now: Timestamp) -> Result<()> {
    let sql = "UPDATE appointments SET state = 'lapsed' WHERE state = 'held' AND hold_ends <= ?1";
    db.prepare_cached(sql)?.execute([now.as_millisecond()]).map(drop)
}

pub(in crate::store) fn release(db: &Connection, by: &ConversationId) -> Result<()> {
    let sql = "UPDATE appointments SET state = 'lapsed' WHERE state = 'held' AND held_by = ?1";
    db.prepare_cached(sql)?.execute([by.as_str()]).map(drop)
}

pub(super) fn hold(db: &Connection, wish: &Wish<'_>, now: Timestamp) -> Result<Appointment, BookError> {
    lapse_overdue(db, now).map_err(failed)?;
    let held = rows::held_by(db, wish.by.as_str()).map_err(failed)?;
    let id = match held {
        Some(held) if held.appointment.slot == *wish.slot => held.appointment.id,
        _ => {
            release(db, wish.by).map_err(failed)?;
            insert(db, wish, now)?
        }
    };
    let sql = "UPDATE appointments SET hold_ends = ?2, language = ?3, instead_of = ?4 WHERE id = ?1";
    let instead_of = wish.instead_of.map(|id| id.to_string());
    let with = params![id.to_string(), wish.ends.as_millisecond(), wish.language, instead_of];
    db.prepare_cached(sql).and_then(|mut statement| statement.execute(with)).map_err(sort)?;
    read(db, id)
}

const INSERT: &str = "
    INSERT INTO appointments (id, reference, state, kind, practitioner, location, starts, ends, busy_from, busy_to,
                              language, held_by, hold_ends, instead_of)
    VALUES (:id, :reference, 'held', :kind, :practitioner, :location, :starts, :ends, :busy_from, :busy_to, :language,
            :by, :hold_ends, :instead_of)";

fn insert(db: &Connection, wish: &Wish<'_>, now: Timestamp) -> Result<AppointmentId, BookError> {
    let (id, reference, slot) = (new_id(now, random()?), new_reference(db)?, wish.slot);
    let with = named_params! {
        ":id": id.to_string(),
        ":reference": reference.to_string(),
        ":kind": slot.kind.as_str(),
        ":practitioner": slot.practitioner.as_str(),
        ":location": slot.location.as_str(),
        ":starts": slot.time.from.as_millisecond(),
        ":ends": slot.time.to.as_millisecond(),
        ":busy_from": slot.busy.from.as_millisecond(),
        ":busy_to": slot.busy.to.as_millisecond(),
        ":language": wish.language,
        ":by": wish.by.as_str(),
        ":hold_ends": wish.ends.as_millisecond(),
        ":instead_of": wish.instead_of.map(|id| id.to_string()),
    };
    db.prepare_cached(INSERT).and_then(|mut statement| statement.execute(with)).map_err(sort)?;
    Ok(id)
}

/// Whether a hold of `by` can still be used.
fn usable(hold: &Known, by: &ConversationId, now: Timestamp) -> Result<(), BookError> {
    if hold.held_by != by.as_str() || hold.appointment.state != State::Held {
        return Err(BookError::Unknown);
    }
    if hold.lapsed || hold.hold_ends <= now { Err(BookError::Expired) } else { Ok(()) }
}

const BOOK: &str = "
    UPDATE appointments SET
        state = 'booked', instead_of = NULL, booked_by = :by, booked_at = :now, name = :name, name_key = :name_key,
        phone = :phone, email = :email, sms = :sms, born = :born, arranged_by = :arranged_by, note = :note
    WHERE id = :id";

pub(super) fn book(
    db: &Connection,
    at: Timestamp,
    id: AppointmentId,
    by: &ConversationId,
    patient: &Patient,
    now: Timestamp,
) -> Result<(Appointment, bool), BookError> {
    let hold = known(db, id)?;
    if hold.appointment.state == State::Booked && hold.booked_by.as_deref() == Some(by.as_str()) {
        return Ok((hold.appointment, false));
    }
    usable(&hold, by, now)?;
    let with = named_params! {
        ":id": id.to_string(),
        ":by": by.as_str(),
        ":now": now.as_millisecond(),
        ":name": patient.name,
        ":name_key": name_key(&patient.name),
        ":phone": patient.phone.as_ref().map(PhoneNumber::as_e164),
        ":email": patient.email,
        ":sms": patient.sms,
        ":born": patient.born.map(|date| date.to_string()),
        ":arranged_by": patient.booked_by,
        ":note": patient.note,
    };
    db.prepare_cached(BOOK).and_then(|mut statement| statement.execute(with)).map_err(sort)?;
    audit::add(db, at, Actor::Conversation(by), Action::Create, &object(id), "appointment").map_err(failed)?;
    Ok((read(db, id)?, true))
}

const MOVE: &str = "
    UPDATE appointments SET
        kind = :kind, practitioner = :practitioner, location = :location, starts = :starts, ends = :ends,
        busy_from = :busy_from, busy_to = :busy_to, revision = revision + 1,
        moved_by = COALESCE(:by, moved_by), moved_with = COALESCE(:with, moved_with)
    WHERE id = :id";

/// Puts an appointment to another slot; `with` is the hold that is used up.
fn put(
    db: &Connection,
    at: Timestamp,
    from: &Appointment,
    to: &Slot,
    by: Option<(&ConversationId, AppointmentId)>,
) -> Result<Appointment, BookError> {
    let with = named_params! {
        ":id": from.id.to_string(),
        ":kind": to.kind.as_str(),
        ":practitioner": to.practitioner.as_str(),
        ":location": to.location.as_str(),
        ":starts": to.time.from.as_millisecond(),
        ":ends": to.time.to.as_millisecond(),
        ":busy_from": to.busy.from.as_millisecond(),
        ":busy_to": to.busy.to.as_millisecond(),
        ":by": by.map(|(by, _)| by.as_str()),
        ":with": by.map(|(_, hold)| hold.to_string()),
    };
    db.prepare_cached(MOVE).and_then(|mut statement| statement.execute(with)).map_err(sort)?;
    let slot = &from.slot;
    let changes = [
        ("time", slot.time != to.time),
        ("practitioner", slot.practitioner != to.practitioner),
        ("kind", slot.kind != to.kind),
        ("location", slot.location != to.location),
    ];
    let fields: Vec<&str> = changes.into_iter().filter_map(|(field, changed)| changed.then_some(field)).collect();
    let actor = by.map_or(Actor::System, |(by, _)| Actor::Conversation(by));
    audit::add(db, at, actor, Action::Change, &object(from.id), &fields.join(",")).map_err(failed)?;
    read(db, from.id)
}

pub(super) fn reschedule(
    db: &Connection,
    at: Timestamp,
    id: AppointmentId,
    hold: AppointmentId,
    by: &ConversationId,
    now: Timestamp,
) -> Result<(Appointment, bool), BookError> {
    let before = known(db, id)?;
    if before.lapsed || before.appointment.state != State::Booked {
        return Err(BookError::Unknown);
    }
    let again = before.moved_by.as_deref() == Some(by.as_str()) && before.moved_with == Some(hold.to_string());
    if again {
        return Ok((before.appointment, false));
    }
    let held = known(db, hold)?;
    usable(&held, by, now)?;
    let sql = "UPDATE appointments SET state = 'lapsed' WHERE id = ?1";
    db.prepare_cached(sql).and_then(|mut statement| statement.execute([hold.to_string()])).map_err(failed)?;
    let moved = put(db, at, &before.appointment, &held.appointment.slot, Some((by, hold)))?;
    Ok((moved, true))
}

pub(super) fn follow(
    db: &Connection,
    at: Timestamp,
    id: AppointmentId,
    time: Span,
    busy: Span,
) -> Result<(Appointment, bool), BookError> {
    let before = known(db, id)?.appointment;
    if before.state != State::Booked {
        return Err(BookError::Unknown);
    }
    if before.slot.time == time && before.slot.busy == busy {
        return Ok((before, false));
    }
    let slot = Slot { time, busy, ..before.slot.clone() };
    Ok((put(db, at, &before, &slot, None)?, true))
}

pub(super) fn cancel(
    db: &Connection,
    at: Timestamp,
    id: AppointmentId,
    reason: &str,
    by: Option<&ConversationId>,
    now: Timestamp,
) -> Result<(Appointment, bool), BookError> {
    let before = known(db, id)?.appointment;
    match before.state {
        State::Cancelled => return Ok((before, false)),
        State::Held => return Err(BookError::Unknown),
        State::Booked => {}
    }
    let sql =
        "UPDATE appointments SET state = 'cancelled', revision = revision + 1, cancelled_by = ?2, cancelled_at = ?3,
                                       cancel_reason = ?4 WHERE id = ?1";
    let with = params![id.to_string(), by.map(ConversationId::as_str), now.as_millisecond(), reason];
    db.prepare_cached(sql).and_then(|mut statement| statement.execute(with)).map_err(failed)?;
    errands::forget_reminder(db, id, now).map_err(failed)?;
    let actor = by.map_or(Actor::System, Actor::Conversation);
    audit::add(db, at, actor, Action::Cancel, &object(id), "state").map_err(failed)?;
    Ok((read(db, id)?, true))
}

pub(super) fn set_email(
    db: &Connection,
    at: Timestamp,
    id: AppointmentId,
    email: &str,
    by: &ConversationId,
) -> Result<(), BookError> {
    let sql = "UPDATE appointments SET email = ?2 WHERE id = ?1 AND state = 'booked'";
    reached_by(db, at, (sql, params![id.to_string(), email]), id, by, "email")
}

pub(super) fn allow_sms(
    db: &Connection,
    at: Timestamp,
    id: AppointmentId,
    by: &ConversationId,
) -> Result<(), BookError> {
    let sql = "UPDATE appointments SET sms = 1 WHERE id = ?1 AND state = 'booked'";
    reached_by(db, at, (sql, params![id.to_string()]), id, by, "sms")
}

pub(super) fn set_language(
    db: &Connection,
    at: Timestamp,
    id: AppointmentId,
    language: &str,
    by: &ConversationId,
) -> Result<(), BookError> {
    let sql = "UPDATE appointments SET language = ?2 WHERE id = ?1 AND state = 'booked'";
    reached_by(db, at, (sql, params![id.to_string(), language]), id, by, "language")
}

/// Changes how the patient is reached; `field` is what changes.
fn reached_by(
    db: &Connection,
    at: Timestamp,
    (sql, with): (&str, &[&dyn rusqlite::ToSql]),
    id: AppointmentId,
    by: &ConversationId,
    field: &str,
) -> Result<(), BookError> {
    let changed = db.prepare_cached(sql).and_then(|mut statement| statement.execute(with)).map_err(failed)?;
    if changed == 0 {
        return Err(BookError::Unknown);
    }
    audit::add(db, at, Actor::Conversation(by), Action::Change, &object(id), field).map_err(failed)
}

/// What the audit calls an appointment.
fn object(id: AppointmentId) -> String {
    format!("appointment:{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid_of_its_time() {
        let now = Timestamp::from_millisecond(0x0190_f5a6_7a4e).unwrap();
        assert_eq!(new_id(now, u128::MAX).to_string(), "0190f5a67a4e7fffbfffffffffffffff");
        assert_eq!(new_id(now, 0).to_string(), "0190f5a67a4e70008000000000000000");
    }
}
