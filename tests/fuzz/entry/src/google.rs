//! What comes from Google Calendar: entries of anybody who may invite the clinic, and whatever answers in Google's place.

use crate::is_short;
use frontdesk_core::booking::appointment::{AppointmentId, Span};
use frontdesk_core::caldav::zone::Zones;
use frontdesk_core::google::event::{Event, appointment, event_id};
use frontdesk_core::google::free_busy::questions;
use frontdesk_core::google::page::Page;
use frontdesk_core::google::refusal::{reason, refusal};

/// The appointment that entries of the corpus are of.
const OURS: AppointmentId = AppointmentId(0x0190_f5a6_7a4e_7c3b_9a55_0f1e_2d3c_4b5a);

/// The body of an answer, in every meaning that it may have.
pub fn google_answer(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let reason = reason(text);
    assert!(reason.len() <= 40 && reason.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{reason:?}");
    for status in [200, 400, 401, 403, 404, 409, 410, 412, 429, 503] {
        let _ = refusal(status, text);
    }
    let database = jiff::tz::TimeZoneDatabase::bundled();
    let clinic = database.get("Europe/Berlin").expect("it is built in");
    let zones = Zones::new(database, clinic);
    match Event::read(text) {
        Ok(event) => entry(&event, &zones),
        Err(error) => is_short(&error),
    }
    let within =
        Span { from: "2026-12-01T00:00Z".parse().expect("a time"), to: "2027-01-01T00:00Z".parse().expect("a time") };
    page(text, &zones, within);
    busy(text, within);
}

fn entry(event: &Event, zones: &Zones) {
    if let Some(id) = appointment(&event.id) {
        assert_eq!(event_id(id), event.id, "two ids for one appointment");
    }
    match event.own(OURS, zones) {
        Ok(Some(own)) => assert!(event.id == event_id(OURS) && own.time.from <= own.time.to),
        Ok(None) => {}
        Err(error) => is_short(&error),
    }
}

fn page(text: &str, zones: &Zones, within: Span) {
    let page = match Page::read(text) {
        Ok(page) => page,
        Err(error) => return is_short(&error),
    };
    page.events.iter().for_each(|event| entry(event, zones));
    match page.taken(zones, within) {
        Ok(taken) => {
            assert!(taken.len() <= page.events.len());
            for taken in taken {
                assert!(taken.span.from < taken.span.to && taken.span.overlaps(&within), "{taken:?}");
            }
        }
        Err(error) => is_short(&error),
    }
}

fn busy(text: &str, within: Span) {
    let calendars = ["a@clinic.example".to_owned(), "b@clinic.example".to_owned()];
    for question in questions(&calendars, within) {
        match question.answer(text) {
            Ok(busy) => assert!(busy.iter().all(|busy| busy.from <= busy.to && busy.overlaps(&question.within))),
            Err(error) => is_short(&error),
        }
    }
}
