use super::*;
use crate::booking::world::{clinic, date, exception, hours, minute};
use jiff::SignedDuration;
use jiff::civil::Weekday;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn span(from: &str, to: &str) -> Span {
    Span { from: at(from), to: at(to) }
}

#[test]
fn a_practitioner_is_there_within_the_clinics_hours() {
    let clinic = clinic("Europe/London");
    let lind = &clinic.practitioners[1];
    assert_eq!(practitioner_hours(&clinic, lind, date("2026-12-01")).as_slice(), [hours("09:00", "11:00")]);
    assert!(practitioner_hours(&clinic, lind, date("2026-12-05")).is_empty(), "Saturday");
    assert!(practitioner_hours(&clinic, lind, date("2026-12-25")).is_empty(), "Christmas Day");
}

#[test]
fn an_exception_replaces_the_plan_and_a_closed_one_closes() {
    let mut clinic = clinic("Europe/London");
    let saturday = vec![hours("10:00", "12:00")];
    clinic.exceptions.push(exception("2026-12-04", "2026-12-05", "open house", saturday.clone()));
    clinic.practitioners[0].exceptions.push(exception("2026-12-05", "2026-12-05", "", vec![hours("09:00", "24:00")]));
    let osei = &clinic.practitioners[0];
    assert_eq!(practitioner_hours(&clinic, osei, date("2026-12-04")).as_slice(), saturday);
    assert_eq!(practitioner_hours(&clinic, osei, date("2026-12-05")).as_slice(), saturday, "both have other hours");
    clinic.exceptions.insert(0, exception("2026-12-05", "2026-12-05", "burst pipe", vec![]));
    assert_eq!(why_closed(&clinic, date("2026-12-05")), Some(Closure::Holiday("burst pipe".into())));
}

#[test]
fn hours_that_touch_are_one_span() {
    let mut clinic = clinic("Europe/London");
    let touching = [hours("09:00", "12:00"), hours("12:00", "15:00")];
    clinic.hours.set(Weekday::Monday, vec![hours("08:00", "18:00")]).unwrap();
    clinic.practitioners[0].hours.set(Weekday::Monday, touching.to_vec()).unwrap();
    let all = practitioner_hours(&clinic, &clinic.practitioners[0], date("2026-11-30"));
    assert_eq!(all.as_slice(), [hours("09:00", "15:00")]);
}

#[test]
fn why_it_is_closed_and_when_it_opens() {
    let clinic = clinic("Europe/London");
    assert_eq!(why_closed(&clinic, date("2026-12-24")), None);
    assert_eq!(why_closed(&clinic, date("2026-12-25")), Some(Closure::Holiday("Christmas Day".into())));
    assert_eq!(why_closed(&clinic, date("2026-12-27")), Some(Closure::Weekday(Weekday::Sunday)));
    assert_eq!(next_open(&clinic, date("2026-12-24")), Some(date("2026-12-28")));
    assert_eq!(next_open(&clinic, Date::MAX), None);
}

#[test]
fn a_clinic_without_hours_never_opens() {
    let mut clinic = clinic("Europe/London");
    clinic.hours = Week::default();
    assert_eq!(next_open(&clinic, date("2026-12-24")), None);
}

#[test]
fn hours_in_a_gap_begin_when_it_ends() {
    let zone = TimeZone::get("Europe/London").unwrap();
    let day = Day::new(date("2027-03-28"), &zone);
    assert_eq!(day.span(hours("01:30", "03:00")), Some(span("2027-03-28T01:00Z", "2027-03-28T02:00Z")));
    assert_eq!(day.span(hours("01:00", "02:00")), None, "the hour that is skipped");
    assert_eq!(day.span(hours("00:00", "01:30")), Some(span("2027-03-28T00:00Z", "2027-03-28T01:00Z")));
    assert_eq!(day.beginning(minute("01:30")), None);
    assert_eq!(day.beginning(minute("02:00")), Some(at("2027-03-28T01:00Z")));
    assert_eq!(day.whole().unwrap().to.duration_since(day.whole().unwrap().from), SignedDuration::from_hours(23));
}

#[test]
fn hours_in_a_fold_begin_at_the_first_and_end_at_the_second() {
    let zone = TimeZone::get("Europe/London").unwrap();
    let day = Day::new(date("2026-10-25"), &zone);
    assert_eq!(day.span(hours("01:30", "03:00")), Some(span("2026-10-25T00:30Z", "2026-10-25T03:00Z")));
    assert_eq!(day.span(hours("00:00", "01:30")), Some(span("2026-10-24T23:00Z", "2026-10-25T01:30Z")));
    assert_eq!(day.beginning(minute("01:30")), Some(at("2026-10-25T00:30Z")));
    assert_eq!(day.whole().unwrap().to.duration_since(day.whole().unwrap().from), SignedDuration::from_hours(25));
}

#[test]
fn half_an_hour_is_skipped_on_lord_howe() {
    let zone = TimeZone::get("Australia/Lord_Howe").unwrap();
    let spring = Day::new(date("2026-10-04"), &zone);
    assert_eq!(spring.beginning(minute("02:15")), None);
    assert_eq!(spring.span(hours("02:15", "03:00")), Some(span("2026-10-03T15:30Z", "2026-10-03T16:00Z")));
    let autumn = Day::new(date("2027-04-04"), &zone);
    assert_eq!(autumn.span(hours("01:45", "02:00")).unwrap().to, at("2027-04-03T15:30Z"));
    assert_eq!(autumn.beginning(minute("01:45")), Some(at("2027-04-03T14:45Z")));
}

#[test]
fn a_day_that_a_zone_left_out_has_no_hours() {
    let apia = TimeZone::get("Pacific/Apia").unwrap();
    let day = Day::new(date("2011-12-30"), &apia);
    assert_eq!(day.whole(), None);
    assert_eq!(day.beginning(minute("09:00")), None);
}

#[test]
fn a_day_without_a_change_is_as_long_as_on_the_wall() {
    for name in ["Europe/London", "America/New_York", "Australia/Sydney", "Asia/Kolkata", "Asia/Tokyo"] {
        let zone = TimeZone::get(name).unwrap();
        let day = Day::new(date("2026-12-01"), &zone);
        assert!(!day.changes(), "{name}");
        assert_eq!(day.whole().unwrap().to, Day::new(date("2026-12-02"), &zone).whole().unwrap().from, "{name}");
    }
}
