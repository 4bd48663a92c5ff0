//! A clinic with one practitioner, and appointments there.

use frontdesk_core::booking::appointment::{Appointment, AppointmentId, Patient, Reference, Slot, Span, State};
use frontdesk_core::clinic::hours::Week;
use frontdesk_core::clinic::ids::{LocationId, PractitionerId, TypeId};
use frontdesk_core::clinic::{BookingRules, Clinic, Emergency, Location, Practitioner};
use frontdeskd::calendar::Entry;
use jiff::tz::TimeZone;
use std::time::Duration;

pub(crate) fn osei() -> PractitionerId {
    PractitionerId::parse("dr-osei").unwrap()
}

pub(crate) fn clinic() -> Clinic {
    Clinic {
        name: "Riverside Clinic".to_owned(),
        zone: TimeZone::get("Europe/Berlin").unwrap(),
        language: "en-GB".to_owned(),
        languages: vec!["en-GB".to_owned()],
        locations: vec![Location {
            id: LocationId::parse("main").unwrap(),
            name: "Main house".to_owned(),
            address: "12 Uferstraße".to_owned(),
            directions: String::new(),
        }],
        hours: Week::default(),
        exceptions: Vec::new(),
        practitioners: vec![Practitioner {
            id: osei(),
            name: "Dr. Amara Osei".to_owned(),
            say_as: "Doctor Osei".to_owned(),
            heard_as: Vec::new(),
            languages: Vec::new(),
            location: LocationId::parse("main").unwrap(),
            hours: Week::default(),
            exceptions: Vec::new(),
        }],
        types: Vec::new(),
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

pub(crate) fn span(from: &str, to: &str) -> Span {
    Span { from: from.parse().unwrap(), to: to.parse().unwrap() }
}

/// On 1 December 2026 at 14:00 UTC, for half an hour.
pub(crate) fn appointment(id: u128) -> Appointment {
    let time = span("2026-12-01T14:00Z", "2026-12-01T14:30Z");
    Appointment {
        id: AppointmentId(id),
        reference: Reference::parse("K7Q4MR").unwrap(),
        slot: Slot {
            kind: TypeId::parse("check-up").unwrap(),
            practitioner: osei(),
            location: LocationId::parse("main").unwrap(),
            time,
            busy: time,
        },
        patient: Some(Patient {
            name: "Ana; Pérez\r\nX-EVIL:1".to_owned(),
            phone: None,
            email: None,
            sms: false,
            born: None,
            booked_by: None,
            note: String::new(),
        }),
        language: "en-GB".to_owned(),
        state: State::Booked,
        revision: 0,
    }
}

/// The same an hour later, after a change.
pub(crate) fn moved(appointment: &Appointment) -> Appointment {
    let mut moved = appointment.clone();
    let hour = jiff::SignedDuration::from_hours(1);
    for time in [&mut moved.slot.time, &mut moved.slot.busy] {
        *time = Span { from: time.from + hour, to: time.to + hour };
    }
    moved.revision += 1;
    moved
}

pub(crate) fn entry<'a>(appointment: &'a Appointment, clinic: &'a Clinic) -> Entry<'a> {
    Entry { appointment, clinic, stamp: "2026-11-21T09:30:00Z".parse().unwrap() }
}
