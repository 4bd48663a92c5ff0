//! A clinic, and an appointment there.

use std::time::Duration;

use frontdesk_core::booking::appointment::{Appointment, AppointmentId, Patient, Reference, Slot, Span, State};
use frontdesk_core::clinic::hours::Week;
use frontdesk_core::clinic::ids::{LocationId, PractitionerId, TypeId};
use frontdesk_core::clinic::{AppointmentType, BookingRules, Clinic, Emergency, Location, Practitioner};
use frontdesk_core::twilio::number::PhoneNumber;
use jiff::Timestamp;
use jiff::tz::TimeZone;

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// With one practitioner, one place, and one thing to book.
pub(crate) fn clinic() -> Clinic {
    let location = LocationId::parse("main").unwrap();
    let osei = PractitionerId::parse("osei").unwrap();
    Clinic {
        name: "Riverside Clinic".to_owned(),
        zone: TimeZone::get("Europe/Berlin").unwrap(),
        language: "en-GB".to_owned(),
        languages: Vec::new(),
        locations: vec![Location {
            id: location.clone(),
            name: "Main house".to_owned(),
            address: "Uferstraße 12, 10115 Berlin".to_owned(),
            directions: String::new(),
        }],
        hours: Week::default(),
        exceptions: Vec::new(),
        practitioners: vec![Practitioner {
            id: osei.clone(),
            name: "Dr. Amara Osei".to_owned(),
            say_as: String::new(),
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
            practitioners: vec![osei],
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
            change_notice: Duration::ZERO,
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
