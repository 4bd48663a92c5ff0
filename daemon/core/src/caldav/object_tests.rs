use jiff::tz::TimeZoneDatabase;
use proptest::prelude::*;

use super::*;

fn zones(clinic: &str) -> Zones {
    let database = TimeZoneDatabase::bundled();
    let clinic = database.get(clinic).unwrap();
    Zones::new(database, clinic)
}

fn span(from: &str, to: &str) -> Span {
    Span { from: from.parse().unwrap(), to: to.parse().unwrap() }
}

fn calendar(lines: &str) -> String {
    let mut text = String::from("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n");
    for event in lines.split("---") {
        text += "BEGIN:VEVENT\r\nUID:1\r\n";
        text += &event.trim().replace('\n', "\r\n");
        text += "\r\nEND:VEVENT\r\n";
    }
    text + "END:VCALENDAR\r\n"
}

fn read(lines: &str) -> Result<Object, ReadError> {
    Object::read(&calendar(lines), &zones("Europe/Berlin"))
}

/// What is taken in December 2026, `from/to` in UTC.
fn december(lines: &str) -> Result<Vec<String>, ReadError> {
    let taken = read(lines)?.taken(span("2026-12-01T00:00Z", "2027-01-01T00:00Z"))?;
    let mut spans: Vec<String> = taken.iter().map(|taken| format!("{}/{}", taken.span.from, taken.span.to)).collect();
    spans.sort();
    Ok(spans)
}

#[test]
fn an_entry_ends_at_its_end_or_after_its_length() {
    for end in
        ["DTEND:20261201T143000Z", "DURATION:PT30M", "DURATION:P0DT0H30M", "DTEND;TZID=Europe/Berlin:20261201T153000"]
    {
        let found = december(&format!("DTSTART:20261201T140000Z\n{end}")).unwrap();
        assert_eq!(found, ["2026-12-01T14:00:00Z/2026-12-01T14:30:00Z"], "{end}");
    }
    assert_eq!(december("DTSTART:20261201T140000Z").unwrap(), [""; 0], "a reminder is in nobody's way");
}

#[test]
fn what_is_cancelled_or_transparent_takes_no_time() {
    let at = "DTSTART:20261201T140000Z\nDTEND:20261201T143000Z\n";
    for free in ["STATUS:CANCELLED", "TRANSP:TRANSPARENT", "status:cancelled"] {
        assert_eq!(december(&format!("{at}{free}")).unwrap(), [""; 0], "{free}");
    }
    for busy in ["STATUS:TENTATIVE", "STATUS:CONFIRMED", "TRANSP:OPAQUE"] {
        assert_eq!(december(&format!("{at}{busy}")).unwrap().len(), 1, "{busy}");
    }
}

/// A server that counts in UTC says 00:00Z; then somebody is booked at half past midnight on the day before Christmas.
#[test]
fn a_whole_day_is_the_clinics_day() {
    for lines in [
        "DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261226",
        "DTSTART;VALUE=DATE:20261225",
        "DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261225",
        "DTSTART:20261225\nDURATION:P1D",
    ] {
        assert_eq!(december(lines).unwrap(), ["2026-12-24T23:00:00Z/2026-12-25T23:00:00Z"], "{lines}");
    }
    let text = calendar("DTSTART;VALUE=DATE:20270328");
    let object = Object::read(&text, &zones("Europe/Berlin")).unwrap();
    let found = object.taken(span("2027-03-27T00:00Z", "2027-03-30T00:00Z")).unwrap();
    assert_eq!(found[0].span, span("2027-03-27T23:00Z", "2027-03-28T22:00Z"), "a day of 23 hours");
}

#[test]
fn times_are_meant_in_their_zone_and_without_one_in_the_clinics() {
    for (start, expected) in [
        ("DTSTART;TZID=America/New_York:20261201T090000", "2026-12-01T14:00:00Z/2026-12-01T15:00:00Z"),
        ("DTSTART;TZID=\"W. Europe Standard Time\":20261201T150000", "2026-12-01T14:00:00Z/2026-12-01T15:00:00Z"),
        ("DTSTART:20261201T150000", "2026-12-01T14:00:00Z/2026-12-01T15:00:00Z"),
    ] {
        assert_eq!(december(&format!("{start}\nDURATION:PT1H")).unwrap(), [expected], "{start}");
    }
    let error = december("DTSTART;TZID=Narnia:20261201T150000\nDURATION:PT1H").unwrap_err();
    assert_eq!(error.to_string(), "an entry of 2026-12-01 is meant in the time zone \"Narnia\", which is not known");
}

#[test]
fn a_series_takes_the_time_of_all_its_occurrences() {
    let weekly = "DTSTART;TZID=Europe/Berlin:20260105T090000\nDTEND;TZID=Europe/Berlin:20260105T100000\nRRULE:FREQ=WEEKLY;BYDAY=MO";
    let mondays = ["2026-12-07", "2026-12-14", "2026-12-21", "2026-12-28"];
    let expected: Vec<String> = mondays.iter().map(|day| format!("{day}T08:00:00Z/{day}T09:00:00Z")).collect();
    assert_eq!(december(weekly).unwrap(), expected);
    let without = december(&format!("{weekly}\nEXDATE;TZID=Europe/Berlin:20261207T090000,20261221T090000")).unwrap();
    assert_eq!(without, [expected[1].clone(), expected[3].clone()]);
    let with = december(&format!("{weekly};UNTIL=20261207T080000Z\nRDATE;VALUE=PERIOD:20261210T100000Z/PT2H")).unwrap();
    assert_eq!(with, [expected[0].clone(), "2026-12-10T10:00:00Z/2026-12-10T12:00:00Z".to_owned()]);
}

#[test]
fn an_exception_stands_in_place_of_its_occurrence() {
    let daily = "DTSTART;TZID=Europe/Berlin:20261207T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3";
    let moved = "RECURRENCE-ID:20261208T080000Z\nDTSTART:20261208T150000Z\nDURATION:PT1H";
    let found = december(&format!("{daily}\n---\n{moved}")).unwrap();
    let expected = [
        "2026-12-07T08:00:00Z/2026-12-07T09:00:00Z",
        "2026-12-08T15:00:00Z/2026-12-08T16:00:00Z",
        "2026-12-09T08:00:00Z/2026-12-09T09:00:00Z",
    ];
    assert_eq!(found, expected);
    let cancelled = december(&format!("{daily}\n---\n{moved}\nSTATUS:CANCELLED")).unwrap();
    assert_eq!(cancelled, [expected[0], expected[2]]);
    let expanded = december(&format!("{moved}\n---\n{}", moved.replace("1208", "1209"))).unwrap();
    assert_eq!(expanded.len(), 2, "a server has worked the series out");
    assert!(december(&format!("{daily}\n---\n{}", moved.replace("ID:", "ID;RANGE=THISANDFUTURE:"))).is_err());
}

#[test]
fn a_series_of_whole_days_in_another_year_is_found() {
    let found = december("DTSTART;VALUE=DATE:20191224\nDTEND;VALUE=DATE:20191227\nRRULE:FREQ=YEARLY").unwrap();
    assert_eq!(found, ["2026-12-23T23:00:00Z/2026-12-26T23:00:00Z"]);
}

#[test]
fn a_rule_that_cannot_be_worked_out_is_an_error_unless_it_takes_no_time() {
    let hourly = "DTSTART:20261201T090000Z\nDURATION:PT1M\nRRULE:FREQ=HOURLY";
    let error = december(hourly).unwrap_err();
    let expected = "the recurring entry that begins on 2026-12-01 cannot be worked out: it recurs within a day";
    assert_eq!(error.to_string(), expected);
    assert_eq!(december(&format!("{hourly}\nTRANSP:TRANSPARENT")), Ok(vec![]));
}

#[test]
fn what_cannot_be_read_is_an_error() {
    for wrong in [
        "SUMMARY:no time",
        "DTSTART:tomorrow",
        "DTSTART:20261301T000000Z",
        "DTSTART:20261131",
        "DTSTART:20261201T140000Z\nDTEND:20261201T130000Z",
        "DTSTART:20261201T140000Z\nDURATION:half an hour",
        "DTSTART:20261201T140000Z\nDURATION:-PT5M",
        "DTSTART:20261201T140000Z\nDURATION:P99999999999999D",
        "DTSTART:20261201T140000Z\nEXDATE:x",
        "DTSTART:20261201T1400Z",
    ] {
        assert!(december(wrong).is_err(), "{wrong}");
    }
    assert!(Object::read("BEGIN:VEVENT\nEND:VEVENT", &zones("UTC")).is_err());
    assert!(Object::read("<html>", &zones("UTC")).is_err());
}

#[test]
fn our_entry_is_found_by_its_uid() {
    let id = AppointmentId(0x0190_f5a6);
    let written = "X-FRONTDESK-WRITTEN:2/20261201T140000Z/20261201T143000Z";
    let text = calendar(&format!("{written}\nSEQUENCE:9\nSTATUS:CANCELLED\nDTSTART:20261201T140000Z\nDURATION:PT30M"))
        .replace("UID:1", &format!("UID:{id}@clinic.example"));
    let object = Object::read(&text, &zones("UTC")).unwrap();
    let time = span("2026-12-01T14:00Z", "2026-12-01T14:30Z");
    assert_eq!(object.own(id), Ok(Some(OwnEntry { time, revision: 2, is_as_written: true, is_cancelled: true })));
    assert_eq!(object.own(AppointmentId(7)), Ok(None));
    let own = |text: &str| Object::read(text, &zones("UTC")).unwrap().own(id).unwrap().unwrap();
    assert!(!own(&text.replace("DTSTART:20261201T14", "DTSTART:20261201T15")).is_as_written, "somebody has moved it");
    for dropped in ["X-OTHER:1", "X-FRONTDESK-WRITTEN:2", "X-FRONTDESK-WRITTEN:-1/20261201T140000Z/20261201T143000Z"] {
        let own = own(&text.replace(written, dropped));
        assert_eq!((own.revision, own.is_as_written), (0, false), "{dropped}");
    }
    let there = Object::read(&text.replace("STATUS:CANCELLED\r\n", ""), &zones("UTC")).unwrap();
    assert_eq!(there.taken(time), Ok(vec![Taken { span: time, ours: Some(id) }]));
}

proptest! {
    #[test]
    fn no_entry_panics(lines in "((DTSTART|DTEND|DURATION|RRULE|EXDATE|RDATE|RECURRENCE-ID)(;TZID=[A-Za-z/]{0,8})?:[-0-9TZPYMDHWFREQ=LAI;,/]{0,24}\n){0,6}") {
        if let Ok(object) = read(&lines) {
            let _ = object.taken(span("2026-12-01T00:00Z", "2027-01-01T00:00Z"));
            let _ = object.taken(Span { from: Timestamp::MIN, to: Timestamp::MAX });
            let _ = object.own(AppointmentId(1));
        }
    }

    /// Whatever a window is, an occurrence in it is found.
    #[test]
    fn no_occurrence_is_missed(day in 0_i64..3_000, hour in 0_i64..24, hours in 1_i64..80) {
        let object = read("DTSTART;TZID=Europe/Berlin:20200101T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY").unwrap();
        let from = "2020-01-01T00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(24 * day + hour);
        let within = Span { from, to: from + SignedDuration::from_hours(hours) };
        let berlin = zones("Europe/Berlin");
        let at = |day: Date| berlin.clinic().to_timestamp(day.at(9, 0, 0, 0)).unwrap();
        let first = berlin.clinic().to_datetime(from).date().yesterday().unwrap();
        let expected = first.series(1.day()).take(8).filter(|day| *day >= jiff::civil::date(2020, 1, 1)).map(|day| {
            Span { from: at(day), to: at(day) + SignedDuration::from_hours(1) }
        }).filter(|span| span.overlaps(&within)).count();
        prop_assert_eq!(object.taken(within).unwrap().len(), expected);
    }
}
