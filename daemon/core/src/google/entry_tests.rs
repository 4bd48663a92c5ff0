use super::*;
use crate::caldav::zone::Zones;
use crate::google::event::Event;
use crate::letter::facts::tests::{appointment, clinic};

/// A change here changes what stands in every clinic's calendar.
#[test]
fn an_entry_says_when_where_with_whom_and_the_reference() {
    let written: Value = serde_json::from_str(&insert(&appointment(), &clinic(), Names::Hidden)).unwrap();
    let expected = json!({
        "id": "fd0190f5a67a4e7c3b9a550f1e2d3c4b5a",
        "status": "confirmed",
        "summary": "Dr. Amara Osei: K7Q-4MR",
        "location": "Main house",
        "start": { "dateTime": "2026-12-01T14:00:00+01:00", "timeZone": "Europe/Berlin" },
        "end": { "dateTime": "2026-12-01T14:30:00+01:00", "timeZone": "Europe/Berlin" },
        "transparency": "opaque",
        "visibility": "private",
        "reminders": { "useDefault": false, "overrides": [] },
        "extendedProperties": { "private": {
            "fd_booking": "0190f5a67a4e7c3b9a550f1e2d3c4b5a",
            "fd_rev": "0",
            "fd_time": "2026-12-01T13:00:00Z/2026-12-01T13:30:00Z",
        }},
    });
    assert_eq!(written, expected);
}

#[test]
fn a_change_says_the_same_and_leaves_the_id() {
    let (appointment, clinic) = (appointment(), clinic());
    let mut inserted: Value = serde_json::from_str(&insert(&appointment, &clinic, Names::Shown)).unwrap();
    let patched: Value = serde_json::from_str(&patch(&appointment, &clinic, Names::Shown)).unwrap();
    inserted.as_object_mut().unwrap().remove("id");
    assert_eq!(inserted, patched);
    assert_eq!(patched["summary"], "Dr. Amara Osei: K7Q-4MR Ana Pérez", "where the clinic chose so");
}

#[test]
fn a_zone_without_a_name_is_written_in_utc() {
    let mut clinic = clinic();
    clinic.zone = TimeZone::fixed(jiff::tz::offset(3));
    let written: Value = serde_json::from_str(&patch(&appointment(), &clinic, Names::Hidden)).unwrap();
    assert_eq!(written["start"], json!({ "dateTime": "2026-12-01T13:00:00+00:00", "timeZone": "UTC" }));
}

#[test]
fn what_is_written_is_read_back_as_it_was_meant() {
    let (mut appointment, clinic) = (appointment(), clinic());
    appointment.revision = 3;
    let mut echoed: Value = serde_json::from_str(&insert(&appointment, &clinic, Names::Hidden)).unwrap();
    echoed["kind"] = "calendar#event".into();
    let zones = Zones::new(jiff::tz::TimeZoneDatabase::bundled(), clinic.zone.clone());
    let own = Event::read(&echoed.to_string()).unwrap().own(appointment.id, &zones).unwrap().unwrap();
    assert_eq!((own.time, own.revision), (appointment.slot.time, 3));
    assert!(own.is_as_written);
}
