//! Calendar files, read back by somebody else's parser.

use icalendar::parser::{read_calendar, unfold};
use icalendar::{Calendar, CalendarComponent, Component as _};
use proptest::prelude::*;

use super::super::facts::tests::{appointment, at, clinic};
use super::*;

fn address(text: &str) -> MailAddress {
    MailAddress::parse(text).unwrap()
}

fn invite(appointment: &Appointment, clinic: &Clinic, notice: Notice) -> String {
    let facts = Facts::of(appointment, clinic, "en-GB").unwrap();
    let patient = appointment.patient.as_ref().unwrap();
    let (from, to) = (address("frontdesk@clinic.example"), address(patient.email.as_deref().unwrap()));
    let clinic = Party { name: &clinic.name, address: &from };
    invitation(
        appointment,
        &facts,
        notice,
        clinic,
        Party { name: &patient.name, address: &to },
        at("2026-11-21T09:30:00Z"),
    )
}

/// What every file of ours is, whatever is in it.
fn check(file: &str) {
    assert!(file.ends_with("END:VCALENDAR\r\n"));
    for line in file.strip_suffix("\r\n").unwrap().split("\r\n") {
        assert!(line.len() <= 75, "{} octets: {line}", line.len());
        assert!(
            !line.is_empty() && !line.chars().any(|c| c.is_control() || "\u{2028}\u{2029}".contains(c)),
            "{line:?}"
        );
    }
}

/// The names of the properties, in order.
fn properties(file: &str) -> Vec<String> {
    let unfolded = file.replace("\r\n ", "");
    unfolded.lines().map(|line| line.split([':', ';']).next().unwrap().to_owned()).collect()
}

#[test]
fn an_invitation_is_what_mail_programs_expect() {
    let file = invite(&appointment(), &clinic(), Notice::Confirmation);
    let expected = "BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Frontdesk//Booking//EN
CALSCALE:GREGORIAN
METHOD:REQUEST
BEGIN:VEVENT
UID:0190f5a67a4e7c3b9a550f1e2d3c4b5a
SEQUENCE:0
DTSTAMP:20261121T093000Z
DTSTART:20261201T130000Z
DTEND:20261201T133000Z
SUMMARY:Riverside Clinic
LOCATION:Main house\\, Uferstraße 12\\, 10115 Berlin
DESCRIPTION:Tuesday 1 December 2026\\, 14:00 (Europe/Berlin)\\nDr. Amara Osei
 \\nK7Q-4MR
ORGANIZER;CN=\"Riverside Clinic\":mailto:frontdesk@clinic.example
ATTENDEE;CN=\"Ana Pérez\";ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;RSVP=FALSE:
 mailto:ana@example.org
STATUS:CONFIRMED
TRANSP:OPAQUE
CLASS:PRIVATE
BEGIN:VALARM
ACTION:DISPLAY
TRIGGER:-PT2H
DESCRIPTION:Riverside Clinic
END:VALARM
END:VEVENT
END:VCALENDAR
";
    assert_eq!(file, expected.replace('\n', "\r\n"));
    check(&file);
}

#[test]
fn a_change_and_a_cancellation_replace_the_entry_that_is_there() {
    let mut moved = appointment();
    moved.revision = 1;
    let file = invite(&moved, &clinic(), Notice::Rescheduled);
    assert!(file.contains("METHOD:REQUEST\r\n") && file.contains("\r\nSEQUENCE:1\r\n"));
    moved.revision = 2;
    moved.state = State::Cancelled;
    let file = invite(&moved, &clinic(), Notice::Cancellation);
    for line in ["METHOD:CANCEL", "SEQUENCE:2", "STATUS:CANCELLED", "UID:0190f5a67a4e7c3b9a550f1e2d3c4b5a"] {
        assert!(file.contains(&format!("\r\n{line}\r\n")), "{file}");
    }
    assert!(!file.contains("VALARM"));
}

#[test]
fn an_address_is_written_as_a_uri() {
    assert_eq!(mailto(&address("a+b?%&#@example.org")), "a+b%3F%25%26%23@example.org");
}

#[test]
fn the_feed_shows_what_is_booked_and_to_come_and_hides_who_comes() {
    let booked = appointment();
    let with = |change: &dyn Fn(&mut Appointment)| {
        let mut other = appointment();
        change(&mut other);
        other
    };
    let all = [
        booked.clone(),
        with(&|other| other.state = State::Held),
        with(&|other| other.state = State::Cancelled),
        with(&|other| other.slot.time.to = at("2026-11-21T00:00:00Z")),
    ];
    let now = at("2026-11-21T09:30:00Z");
    let file = feed(&all, &clinic(), Names::Hidden, now);
    check(&file);
    assert_eq!(file.matches("BEGIN:VEVENT").count(), 1, "{file}");
    assert!(file.contains("METHOD:PUBLISH\r\n") && file.contains("\r\nSUMMARY:Dr. Amara Osei: K7Q-4MR\r\n"), "{file}");
    for private in ["Ana", "example.org", "olonoscopy", "wheelchair", "ATTENDEE"] {
        assert!(!file.contains(private), "{file}");
    }
    assert!(feed(&all, &clinic(), Names::Shown, now).contains("SUMMARY:Dr. Amara Osei: K7Q-4MR Ana Pérez\r\n"));
    let nothing = feed([], &clinic(), Names::Hidden, now);
    assert_eq!(nothing.parse::<Calendar>().unwrap().components.len(), 0);
}

/// What a caller, or a clinic's own file, may hold.
fn nasty() -> impl Strategy<Value = String> {
    let chunk = prop_oneof![
        any::<String>(),
        "[a-zA-Z ]{1,20}",
        "[\u{0}-\u{1f}\u{7f}-\u{9f}\u{2028}\u{2029}\u{202a}-\u{202e}]{1,4}",
        Just("\r\nX-EVIL:1\r\n".to_owned()),
        Just("\nEND:VEVENT\nBEGIN:VEVENT\n".to_owned()),
        Just("\"\r\n;X=\":\\,;^n".to_owned()),
        Just("👩\u{200d}👩\u{200d}👧 ציפורה مريم".to_owned()),
        Just("ß".repeat(150)),
    ];
    prop::collection::vec(chunk, 1..4).prop_map(|chunks| chunks.concat())
}

proptest! {
    #[test]
    fn no_text_leaves_its_line(name in nasty(), booker in nasty(), house in nasty(), cancelled: bool) {
        let (mut appointment, mut clinic) = (appointment(), clinic());
        let patient = appointment.patient.as_mut().unwrap();
        (patient.name, patient.booked_by) = (name.clone(), Some(booker));
        clinic.name.clone_from(&house);
        clinic.locations[0].address = house.clone();
        clinic.practitioners[0].name = house;
        let notice = if cancelled { Notice::Cancellation } else { Notice::Confirmation };
        let plain = invite(&super::super::facts::tests::appointment(), &super::super::facts::tests::clinic(), notice);
        let file = invite(&appointment, &clinic, notice);
        check(&file);
        prop_assert_eq!(properties(&file), properties(&plain));
        let unfolded = unfold(&file);
        let read = read_calendar(&unfolded).unwrap();
        let event = &read.components[0];
        prop_assert_eq!((read.components.len(), event.components.len()), (1, usize::from(!cancelled)));
        let shown = event.find_prop("ATTENDEE").unwrap();
        prop_assert_eq!(shown.val.as_ref(), "mailto:ana@example.org");
        let plain_name = line(&name, 120);
        if !plain_name.contains(['"', '^']) {
            let cn = shown.params.iter().find(|parameter| parameter.key.as_ref() == "CN").unwrap();
            prop_assert_eq!(cn.val.as_ref().unwrap().as_ref().trim_matches('"'), &plain_name);
        }
    }

    #[test]
    fn the_feed_is_read_back_as_it_was_meant(names in prop::collection::vec(nasty(), 0..5)) {
        let appointments: Vec<Appointment> = names.iter().enumerate().map(|(n, name)| {
            let mut other = appointment();
            other.id = AppointmentId(n as u128);
            other.patient.as_mut().unwrap().name.clone_from(name);
            other
        }).collect();
        let file = feed(&appointments, &clinic(), Names::Shown, at("2026-11-21T09:30:00Z"));
        check(&file);
        let calendar: Calendar = file.parse().unwrap();
        prop_assert_eq!(calendar.components.len(), names.len());
        for (n, component) in calendar.components.iter().enumerate() {
            let CalendarComponent::Event(event) = component else { panic!("an event") };
            let summary = format!("Dr. Amara Osei: K7Q-4MR {}", line(&names[n], 120));
            prop_assert_eq!(event.get_summary().map(str::trim), Some(summary.trim()));
            prop_assert_eq!(event.get_uid().map(str::to_owned), Some(uid(AppointmentId(n as u128))));
        }
    }
}

/// What is written into a calendar outside is found there again.
#[test]
fn a_stored_entry_has_no_method_and_tells_its_appointment() {
    use crate::caldav::object::{Object, OwnEntry};
    use crate::caldav::zone::Zones;

    let (clinic, booked) = (clinic(), Appointment { revision: 3, ..appointment() });
    let file = entry(&booked, &clinic, Names::Hidden, at("2026-11-21T09:30:00Z"));
    check(&file);
    assert!(!file.contains("METHOD:"), "{file}");
    let zones = Zones::new(jiff::tz::TimeZoneDatabase::bundled(), clinic.zone);
    let found = Object::read(&file, &zones).unwrap().own(booked.id).unwrap();
    assert_eq!(found, Some(OwnEntry { time: booked.slot.time, revision: 3, is_as_written: true, is_cancelled: false }));
}
