//! Letters: what patients and staff are told in writing, and what became of it. Pure: the shell renders, sends and looks
//! at the clock.
//!
//! ```text
//! appointment ─► Notice (which letter, if any) ─► Facts (in the patient's language) ─► template, .ics, text message
//!                                                                     what a server answers ─► Sent
//! ```
//!
//! - [`address`]: mail addresses that are written to. [`clean`]: texts that can do no harm in a header.
//! - [`facts`]: what a letter may say. [`words`]: days and times in writing.
//! - [`ics`]: calendar files. [`sms`]: text messages. [`smtp`], [`gmail`]: what a mail server's and Gmail's answers mean.

pub mod address;
pub mod clean;
pub mod facts;
pub mod gmail;
pub mod ics;
pub mod sms;
pub mod smtp;
pub mod words;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::booking::appointment::{Appointment, AppointmentId, State};

/// A reminder belongs to the day before; when the appointment is further away it has been moved, and is reminded of later.
const REMINDED_WITHIN: SignedDuration = SignedDuration::from_hours(36);

/// What a letter tells a patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Notice {
    /// An appointment was made.
    Confirmation,
    /// It has another time or place.
    Rescheduled,
    /// It will not take place.
    Cancellation,
    /// It is tomorrow.
    Reminder,
}

/// Why there is nothing to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Moot {
    /// Nobody has said yes to it.
    #[error("the appointment is not booked")]
    NotBooked,
    /// It was taken back before its reminder.
    #[error("the appointment was cancelled")]
    Cancelled,
    /// It was moved to a day that has a reminder of its own.
    #[error("the appointment was moved to a later day")]
    Moved,
    /// It has begun, or is over.
    #[error("the appointment's time has come")]
    Over,
    /// The patient wants no mail.
    #[error("the patient gave no mail address")]
    NoMail,
    /// The patient wants no text messages, or has no number.
    #[error("the patient wants no text messages")]
    NoSms,
    /// The clinic has not said where its staff read mail.
    #[error("[mail] staff names no address")]
    NoStaff,
}

impl Notice {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Confirmation, Self::Rescheduled, Self::Cancellation, Self::Reminder];

    /// What is to be told about an appointment as it stands at `now`.
    pub fn about(appointment: &Appointment, now: Timestamp) -> Result<Self, Moot> {
        if appointment.slot.time.from <= now {
            return Err(Moot::Over);
        }
        match appointment.state {
            State::Held => Err(Moot::NotBooked),
            State::Cancelled => Ok(Self::Cancellation),
            State::Booked if appointment.revision == 0 => Ok(Self::Confirmation),
            State::Booked => Ok(Self::Rescheduled),
        }
    }

    /// Whether the patient is to be reminded at `now`, which is when a reminder was due, or later.
    pub fn reminder(appointment: &Appointment, now: Timestamp) -> Result<Self, Moot> {
        match Self::about(appointment, now)? {
            Self::Cancellation => Err(Moot::Cancelled),
            _ if appointment.slot.time.from.duration_since(now) > REMINDED_WITHIN => Err(Moot::Moved),
            _ => Ok(Self::Reminder),
        }
    }

    /// Its name in file names and in Message-IDs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirmation => "confirmation",
            Self::Rescheduled => "rescheduled",
            Self::Cancellation => "cancellation",
            Self::Reminder => "reminder",
        }
    }

    /// The letter's `Message-ID`, angle brackets included: the same however often it is sent, so that a receiving system
    /// may drop the second.
    pub fn message_id(self, appointment: &Appointment, domain: &str) -> String {
        message_id(appointment.id, self, appointment.revision, domain)
    }

    /// The `Message-ID` of the letter that this one follows up.
    pub fn follows(self, appointment: &Appointment, domain: &str) -> Option<String> {
        (self != Self::Confirmation).then(|| message_id(appointment.id, Self::Confirmation, 0, domain))
    }
}

fn message_id(id: AppointmentId, notice: Notice, revision: u32, domain: &str) -> String {
    format!("<{id}.{}.{revision}@{domain}>", notice.name())
}

/// What became of a letter. Its texts name nobody: they are kept beside the errand and may be logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The next in line has it: a mail server, a folder, Twilio. That is not yet the patient.
    Done {
        /// What it is called there.
        receipt: String,
    },
    /// There is nothing to send any more.
    Moot(Moot),
    /// It was not sent, and the same may work later.
    Retry {
        /// What happened.
        why: String,
        /// Not before that, if the other side said so.
        after: Option<Duration>,
    },
    /// It was not sent, and the same will fail for everybody until somebody mends the settings.
    Misconfigured(String),
    /// It was not sent, and never will be: this recipient or this letter is refused.
    Rejected(String),
    /// It may have been sent. Once more is better than never; a third time is not.
    Unknown(String),
    /// It may have been sent, and the next attempt finds out before it sends anything: it may be tried as often as need be.
    Open {
        /// What happened.
        why: String,
        /// Not before that, if the other side said so.
        after: Option<Duration>,
    },
}

#[cfg(test)]
mod tests {
    use super::facts::tests::{appointment, at};
    use super::*;

    #[test]
    fn a_letter_tells_what_has_become_of_an_appointment() {
        let mut appointment = appointment();
        let now = at("2026-11-20T09:00:00Z");
        assert_eq!(Notice::about(&appointment, now), Ok(Notice::Confirmation));
        appointment.revision = 1;
        assert_eq!(Notice::about(&appointment, now), Ok(Notice::Rescheduled));
        appointment.state = State::Cancelled;
        assert_eq!(Notice::about(&appointment, now), Ok(Notice::Cancellation));
        appointment.state = State::Held;
        assert_eq!(Notice::about(&appointment, now), Err(Moot::NotBooked));
    }

    #[test]
    fn nothing_is_written_about_a_visit_that_has_passed() {
        let appointment = appointment();
        assert_eq!(Notice::about(&appointment, appointment.slot.time.from), Err(Moot::Over));
        assert_eq!(Notice::reminder(&appointment, appointment.slot.time.to), Err(Moot::Over));
    }

    #[test]
    fn a_reminder_comes_on_the_day_before_and_not_for_what_was_moved_or_cancelled() {
        let mut appointment = appointment();
        assert_eq!(Notice::reminder(&appointment, at("2026-11-30T13:00:00Z")), Ok(Notice::Reminder));
        assert_eq!(Notice::reminder(&appointment, at("2026-11-24T13:00:00Z")), Err(Moot::Moved));
        appointment.state = State::Cancelled;
        assert_eq!(Notice::reminder(&appointment, at("2026-11-30T13:00:00Z")), Err(Moot::Cancelled));
    }

    #[test]
    fn the_same_letter_has_the_same_id_and_the_next_one_answers_the_first() {
        let mut appointment = appointment();
        let first = Notice::Confirmation.message_id(&appointment, "clinic.example");
        assert_eq!(first, "<0190f5a67a4e7c3b9a550f1e2d3c4b5a.confirmation.0@clinic.example>");
        assert_eq!(Notice::Confirmation.follows(&appointment, "clinic.example"), None);
        appointment.revision = 2;
        assert_eq!(Notice::Rescheduled.follows(&appointment, "clinic.example"), Some(first));
    }
}
