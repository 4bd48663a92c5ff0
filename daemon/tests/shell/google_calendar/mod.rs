//! Google Calendar when it misbehaves, and what is said to it: each answer has the shape that Google's has.

mod changes;
mod reading;
mod writing;

use std::collections::BTreeMap;

use frontdesk_core::booking::appointment::{Appointment, Span};
use frontdesk_core::clinic::ids::PractitionerId;
use frontdesk_core::google::event::event_id;
use frontdesk_core::letter::ics::Names;
use frontdeskd::calendar::{GoogleCalendar, Link};
use frontdeskd::config::GoogleCalendarConfig;
use frontdeskd::google::Access;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::clinic::{clinic, osei, span};
use super::fakes::{Reply, Scripted};
use super::world::client;

const TOKEN: &str = "ya29.a-token";
const PLACE: &str = "calendar/v3/calendars/osei%40group.calendar.google.com/events/";
const OTHERS_PLACE: &str = "calendar/v3/calendars/kim%40group.calendar.google.com/events/";

fn google_at(server: &Scripted, also_busy: &[&str]) -> GoogleCalendar {
    let id = |name: &str| format!("{name}@group.calendar.google.com");
    let also = also_busy.iter().map(|name| id(name)).collect();
    let config = GoogleCalendarConfig {
        calendars: BTreeMap::from([(osei(), id("osei")), (kim(), id("kim"))]),
        also_busy: BTreeMap::from([(osei(), also)]),
    };
    let root = format!("http://{}/", server.address).parse().unwrap();
    let clinic = TimeZone::get("Europe/Berlin").unwrap();
    GoogleCalendar::new(client(), (Access::fixed(TOKEN), root), &config, Names::Hidden, clinic)
}

fn kim() -> PractitionerId {
    PractitionerId::parse("nurse-kim").unwrap()
}

/// A client that meets `replies`, the last for ever.
async fn meeting(replies: impl IntoIterator<Item = Reply>) -> (GoogleCalendar, Scripted) {
    let server = Scripted::start(replies.into_iter().collect()).await;
    (google_at(&server, &[]), server)
}

fn day() -> Span {
    span("2026-12-01T00:00Z", "2026-12-02T00:00Z")
}

fn say(body: &Value) -> Reply {
    Reply::Say(200, body.to_string())
}

/// An error as Google writes it.
fn refusal(status: u16, reason: &str) -> Reply {
    let error = json!({ "domain": "global", "reason": reason, "message": "No, and Ana Pérez is not to be logged" });
    Reply::Say(status, json!({ "error": { "errors": [error], "code": status, "message": "No" } }).to_string())
}

fn list(items: &Value) -> Value {
    json!({ "kind": "calendar#events", "timeZone": "Europe/Berlin", "items": items, "nextSyncToken": "sync-1" })
}

fn event(id: &str, from: &str, to: &str) -> Value {
    json!({ "kind": "calendar#event", "id": id, "etag": format!("\"{id}-1\""), "status": "confirmed",
            "start": { "dateTime": from }, "end": { "dateTime": to } })
}

/// An appointment's entry as Google keeps it after we wrote it, in that version.
fn kept(appointment: &Appointment, etag: &str) -> Value {
    let written = frontdesk_core::google::entry::insert(appointment, &clinic(), Names::Hidden);
    let mut kept: Value = serde_json::from_str(&written).unwrap();
    kept["kind"] = "calendar#event".into();
    kept["etag"] = format!("\"{etag}\"").into();
    kept
}

/// The same, moved by somebody.
fn moved_there(appointment: &Appointment, etag: &str) -> Value {
    let mut there = kept(appointment, etag);
    there["start"]["dateTime"] = "2026-12-01T18:00:00+01:00".into();
    there["end"]["dateTime"] = "2026-12-01T18:30:00+01:00".into();
    there
}

/// The same, deleted.
fn deleted(appointment: &Appointment, etag: &str) -> Value {
    let mut there = kept(appointment, etag);
    there["status"] = "cancelled".into();
    there
}

fn address(appointment: &Appointment) -> String {
    format!("{PLACE}{}", event_id(appointment.id))
}

fn link_to(appointment: &Appointment, etag: &str) -> Link {
    Link { address: address(appointment), etag: Some(format!("\"{etag}\"")) }
}

/// Method and path of each request, without what is asked for.
fn asked(server: &Scripted) -> Vec<String> {
    let first =
        |request: &String| request.lines().next().unwrap().split(['?', ' ']).take(2).collect::<Vec<_>>().join(" ");
    server.requests().iter().map(first).collect()
}

fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}
