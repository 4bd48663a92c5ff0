//! What looking for free times costs, beside the goal: `cargo run --release -p frontdesk-core --example slots_cost`.
//! 20 practitioners, 90 days, 10,000 appointments; the wishes that callers have, and the one that is dearest: nothing is
//! free until the last day.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::hint::black_box;
use std::time::Duration;

use frontdesk_core::booking::appointment::{Busy, Span};
use frontdesk_core::booking::refusal::Refusal;
use frontdesk_core::booking::slots::{free, window};
use frontdesk_core::booking::wish::{DayPart, Wish};
use frontdesk_core::clinic::hours::{Hours, Minute, Week};
use frontdesk_core::clinic::ids::{LocationId, PractitionerId, TypeId};
use frontdesk_core::clinic::{AppointmentType, BookingRules, Clinic, Emergency, Location, Practitioner};
use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use rustix::time::{ClockId, clock_gettime};

/// The 99th percentile that the design allows.
const GOAL: Duration = Duration::from_millis(2);
const PRACTITIONERS: usize = 20;
const DAYS: u16 = 90;
const APPOINTMENTS: usize = 10_000;
const ROUNDS: usize = 2_000;
const TODAY: Date = date(2026, 11, 27);

fn kind() -> TypeId {
    TypeId::parse("checkup").expect("an id")
}

fn who(number: usize) -> PractitionerId {
    PractitionerId::parse(&format!("practitioner{number}")).expect("an id")
}

fn hours(from: u16, to: u16) -> Hours {
    Hours::new(Minute::of(from * 60).expect("an hour"), Minute::of(to * 60).expect("an hour")).expect("in order")
}

fn week() -> Week {
    let mut week = Week::default();
    let first = Weekday::Monday;
    for day in (0..6).map(|days| first.wrapping_add(days)) {
        week.set(day, vec![hours(8, 12), hours(13, 18)]).expect("no overlap");
    }
    week
}

fn practitioner(number: usize) -> Practitioner {
    Practitioner {
        id: who(number),
        name: "Dr. N".into(),
        say_as: "Doctor N".into(),
        heard_as: Vec::new(),
        languages: Vec::new(),
        location: LocationId::parse("main").expect("an id"),
        hours: week(),
        exceptions: Vec::new(),
    }
}

fn clinic() -> Clinic {
    let checkup = AppointmentType {
        id: kind(),
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
        practitioners: (0..PRACTITIONERS).map(who).collect(),
        ages: None,
        needs_referral: false,
        for_new_patients: true,
        needs_human: false,
        price: String::new(),
        preparation: String::new(),
    };
    Clinic {
        name: "Riverside Clinic".into(),
        zone: TimeZone::get("Europe/Berlin").expect("a zone that is built in"),
        language: "en".into(),
        languages: vec!["en".into()],
        locations: vec![Location {
            id: LocationId::parse("main").expect("an id"),
            name: "Riverside".into(),
            address: String::new(),
            directions: String::new(),
        }],
        hours: week(),
        exceptions: Vec::new(),
        practitioners: (0..PRACTITIONERS).map(practitioner).collect(),
        types: vec![checkup],
        rules: BookingRules {
            hold: Duration::from_mins(2),
            most_per_number: 2,
            change_notice: Duration::from_hours(24),
            adult_age: 18,
        },
        emergency: Emergency { number: "112".into(), say: "Please call 112.".into(), ..Emergency::default() },
        contacts: Vec::new(),
    }
}

fn instant(clinic: &Clinic, date: Date, minute: i64) -> Timestamp {
    let midnight = date.to_zoned(clinic.zone.clone()).expect("a day").timestamp();
    midnight + SignedDuration::from_mins(minute)
}

fn busy(clinic: &Clinic, practitioner: usize, day: i32, minute: i64, length: i64) -> Busy {
    let from = instant(clinic, TODAY + day.days(), minute);
    let span = Span { from, to: from + SignedDuration::from_mins(length) };
    Busy { practitioner: who(practitioner), span, kind: Some(kind()) }
}

/// Anywhere within the opening hours of the 90 days.
fn scattered(clinic: &Clinic) -> Vec<Busy> {
    let mut seed = 1u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut one = |_| {
        let (by, day) = (random(PRACTITIONERS as u64) as usize, random(u64::from(DAYS)) as i32);
        busy(clinic, by, day, 480 + 5 * random(108) as i64, 25)
    };
    (0..APPOINTMENTS).map(&mut one).collect()
}

/// So dense that nothing is free before the last day.
fn full(clinic: &Clinic) -> Vec<Busy> {
    let of_day = |day: i32, practitioner: usize| {
        let per_day = APPOINTMENTS / PRACTITIONERS / usize::from(DAYS) + 1;
        let length = 600 / per_day as i64 + 1;
        (0..per_day).map(move |n| busy(clinic, practitioner, day, 480 + length * n as i64, length))
    };
    (0..i32::from(DAYS)).flat_map(|day| (0..PRACTITIONERS).flat_map(move |by| of_day(day, by))).collect()
}

/// The processor time that this thread has used: others share this machine.
fn used() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// The median and the 99th percentile of many rounds.
fn measure(clinic: &Clinic, wish: &Wish, busy: &[Busy]) -> (Duration, Duration) {
    let now = instant(clinic, TODAY, 7 * 60);
    let mut rounds: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let began = used();
            black_box(window(clinic, wish, now));
            match black_box(free(clinic, wish, busy, now)) {
                Ok(_) | Err(Refusal::NoSlots(_)) => used().saturating_sub(began),
                Err(refusal) => panic!("{refusal}"),
            }
        })
        .collect();
    rounds.sort_unstable();
    (rounds[ROUNDS / 2], rounds[ROUNDS * 99 / 100])
}

fn main() {
    let clinic = clinic();
    let last = TODAY + i32::from(DAYS).days();
    let soon = Wish::on(kind(), TODAY, last);
    let evening = Wish { day_part: DayPart::Evening, earliest: Minute::of(18 * 60 + 30), ..soon.clone() };
    let one = Wish { practitioner: Some(who(7)), ..Wish::on(kind(), TODAY + 30.days(), TODAY + 37.days()) };
    let (scattered, full) = (scattered(&clinic), full(&clinic));
    let cases = [
        ("as soon as possible", &soon, &scattered),
        ("one practitioner, a week", &one, &scattered),
        ("after hours, 90 days", &evening, &scattered),
        ("full until the last day", &soon, &full),
        ("full, and after hours", &evening, &full),
    ];
    let mut worst = Duration::ZERO;
    for (name, wish, busy) in cases {
        let (median, cost) = measure(&clinic, wish, busy);
        worst = worst.max(cost);
        let [median, cost] = [median, cost].map(|cost| cost.as_secs_f64() * 1e6);
        println!("{name:26} {median:7.1} µs median, {cost:7.1} µs p99, {} appointments", busy.len());
    }
    let verdict = if worst <= GOAL { "met" } else { "missed" };
    println!(
        "{:26} {:7.1} µs; of processor time; goal {} µs: {verdict}",
        "dearest",
        worst.as_secs_f64() * 1e6,
        GOAL.as_micros()
    );
}
