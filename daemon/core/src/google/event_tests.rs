use jiff::tz::TimeZoneDatabase;
use proptest::prelude::*;

use super::*;
use crate::google::page::Page;

const ID: AppointmentId = AppointmentId(0x0190_f5a6_7a4e_7c3b_9a55_0f1e_2d3c_4b5a);

fn zones() -> Zones {
    let database = TimeZoneDatabase::bundled();
    let clinic = database.get("Europe/Berlin").unwrap();
    Zones::new(database, clinic)
}

fn span(from: &str, to: &str) -> Span {
    Span { from: from.parse().unwrap(), to: to.parse().unwrap() }
}

/// What is taken in December 2026 of a calendar in New York with this entry, `from/to` in UTC.
fn december(fields: &str) -> Result<Vec<String>, ReadError> {
    let text = format!(
        r#"{{"kind":"calendar#events","timeZone":"America/New_York","items":[{{"kind":"calendar#event","id":"x1",{fields}}}]}}"#
    );
    let taken = Page::read(&text)?.taken(&zones(), span("2026-12-01T00:00Z", "2027-01-01T00:00Z"))?;
    Ok(taken.iter().map(|taken| format!("{}/{}", taken.span.from, taken.span.to)).collect())
}

const AT: &str = r#""start":{"dateTime":"2026-12-01T14:00:00Z"},"end":{"dateTime":"2026-12-01T14:30:00Z"}"#;
const THEN: &str = "2026-12-01T14:00:00Z/2026-12-01T14:30:00Z";

#[test]
fn an_entry_takes_the_time_that_it_names_in_whatever_zone() {
    for times in [
        AT,
        r#""start":{"dateTime":"2026-12-01T15:00:00+01:00","timeZone":"Europe/Berlin"},"end":{"dateTime":"2026-12-01T09:30:00-05:00"}"#,
        r#""start":{"dateTime":"2026-12-01T15:00:00","timeZone":"Europe/Berlin"},"end":{"dateTime":"2026-12-01T14:30:00.000Z"}"#,
    ] {
        assert_eq!(december(times).unwrap(), [THEN], "{times}");
    }
}

#[test]
fn what_is_called_off_free_declined_or_a_remark_takes_no_time_and_all_else_does() {
    for free in [
        r#""status":"cancelled""#,
        r#""transparency":"transparent""#,
        r#""eventType":"workingLocation""#,
        r#""eventType":"birthday""#,
        r#""attendees":[{"responseStatus":"accepted"},{"self":true,"responseStatus":"declined"}]"#,
    ] {
        assert_eq!(december(&format!("{AT},{free}")).unwrap(), [""; 0], "{free}");
    }
    for busy in [
        r#""status":"tentative""#,
        r#""status":"confirmed","transparency":"opaque""#,
        r#""eventType":"outOfOffice""#,
        r#""eventType":"focusTime""#,
        r#""eventType":"somethingNew","status":null,"visibility":"private""#,
        r#""attendees":[{"responseStatus":"declined"},{"self":true,"responseStatus":"needsAction"}]"#,
    ] {
        assert_eq!(december(&format!("{AT},{busy}")).unwrap(), [THEN], "{busy}");
    }
    assert_eq!(december(r#""status":"cancelled""#).unwrap(), [""; 0], "of a deleted one no more than this is certain");
}

/// In UTC it would end before the surgery's evening does.
#[test]
fn a_whole_day_is_the_calendars_day() {
    for end in ["2026-12-26", "2026-12-25"] {
        let whole = format!(r#""start":{{"date":"2026-12-25"}},"end":{{"date":"{end}"}}"#);
        assert_eq!(december(&whole).unwrap(), ["2026-12-25T05:00:00Z/2026-12-26T05:00:00Z"], "{end}");
    }
    let text =
        r#"{"kind":"calendar#events","items":[{"id":"x","start":{"date":"2027-03-28"},"end":{"date":"2027-03-29"}}]}"#;
    let taken = Page::read(text).unwrap().taken(&zones(), span("2027-03-27T00:00Z", "2027-03-30T00:00Z")).unwrap();
    assert_eq!(taken[0].span, span("2027-03-27T23:00Z", "2027-03-28T22:00Z"), "the clinic's, 23 hours long");
}

#[test]
fn what_takes_no_time_is_in_nobodys_way() {
    let reminder = AT.replace("14:30", "14:00");
    assert_eq!(december(&reminder).unwrap(), [""; 0]);
    assert_eq!(december(&AT.replace("2026-12", "2027-02")).unwrap(), [""; 0], "another month");
}

#[test]
fn what_cannot_be_placed_is_an_error_and_not_free() {
    for (fields, said) in [
        (r#""status":"confirmed""#, "no beginning or no end"),
        (r#""start":{"dateTime":"2026-12-01T14:00:00Z"}"#, "no beginning or no end"),
        (r#""start":{},"end":{}"#, "no date and no time"),
        (r#""start":{"dateTime":"soon"},"end":{"dateTime":"later"}"#, "a time is none"),
        (
            r#""start":{"dateTime":"2026-12-01T14:00:00"},"end":{"dateTime":"2026-12-01T15:00:00"}"#,
            "neither offset nor",
        ),
        (r#""start":{"date":"2026-13-01"},"end":{"date":"2026-12-02"}"#, "a date is none"),
        (r#""start":{"date":"2026-12-03"},"end":{"date":"2026-12-01"}"#, "ends before it begins"),
        (r#""start":{"dateTime":"2026-12-01T14:00:00","timeZone":"Narnia"},"end":{"date":"2026-12-02"}"#, "\"Narnia\""),
        (r#""start":7"#, "not what Google Calendar says"),
    ] {
        let error = december(fields).unwrap_err().to_string();
        assert!(error.contains(said), "{fields}: {error}");
    }
    assert!(december(&format!("{AT},\"summary\":\"Ana\",\"status\":5")).is_err_and(|e| !e.to_string().contains("Ana")));
}

fn ours(fields: &str) -> Event {
    let id = event_id(ID);
    Event::read(&format!(r#"{{"kind":"calendar#event","id":"{id}","etag":"\"35\"",{fields}}}"#)).unwrap()
}

#[test]
fn our_entry_is_known_by_its_id_and_tells_whether_anybody_moved_it() {
    let marks = format!(
        r#""extendedProperties":{{"private":{{"fd_booking":"{ID}","fd_rev":"2","fd_time":"2026-12-01T14:00:00Z/2026-12-01T14:30:00Z","theirs":"x"}}}}"#
    );
    let event = ours(&format!("{AT},{marks}"));
    assert_eq!(event.etag.as_deref(), Some("\"35\""), "with its quotes");
    let time = span("2026-12-01T14:00Z", "2026-12-01T14:30Z");
    let own = OwnEntry { time, revision: 2, is_as_written: true, is_cancelled: false };
    assert_eq!(event.own(ID, &zones()), Ok(Some(own)));
    assert_eq!(event.own(AppointmentId(7), &zones()), Ok(None));

    let moved = ours(&format!("{},{marks}", AT.replace("T14:", "T16:"))).own(ID, &zones()).unwrap().unwrap();
    assert!(!moved.is_as_written);
    assert_eq!(moved.time, span("2026-12-01T16:00Z", "2026-12-01T16:30Z"));
    let without = ours(AT).own(ID, &zones()).unwrap().unwrap();
    assert_eq!((without.revision, without.is_as_written), (0, false), "somebody's program dropped our notes");
    let foreign = ours(&format!(r#"{AT},"extendedProperties":{{"private":{{"fd_booking":"other"}}}}"#));
    assert_eq!(foreign.own(ID, &zones()), Ok(None));
}

#[test]
fn an_entry_that_staff_made_a_series_of_is_still_ours() {
    let id = event_id(ID);
    let text = format!(
        r#"{{"kind":"calendar#events","items":[{{"id":"{id}_20261208T140000Z","recurringEventId":"{id}",{AT}}},{{"id":"copy",{AT}}}]}}"#
    );
    let taken = Page::read(&text).unwrap().taken(&zones(), span("2026-12-01T00:00Z", "2027-01-01T00:00Z")).unwrap();
    assert_eq!(taken.iter().map(|taken| taken.ours).collect::<Vec<_>>(), [Some(ID), None]);
}

#[test]
fn another_document_is_no_entry() {
    for (text, error) in [
        ("", ReadError::Json { line: 1, column: 0 }),
        ("<html>", ReadError::Json { line: 1, column: 1 }),
        ("{}", ReadError::Shape("it is no entry of a calendar")),
        (r#"{"kind":"calendar#event"}"#, ReadError::Shape("an entry has no id")),
        (r#"{"kind":"calendar#events","items":[]}"#, ReadError::Shape("it is no entry of a calendar")),
    ] {
        assert_eq!(Event::read(text), Err(error), "{text}");
    }
}

proptest! {
    #[test]
    fn an_id_is_one_that_google_takes_and_tells_its_appointment(id: u128) {
        let id = AppointmentId(id);
        let event_id = event_id(id);
        prop_assert!(event_id.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'v')));
        prop_assert_eq!(appointment(&event_id), Some(id));
        prop_assert_eq!(appointment(&format!("{event_id}_20261208")), None);
        prop_assert_eq!(appointment(&event_id.to_uppercase()), None);
    }

    #[test]
    fn no_entry_panics(
        start in "[-0-9TZ:+.]{0,30}", end in "[-0-9TZ:+.]{0,30}", zone in "[A-Za-z/]{0,20}", kind in "date|dateTime",
    ) {
        let fields = format!(r#""start":{{"{kind}":"{start}","timeZone":"{zone}"}},"end":{{"{kind}":"{end}"}}"#);
        let _ = december(&fields);
        let _ = ours(&fields).own(ID, &zones());
    }

    #[test]
    fn no_text_panics(text in ".{0,200}") {
        let _ = Event::read(&text);
        let _ = Page::read(&text);
    }
}
