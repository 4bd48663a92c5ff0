//! A small clinic for tests.

use std::time::Duration;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use super::hours::{DayException, Hours, Minute, Week};
use super::ids::{LocationId, PractitionerId, TypeId};
use super::{AppointmentType, BookingRules, Clinic, Contact, Emergency, Location, Practitioner};

/// `08:30-12:00`.
pub(crate) fn hours(text: &str) -> Hours {
    let (from, to) = text.split_once('-').unwrap();
    Hours::new(Minute::parse(from).unwrap(), Minute::parse(to).unwrap()).unwrap()
}

/// Monday to Thursday with a break, Friday without an afternoon.
pub(crate) fn week() -> Week {
    let mut week = Week::default();
    for day in [Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday] {
        week.set(day, vec![hours("08:00-12:30"), hours("13:30-18:00")]).unwrap();
    }
    week.set(Weekday::Friday, vec![hours("08:00-14:00")]).unwrap();
    week
}

pub(crate) fn exception(from: &str, to: &str, name: &str, open: &[&str]) -> DayException {
    let day = |text: &str| text.parse::<Date>().unwrap();
    DayException {
        from: day(from),
        to: day(to),
        name: name.to_owned(),
        hours: open.iter().map(|span| hours(span)).collect(),
    }
}

fn practitioner(id: &str, name: &str, say_as: &str) -> Practitioner {
    Practitioner {
        id: PractitionerId::parse(id).unwrap(),
        name: name.to_owned(),
        say_as: say_as.to_owned(),
        heard_as: Vec::new(),
        languages: vec!["en-US".to_owned()],
        location: LocationId::parse("main").unwrap(),
        hours: week(),
        exceptions: Vec::new(),
    }
}

fn appointment_type(id: &str, say_as: &str, minutes: u64, practitioners: &[&str]) -> AppointmentType {
    AppointmentType {
        id: TypeId::parse(id).unwrap(),
        name: say_as.to_owned(),
        say_as: say_as.to_owned(),
        aliases: Vec::new(),
        length: Duration::from_mins(minutes),
        buffer_before: Duration::ZERO,
        buffer_after: Duration::ZERO,
        step: Duration::from_mins(15),
        lead: Duration::from_hours(1),
        horizon_days: 60,
        most_per_day: None,
        practitioners: practitioners.iter().map(|id| PractitionerId::parse(id).unwrap()).collect(),
        ages: None,
        needs_referral: false,
        for_new_patients: true,
        needs_human: false,
        price: String::new(),
        preparation: String::new(),
    }
}

/// Two practitioners, two types, Christmas.
pub(crate) fn clinic() -> Clinic {
    let osei = Practitioner {
        heard_as: vec!["oh say".to_owned(), "ossay".to_owned()],
        exceptions: vec![exception("2026-12-07", "2026-12-11", "a conference", &[])],
        ..practitioner("osei", "Dr. Amara Osei", "Doctor Osei")
    };
    let vaccination = AppointmentType {
        aliases: vec!["a shot".to_owned()],
        ages: Some(18..=255),
        price: "It costs nothing.".to_owned(),
        preparation: "Bring the vaccination record.".to_owned(),
        ..appointment_type("vaccination", "a vaccination", 10, &["osei", "park"])
    };
    Clinic {
        name: "Riverside Clinic".to_owned(),
        zone: TimeZone::get("Europe/Berlin").unwrap(),
        language: "en-US".to_owned(),
        languages: vec!["en-US".to_owned(), "de-DE".to_owned()],
        locations: vec![Location {
            id: LocationId::parse("main").unwrap(),
            name: "Riverside Clinic".to_owned(),
            address: "12 River Street, Springfield".to_owned(),
            directions: "Next to the pharmacy.".to_owned(),
        }],
        hours: week(),
        exceptions: vec![
            exception("2026-12-25", "2026-12-26", "Christmas", &[]),
            exception("2026-12-24", "2026-12-24", "Christmas Eve", &["08:00-12:00"]),
        ],
        practitioners: vec![osei, practitioner("park", "Min-jun Park", "Mister Park")],
        types: vec![appointment_type("check-up", "a check-up", 30, &["osei"]), vaccination],
        rules: BookingRules {
            hold: Duration::from_mins(2),
            most_per_number: 2,
            change_notice: Duration::from_hours(24),
            adult_age: 18,
        },
        emergency: Emergency {
            number: "112".to_owned(),
            say: "Please hang up and dial 1 1 2 now.".to_owned(),
            ..Emergency::default()
        },
        contacts: vec![Contact { name: "the front office".to_owned(), hours: Some(week()) }],
    }
}
