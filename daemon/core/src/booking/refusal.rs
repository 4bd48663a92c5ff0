//! Why something is not done: a stable code for the model, a sentence for the caller, and what to do next.
//!
//! A refusal never repeats what a caller said, and names nobody but the clinic's own people: it may reach a log.
//! The sentences are in [`sentence`].

mod sentence;

use std::fmt;
use std::time::Duration;

use jiff::civil::{Date, Weekday};

use super::appointment::Slot;
use super::book::BookError;
use super::spoken::Language;
use crate::clinic::Clinic;
use crate::clinic::ids::{PractitionerId, TypeId};

/// Why the clinic sees nobody on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closure {
    /// A holiday or a closure, by the name that may be said; empty if nothing is said of it.
    Holiday(String),
    /// It is never open on that weekday.
    Weekday(Weekday),
}

/// Why no time was found for a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Because {
    /// The clinic is closed on every day that was wished.
    Closed(Closure),
    /// The practitioner whom the caller wants (or everybody who does it) sees nobody then; with what may be said of their
    /// absence, empty if nothing is.
    PractitionerAway(String),
    /// The practitioner whom the caller wants does not do this.
    NotDone,
    /// The time of day that was wished lies outside the hours of these days.
    OutsideHours,
    /// Everything then is taken.
    FullyBooked,
    /// That time is over.
    Past,
    /// It must be booked that long before.
    TooSoon(Duration),
    /// It cannot be booked after that day.
    TooFar(Date),
}

/// There is no free time for a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSlots {
    /// What was wished.
    pub kind: TypeId,
    /// Whom the caller wants, if it matters to them.
    pub practitioner: Option<PractitionerId>,
    /// Why there is none.
    pub because: Because,
    /// The next free time at any time of day, with the practitioner who was wished if they do this, else with anybody: on
    /// a day that was wished the one nearest to the time that was, else the first after it. Nothing if there is none
    /// until the last day that can be booked.
    pub next_free: Option<Slot>,
}

/// A date is not one that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DateRefusal {
    /// It is not of the form `2026-12-01`.
    Malformed,
    /// There is no such day: 31 November.
    NoSuchDay,
    /// It is no weekday's English name.
    UnknownWeekday,
    /// The date is not on the weekday that was named with it.
    WeekdayMismatch {
        /// The date.
        date: Date,
        /// The weekday that was named; `date` is on another.
        named: Weekday,
        /// The two dates of the named weekday next to `date`, none of them past.
        dates: [Date; 2],
    },
    /// It is over.
    InPast {
        /// The date.
        date: Date,
        /// The day on which it was asked, in the clinic's zone.
        today: Date,
    },
    /// The last day of a span comes before its first.
    Reversed,
    /// The caller's words have several meanings, and one must be asked for.
    Ambiguous {
        /// The days that may be meant, in order; two or more.
        candidates: Vec<Date>,
    },
}

/// Why a tool did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A date cannot be used.
    Date(DateRefusal),
    /// Nothing is free.
    NoSlots(Box<NoSlots>),
    /// There is no appointment type of that id.
    UnknownType,
    /// There is no practitioner of that id, or none of that id who does this.
    UnknownPractitioner {
        /// What is to be booked, if that is known; only those who do it are then listed.
        kind: Option<TypeId>,
    },
    /// It is not the id of a time that was offered in this conversation, or its offer has run out.
    UnknownSlot,
    /// It is not the id of a time that is kept for this conversation.
    UnknownHold,
    /// It is not the id of an appointment that this caller was found to have.
    UnknownAppointment,
    /// The time for saying yes is over.
    HoldExpired,
    /// An appointment is to be moved to a time that is held for another type of appointment.
    OtherType,
    /// Somebody else has that time.
    SlotTaken,
    /// The caller has not said yes to what was read back.
    NotConfirmed,
    /// An argument is missing or of another form than declared.
    BadArgument {
        /// Its name in the declaration.
        name: &'static str,
        /// What it must be, in a few English words for the model.
        expected: &'static str,
    },
    /// It is not a phone number that can be dialled.
    BadPhone,
    /// It is not a mail address.
    BadEmail,
    /// It is not a name that can be written on one line.
    BadName,
    /// Too few facts about the patient match.
    NotIdentified,
    /// It has begun or is over.
    TooLate,
    /// That phone number has as many future appointments as it may have, or as many were made in this conversation.
    LimitReached {
        /// How many that are.
        most: u16,
    },
    /// The patient's age is outside of those for which it is.
    Age {
        /// What was to be booked.
        kind: TypeId,
    },
    /// The patient is not of age; somebody who may decide for them must book.
    GuardianNeeded {
        /// From which age on patients book for themselves.
        adult_age: u8,
    },
    /// Somebody must have sent the patient.
    ReferralNeeded {
        /// What was to be booked.
        kind: TypeId,
    },
    /// Somebody who was never here cannot book it.
    NotForNewPatients {
        /// What was to be booked.
        kind: TypeId,
    },
    /// Only a person does this.
    NeedsHuman,
    /// There is no address or number to which a confirmation could be sent.
    NoContact,
    /// The box does not know what time it is.
    ClockBad,
    /// The appointment book cannot be read or written; nothing was changed.
    StoreUnavailable,
    /// The model called more functions in this conversation than any conversation needs.
    TooManyCalls,
}

/// Something that can be chosen in place of what is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its id, for the model.
    pub id: String,
    /// As it is said.
    pub say: String,
}

impl Refusal {
    /// A stable name of the reason, for the model and for counters.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Date(refusal) => refusal.code(),
            Self::NoSlots(_) => "no_slots",
            Self::UnknownType => "unknown_type",
            Self::UnknownPractitioner { .. } => "unknown_practitioner",
            Self::UnknownSlot => "unknown_slot",
            Self::UnknownHold => "unknown_hold",
            Self::UnknownAppointment => "unknown_appointment",
            Self::HoldExpired => "hold_expired",
            Self::OtherType => "other_type",
            Self::SlotTaken => "slot_taken",
            Self::NotConfirmed => "not_confirmed",
            Self::BadArgument { .. } => "bad_argument",
            Self::BadPhone => "bad_phone",
            Self::BadEmail => "bad_email",
            Self::BadName => "bad_name",
            Self::NotIdentified => "not_identified",
            Self::TooLate => "too_late",
            Self::LimitReached { .. } => "limit_reached",
            Self::Age { .. } => "age",
            Self::GuardianNeeded { .. } => "guardian_needed",
            Self::ReferralNeeded { .. } => "referral_needed",
            Self::NotForNewPatients { .. } => "not_for_new_patients",
            Self::NeedsHuman => "needs_human",
            Self::NoContact => "no_contact",
            Self::ClockBad => "clock_bad",
            Self::StoreUnavailable => "store_unavailable",
            Self::TooManyCalls => "too_many_calls",
        }
    }

    /// What the model should do about it.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Date(refusal) => refusal.next_step(),
            Self::NoSlots(_) => "Say why, and offer the next free time or other days; call find_slots for them.",
            Self::UnknownType => "Use one of the listed ids; ask the caller which one they mean if that is not clear.",
            Self::UnknownPractitioner { .. } => {
                "Use one of the listed ids, or leave the practitioner out; ask the caller if that is not clear."
            }
            Self::UnknownSlot => "Call find_slots and use a slot_id exactly as it returns it.",
            Self::UnknownHold | Self::HoldExpired => {
                "Call find_slots, then hold_slot for the time that the caller wants."
            }
            Self::UnknownAppointment => "Call find_appointments and use an appointment_id exactly as it returns it.",
            Self::OtherType => {
                "Call find_slots for the type that the appointment is of. Another type is a booking of its own: book it, then \
                 cancel the old one if the caller wants that."
            }
            Self::SlotTaken => "Call find_slots again and offer the new times.",
            Self::NotConfirmed => "Read the details back, wait for a clear yes, then call this again.",
            Self::BadArgument { .. } => "Correct the named argument and call this again.",
            Self::BadPhone => "Ask for the number again, digit by digit with the area code, and read it back.",
            Self::BadEmail => "Ask for the address again, letter by letter, or go on without it.",
            Self::BadName => "Ask for the patient's first and last name again.",
            Self::NotIdentified => {
                "Do not say whether any appointment exists. Ask for two of: reference, phone number, full name with the \
                 date of the visit or of birth. If that fails, take a message."
            }
            Self::TooLate => "Take a message for staff with urgency today, or offer to hand over to a person.",
            Self::LimitReached { .. } | Self::NeedsHuman | Self::TooManyCalls => {
                "Offer to hand over to a person, or take a message."
            }
            Self::Age { .. } | Self::NotForNewPatients { .. } => {
                "Offer another type of appointment, or take a message."
            }
            Self::GuardianNeeded { .. } => "Ask for somebody who may decide for the patient, or take a message.",
            Self::ReferralNeeded { .. } => {
                "Ask whether there is a referral; without one offer another type, or take a message."
            }
            Self::NoContact => "Ask for a mail address or a mobile number, or say the reference again.",
            Self::StoreUnavailable => {
                "Nothing was booked or changed: say so. Try once more; then take a message or hand over to a person."
            }
            Self::ClockBad => "Nothing can be booked now: say so, and take a message or hand over to a person.",
        }
    }

    /// Whether the same call, unchanged, may succeed a moment later.
    pub fn retry(&self) -> bool {
        matches!(self, Self::StoreUnavailable)
    }

    /// The sentence to say to the caller. It is true whatever else happens.
    pub fn say(&self, clinic: &Clinic, language: Language) -> String {
        match language {
            Language::English => sentence::english(self, clinic),
            Language::German => sentence::german(self, clinic),
        }
    }

    /// What would have done where an id was not known: never empty for one that the clinic could have.
    pub fn legal(&self, clinic: &Clinic) -> Vec<Choice> {
        match self {
            Self::UnknownType => {
                let known = clinic.types.iter();
                known.map(|known| Choice { id: known.id.to_string(), say: known.say_as.clone() }).collect()
            }
            Self::UnknownPractitioner { kind } => practitioners(clinic, kind.as_ref()),
            Self::NoSlots(none) if none.because == Because::NotDone => practitioners(clinic, Some(&none.kind)),
            _ => Vec::new(),
        }
    }
}

/// Who does that type of appointment; everybody if there is no such type.
fn practitioners(clinic: &Clinic, kind: Option<&TypeId>) -> Vec<Choice> {
    let kind = kind.and_then(|kind| clinic.appointment_type(kind));
    let does_it = |id: &PractitionerId| kind.is_none_or(|kind| kind.practitioners.contains(id));
    let known = clinic.practitioners.iter().filter(|known| does_it(&known.id));
    known.map(|known| Choice { id: known.id.to_string(), say: known.say_as.clone() }).collect()
}

impl DateRefusal {
    /// A stable name of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed | Self::NoSuchDay | Self::UnknownWeekday | Self::Reversed => "bad_date",
            Self::WeekdayMismatch { .. } => "weekday_mismatch",
            Self::InPast { .. } => "date_in_past",
            Self::Ambiguous { .. } => "ambiguous_date",
        }
    }

    /// What the model should do about it.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Malformed => "Pass the date as YYYY-MM-DD, from the calendar table in your instructions.",
            Self::NoSuchDay => "There is no such day: ask the caller which day they mean.",
            Self::UnknownWeekday => "Pass the weekday's English name, from the calendar table in your instructions.",
            Self::WeekdayMismatch { .. } => {
                "The date and the weekday do not belong together. Take both from the calendar table; if the caller's \
                 words do not settle it, ask with the full date."
            }
            Self::InPast { .. } => "Ask for a day that is not over.",
            Self::Reversed => "Pass a date_to that is not before date_from.",
            Self::Ambiguous { .. } => "Ask which of the days the caller means, naming each with its full date.",
        }
    }
}

impl fmt::Display for Refusal {
    /// Its code.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl std::error::Error for Refusal {}

impl From<DateRefusal> for Refusal {
    fn from(refusal: DateRefusal) -> Self {
        Self::Date(refusal)
    }
}

impl From<NoSlots> for Refusal {
    fn from(none: NoSlots) -> Self {
        Self::NoSlots(Box::new(none))
    }
}

impl From<&BookError> for Refusal {
    fn from(error: &BookError) -> Self {
        match error {
            BookError::Taken => Self::SlotTaken,
            BookError::Expired => Self::HoldExpired,
            BookError::Unknown => Self::UnknownAppointment,
            BookError::Failed(_) => Self::StoreUnavailable,
        }
    }
}

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod tests;
