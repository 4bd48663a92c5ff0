//! What a letter may say of an appointment. What was asked for is not among it: ordinary mail and text messages can be
//! read on their way, and what somebody comes for is nobody's business.

use jiff::Timestamp;
use serde::Serialize;

use super::Moot;
use super::clean::line;
use super::words::{When, clock};
use crate::booking::appointment::Appointment;
use crate::booking::book::Message;
use crate::clinic::Clinic;

/// Longest name in a letter, in characters.
const LONGEST_NAME: usize = 120;
/// Longest of the clinic's own lines.
const LONGEST_LINE: usize = 500;

/// The facts of an appointment, each one line without control characters, in the patient's language where it is a
/// sentence or a date. The names of the fields are the placeholders of the templates.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// The clinic's name.
    pub clinic: String,
    /// Who is written to: the patient, or who booked for them.
    pub name: String,
    /// Whose appointment it is.
    pub patient: String,
    /// Whether somebody else booked it for the patient.
    pub for_other: bool,
    /// `K7Q-4MR`.
    pub reference: String,
    /// Day and time, written out.
    pub when: String,
    /// Day and time for a subject.
    pub when_short: String,
    /// `2026-12-01`.
    pub date: String,
    /// `14:00`.
    pub time: String,
    /// The zone in which the time is meant: `Europe/Berlin`.
    pub zone: String,
    /// Who sees the patient; empty if they work here no more.
    pub practitioner: String,
    /// The place's name.
    pub location: String,
    /// Its address.
    pub address: String,
    /// What to bring or to do before, in the clinic's own words; empty if nothing.
    pub preparation: String,
}

impl Facts {
    /// The facts of an appointment, for a reader of `language`.
    pub fn of(appointment: &Appointment, clinic: &Clinic, language: &str) -> Result<Self, Moot> {
        let patient = appointment.patient.as_ref().ok_or(Moot::NotBooked)?;
        let slot = &appointment.slot;
        let time = slot.time.from.to_zoned(clinic.zone.clone());
        let When { full, short } = When::written(&time, language);
        let name = line(&patient.name, LONGEST_NAME);
        let booker = patient.booked_by.as_deref().map(|booker| line(booker, LONGEST_NAME));
        let booker = booker.filter(|booker| !booker.is_empty());
        let practitioner = clinic.practitioner(&slot.practitioner).map_or("", |known| &known.name);
        let location = clinic.location(&slot.location);
        let preparation = clinic.appointment_type(&slot.kind).map_or("", |known| &known.preparation);
        Ok(Self {
            clinic: line(&clinic.name, LONGEST_NAME),
            for_other: booker.is_some(),
            name: booker.unwrap_or_else(|| name.clone()),
            patient: name,
            reference: appointment.reference.to_string(),
            when: full,
            when_short: short,
            date: time.date().to_string(),
            time: clock(&time),
            zone: clinic.zone.iana_name().unwrap_or_default().to_owned(),
            practitioner: line(practitioner, LONGEST_NAME),
            location: line(location.map_or("", |known| &known.name), LONGEST_NAME),
            address: line(location.map_or("", |known| &known.address), LONGEST_LINE),
            preparation: line(preparation, LONGEST_LINE),
        })
    }
}

/// The facts of a message that was left for staff.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct MessageFacts {
    /// The clinic's name.
    pub clinic: String,
    /// The message's number in the store.
    pub number: i64,
    /// Who left it.
    pub name: String,
    /// Where they are called back; empty if they left no number.
    pub phone: String,
    /// What it is about.
    pub topic: String,
    /// The message.
    pub text: String,
    /// Whether it cannot wait for tomorrow.
    pub today: bool,
}

impl MessageFacts {
    /// The facts of message `number`.
    pub fn of(number: i64, message: &Message, clinic: &Clinic) -> Self {
        Self {
            clinic: line(&clinic.name, LONGEST_NAME),
            number,
            name: line(&message.name, LONGEST_NAME),
            phone: message.phone.as_ref().map_or_else(String::new, |number| number.as_e164().to_owned()),
            topic: line(&message.topic, LONGEST_NAME),
            text: line(&message.text, 2 * LONGEST_LINE),
            today: message.today,
        }
    }

    /// Its `Message-ID`, angle brackets included.
    pub fn message_id(number: i64, taken: Timestamp, domain: &str) -> String {
        // A store that was begun anew counts from 1 again.
        format!("<message.{number}.{}@{domain}>", taken.as_second())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::booking::appointment::{AppointmentId, Patient, Reference, Slot, Span, State};
    use crate::clinic::hours::Week;
    use crate::clinic::ids::{LocationId, PractitionerId, TypeId};
    use crate::clinic::{AppointmentType, BookingRules, Emergency, Location, Practitioner};
    use crate::twilio::number::PhoneNumber;
    use jiff::tz::TimeZone;

    pub(crate) fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// A clinic with one practitioner, one place, and one thing to book.
    pub(crate) fn clinic() -> Clinic {
        let location = LocationId::parse("main").unwrap();
        let practitioner = PractitionerId::parse("osei").unwrap();
        Clinic {
            name: "Riverside Clinic".to_owned(),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            language: "en-GB".to_owned(),
            languages: vec!["en-GB".to_owned(), "de".to_owned()],
            locations: vec![Location {
                id: location.clone(),
                name: "Main house".to_owned(),
                address: "Uferstraße 12, 10115 Berlin".to_owned(),
                directions: String::new(),
            }],
            hours: Week::default(),
            exceptions: Vec::new(),
            practitioners: vec![Practitioner {
                id: practitioner.clone(),
                name: "Dr. Amara Osei".to_owned(),
                say_as: "Doctor Osei".to_owned(),
                heard_as: Vec::new(),
                languages: Vec::new(),
                location,
                hours: Week::default(),
                exceptions: Vec::new(),
            }],
            types: vec![AppointmentType {
                id: TypeId::parse("colonoscopy").unwrap(),
                name: "Colonoscopy".to_owned(),
                say_as: "a colonoscopy".to_owned(),
                aliases: Vec::new(),
                length: Duration::from_mins(30),
                buffer_before: Duration::ZERO,
                buffer_after: Duration::ZERO,
                step: Duration::from_mins(15),
                lead: Duration::ZERO,
                horizon_days: 90,
                most_per_day: None,
                practitioners: vec![practitioner],
                ages: None,
                needs_referral: false,
                for_new_patients: true,
                needs_human: false,
                price: String::new(),
                preparation: "Please bring your insurance card.".to_owned(),
            }],
            rules: BookingRules {
                hold: Duration::from_mins(3),
                most_per_number: 3,
                change_notice: Duration::from_hours(24),
                adult_age: 18,
            },
            emergency: Emergency { number: "112".to_owned(), say: String::new(), ..Emergency::default() },
            contacts: Vec::new(),
        }
    }

    /// Ana's, on 1 December at 14:00 in Berlin.
    pub(crate) fn appointment() -> Appointment {
        let time = Span { from: at("2026-12-01T13:00:00Z"), to: at("2026-12-01T13:30:00Z") };
        Appointment {
            id: AppointmentId(0x0190_f5a6_7a4e_7c3b_9a55_0f1e_2d3c_4b5a),
            reference: Reference::parse("K7Q4MR").unwrap(),
            slot: Slot {
                kind: TypeId::parse("colonoscopy").unwrap(),
                practitioner: PractitionerId::parse("osei").unwrap(),
                location: LocationId::parse("main").unwrap(),
                time,
                busy: time,
            },
            patient: Some(Patient {
                name: "Ana Pérez".to_owned(),
                phone: PhoneNumber::parse("+15550100200").ok(),
                email: Some("ana@example.org".to_owned()),
                sms: true,
                born: None,
                booked_by: None,
                note: "uses a wheelchair".to_owned(),
            }),
            language: "en-GB".to_owned(),
            state: State::Booked,
            revision: 0,
        }
    }

    #[test]
    fn a_letter_says_when_where_and_with_whom_in_the_clinics_time() {
        let facts = Facts::of(&appointment(), &clinic(), "de").unwrap();
        assert_eq!(facts.when, "Dienstag, 1. Dezember 2026, 14:00 Uhr");
        assert_eq!((&*facts.date, &*facts.time, &*facts.zone), ("2026-12-01", "14:00", "Europe/Berlin"));
        assert_eq!((&*facts.practitioner, &*facts.location), ("Dr. Amara Osei", "Main house"));
        assert_eq!((&*facts.name, facts.for_other), ("Ana Pérez", false));
    }

    #[test]
    fn what_somebody_comes_for_is_not_among_the_facts() {
        let facts = serde_json::to_string(&Facts::of(&appointment(), &clinic(), "en").unwrap()).unwrap();
        for private in ["olonoscopy", "wheelchair", "555"] {
            assert!(!facts.contains(private), "{facts}");
        }
    }

    #[test]
    fn who_booked_for_somebody_is_the_one_who_is_written_to() {
        let mut appointment = appointment();
        appointment.patient.as_mut().unwrap().booked_by = Some("Luis\r\nPérez".to_owned());
        let facts = Facts::of(&appointment, &clinic(), "en").unwrap();
        assert_eq!((&*facts.name, &*facts.patient, facts.for_other), ("Luis Pérez", "Ana Pérez", true));
    }

    #[test]
    fn an_appointment_outlives_what_the_clinic_has_taken_out_of_its_file() {
        let mut clinic = clinic();
        (clinic.practitioners, clinic.locations, clinic.types) = (Vec::new(), Vec::new(), Vec::new());
        let facts = Facts::of(&appointment(), &clinic, "en").unwrap();
        assert_eq!((&*facts.practitioner, &*facts.address, &*facts.preparation), ("", "", ""));
    }

    #[test]
    fn a_hold_has_nobody_to_write_to() {
        let mut held = appointment();
        held.patient = None;
        assert_eq!(Facts::of(&held, &clinic(), "en").err(), Some(Moot::NotBooked));
    }
}
