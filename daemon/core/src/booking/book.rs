//! The appointment book, as the rules see it. The store implements it over one transaction: everything that one call of
//! a function reads and writes is seen by nobody in between and is written whole or not at all.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::appointment::{Appointment, AppointmentId, Busy, Patient, Reference, Slot, Span};
use crate::clinic::ids::PractitionerId;
use crate::session::id::ConversationId;
use crate::twilio::number::PhoneNumber;

/// Why a time cannot be held or an appointment not be booked or moved.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// Somebody else has it, or it overlaps with something that is held or booked.
    #[error("the time is taken")]
    Taken,
    /// It was held, and the time for saying yes is over.
    #[error("the time is not held any more")]
    Expired,
    /// There is no such appointment, or it is not in a state from which this is possible.
    #[error("there is no such appointment")]
    Unknown,
    /// The database failed; nothing was written.
    #[error("the appointment book cannot be used")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Work that follows from a change and is done outside, later and until it has succeeded. It is written in the same
/// transaction as the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// Put the appointment into the outside calendar, or bring its entry there up to date, or take it out: whatever its
    /// state asks for.
    Calendar(AppointmentId),
    /// Write to the patient by mail what has become of the appointment.
    Mail(AppointmentId),
    /// The same by text message.
    Sms(AppointmentId),
    /// Remind the patient, not before that time.
    Reminder(AppointmentId, Timestamp),
    /// Tell staff of a message that was taken; its number in the store.
    Message(i64),
}

/// What an [`Errand`] is: errands of a kind are carried out by one part and told apart from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrandKind {
    /// [`Errand::Calendar`].
    Calendar,
    /// [`Errand::Mail`].
    Mail,
    /// [`Errand::Sms`].
    Sms,
    /// [`Errand::Reminder`].
    Reminder,
    /// [`Errand::Message`].
    Message,
}

impl ErrandKind {
    /// Every kind there is.
    pub const ALL: [Self; 5] = [Self::Calendar, Self::Mail, Self::Sms, Self::Reminder, Self::Message];

    /// The word in the database, in JSON and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Calendar => "calendar",
            Self::Mail => "mail",
            Self::Sms => "sms",
            Self::Reminder => "reminder",
            Self::Message => "message",
        }
    }

    /// The kind of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl Errand {
    /// Its kind.
    pub fn kind(&self) -> ErrandKind {
        match self {
            Self::Calendar(_) => ErrandKind::Calendar,
            Self::Mail(_) => ErrandKind::Mail,
            Self::Sms(_) => ErrandKind::Sms,
            Self::Reminder(..) => ErrandKind::Reminder,
            Self::Message(_) => ErrandKind::Message,
        }
    }
}

/// A message for staff. Its `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Who left it, as they said it.
    pub name: String,
    /// Where they are called back.
    pub phone: Option<PhoneNumber>,
    /// What it is about, one of the tool's topics.
    pub topic: String,
    /// The message, at most 600 characters.
    pub text: String,
    /// It cannot wait for tomorrow.
    pub today: bool,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({}, …)", self.topic)
    }
}

/// The appointment book within one transaction.
///
/// Holds that have run out count as free everywhere. Every function may fail with [`BookError::Failed`]; the transaction
/// is then rolled back whatever else was done.
pub trait Book {
    /// What keeps these practitioners from seeing anybody within `span`, buffers included, held and booked alike;
    /// `except` is left out.
    fn busy(
        &mut self,
        of: &[PractitionerId],
        span: Span,
        now: Timestamp,
        except: Option<AppointmentId>,
    ) -> Result<Vec<Busy>, BookError>;

    /// Keeps a time until `ends` for a conversation, which gives up whatever else it held. [`BookError::Taken`] if
    /// anything overlaps; what was held before is then still held. The same time again is the same hold, with a new end.
    fn hold(
        &mut self,
        slot: &Slot,
        by: &ConversationId,
        language: &str,
        now: Timestamp,
        ends: Timestamp,
    ) -> Result<Appointment, BookError>;

    /// As [`hold`](Self::hold), for moving an appointment: the time may overlap with that of `instead_of`. Such a hold can
    /// only be used by [`reschedule`](Self::reschedule) as long as the two overlap.
    fn hold_instead(
        &mut self,
        instead_of: AppointmentId,
        slot: &Slot,
        by: &ConversationId,
        language: &str,
        now: Timestamp,
        ends: Timestamp,
    ) -> Result<Appointment, BookError> {
        // A book that cannot tell the two apart refuses what overlaps, which is safe.
        let _ = instead_of;
        self.hold(slot, by, language, now, ends)
    }

    /// Gives up what a conversation holds.
    fn release(&mut self, by: &ConversationId) -> Result<(), BookError>;

    /// Makes a hold of that conversation an appointment. Booked already by the same conversation: the same appointment
    /// again, and `false`.
    fn book(
        &mut self,
        id: AppointmentId,
        by: &ConversationId,
        patient: &Patient,
        now: Timestamp,
    ) -> Result<(Appointment, bool), BookError>;

    /// Moves an appointment to the time of a hold of that conversation, which is used up. Done already by the same
    /// conversation: the same appointment again, and `false`.
    fn reschedule(
        &mut self,
        id: AppointmentId,
        hold: AppointmentId,
        by: &ConversationId,
        now: Timestamp,
    ) -> Result<(Appointment, bool), BookError>;

    /// Takes an appointment back. Cancelled already: the same again, and `false`.
    fn cancel(
        &mut self,
        id: AppointmentId,
        reason: &str,
        by: &ConversationId,
        now: Timestamp,
    ) -> Result<(Appointment, bool), BookError>;

    /// One appointment.
    fn appointment(&mut self, id: AppointmentId) -> Result<Option<Appointment>, BookError>;

    /// The appointment of that reference that is held or booked and not over at `now`.
    fn by_reference(&mut self, reference: Reference, now: Timestamp) -> Result<Option<Appointment>, BookError>;

    /// Booked appointments of that phone number that are not over at `now`, the next first.
    fn by_phone(&mut self, phone: &PhoneNumber, now: Timestamp) -> Result<Vec<Appointment>, BookError>;

    /// Booked appointments of somebody of that name, as [`name_key`](super::appointment::name_key) compares names, that
    /// begin within `span`; the next first.
    fn by_name(&mut self, name: &str, span: Span) -> Result<Vec<Appointment>, BookError>;

    /// Corrects how the patient of a booked appointment is reached; else [`BookError::Unknown`].
    fn set_email(&mut self, id: AppointmentId, email: &str, by: &ConversationId) -> Result<(), BookError>;

    /// The patient of a booked appointment wants text messages about it; else [`BookError::Unknown`].
    fn allow_sms(&mut self, id: AppointmentId, by: &ConversationId) -> Result<(), BookError>;

    /// The patient of a booked appointment is written to in that language, a BCP-47 tag; else [`BookError::Unknown`].
    fn set_language(&mut self, id: AppointmentId, language: &str, by: &ConversationId) -> Result<(), BookError>;

    /// Keeps a message for staff and returns its number. The same message again from the same conversation is kept once.
    fn take_message(&mut self, message: &Message, by: &ConversationId, now: Timestamp) -> Result<i64, BookError>;

    /// Has something done outside once the transaction is committed. `key` makes it happen once: an errand with a key
    /// that was used before is not added again. Errands about an appointment tell of its state when they are carried out,
    /// so one that waits is overtaken by a later one of the same kind and appointment, and left out.
    fn send(&mut self, errand: &Errand, key: &str, now: Timestamp) -> Result<(), BookError>;
}
