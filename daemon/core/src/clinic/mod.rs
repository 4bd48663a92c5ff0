//! The clinic as data: who works there, when, what can be booked with whom, and under which rules.
//!
//! Everything here has been checked when it is built: ids are unique and known wherever they are named, times lie within
//! a day, spans do not overlap. Reading and explaining a clinic's own file is the shell's work.
//!
//! - [`ids`]: names that the model and the database use.
//! - [`hours`]: wall time, weeks, and the days that are different.
//! - [`persona`]: in which manner the agent speaks, chosen for each conversation.
//! - [`brief`]: what the model is told of it all, in words. [`template`]: the texts that it is put into.

pub mod brief;
pub mod hours;
pub mod ids;
pub mod persona;
pub mod template;

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use hours::{DayException, Hours, Minute, Week};
use ids::{LocationId, PractitionerId, TypeId};

use crate::redflag::Phrases;
use crate::twilio::number::PhoneNumber;

/// Everything that is known of a clinic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clinic {
    /// As the agent says it.
    pub name: String,
    /// In which every wall time below is meant.
    pub zone: TimeZone,
    /// BCP-47 tag of the language that callers are greeted in; the first of `languages`.
    pub language: String,
    /// BCP-47 tags of the languages that are spoken here.
    pub languages: Vec<String>,
    /// Places where patients are seen; at least one.
    pub locations: Vec<Location>,
    /// When the clinic is open.
    pub hours: Week,
    /// Holidays, closures, and days with other hours. They hold for every practitioner too.
    pub exceptions: Vec<DayException>,
    /// Who sees patients; at least one if anything can be booked.
    pub practitioners: Vec<Practitioner>,
    /// What can be booked.
    pub types: Vec<AppointmentType>,
    /// What holds for every booking.
    pub rules: BookingRules,
    /// What is said and done when a life may be in danger.
    pub emergency: Emergency,
    /// Who answers when a conversation is handed over.
    pub contacts: Vec<Contact>,
}

/// A place where patients are seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Its id.
    pub id: LocationId,
    /// As it is said and written.
    pub name: String,
    /// As it is written in a confirmation, in one line.
    pub address: String,
    /// How to get there, as it is said; empty if nothing is known.
    pub directions: String,
}

/// Somebody who sees patients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Practitioner {
    /// Its id.
    pub id: PractitionerId,
    /// As it is written: `Dr. Amara Osei`.
    pub name: String,
    /// As it is said: `Doctor Osei`.
    pub say_as: String,
    /// Other spellings under which a caller's pronunciation may arrive: `oh say`, `ossay`.
    pub heard_as: Vec<String>,
    /// BCP-47 tags.
    pub languages: Vec<String>,
    /// Where they see patients.
    pub location: LocationId,
    /// When they do; they are never busy outside the clinic's hours.
    pub hours: Week,
    /// Leave, and days with other hours.
    pub exceptions: Vec<DayException>,
}

/// Something that can be booked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppointmentType {
    /// Its id.
    pub id: TypeId,
    /// As it is written.
    pub name: String,
    /// As it is said: `a check-up`.
    pub say_as: String,
    /// Other words for it.
    pub aliases: Vec<String>,
    /// How long the patient is there; at least a minute.
    pub length: Duration,
    /// Time of the practitioner's before it.
    pub buffer_before: Duration,
    /// Time of the practitioner's after it.
    pub buffer_after: Duration,
    /// The grid of beginnings, from the start of each span of opening hours.
    pub step: Duration,
    /// How long before its start it must be booked.
    pub lead: Duration,
    /// How many days ahead it may be booked; today is day 0.
    pub horizon_days: u16,
    /// How many of it a practitioner sees in a day.
    pub most_per_day: Option<u16>,
    /// Who may do it; at least one.
    pub practitioners: Vec<PractitionerId>,
    /// Years of age for which it is.
    pub ages: Option<RangeInclusive<u8>>,
    /// Whether somebody must have sent the patient.
    pub needs_referral: bool,
    /// Whether somebody who was never here may book it.
    pub for_new_patients: bool,
    /// Only a person books it; the agent takes a message or hands over.
    pub needs_human: bool,
    /// What it costs, as it is said; empty when nothing may be said.
    pub price: String,
    /// What to bring or to do before, as it is said and written; empty if nothing.
    pub preparation: String,
}

/// What holds for every booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookingRules {
    /// How long an offered time is kept for a caller who wants it.
    pub hold: Duration,
    /// How many future appointments one phone number may have, and one conversation may make.
    pub most_per_number: u16,
    /// How long before its start an appointment may still be cancelled or moved without staff being told.
    pub change_notice: Duration,
    /// Below this age somebody who may decide for the patient must book.
    pub adult_age: u8,
}

/// What is said and done when a life may be in danger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Emergency {
    /// The number to dial, as it is said: `112`.
    pub number: String,
    /// The one sentence that is said.
    pub say: String,
    /// The clinic's own words for such danger, beside those that come with Frontdesk; each with the BCP-47 tag of its
    /// language.
    pub phrases: Vec<(String, Phrases)>,
    /// Who is called then, in place of whoever is called otherwise.
    pub contacts: Vec<EmergencyContact>,
}

/// Somebody who is called when a life may be in danger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmergencyContact {
    /// Their number; never that of an ambulance.
    pub number: PhoneNumber,
    /// When they may be called; always, if nothing is written.
    pub hours: Option<Week>,
}

/// A person, or a place with people, who answers the number that is dialled when a conversation is handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// As it is said: `the front office`.
    pub name: String,
    /// When they answer; always, if nothing is written.
    pub hours: Option<Week>,
}

impl Clinic {
    /// The practitioner of that id.
    pub fn practitioner(&self, id: &PractitionerId) -> Option<&Practitioner> {
        self.practitioners.iter().find(|known| known.id == *id)
    }

    /// The appointment type of that id.
    pub fn appointment_type(&self, id: &TypeId) -> Option<&AppointmentType> {
        self.types.iter().find(|known| known.id == *id)
    }

    /// The location of that id.
    pub fn location(&self, id: &LocationId) -> Option<&Location> {
        self.locations.iter().find(|known| known.id == *id)
    }

    /// What is different on that day, if anything is.
    pub fn exception_on(&self, date: Date) -> Option<&DayException> {
        self.exceptions.iter().find(|exception| exception.holds_on(date))
    }

    /// When the clinic is open on that day, in order; empty when it is closed.
    pub fn hours_on(&self, date: Date) -> &[Hours] {
        self.exception_on(date).map_or_else(|| self.hours.on(date.weekday()), |exception| &exception.hours)
    }

    /// Who is called for danger to life at a wall time of the clinic's own zone: the first who may be.
    pub fn on_call(&self, local: DateTime) -> Option<&PhoneNumber> {
        let is_there = |contact: &&EmergencyContact| answers(contact.hours.as_ref(), local);
        self.emergency.contacts.iter().find(is_there).map(|contact| &contact.number)
    }

    /// Whether somebody answers the number that is dialled when a conversation is handed over. A clinic that names nobody
    /// is taken to answer it at any time.
    pub fn somebody_answers(&self, local: DateTime) -> bool {
        self.contacts.is_empty() || self.contacts.iter().any(|contact| answers(contact.hours.as_ref(), local))
    }

    /// Whether the clinic is open at a wall time of its own zone.
    pub fn is_open(&self, local: DateTime) -> bool {
        let minute = Minute::of_time(local.time());
        self.hours_on(local.date()).iter().any(|hours| hours.contain(minute))
    }
}

/// Whether somebody with these hours is there; without any they always are.
fn answers(hours: Option<&Week>, local: DateTime) -> bool {
    let minute = Minute::of_time(local.time());
    hours.is_none_or(|week| week.on(local.weekday()).iter().any(|span| span.contain(minute)))
}

#[cfg(test)]
pub(crate) mod sample;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holiday_closes_what_the_week_would_open() {
        let clinic = sample::clinic();
        for (local, open) in [
            ("2026-12-01T07:59:59", false),
            ("2026-12-01T08:00:00", true),
            ("2026-12-01T12:30:00", false),
            ("2026-12-25T10:00:00", false),
            ("2026-12-24T11:59:59", true),
            ("2026-12-24T14:00:00", false),
            ("2026-12-05T10:00:00", false),
        ] {
            assert_eq!(clinic.is_open(local.parse().unwrap()), open, "{local}");
        }
    }

    #[test]
    fn of_those_who_may_be_called_in_danger_the_first_who_is_there_is_called() {
        let mut clinic = sample::clinic();
        let at = |clinic: &Clinic, local: &str| {
            clinic.on_call(local.parse().unwrap()).map(|known| known.as_e164().to_owned())
        };
        assert_eq!(at(&clinic, "2026-12-01T09:00:00"), None, "nobody is named");
        let contact = |number: &str, hours| EmergencyContact { number: PhoneNumber::parse(number).unwrap(), hours };
        clinic.emergency.contacts = vec![contact("+15550100901", Some(sample::week())), contact("+15550100902", None)];
        assert_eq!(at(&clinic, "2026-12-01T09:00:00").as_deref(), Some("+15550100901"));
        assert_eq!(at(&clinic, "2026-12-01T13:00:00").as_deref(), Some("+15550100902"), "in the lunch break");
        clinic.emergency.contacts.pop();
        assert_eq!(at(&clinic, "2026-12-05T09:00:00"), None, "on a Saturday");
    }
}
