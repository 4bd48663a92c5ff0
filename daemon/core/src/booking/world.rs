//! A clinic for tests.

use std::time::Duration;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use crate::clinic::hours::{DayException, Hours, Minute, Week};
use crate::clinic::ids::{LocationId, PractitionerId, TypeId};
use crate::clinic::{AppointmentType, BookingRules, Clinic, Emergency, Location, Practitioner};

pub(super) const WEEKDAYS: [Weekday; 5] =
    [Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday];
pub(super) const EVERY_DAY: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

pub(super) fn minute(text: &str) -> Minute {
    Minute::parse(text).unwrap()
}

pub(super) fn hours(from: &str, to: &str) -> Hours {
    Hours::new(minute(from), minute(to)).unwrap()
}

pub(super) fn week(days: &[Weekday], of_day: &[Hours]) -> Week {
    let mut week = Week::default();
    for day in days {
        week.set(*day, of_day.to_vec()).unwrap();
    }
    week
}

pub(super) fn date(text: &str) -> Date {
    text.parse().unwrap()
}

pub(super) fn kind(text: &str) -> TypeId {
    TypeId::parse(text).unwrap()
}

pub(super) fn who(text: &str) -> PractitionerId {
    PractitionerId::parse(text).unwrap()
}

pub(super) fn exception(from: &str, to: &str, name: &str, hours: Vec<Hours>) -> DayException {
    DayException { from: date(from), to: date(to), name: name.into(), hours }
}

pub(super) fn practitioner(id: &str, say_as: &str, week: Week) -> Practitioner {
    Practitioner {
        id: who(id),
        name: say_as.into(),
        say_as: say_as.into(),
        heard_as: vec![],
        languages: vec!["en".into()],
        location: LocationId::parse("main").unwrap(),
        hours: week,
        exceptions: vec![],
    }
}

/// 30 minutes on a grid of 15, a quarter of an hour ahead, 90 days, no buffers, by everybody named.
pub(super) fn appointment_type(id: &str, by: &[&str]) -> AppointmentType {
    AppointmentType {
        id: kind(id),
        name: id.into(),
        say_as: format!("a {id}"),
        aliases: vec![],
        length: Duration::from_mins(30),
        buffer_before: Duration::ZERO,
        buffer_after: Duration::ZERO,
        step: Duration::from_mins(15),
        lead: Duration::from_mins(15),
        horizon_days: 90,
        most_per_day: None,
        practitioners: by.iter().map(|id| who(id)).collect(),
        ages: None,
        needs_referral: false,
        for_new_patients: true,
        needs_human: false,
        price: String::new(),
        preparation: String::new(),
    }
}

/// Open on weekdays from 9 to 12 and from 13 to 17, closed at Christmas; Osei works always, Lind in the mornings. Both do
/// a `checkup`, Osei alone a `scan`.
pub(super) fn clinic(zone: &str) -> Clinic {
    let day = [hours("09:00", "12:00"), hours("13:00", "17:00")];
    Clinic {
        name: "Riverside Clinic".into(),
        zone: TimeZone::get(zone).unwrap(),
        language: "en".into(),
        languages: vec!["en".into(), "de".into()],
        locations: vec![Location {
            id: LocationId::parse("main").unwrap(),
            name: "Riverside".into(),
            address: "1 River Street".into(),
            directions: String::new(),
        }],
        hours: week(&WEEKDAYS, &day),
        exceptions: vec![exception("2026-12-25", "2026-12-25", "Christmas Day", vec![])],
        practitioners: vec![
            practitioner("osei", "Doctor Osei", week(&WEEKDAYS, &day)),
            practitioner("lind", "Doctor Lind", week(&WEEKDAYS, &[hours("08:00", "11:00")])),
        ],
        types: vec![appointment_type("checkup", &["osei", "lind"]), appointment_type("scan", &["osei"])],
        rules: BookingRules {
            hold: Duration::from_mins(2),
            most_per_number: 2,
            change_notice: Duration::from_hours(24),
            adult_age: 18,
        },
        emergency: Emergency { number: "112".into(), say: "Please call 112 now.".into(), ..Emergency::default() },
        contacts: vec![],
    }
}

/// Open around the clock, every day, in that zone: what is left is what the clock does.
pub(super) fn always_open(zone: &str) -> Clinic {
    let mut clinic = clinic(zone);
    let always = week(&EVERY_DAY, &[hours("00:00", "24:00")]);
    clinic.hours = always.clone();
    clinic.exceptions.clear();
    for practitioner in &mut clinic.practitioners {
        practitioner.hours = always.clone();
    }
    clinic
}
