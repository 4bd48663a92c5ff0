//! The clinic of the figures: twenty practitioners, six days a week, and one type that everybody does.

use std::time::Duration;

use anyhow::Context as _;
use frontdesk_core::booking::appointment::{Slot, Span};
use frontdesk_core::clinic::hours::{Hours, Minute, Week};
use frontdesk_core::clinic::ids::{LocationId, PractitionerId, TypeId};
use frontdesk_core::clinic::{AppointmentType, BookingRules, Clinic, Emergency, Location, Practitioner};
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// How many see patients.
pub(crate) const PRACTITIONERS: u32 = 20;
/// How far ahead it can be booked.
pub(crate) const DAYS: u16 = 90;
/// Appointments of one practitioner on one day: 20 of them on 84 days make 10,080.
pub(crate) const A_DAY: u32 = 6;
/// From one to the next: six of them are the whole day, the break included.
const APART: i64 = 100;

pub(crate) fn practitioner(number: u32) -> anyhow::Result<PractitionerId> {
    Ok(PractitionerId::parse(&format!("practitioner-{}", number % PRACTITIONERS))?)
}

fn hours(from: u16, to: u16) -> anyhow::Result<Hours> {
    let minute = |hour: u16| Minute::of(hour * 60).context("it is no hour");
    Hours::new(minute(from)?, minute(to)?).context("the hours are not in order")
}

fn week() -> anyhow::Result<Week> {
    let mut week = Week::default();
    for day in (0..6).map(|days| Weekday::Monday.wrapping_add(days)) {
        week.set(day, vec![hours(8, 12)?, hours(13, 18)?]).map_err(|_| anyhow::anyhow!("the hours overlap"))?;
    }
    Ok(week)
}

fn checkup() -> anyhow::Result<AppointmentType> {
    Ok(AppointmentType {
        id: TypeId::parse("checkup")?,
        name: "Check-up".into(),
        say_as: "a check-up".into(),
        aliases: Vec::new(),
        length: Duration::from_mins(20),
        buffer_before: Duration::ZERO,
        buffer_after: Duration::from_mins(5),
        step: Duration::from_mins(15),
        lead: Duration::from_hours(1),
        horizon_days: DAYS,
        most_per_day: Some(100),
        practitioners: (0..PRACTITIONERS).map(practitioner).collect::<Result<_, _>>()?,
        ages: None,
        needs_referral: false,
        for_new_patients: true,
        needs_human: false,
        price: String::new(),
        preparation: String::new(),
    })
}

pub(crate) fn clinic() -> anyhow::Result<Clinic> {
    let main = LocationId::parse("main")?;
    let somebody = |number| -> anyhow::Result<Practitioner> {
        Ok(Practitioner {
            id: practitioner(number)?,
            name: format!("Dr. {number}"),
            say_as: format!("Doctor {number}"),
            heard_as: Vec::new(),
            languages: Vec::new(),
            location: main.clone(),
            hours: week()?,
            exceptions: Vec::new(),
        })
    };
    Ok(Clinic {
        name: "Riverside Clinic".into(),
        zone: TimeZone::get("Europe/Berlin")?,
        language: "en".into(),
        languages: vec!["en".into()],
        locations: vec![Location {
            id: main.clone(),
            name: "Riverside".into(),
            address: String::new(),
            directions: String::new(),
        }],
        hours: week()?,
        exceptions: Vec::new(),
        practitioners: (0..PRACTITIONERS).map(somebody).collect::<Result<_, _>>()?,
        types: vec![checkup()?],
        rules: BookingRules {
            hold: Duration::from_mins(2),
            most_per_number: 2,
            change_notice: Duration::from_hours(24),
            adult_age: 18,
        },
        emergency: Emergency { number: "112".into(), say: "Please call 112.".into(), ..Emergency::default() },
        contacts: Vec::new(),
    })
}

/// Appointment `n`: by each practitioner in turn, from eight o'clock on, day after day from today; of that length.
pub(crate) fn slot(clinic: &Clinic, n: u32, now: Timestamp, minutes: i64) -> anyhow::Result<Slot> {
    let (by, of_day) = (n % PRACTITIONERS, n / PRACTITIONERS);
    let date = now.to_zoned(clinic.zone.clone()).date() + i64::from(of_day / A_DAY).days();
    let eight = date.at(8, 0, 0, 0).to_zoned(clinic.zone.clone())?.timestamp();
    let from = eight + SignedDuration::from_mins(APART * i64::from(of_day % A_DAY));
    let time = Span { from, to: from + SignedDuration::from_mins(minutes) };
    Ok(Slot {
        kind: TypeId::parse("checkup")?,
        practitioner: practitioner(by)?,
        location: LocationId::parse("main")?,
        time,
        busy: time,
    })
}
