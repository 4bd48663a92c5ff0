use super::*;
use crate::booking::appointment::Busy;
use crate::booking::refusal::Closure;
use crate::booking::spoken::{Language, say_slot};
use crate::booking::wish::DayPart;
use crate::booking::world::{
    EVERY_DAY, WEEKDAYS, always_open, clinic, date, exception, hours, kind, minute, week, who,
};
use crate::clinic::hours::{Hours, Minute};
use jiff::civil::Weekday;
use proptest::prelude::*;

/// Friday.
const NOW: &str = "2026-11-27T10:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn busy(by: &str, from: &str, to: &str) -> Busy {
    Busy { practitioner: who(by), span: Span { from: at(from), to: at(to) }, kind: None }
}

fn wish(from: &str, to: &str) -> Wish {
    Wish::on(kind("checkup"), date(from), date(to))
}

fn with(practitioner: &str, wish: Wish) -> Wish {
    Wish { practitioner: Some(who(practitioner)), ..wish }
}

/// `osei 2026-12-01T09:00`, in the clinic's zone.
fn said(clinic: &Clinic, slots: &[Slot]) -> Vec<String> {
    let local = |slot: &Slot| slot.time.from.to_zoned(clinic.zone.clone()).strftime("%FT%R").to_string();
    slots.iter().map(|slot| format!("{} {}", slot.practitioner, local(slot))).collect()
}

fn none(clinic: &Clinic, wish: &Wish, busy: &[Busy]) -> (Because, Vec<String>) {
    match free(clinic, wish, busy, at(NOW)).unwrap_err() {
        Refusal::NoSlots(none) => (none.because, said(clinic, none.next_free.as_slice())),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_offer_is_the_earliest_and_the_others_are_apart() {
    let clinic = clinic("Europe/London");
    let found = free(&clinic, &wish("2026-12-01", "2026-12-01"), &[], at(NOW)).unwrap();
    assert_eq!(
        said(&clinic, &found.slots),
        ["osei 2026-12-01T09:00", "lind 2026-12-01T10:00", "osei 2026-12-01T11:00"]
    );
    assert!(found.more);
    let found = free(&clinic, &wish("2026-11-28", "2026-12-04"), &[], at(NOW)).unwrap();
    assert_eq!(
        said(&clinic, &found.slots),
        ["osei 2026-11-30T09:00", "lind 2026-12-01T09:00", "osei 2026-12-02T09:00"]
    );
}

#[test]
fn of_two_who_are_free_the_one_is_offered_whose_day_stays_whole() {
    let clinic = clinic("Europe/London");
    let found = free(
        &clinic,
        &wish("2026-12-01", "2026-12-01"),
        &[
            busy("osei", "2026-12-01T09:00Z", "2026-12-01T09:15Z"),
            busy("lind", "2026-12-01T09:00Z", "2026-12-01T09:30Z"),
        ],
        at(NOW),
    );
    assert_eq!(said(&clinic, &found.unwrap().slots)[0], "osei 2026-12-01T09:15");
    let taken = [
        busy("osei", "2026-12-01T09:00Z", "2026-12-01T09:10Z"),
        busy("lind", "2026-12-01T09:00Z", "2026-12-01T09:15Z"),
    ];
    let found = free(&clinic, &wish("2026-12-01", "2026-12-01"), &taken, at(NOW)).unwrap();
    assert_eq!(said(&clinic, &found.slots)[0], "lind 2026-12-01T09:15", "it joins what is taken");
}

#[test]
fn the_few_that_are_left_are_all_offered() {
    let clinic = clinic("Europe/London");
    let wish = with("osei", wish("2026-12-01", "2026-12-01"));
    let taken = [busy("osei", "2026-12-01T09:45Z", "2026-12-01T17:00Z")];
    let found = free(&clinic, &wish, &taken, at(NOW)).unwrap();
    assert_eq!(said(&clinic, &found.slots), ["osei 2026-12-01T09:00", "osei 2026-12-01T09:15"]);
    assert!(!found.more);
}

#[test]
fn what_ends_when_another_begins_does_not_touch_it() {
    let clinic = clinic("Europe/London");
    let wish = with("osei", wish("2026-12-01", "2026-12-01"));
    let taken = [
        busy("osei", "2026-12-01T13:00Z", "2026-12-01T17:00Z"),
        busy("osei", "2026-12-01T09:00Z", "2026-12-01T10:00Z"),
        busy("osei", "2026-12-01T10:30Z", "2026-12-01T12:00:00.5Z"),
    ];
    let found = free(&clinic, &wish, &taken, at(NOW)).unwrap();
    assert_eq!(said(&clinic, &found.slots), ["osei 2026-12-01T10:00"]);
}

#[test]
fn buffers_are_the_practitioners_time() {
    let mut clinic = clinic("Europe/London");
    clinic.types[0].buffer_before = Duration::from_mins(10);
    clinic.types[0].buffer_after = Duration::from_mins(5);
    let wish = with("osei", wish("2026-12-01", "2026-12-01"));
    let taken = [busy("osei", "2026-12-01T10:05Z", "2026-12-01T17:00Z")];
    let found = free(&clinic, &wish, &taken, at(NOW)).unwrap();
    assert_eq!(said(&clinic, &found.slots), ["osei 2026-12-01T09:15", "osei 2026-12-01T09:30"]);
    assert_eq!(found.slots[0].busy, Span { from: at("2026-12-01T09:05Z"), to: at("2026-12-01T09:50Z") });
    assert_eq!(found.slots[0].time, Span { from: at("2026-12-01T09:15Z"), to: at("2026-12-01T09:45Z") });
}

#[test]
fn part_of_day_and_time_are_kept() {
    let clinic = clinic("Europe/London");
    let mut wish = with("osei", wish("2026-12-01", "2026-12-01"));
    wish.day_part = DayPart::Afternoon;
    let found = free(&clinic, &wish, &[], at(NOW)).unwrap();
    assert_eq!(said(&clinic, &found.slots)[0], "osei 2026-12-01T13:00");
    wish.earliest = Some(minute("15:40"));
    wish.latest = Some(minute("16:00"));
    let found = free(&clinic, &wish, &[], at(NOW)).unwrap();
    assert_eq!(said(&clinic, &found.slots), ["osei 2026-12-01T15:45", "osei 2026-12-01T16:00"]);
}

#[test]
fn a_full_day_is_said_with_the_nearest_time() {
    let clinic = clinic("Europe/London");
    let all = [busy("osei", "2026-12-01T00:00Z", "2026-12-02T10:00Z")];
    let found = none(&clinic, &with("osei", wish("2026-12-01", "2026-12-01")), &all);
    assert_eq!(found, (Because::FullyBooked, vec!["osei 2026-12-02T10:00".into()]));
    let four =
        Wish { earliest: Some(minute("16:00")), latest: Some(minute("16:00")), ..wish("2026-12-01", "2026-12-01") };
    let taken = [busy("osei", "2026-12-01T16:00Z", "2026-12-01T17:00Z")];
    let found = none(&clinic, &with("osei", four), &taken);
    assert_eq!(found, (Because::FullyBooked, vec!["osei 2026-12-01T15:30".into()]), "near to what was wished");
}

#[test]
fn a_closed_day_is_named() {
    let clinic = clinic("Europe/London");
    let (because, next) = none(&clinic, &wish("2026-12-25", "2026-12-26"), &[]);
    assert_eq!(because, Because::Closed(Closure::Holiday("Christmas Day".into())));
    assert_eq!(next, ["osei 2026-12-28T09:00"]);
    let (because, _) = none(&clinic, &wish("2026-11-28", "2026-11-28"), &[]);
    assert_eq!(because, Because::Closed(Closure::Weekday(Weekday::Saturday)));
}

#[test]
fn leave_is_not_called_full() {
    let mut clinic = clinic("Europe/London");
    clinic.practitioners[0].exceptions.push(exception("2026-12-01", "2026-12-04", "leave", vec![]));
    let found = none(&clinic, &with("osei", wish("2026-12-01", "2026-12-02")), &[]);
    assert_eq!(found, (Because::PractitionerAway("leave".into()), vec!["osei 2026-12-07T09:00".into()]));
}

#[test]
fn hours_leads_and_horizons_are_told_apart() {
    let mut clinic = clinic("Europe/London");
    let evening = Wish { day_part: DayPart::Evening, ..wish("2026-12-01", "2026-12-01") };
    assert_eq!(none(&clinic, &evening, &[]), (Because::OutsideHours, vec!["osei 2026-12-01T16:30".into()]));
    let before_nine = Wish { latest: Some(minute("09:30")), ..wish("2026-11-27", "2026-11-27") };
    assert_eq!(none(&clinic, &before_nine, &[]).0, Because::Past);
    clinic.types[0].lead = Duration::from_hours(24);
    let (because, next) = none(&clinic, &wish("2026-11-27", "2026-11-27"), &[]);
    assert_eq!(because, Because::TooSoon(Duration::from_hours(24)));
    assert_eq!(next, ["osei 2026-11-30T09:00"]);
    clinic.types[0].horizon_days = 10;
    let last = date("2026-12-07");
    assert_eq!(none(&clinic, &wish("2026-12-08", "9999-12-31"), &[]), (Because::TooFar(last), vec![]));
    let yesterday = wish("2026-11-26", "2026-11-26");
    assert_eq!(none(&clinic, &yesterday, &[]).0, Because::Past);
}

#[test]
fn the_lead_is_kept_to_the_second() {
    let clinic = clinic("Europe/London");
    let wish = with("osei", wish("2026-11-27", "2026-11-27"));
    let first = |now| said(&clinic, &free(&clinic, &wish, &[], at(now)).unwrap().slots)[0].clone();
    assert_eq!(first("2026-11-27T10:00Z"), "osei 2026-11-27T10:15");
    assert_eq!(first("2026-11-27T10:00:00.1Z"), "osei 2026-11-27T10:30");
}

#[test]
fn somebody_who_does_not_do_it_is_not_called_full() {
    let clinic = clinic("Europe/London");
    let scan = Wish { kind: kind("scan"), ..with("lind", wish("2026-12-01", "2026-12-01")) };
    assert_eq!(none(&clinic, &scan, &[]), (Because::NotDone, vec!["osei 2026-12-01T09:00".into()]));
    let refusal = free(&clinic, &scan, &[], at(NOW)).unwrap_err();
    assert_eq!(refusal.legal(&clinic)[0].id, "osei");
    assert_eq!(
        refusal.say(&clinic, Language::English),
        "Doctor Lind does not do that. The next free time is Tuesday the 1st of December at nine in the morning with Doctor Osei."
    );
}

#[test]
fn unknown_ids_list_those_that_are_known() {
    let clinic = clinic("Europe/London");
    let nobody = free(&clinic, &with("house", wish("2026-12-01", "2026-12-01")), &[], at(NOW)).unwrap_err();
    assert_eq!(nobody.code(), "unknown_practitioner");
    assert_eq!(nobody.legal(&clinic).len(), 2);
    let nothing = Wish { kind: kind("surgery"), ..wish("2026-12-01", "2026-12-01") };
    let nothing = free(&clinic, &nothing, &[], at(NOW)).unwrap_err();
    assert_eq!(nothing.code(), "unknown_type");
    assert_eq!(nothing.legal(&clinic).len(), 2);
}

#[test]
fn the_most_of_a_day_is_kept_for_each_practitioner() {
    let mut clinic = clinic("Europe/London");
    clinic.types[0].most_per_day = Some(1);
    let wish = wish("2026-12-01", "2026-12-01");
    let mut one = busy("osei", "2026-12-01T15:00Z", "2026-12-01T15:30Z");
    let slot = free(&clinic, &with("osei", wish.clone()), &[one.clone()], at(NOW)).unwrap().slots.remove(0);
    one.kind = Some(kind("checkup"));
    let found = free(&clinic, &wish, &[one.clone()], at(NOW)).unwrap();
    assert!(found.slots.iter().all(|slot| slot.practitioner == who("lind")));
    assert_eq!(none(&clinic, &with("osei", wish), &[one.clone()]).0, Because::FullyBooked);
    assert_eq!(still_free(&clinic, &slot, &[one.clone()], at(NOW)), Err(Refusal::SlotTaken));
    one.kind = Some(kind("scan"));
    assert_eq!(still_free(&clinic, &slot, &[one], at(NOW)), Ok(()));
}

#[test]
fn a_time_that_was_offered_is_looked_at_again() {
    let mut clinic = clinic("Europe/London");
    let slot = free(&clinic, &with("osei", wish("2026-12-01", "2026-12-01")), &[], at(NOW)).unwrap().slots.remove(0);
    let look = |clinic: &Clinic, taken: &[Busy], now| still_free(clinic, &slot, taken, at(now));
    assert_eq!(look(&clinic, &[], "2026-12-01T08:59Z"), Ok(()), "its lead was kept when it was offered");
    assert_eq!(look(&clinic, &[], "2026-12-01T09:01Z"), Err(Refusal::UnknownSlot));
    let other = busy("osei", "2026-12-01T09:29Z", "2026-12-01T10:00Z");
    assert_eq!(look(&clinic, &[other], NOW), Err(Refusal::SlotTaken));
    let colleague = busy("lind", "2026-12-01T09:00Z", "2026-12-01T10:00Z");
    assert_eq!(look(&clinic, &[colleague], NOW), Ok(()));
    clinic.exceptions.push(exception("2026-12-01", "2026-12-01", "burst pipe", vec![]));
    assert_eq!(look(&clinic, &[], NOW), Err(Refusal::SlotTaken));
    clinic.types[0].practitioners.remove(0);
    assert_eq!(look(&clinic, &[], NOW), Err(Refusal::UnknownSlot));
}

#[test]
fn what_must_be_known_reaches_from_the_day_to_the_horizon() {
    let clinic = clinic("Europe/Berlin");
    let span = |from, to| window(&clinic, &wish(from, to), at(NOW));
    let end = at("2027-02-25T23:00Z");
    assert_eq!(span("2026-11-27", "2026-11-27"), Span { from: at("2026-11-26T23:00Z"), to: end });
    assert_eq!(span("2020-01-01", "2020-01-01"), Span { from: at("2026-11-26T23:00Z"), to: end });
    assert_eq!(span("2030-01-01", "2030-01-01"), Span { from: at("2027-02-24T23:00Z"), to: end });
}

/// Wall times at which a slot of a day begins, for a clinic that is always open.
fn beginnings(zone: &str, day: &str, from: &str, to: &str) -> Vec<String> {
    let mut clinic = always_open(zone);
    clinic.types[0].horizon_days = 400;
    let mut all = Vec::new();
    let mut wish = with("osei", wish(day, day));
    for quarter in (minute(from).get()..minute(to).get()).step_by(15) {
        wish.earliest = Minute::of(quarter);
        wish.latest = wish.earliest;
        if let Ok(found) = free(&clinic, &wish, &[], at("2026-09-30T10:00Z")) {
            all.extend(
                found
                    .slots
                    .iter()
                    .map(|slot| slot.time.from.to_zoned(clinic.zone.clone()).strftime("%R%:z").to_string()),
            );
        }
    }
    all
}

#[test]
fn the_hour_that_is_skipped_is_not_offered() {
    assert_eq!(
        beginnings("Europe/London", "2027-03-28", "00:30", "02:30"),
        ["00:30+00:00", "00:45+00:00", "02:00+01:00", "02:15+01:00"]
    );
    assert_eq!(beginnings("America/New_York", "2027-03-14", "01:45", "03:15"), ["01:45-05:00", "03:00-04:00"]);
    assert_eq!(beginnings("Australia/Sydney", "2026-10-04", "01:45", "03:15"), ["01:45+10:00", "03:00+11:00"]);
    assert_eq!(beginnings("Australia/Lord_Howe", "2026-10-04", "01:45", "02:45"), ["01:45+10:30", "02:30+11:00"]);
}

#[test]
fn the_hour_that_comes_twice_is_offered_once() {
    assert_eq!(
        beginnings("Europe/London", "2026-10-25", "01:30", "02:15"),
        ["01:30+01:00", "01:45+01:00", "02:00+00:00"]
    );
    assert_eq!(beginnings("America/New_York", "2026-11-01", "01:45", "02:15"), ["01:45-04:00", "02:00-05:00"]);
    assert_eq!(beginnings("Australia/Sydney", "2027-04-04", "02:45", "03:15"), ["02:45+11:00", "03:00+10:00"]);
    assert_eq!(beginnings("Australia/Lord_Howe", "2027-04-04", "01:45", "02:15"), ["01:45+11:00", "02:00+10:30"]);
    assert_eq!(beginnings("Asia/Kolkata", "2026-10-25", "01:30", "02:00"), ["01:30+05:30", "01:45+05:30"]);
}

#[test]
fn it_is_said_which_of_the_two_hours_is_meant() {
    let clinic = always_open("Europe/London");
    let mut wish = with("osei", wish("2026-10-25", "2026-10-25"));
    wish.earliest = Some(minute("01:30"));
    let found = free(&clinic, &wish, &[], at("2026-10-20T10:00Z")).unwrap();
    assert_eq!(
        say_slot(&found.slots[0], &clinic, Language::English),
        "Sunday the 25th of October at one thirty at night, before the clocks go back with Doctor Osei"
    );
}

#[test]
fn the_last_appointment_of_a_day_ends_at_midnight() {
    let clinic = always_open("Europe/London");
    let mut wish = with("osei", wish("2026-12-01", "2026-12-01"));
    wish.earliest = Some(minute("23:00"));
    let found = free(&clinic, &wish, &[], at(NOW)).unwrap();
    assert_eq!(said(&clinic, &found.slots).last().unwrap(), "osei 2026-12-01T23:30");
    assert_eq!(found.slots.last().unwrap().time.to, at("2026-12-02T00:00Z"));
}

#[test]
fn the_days_of_a_call_are_the_clinics() {
    let clinic = always_open("Australia/Sydney");
    let wish = with("osei", wish("2026-11-27", "2026-11-27"));
    let found = free(&clinic, &wish, &[], at("2026-11-27T12:50Z"));
    assert!(found.is_err(), "ten to midnight in Sydney: nothing of today is left");
    let found = free(&clinic, &wish, &[], at("2026-11-26T13:05Z")).unwrap();
    assert_eq!(said(&clinic, &found.slots)[0], "osei 2026-11-27T00:30", "five past midnight");
}

fn zone() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "Europe/London",
        "America/New_York",
        "Australia/Sydney",
        "Australia/Lord_Howe",
        "Asia/Kolkata",
        "UTC",
    ])
}

prop_compose! {
    /// A clinic with odd lengths, steps and buffers around a change of the clock or not, open at night too.
    fn odd_clinic()(
        zone in zone(),
        length in 1u64..120,
        before in 0u64..20,
        after in 0u64..20,
        step in 1u64..70,
        most in prop::option::of(1u16..4),
        (from, till) in (0u16..1380, 10u16..1440),
    ) -> Clinic {
        let mut clinic = clinic(zone);
        let open = Hours::new(Minute::of(from).unwrap(), Minute::of((from + till).min(1440)).unwrap()).unwrap();
        clinic.hours = week(&EVERY_DAY, &[open]);
        clinic.practitioners[0].hours = week(&WEEKDAYS, &[hours("00:00", "03:00"), hours("04:00", "24:00")]);
        clinic.practitioners[1].hours = week(&EVERY_DAY, &[hours("01:20", "24:00")]);
        let kind = &mut clinic.types[0];
        kind.length = Duration::from_mins(length);
        kind.buffer_before = Duration::from_mins(before);
        kind.buffer_after = Duration::from_mins(after);
        kind.step = Duration::from_mins(step);
        kind.most_per_day = most;
        clinic
    }
}

/// Around the changes of spring and autumn of these zones, and a week of none.
fn now() -> impl Strategy<Value = Timestamp> {
    let weeks =
        ["2026-10-23T00:00Z", "2026-10-31T00:00Z", "2027-03-12T00:00Z", "2027-03-26T00:00Z", "2027-04-02T00:00Z"];
    let instant = |(week, after): (&str, i64)| at(week).checked_add(jiff::SignedDuration::from_secs(after)).unwrap();
    (prop::sample::select(weeks.to_vec()), 0i64..259_200).prop_map(instant)
}

fn taken(now: Timestamp) -> impl Strategy<Value = Vec<Busy>> {
    let one = (any::<bool>(), 0i64..7 * 1440, 1i64..600).prop_map(move |(osei, from, length)| {
        let from = now.checked_add(jiff::SignedDuration::from_mins(from)).unwrap();
        let to = from.checked_add(jiff::SignedDuration::from_mins(length)).unwrap();
        Busy { practitioner: who(if osei { "osei" } else { "lind" }), span: Span { from, to }, kind: None }
    });
    prop::collection::vec(one, 0..40)
}

fn is_open(clinic: &Clinic, slot: &Slot) -> bool {
    let practitioner = clinic.practitioner(&slot.practitioner).unwrap();
    let local = slot.time.from.to_zoned(clinic.zone.clone()).date();
    let day = Day::new(local, &clinic.zone);
    let hours = practitioner_hours(clinic, practitioner, local);
    hours.iter().filter_map(|hours| day.span(*hours)).any(|open| open.from <= slot.busy.from && slot.busy.to <= open.to)
}

proptest! {
    #[test]
    fn what_is_offered_is_open_free_and_in_time_and_stays_so_when_it_is_held(
        clinic in odd_clinic(),
        (now, mut taken) in now().prop_flat_map(|now| (Just(now), taken(now))),
        pick in 0usize..3,
        ahead in 0i32..5,
        days in 0i32..5,
    ) {
        let today = now.to_zoned(clinic.zone.clone()).date();
        let from = today.checked_add(ahead.days()).unwrap();
        let wish = Wish::on(kind("checkup"), from, from.checked_add(days.days()).unwrap());
        for _ in 0..6 {
            let slots = match free(&clinic, &wish, &taken, now) {
                Ok(found) => found.slots,
                Err(Refusal::NoSlots(none)) => none.next_free.into_iter().collect(),
                Err(other) => return Err(TestCaseError::fail(other.code())),
            };
            prop_assert!(slots.len() <= MOST_OFFERED);
            for slot in &slots {
                prop_assert!(slot.time.from.duration_since(now) >= jiff::SignedDuration::from_secs(900));
                prop_assert!(is_open(&clinic, slot), "{slot:?}");
                let clash = taken.iter().find(|busy| busy.practitioner == slot.practitioner && busy.span.overlaps(&slot.busy));
                prop_assert_eq!(clash, None);
                prop_assert_eq!(still_free(&clinic, slot, &taken, now), Ok(()));
            }
            let Some(held) = slots.get(pick.min(slots.len().saturating_sub(1))) else { break };
            taken.push(Busy {
                practitioner: held.practitioner.clone(),
                span: held.busy,
                kind: Some(held.kind.clone()),
            });
            prop_assert_eq!(still_free(&clinic, held, &taken, now), Err(Refusal::SlotTaken));
        }
    }
}

proptest! {
    #[test]
    fn what_the_first_two_weeks_answer_the_whole_wish_would(
        clinic in odd_clinic(),
        (now, taken) in now().prop_flat_map(|now| (Just(now), taken(now))),
        ahead in -3i32..5,
        days in 0i32..60,
    ) {
        let from = now.to_zoned(clinic.zone.clone()).date().checked_add(ahead.days()).unwrap();
        let wish = Wish::on(kind("checkup"), from, from.checked_add(days.days()).unwrap());
        let Some((first, span)) = near(&clinic, &wish, now) else {
            prop_assert!(days < 14 - ahead.min(0));
            return Ok(());
        };
        let known: Vec<Busy> = taken.iter().filter(|busy| busy.span.overlaps(&span)).cloned().collect();
        if let Ok(found) = free(&clinic, &first, &known, now)
            && found.is_enough(&clinic)
        {
            prop_assert_eq!(Ok(found), free(&clinic, &wish, &taken, now));
        }
    }
}
