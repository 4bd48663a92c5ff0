//! The clerk: what a conversation may do with the appointment book.
//!
//! The model talks, the clerk decides. There is one to a conversation; it remembers what was offered, held, found and
//! asked in it, and nothing of that is believed from the model. It reads and writes through [`Book`], within one
//! transaction per request: what it remembers of a request is to be kept only if the transaction was committed, so the
//! shell lets a clone serve and keeps that.
//!
//! ```text
//!  Request ──► Clerk ──► Answer: for the model; Deed: for the conversation
//!               │  ▲
//!               ▼  │ Book (one transaction), Outside (what the outside calendar said before it),
//!                    Passages (what the clinic's own texts say)
//! ```
//!
//! - `answer`: what comes back.
//! - `find`, `days`, `who`: free times; which days, which practitioner and which type of appointment are meant.
//! - `booking`: holding and booking. `change`: moving, cancelling, writing once more.
//! - `identity`: whose appointments a caller may hear of.
//! - `info`: what the clinic tells everybody. `people`: messages, hand-over, emergencies.
//! - `language`: in which one the caller is spoken and written to. `words`: sentences in it.

mod answer;
mod booking;
mod change;
mod days;
mod find;
mod identity;
mod info;
mod language;
mod people;
mod who;
mod words;

use std::sync::Arc;

use jiff::{Timestamp, ToSpan, Zoned};

pub use answer::{Answer, Deed};

use crate::booking::appointment::{Appointment, AppointmentId, Busy, Slot, Span};
use crate::booking::book::{Book, BookError, Errand};
use crate::booking::offer::Offers;
use crate::booking::refusal::{Choice, Refusal};
use crate::booking::slots;
use crate::booking::spoken::{Language, say_slot};
use crate::clinic::Clinic;
use crate::clinic::ids::PractitionerId;
use crate::knowledge::Passage;
use crate::session::id::ConversationId;
use crate::tools::request::{Channel, Request};
use crate::twilio::number::PhoneNumber;

/// Calls of functions in one conversation; more than any needs. A message, a person and an emergency come first even then.
const MOST_CALLS: u32 = 40;
/// Attempts to find an appointment that end without one: behind them only a person helps.
const MOST_FAILED: u32 = 3;
/// A box that believes it is earlier than this has not been told the time.
const CLOCK_STARTS: Timestamp = Timestamp::constant(1_767_225_600, 0); // 2026-01-01T00:00:00Z
/// Reminders are sent that many hours before.
const REMINDED_BEFORE: i64 = 24;

/// Where a conversation takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the phone: whoever is handed over is dialled by the phone company.
    Phone {
        /// Somebody is dialled when this call is handed over. Else the caller could only leave a message.
        dials: bool,
    },
    /// At the desk: there is nobody to hand over to.
    Desk,
}

/// What the outside calendar said, asked before the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outside {
    /// There is none.
    NotUsed,
    /// What keeps the practitioners that were asked about; nothing if they are free.
    Busy(Vec<Busy>),
    /// It does not answer, or not in full; what is known all the same of what keeps them.
    Unreachable(Vec<Busy>),
}

impl Outside {
    /// What is known to keep somebody.
    fn busy(&self) -> &[Busy] {
        match self {
            Self::NotUsed => &[],
            Self::Busy(busy) | Self::Unreachable(busy) => busy,
        }
    }

    /// Whether there may be more than is known.
    fn is_unknown(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

/// What to ask the outside calendar before a request is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Of whom.
    pub practitioners: Vec<PractitionerId>,
    /// When.
    pub span: Span,
}

/// A conversation's clerk.
#[derive(Clone)]
pub struct Clerk {
    clinic: Arc<Clinic>,
    offers: Arc<Offers>,
    conversation: ConversationId,
    place: Place,
    /// The number that they call from. Easily forged, so it is a hint and no proof.
    caller: Option<PhoneNumber>,
    /// BCP-47 tag of the language in which they are written to.
    tag: String,
    language: Language,
    /// The model has told in which language the caller is spoken to.
    told_language: bool,
    /// When the caller was last heard.
    spoke: Option<Timestamp>,
    memory: Memory,
}

/// What a conversation has come to so far.
#[derive(Clone, Default)]
struct Memory {
    calls: u32,
    /// The last offers.
    offered: Vec<Choice>,
    /// Every hold, in order: `h1` is the first.
    holds: Vec<Hold>,
    /// Appointments that this caller may hear of, in order: `a1` is the first.
    known: Vec<Known>,
    /// A caller's words about the day that somebody had to ask about.
    asked_about: Option<String>,
    failed: u32,
    /// Appointments that were made, taken back or not.
    booked: u16,
    messages: u32,
    /// What was written to whom once more.
    sent: Vec<(AppointmentId, Channel, Option<String>)>,
    /// An address that looked like a slip of the ear, and was asked about.
    doubted: Option<String>,
}

#[derive(Clone)]
struct Hold {
    id: AppointmentId,
    slot: Slot,
    made: Timestamp,
}

#[derive(Clone)]
struct Known {
    id: AppointmentId,
    /// As it was last said.
    say: String,
    since: Timestamp,
}

impl Clerk {
    /// The clerk of a conversation that begins. `tag` is the language in which the caller is greeted; `offers` is the same
    /// for every conversation of the daemon.
    pub fn new(
        clinic: Arc<Clinic>,
        offers: Arc<Offers>,
        conversation: ConversationId,
        place: Place,
        caller: Option<PhoneNumber>,
        tag: &str,
    ) -> Self {
        let language = Language::of(tag);
        Self {
            clinic,
            offers,
            conversation,
            place,
            caller,
            tag: tag.to_owned(),
            language,
            told_language: false,
            spoke: None,
            memory: Memory::default(),
        }
    }

    /// The caller was last heard at that time: a yes can only have been given by then.
    pub fn caller_spoke(&mut self, at: Timestamp) {
        self.spoke = self.spoke.max(Some(at));
    }

    /// The clinic.
    pub fn clinic(&self) -> &Clinic {
        &self.clinic
    }

    /// In which the caller is spoken to.
    pub fn language(&self) -> Language {
        self.language
    }

    /// What to ask the outside calendar, where there is one, before `request` is served.
    pub fn question(&self, request: &Request, now: Timestamp) -> Option<Question> {
        let of = |slot: &Slot| Question { practitioners: vec![slot.practitioner.clone()], span: slot.busy };
        match request {
            Request::FindSlots(wish) => {
                let (wish, _) = self.wish(wish, now).ok()?;
                let kind = self.clinic.appointment_type(&wish.kind)?;
                let practitioners = wish.practitioner.map_or_else(|| kind.practitioners.clone(), |one| vec![one]);
                let wish = crate::booking::wish::Wish { practitioner: None, ..wish };
                Some(Question { practitioners, span: slots::window(&self.clinic, &wish, now) })
            }
            Request::HoldSlot { slot, .. } => self.offer(slot, now).ok().as_ref().map(of),
            Request::Book(booking) => self.hold(&booking.hold).ok().map(|hold| of(&hold.slot)),
            Request::Reschedule { hold, .. } => self.hold(hold).ok().map(|hold| of(&hold.slot)),
            Request::ClinicInfo(_)
            | Request::FindAppointments(_)
            | Request::Cancel { .. }
            | Request::SendConfirmation { .. }
            | Request::TakeMessage(_)
            | Request::Transfer { .. }
            | Request::Emergency => None,
        }
    }

    /// The answer to a request that needs no book, so that nothing that is the matter with a disk stands in its way: danger
    /// to life, handing over to a person, what the clinic tells everybody. `None` for any other.
    pub fn decide_alone(&mut self, request: &Request, now: Timestamp) -> Option<Answer> {
        self.decide_with(request, &[], now)
    }

    /// The same, with what was found in the clinic's own texts of that which the request
    /// [searches for](Self::searches_for).
    pub fn decide_with(&mut self, request: &Request, found: &[Passage], now: Timestamp) -> Option<Answer> {
        let answer = match request {
            Request::Emergency => self.emergency(),
            Request::Transfer { reason } => self.transfer(*reason, now),
            Request::ClinicInfo(_) if self.has_called_too_often() => self.refused(&Refusal::TooManyCalls),
            Request::ClinicInfo(info) => self.info(info, found, now),
            _ => return None,
        };
        self.memory.calls += 1;
        Some(answer)
    }

    /// That many calls were answered by another clone of this clerk meanwhile.
    pub fn has_answered_beside(&mut self, calls: u32) {
        self.memory.calls += calls;
    }

    /// Serves a request. An error is [`BookError::Failed`] and means that nothing was done and this clerk's memory is not
    /// to be kept; whatever else can go wrong is in the answer.
    pub fn serve(
        &mut self,
        request: Request,
        now: Timestamp,
        outside: &Outside,
        book: &mut dyn Book,
    ) -> Result<Answer, BookError> {
        if let Some(answer) = self.decide_alone(&request, now) {
            return Ok(answer);
        }
        self.memory.calls += 1;
        match self.decide(request, now, outside, book) {
            Ok(answer) => Ok(answer),
            Err(Trouble::Refused(refusal @ Refusal::Date(_))) => Ok(self.dated(self.refused(&refusal), now)),
            Err(Trouble::Refused(refusal)) => Ok(self.refused(&refusal)),
            Err(Trouble::Answered(answer)) => Ok(*answer),
            Err(Trouble::Book(error @ BookError::Failed(_))) => Err(error),
            Err(Trouble::Book(error)) => Ok(self.refused(&Refusal::from(&error))),
        }
    }

    fn decide(
        &mut self,
        request: Request,
        now: Timestamp,
        outside: &Outside,
        book: &mut dyn Book,
    ) -> Result<Answer, Trouble> {
        match request {
            Request::TakeMessage(message) => return self.take_message(message, now, book),
            _ if self.memory.calls > MOST_CALLS => return Err(Refusal::TooManyCalls.into()),
            _ if now < CLOCK_STARTS => return Err(Refusal::ClockBad.into()),
            _ => {}
        }
        match request {
            Request::FindSlots(wish) => self.find_slots(&wish, now, outside, book),
            Request::HoldSlot { slot, instead_of } => self.hold_slot(&slot, instead_of.as_deref(), now, outside, book),
            Request::Book(booking) => self.book(&booking, now, outside, book),
            Request::FindAppointments(identity) => self.find_appointments(&identity, now, book),
            Request::Reschedule { appointment, hold, confirmed } => {
                self.reschedule(&appointment, &hold, confirmed, now, outside, book)
            }
            Request::Cancel { appointment, reason, confirmed } => {
                self.cancel(&appointment, reason, confirmed, now, book)
            }
            Request::SendConfirmation { appointment, channel, email } => {
                self.send_confirmation(&appointment, channel, email, now, book)
            }
            Request::ClinicInfo(_) | Request::TakeMessage(_) | Request::Transfer { .. } | Request::Emergency => {
                unreachable!("decided before")
            }
        }
    }

    fn has_called_too_often(&self) -> bool {
        self.memory.calls >= MOST_CALLS
    }

    fn refused(&self, refusal: &Refusal) -> Answer {
        let answer = Answer::refused(refusal, &self.clinic, self.language);
        match refusal {
            Refusal::UnknownSlot => answer.choices(&self.memory.offered),
            Refusal::UnknownHold => {
                let last = self.memory.holds.len().checked_sub(1).map(|at| self.hold_choice(at));
                answer.choices(last.as_slice())
            }
            Refusal::UnknownAppointment => {
                let known: Vec<_> = (0..self.memory.known.len()).map(|at| self.known_choice(at)).collect();
                answer.choices(&known)
            }
            _ => answer,
        }
    }

    fn offer(&self, id: &str, now: Timestamp) -> Result<Slot, Refusal> {
        Ok(self.offers.open(id, &self.conversation, now, &self.clinic)?)
    }

    fn hold(&self, handle: &str) -> Result<&Hold, Refusal> {
        number(handle, 'h').and_then(|at| self.memory.holds.get(at)).ok_or(Refusal::UnknownHold)
    }

    fn known(&self, handle: &str) -> Result<&Known, Refusal> {
        number(handle, 'a').and_then(|at| self.memory.known.get(at)).ok_or(Refusal::UnknownAppointment)
    }

    fn hold_choice(&self, at: usize) -> Choice {
        let say = say_slot(&self.memory.holds[at].slot, &self.clinic, self.language);
        Choice { id: format!("h{}", at + 1), say }
    }

    fn known_choice(&self, at: usize) -> Choice {
        Choice { id: format!("a{}", at + 1), say: self.memory.known[at].say.clone() }
    }

    /// Remembers that the caller may hear of an appointment. Returns its handle.
    fn may_hear_of(&mut self, appointment: &Appointment, now: Timestamp) -> String {
        let say = say_slot(&appointment.slot, &self.clinic, self.language);
        let at = self.memory.known.iter().position(|known| known.id == appointment.id).unwrap_or_else(|| {
            self.memory.known.push(Known { id: appointment.id, say: String::new(), since: now });
            self.memory.known.len() - 1
        });
        self.memory.known[at].say = say;
        format!("a{}", at + 1)
    }

    /// That time on the clinic's own clock.
    fn local(&self, now: Timestamp) -> Zoned {
        now.to_zoned(self.clinic.zone.clone())
    }

    /// Whether the caller can have said yes to what was known to the model since then.
    fn is_confirmed(&self, confirmed: bool, since: Timestamp) -> Result<(), Refusal> {
        let heard = self.spoke.is_some_and(|spoke| spoke > since);
        if confirmed && heard { Ok(()) } else { Err(Refusal::NotConfirmed) }
    }
}

/// Has the outside told of an appointment, as it now is: the calendar, and the patient in the ways that they want. Told
/// already of this revision: nothing is added. The error is [`BookError::Failed`].
pub fn tell_outside(appointment: &Appointment, now: Timestamp, book: &mut dyn Book) -> Result<(), BookError> {
    let (id, revision) = (appointment.id, appointment.revision);
    book.send(&Errand::Calendar(id), &format!("calendar:{id}:{revision}"), now)?;
    let Some(patient) = &appointment.patient else { return Ok(()) };
    if patient.email.is_some() {
        book.send(&Errand::Mail(id), &format!("mail:{id}:{revision}"), now)?;
    }
    if patient.sms && patient.phone.is_some() {
        book.send(&Errand::Sms(id), &format!("sms:{id}:{revision}"), now)?;
    }
    Ok(())
}

/// Has the patient reminded a day before, if that day is still to come and they want to be written to. The error is
/// [`BookError::Failed`].
pub fn remind(appointment: &Appointment, now: Timestamp, book: &mut dyn Book) -> Result<(), BookError> {
    let Some(patient) = &appointment.patient else { return Ok(()) };
    let at = appointment.slot.time.from - REMINDED_BEFORE.hours();
    if at > now && (patient.email.is_some() || patient.sms && patient.phone.is_some()) {
        let (id, revision) = (appointment.id, appointment.revision);
        book.send(&Errand::Reminder(id, at), &format!("reminder:{id}:{revision}"), now)?;
    }
    Ok(())
}

/// Why a request is not served.
enum Trouble {
    Refused(Refusal),
    /// With more than a refusal can say.
    Answered(Box<Answer>),
    Book(BookError),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Answer> for Trouble {
    fn from(answer: Answer) -> Self {
        Self::Answered(Box::new(answer))
    }
}

impl From<BookError> for Trouble {
    fn from(error: BookError) -> Self {
        Self::Book(error)
    }
}

/// The place that a handle names: `h1` is the first.
fn number(handle: &str, kind: char) -> Option<usize> {
    let digits = handle.trim().to_ascii_lowercase();
    let digits = digits.strip_prefix(kind)?;
    let plain = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse::<usize>().ok().filter(|_| plain)?.checked_sub(1)
}

#[cfg(test)]
#[path = "clerk_tests.rs"]
mod tests;
