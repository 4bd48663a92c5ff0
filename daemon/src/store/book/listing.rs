//! What staff are shown, in the shape in which it becomes JSON: appointments and messages.
//!
//! Field names are in snake case, times are RFC 3339 texts. Whoever looks is noted in the audit.

use frontdesk_core::booking::appointment::{Appointment, Patient, Span, State};
use frontdesk_core::booking::book::Message;
use frontdesk_core::clinic::ids::{LocationId, PractitionerId, TypeId};
use frontdesk_core::twilio::number::PhoneNumber;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};
use serde::{Deserialize, Serialize};

use super::super::query::{MAX_LISTED, e164, optional_time, time};
use super::audit::{self, Action, Actor};
use super::rows;
use crate::store::{Store, StoreError};

type Answer<T> = std::result::Result<T, StoreError>;

/// Days that a listing of appointments covers, at most.
pub const MAX_SPAN: SignedDuration = SignedDuration::from_hours(24 * 366);

/// An appointment as staff see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedAppointment {
    /// Its name in the database and in outside calendars.
    pub id: String,
    /// Its name among people.
    pub reference: String,
    /// Where it stands.
    pub state: State,
    /// What.
    pub kind: TypeId,
    /// With whom.
    pub practitioner: PractitionerId,
    /// Where.
    pub location: LocationId,
    /// The patient's time.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
    /// The language in which the patient is written to.
    pub language: String,
    /// How often it was changed.
    pub revision: u32,
    /// For whom; null while it is only held, and once it is anonymous.
    pub patient: Option<ListedPatient>,
}

/// For whom an appointment is. Its `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedPatient {
    /// As it was confirmed.
    pub name: String,
    /// Where they are called. Whole in JSON, masked in a log.
    #[serde(with = "e164")]
    pub phone: Option<PhoneNumber>,
    /// If they want mail.
    pub email: Option<String>,
    /// They want text messages.
    pub sms: bool,
    /// Day of birth.
    pub born: Option<jiff::civil::Date>,
    /// Who booked, if it was somebody else.
    pub booked_by: Option<String>,
    /// Needs of access or language.
    pub note: String,
}

impl std::fmt::Debug for ListedPatient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ListedPatient(…)")
    }
}

impl From<Patient> for ListedPatient {
    fn from(patient: Patient) -> Self {
        let Patient { name, phone, email, sms, born, booked_by, note } = patient;
        Self { name, phone, email, sms, born, booked_by, note }
    }
}

impl From<Appointment> for ListedAppointment {
    fn from(appointment: Appointment) -> Self {
        let Appointment { id, reference, slot, patient, language, state, revision } = appointment;
        Self {
            id: id.to_string(),
            reference: reference.to_string(),
            state,
            kind: slot.kind,
            practitioner: slot.practitioner,
            location: slot.location,
            from: slot.time.from,
            to: slot.time.to,
            language,
            revision,
            patient: patient.map(ListedPatient::from),
        }
    }
}

/// A message as staff see it. Its `Debug` shows none of what was said.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedMessage {
    /// Grows with every message.
    pub id: i64,
    /// The conversation in which it was left.
    pub conversation: String,
    /// Who left it, as they said it.
    pub name: String,
    /// Where they are called back. Whole in JSON, masked in a log.
    #[serde(with = "e164")]
    pub phone: Option<PhoneNumber>,
    /// What it is about.
    pub topic: String,
    /// The message.
    pub text: String,
    /// It cannot wait for tomorrow.
    pub today: bool,
    /// When it was left.
    pub taken_at: Timestamp,
    /// When somebody said that it is dealt with.
    pub read_at: Option<Timestamp>,
}

impl std::fmt::Debug for ListedMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, conversation, today, .. } = self;
        write!(f, "ListedMessage {{ id: {id}, conversation: {conversation}, today: {today}, … }}")
    }
}

impl ListedMessage {
    /// The message itself.
    pub fn message(&self) -> Message {
        let Self { name, phone, topic, text, today, .. } = self.clone();
        Message { name, phone, topic, text, today }
    }
}

const MESSAGE: &str = "SELECT id, conversation, name, phone, topic, text, today, taken_at, read_at FROM messages";

fn message(row: &Row<'_>) -> Result<ListedMessage> {
    Ok(ListedMessage {
        id: row.get(0)?,
        conversation: row.get(1)?,
        name: row.get(2)?,
        phone: row.get::<_, Option<String>>(3)?.and_then(|text| PhoneNumber::parse(&text).ok()),
        topic: row.get(4)?,
        text: row.get(5)?,
        today: row.get(6)?,
        taken_at: time(row, 7)?,
        read_at: optional_time(row, 8)?,
    })
}

/// Notes that staff have looked; a disk that takes nothing is no reason to show them nothing.
fn viewed(db: &Connection, object: &str) {
    if let Err(error) = audit::add(db, Timestamp::now(), Actor::Staff, Action::View, object, "") {
        log::error!("it could not be noted that staff have looked at {object}: {error}");
    }
}

impl Store {
    /// Appointments that overlap with `span`, booked and cancelled ones and what is held at `now`, by their time; the first
    /// `most` of them. For parts of the daemon: nothing is noted.
    pub async fn appointments_within(&self, span: Span, now: Timestamp, most: usize) -> Answer<Vec<Appointment>> {
        self.ask("listing appointments", move |db| rows::within(db, span, now, most)).await
    }

    /// The same for staff, at most [`MAX_LISTED`], noted in the audit.
    pub async fn appointments(&self, span: Span, now: Timestamp) -> Answer<Vec<ListedAppointment>> {
        let list = move |db: &Connection| {
            let found = rows::within(db, span, now, MAX_LISTED)?;
            viewed(db, "appointments");
            Ok(found.into_iter().map(ListedAppointment::from).collect())
        };
        self.ask("listing appointments", list).await
    }

    /// Messages, the newest first, before the one with the number `before`; noted in the audit. At most `limit`, which is at
    /// most [`MAX_LISTED`].
    pub async fn messages(&self, limit: usize, before: Option<i64>, unread_only: bool) -> Answer<Vec<ListedMessage>> {
        let list = move |db: &Connection| {
            let sql = format!("{MESSAGE} WHERE id < ?1 AND (read_at IS NULL OR NOT ?2) ORDER BY id DESC LIMIT ?3");
            let with = params![before.unwrap_or(i64::MAX), unread_only, limit.min(MAX_LISTED) as i64];
            let found: Vec<_> = db.prepare_cached(&sql)?.query_map(with, message)?.collect::<Result<_>>()?;
            viewed(db, "messages");
            Ok(found)
        };
        self.ask("listing messages", list).await
    }

    /// One message, for who carries it to staff; `None` if there is none of that number.
    pub async fn message(&self, id: i64) -> Answer<Option<ListedMessage>> {
        let read = move |db: &Connection| {
            db.prepare_cached(&format!("{MESSAGE} WHERE id = ?1"))?.query_row([id], message).optional()
        };
        self.ask("reading a message", read).await
    }

    /// Staff have dealt with a message: it is erased some months later. `None` if there is none of that number; read
    /// already, nothing changes.
    pub async fn message_read(&self, id: i64, now: Timestamp) -> Answer<Option<ListedMessage>> {
        let write = move |db: &Connection| {
            let sql = "UPDATE messages SET read_at = ?2 WHERE id = ?1 AND read_at IS NULL";
            if db.prepare_cached(sql)?.execute(params![id, now.as_millisecond()])? > 0 {
                audit::add(db, now, Actor::Staff, Action::Change, &format!("message:{id}"), "read")?;
            }
            db.prepare_cached(&format!("{MESSAGE} WHERE id = ?1"))?.query_row([id], message).optional()
        };
        self.change("marking a message as read", write).await
    }
}
