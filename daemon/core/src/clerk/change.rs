//! Moving an appointment, taking it back, writing to the patient once more.
//!
//! All of it is for appointments that this caller may hear of, and all of it is harmless when it is asked for twice.

use jiff::Timestamp;
use serde_json::json;

use super::booking::is_free_outside;
use super::words::{self, Saying};
use super::{Answer, Clerk, Outside, Trouble, remind, tell_outside};
use crate::booking::appointment::{Appointment, State};
use crate::booking::book::{Book, BookError, Errand, Message};
use crate::booking::refusal::Refusal;
use crate::booking::spoken::say_slot;
use crate::tools::request::Channel;

/// How often a confirmation is sent once more in one conversation.
const MOST_SENT: usize = 3;

impl Clerk {
    pub(super) fn reschedule(
        &mut self,
        handle: &str,
        hold: &str,
        confirmed: bool,
        now: Timestamp,
        outside: &Outside,
        book: &mut dyn Book,
    ) -> Result<Answer, Trouble> {
        let (id, hold) = (self.known(handle)?.id, self.hold(hold)?.clone());
        let old = book.appointment(id)?.ok_or(Refusal::UnknownAppointment)?;
        let unknown = outside.is_unknown();
        if old.slot.time == hold.slot.time
            && old.slot.practitioner == hold.slot.practitioner
            && old.state == State::Booked
        {
            return Ok(self.is_moved(&old, handle, false, unknown, now));
        }
        // Age, referral and the rest were asked for the type that was booked.
        if old.slot.kind != hold.slot.kind {
            return Err(Refusal::OtherType.into());
        }
        self.is_confirmed(confirmed, hold.made)?;
        let late = self.is_late(&old, now)?;
        if let Err(taken) = is_free_outside(&hold.slot, outside, Some(&old)) {
            book.release(&self.conversation)?;
            let say =
                format!("{} {}", taken.say(&self.clinic, self.language), words::say(Saying::StillKept, self.language));
            return Err(Answer::error(taken.code(), say, taken.next_step()).into());
        }
        let moved = match book.reschedule(id, hold.id, &self.conversation, now) {
            Ok((moved, _)) => moved,
            Err(error @ BookError::Failed(_)) => return Err(error.into()),
            Err(error) => {
                let refusal = if matches!(error, BookError::Taken) { Refusal::SlotTaken } else { Refusal::HoldExpired };
                let kept = words::say(Saying::StillKept, self.language);
                let say = format!("{} {kept}", refusal.say(&self.clinic, self.language));
                return Err(Answer::error(refusal.code(), say, refusal.next_step()).into());
            }
        };
        let moved = self.written_to(moved, book)?;
        tell_outside(&moved, now, book)?;
        remind(&moved, now, book)?;
        if late {
            self.tell_staff(&moved, "moved", now, book)?;
        }
        Ok(self.is_moved(&moved, handle, late, unknown, now))
    }

    fn is_moved(&mut self, moved: &Appointment, handle: &str, late: bool, unknown: bool, now: Timestamp) -> Answer {
        self.may_hear_of(moved, now);
        let say = words::moved(moved, unknown, &self.clinic, self.language);
        let next = "Say it, then ask whether there is anything else. The reference stays the same.";
        let answer = Answer::done("rescheduled", say, next).with("appointment_id", json!(handle));
        let answer = answer.with("late", json!(late));
        if unknown { answer.with("calendar", json!("unreachable")) } else { answer }
    }

    pub(super) fn cancel(
        &mut self,
        handle: &str,
        reason: &str,
        confirmed: bool,
        now: Timestamp,
        book: &mut dyn Book,
    ) -> Result<Answer, Trouble> {
        let known = self.known(handle)?;
        let (id, since) = (known.id, known.since);
        let old = book.appointment(id)?.ok_or(Refusal::UnknownAppointment)?;
        let mut late = false;
        if old.state != State::Cancelled {
            self.is_confirmed(confirmed, since)?;
            late = self.is_late(&old, now)?;
            // While it is booked: what is cancelled is not changed any more.
            self.written_to(old.clone(), book)?;
            let (cancelled, _) = book.cancel(id, reason, &self.conversation, now)?;
            tell_outside(&cancelled, now, book)?;
            if late {
                self.tell_staff(&cancelled, "cancelled", now, book)?;
            }
        }
        let slot = say_slot(&old.slot, &self.clinic, self.language);
        let next = "Say it, then ask whether there is anything else. Do not speak of fees.";
        let answer = Answer::done("cancelled", words::cancelled(&slot, self.language), next);
        Ok(answer.with("appointment_id", json!(handle)).with("late", json!(late)))
    }

    pub(super) fn send_confirmation(
        &mut self,
        handle: &str,
        channel: Channel,
        email: Option<String>,
        now: Timestamp,
        book: &mut dyn Book,
    ) -> Result<Answer, Trouble> {
        let id = self.known(handle)?.id;
        let appointment = book.appointment(id)?.ok_or(Refusal::UnknownAppointment)?;
        let patient = appointment.patient.as_ref().ok_or(Refusal::UnknownAppointment)?;
        // What has begun needs no confirmation.
        self.is_late(&appointment, now)?;
        let reachable = match channel {
            Channel::Email => email.is_some() || patient.email.is_some(),
            Channel::Sms => patient.phone.is_some(),
        };
        if !reachable {
            return Err(Refusal::NoContact.into());
        }
        let email = email.filter(|_| channel == Channel::Email);
        self.is_meant(email.as_deref())?;
        let wanted = (id, channel, email);
        if !self.memory.sent.contains(&wanted) {
            if self.memory.sent.len() >= MOST_SENT {
                return Err(Refusal::TooManyCalls.into());
            }
            match (channel, &wanted.2) {
                (Channel::Email, Some(email)) => book.set_email(id, email, &self.conversation)?,
                // They have just asked for one: without that nothing is sent.
                (Channel::Sms, _) if !patient.sms => book.allow_sms(id, &self.conversation)?,
                _ => {}
            }
            self.written_to(appointment, book)?;
            // Its place in the conversation, not its address: keys are shown to technicians.
            let key = format!("again:{id}:{}:{}", self.conversation, self.memory.sent.len());
            let errand = if channel == Channel::Email { Errand::Mail(id) } else { Errand::Sms(id) };
            book.send(&errand, &key, now)?;
            self.memory.sent.push(wanted);
        }
        let next = "Say it, then ask whether there is anything else.";
        Ok(Answer::done("queued", words::say(Saying::Sent, self.language), next))
    }

    /// Whether staff have to be told of a change. What has begun is not changed here at all.
    fn is_late(&self, old: &Appointment, now: Timestamp) -> Result<bool, Refusal> {
        if old.slot.time.from <= now {
            return Err(Refusal::TooLate);
        }
        let notice = self.clinic.rules.change_notice;
        Ok(now.saturating_add(notice).is_ok_and(|by| old.slot.time.from < by))
    }

    fn tell_staff(
        &self,
        appointment: &Appointment,
        what: &str,
        now: Timestamp,
        book: &mut dyn Book,
    ) -> Result<(), BookError> {
        let patient = appointment.patient.as_ref();
        let message = Message {
            name: patient.map(|patient| patient.name.clone()).unwrap_or_default(),
            phone: patient.and_then(|patient| patient.phone.clone()),
            topic: "appointment".to_owned(),
            text: format!("Appointment {} was {what} at short notice.", appointment.reference),
            today: true,
        };
        let number = book.take_message(&message, &self.conversation, now)?;
        book.send(&Errand::Message(number), &format!("message:{number}"), now)
    }
}
