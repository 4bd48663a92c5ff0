//! Events, one at a time, and when calendars are busy.

use frontdesk_google_sim::{Role, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{DR, World, said, token};

const EVENTS: &str = "/calendar/v3/calendars/dr-osei%40clinic.example/events";

fn visit(id: &str, hour: u32) -> Value {
    json!({
        "id": id,
        "summary": "Appointment K7Q-4MR",
        "start": { "dateTime": format!("2026-12-01T{hour:02}:00:00+00:00"), "timeZone": "Europe/London" },
        "end": { "dateTime": format!("2026-12-01T{hour:02}:30:00+00:00"), "timeZone": "Europe/London" },
        "extendedProperties": { "private": { "fd_booking": "b1", "fd_rev": "0" } },
    })
}

fn at(id: &str) -> String {
    format!("{EVENTS}/{id}")
}

#[tokio::test]
async fn an_event_is_kept_as_google_keeps_it() {
    let world = World::new().await;
    let event = world.post(EVENTS, &visit("bk0001", 14)).await.ok();
    assert_eq!(event["kind"], "calendar#event");
    assert_eq!(event["iCalUID"], "bk0001@google.com");
    assert_eq!(
        (&event["status"], &event["sequence"], &event["eventType"]),
        (&json!("confirmed"), &json!(0), &json!("default"))
    );
    assert_eq!(event["start"], json!({ "dateTime": "2026-12-01T14:00:00Z", "timeZone": "Europe/London" }));
    assert_eq!(event["organizer"]["email"], DR);
    assert_eq!(event["creator"], json!({ "email": "frontdesk@clinic.example", "self": true }));
    let etag = event["etag"].as_str().unwrap();
    assert!(etag.starts_with('"') && etag.ends_with('"'), "the quotes belong to it: {etag}");
    let again = world.get(&at("bk0001")).await;
    assert_eq!(again.header("etag"), etag);
    assert_eq!(again.ok(), event);
    let paris = world.get(&format!("{}?timeZone=Europe/Paris", at("bk0001"))).await.ok();
    assert_eq!(paris["start"]["dateTime"], "2026-12-01T15:00:00+01:00");
}

#[tokio::test]
async fn nobody_keeps_events_from_overlapping() {
    let world = World::new().await;
    world.post(EVENTS, &visit("bk0001", 9)).await.ok();
    world.post(EVENTS, &visit("bk0002", 9)).await.ok();
    assert_eq!(world.sim.events(DR).unwrap().len(), 2);
}

#[tokio::test]
async fn an_id_is_good_once_for_ever() {
    let world = World::new().await;
    world.post(EVENTS, &visit("bk0001", 9)).await.ok();
    assert_eq!(world.post(EVENTS, &visit("bk0001", 10)).await.reason(), (409, "duplicate"));
    assert_eq!(world.delete(&at("bk0001")).await.status, 204);
    assert_eq!(world.post(EVENTS, &visit("bk0001", 9)).await.reason(), (409, "duplicate"));
    assert_eq!(world.delete(&at("bk0001")).await.reason(), (410, "deleted"));
    assert_eq!(world.get(&at("bk0001")).await.ok()["status"], "cancelled", "it stays readable");
    assert_eq!(world.delete(&at("bk0002")).await.reason(), (404, "notFound"));
    for bad in ["bk01", "bk-0001", "BK0001", "bkwxyz", ""] {
        assert_eq!(world.post(EVENTS, &visit(bad, 9)).await.reason(), (400, "invalid"), "{bad:?}");
    }
    let mut both = visit("bk0003", 9);
    both["iCalUID"] = json!("x@y");
    assert_eq!(world.post(EVENTS, &both).await.reason(), (400, "invalid"));
}

#[tokio::test]
async fn what_the_schema_does_not_know_is_refused() {
    let world = World::new().await;
    let with = |name: &str, value: Value| {
        let mut event = visit("bk0001", 9);
        event[name] = value;
        event
    };
    assert_eq!(world.post(EVENTS, &with("titel", json!("x"))).await.reason(), (400, "badRequest"));
    assert_eq!(world.post(EVENTS, &with("summary", json!(7))).await.reason(), (400, "badRequest"));
    assert_eq!(world.post(EVENTS, &with("start", json!(null))).await.reason(), (400, "required"));
    let naive = json!({ "dateTime": "2026-12-01T09:00:00" });
    assert_eq!(world.post(EVENTS, &with("start", naive)).await.reason(), (400, "required"));
    let late = json!({ "dateTime": "2026-12-01T23:00:00Z" });
    assert_eq!(world.post(EVENTS, &with("start", late)).await.reason(), (400, "timeRangeEmpty"));
    assert_eq!(world.post(EVENTS, &with("transparency", json!("glass"))).await.reason(), (400, "invalid"));
    let reminders = json!({ "useDefault": true, "overrides": [{ "method": "popup", "minutes": 5 }] });
    let refusal = world.post(EVENTS, &with("reminders", reminders)).await;
    assert_eq!(refusal.reason(), (400, "cannotUseDefaultRemindersAndSpecifyOverride"));
    assert_eq!(world.get(&format!("{EVENTS}?timemin=x")).await.reason(), (400, "badRequest"));
    assert_eq!(world.get(&format!("{EVENTS}?maxResults=0")).await.reason(), (400, "invalid"));
    let broken = world.request(Method::POST, EVENTS).header("content-type", "application/json").body("{");
    assert_eq!(said(broken).await.reason(), (400, "parseError"));
    assert_eq!(world.get("/calendar/v3/nowhere").await.status, 404);
    assert!(world.sim.events(DR).unwrap().is_empty(), "nothing of it was kept");
}

#[tokio::test]
async fn a_stale_version_changes_nothing() {
    let world = World::new().await;
    let first = world.post(EVENTS, &visit("bk0001", 9)).await.ok();
    let old = first["etag"].as_str().unwrap().to_owned();
    let moved = json!({
        "start": { "dateTime": "2026-12-01T11:00:00Z" }, "end": { "dateTime": "2026-12-01T11:30:00Z" },
        "extendedProperties": { "private": { "fd_rev": "1" } }, "summary": null,
    });
    let unchanged = world.request(Method::GET, &at("bk0001")).header("if-none-match", &old);
    assert_eq!(said(unchanged).await.status, 304);
    let patch = world.request(Method::PATCH, &at("bk0001")).header("if-match", &old).json(&moved);
    let second = said(patch).await.ok();
    assert_ne!(second["etag"], first["etag"]);
    assert_eq!(second["start"]["dateTime"], "2026-12-01T11:00:00Z");
    assert_eq!(second["start"]["timeZone"], "Europe/London", "what was not sent stays");
    assert_eq!(second["extendedProperties"]["private"], json!({ "fd_booking": "b1", "fd_rev": "1" }));
    assert_eq!(second.get("summary"), None, "null removes");
    assert_eq!(second["sequence"], 1, "moved");
    for verb in [Method::PATCH, Method::DELETE] {
        let stale = world.request(verb.clone(), &at("bk0001")).header("if-match", &old);
        let stale = if verb == Method::PATCH { stale.json(&json!({ "summary": "x" })) } else { stale };
        let refusal = said(stale).await;
        assert_eq!(refusal.reason(), (412, "conditionNotMet"));
        assert_eq!(refusal.body["error"]["errors"][0]["location"], "If-Match");
    }
    let again = said(world.request(Method::GET, &at("bk0001")).header("if-none-match", &old)).await.ok();
    assert_eq!(again, second, "refused is not done");
}

#[tokio::test]
async fn an_update_replaces_the_whole_event() {
    let world = World::new().await;
    let first = world.post(EVENTS, &visit("bk0001", 9)).await.ok();
    assert_eq!(world.put(&at("bk0001"), &json!({ "summary": "x" })).await.reason(), (400, "required"));
    let mut whole = first.clone();
    whole.as_object_mut().unwrap().remove("extendedProperties");
    whole["summary"] = json!("Moved");
    let second = world.put(&at("bk0001"), &whole).await.ok();
    assert_eq!((&second["summary"], &second["iCalUID"]), (&json!("Moved"), &first["iCalUID"]));
    assert_eq!(second.get("extendedProperties"), None);
    assert_eq!(second["created"], first["created"]);
    world.patch(&at("bk0001"), &json!({ "sequence": 5 })).await.ok();
    assert_eq!(world.put(&at("bk0001"), &whole).await.reason(), (400, "invalid"), "the sequence goes back");
}

#[tokio::test]
async fn a_service_account_writes_where_it_may_and_invites_nobody() {
    let settings = Settings::default();
    let robot = settings.service_account.clone();
    let world = World::of(settings, &robot, &["calendar.events"]).await;
    world.post(EVENTS, &visit("bk0001", 9)).await.ok();
    let guests = json!({ "attendees": [{ "email": "ana@patient.example" }] });
    assert_eq!(world.patch(&at("bk0001"), &guests).await.reason(), (403, "forbiddenForServiceAccounts"));
    world.sim.share(DR, &robot, Role::Reader).unwrap();
    assert_eq!(world.delete(&at("bk0001")).await.reason(), (403, "requiredAccessLevel"));
    assert_eq!(world.get(&at("bk0001")).await.ok()["summary"], "Appointment K7Q-4MR");
    world.sim.share(DR, &robot, Role::FreeBusyReader).unwrap();
    let seen = world.get(&at("bk0001")).await.ok();
    assert_eq!((seen.get("summary"), &seen["visibility"]), (None, &json!("private")));
    world.sim.share(DR, &robot, Role::None).unwrap();
    assert_eq!(world.get(&at("bk0001")).await.reason(), (404, "notFound"));
}

#[tokio::test]
async fn a_persons_guests_are_kept() {
    let world = World::new().await;
    let mut event = visit("bk0001", 9);
    event["attendees"] = json!([{ "email": "ana@patient.example" }]);
    let kept = world.post(&format!("{EVENTS}?sendUpdates=none"), &event).await.ok();
    assert_eq!(kept["attendees"], json!([{ "email": "ana@patient.example", "responseStatus": "needsAction" }]));
}

#[tokio::test]
async fn scopes_open_the_methods_that_googles_document_names() {
    let world = World::new().await;
    let user = &world.sim.settings().user;
    let narrow = World { token: token(&world.sim, user, &["calendar.events"]), ..world };
    let busy = json!({ "timeMin": "2026-12-01T00:00:00Z", "timeMax": "2026-12-02T00:00:00Z", "items": [{ "id": DR }] });
    let refusal = narrow.post("/calendar/v3/freeBusy", &busy).await;
    assert_eq!(refusal.reason(), (403, "insufficientPermissions"));
    assert_eq!(refusal.body["error"]["details"][0]["reason"], "ACCESS_TOKEN_SCOPE_INSUFFICIENT");
    assert_eq!(refusal.body["error"]["status"], "PERMISSION_DENIED");
    let nobody = said(narrow.http.get(format!("{}{EVENTS}", narrow.sim.base()))).await;
    assert_eq!(nobody.reason(), (401, "required"));
    let stranger = World { token: "ya29.wrong".into(), ..narrow };
    assert_eq!(stranger.get(EVENTS).await.reason(), (401, "authError"));
}

#[tokio::test]
async fn free_busy_tells_periods_and_says_what_it_cannot_answer_for() {
    let world = World::new().await;
    let busy = |from: &str, to: &str| world.sim.staff_add_busy(DR, "x", from, to).unwrap();
    busy("2026-12-01T09:00:00Z", "2026-12-01T09:30:00Z");
    busy("2026-12-01T09:30:00Z", "2026-12-01T10:00:00Z");
    let gone = busy("2026-12-01T11:00:00Z", "2026-12-01T12:00:00Z");
    world.sim.staff_delete(DR, &gone).unwrap();
    let free = busy("2026-12-01T13:00:00Z", "2026-12-01T14:00:00Z");
    world.sim.staff_change(DR, &free, &json!({ "transparency": "transparent" })).unwrap();
    let day = json!({ "start": { "date": "2026-12-02" }, "end": { "date": "2026-12-03" } });
    world.sim.staff_add(DR, &day).unwrap();
    let mut ask = json!({
        "timeMin": "2026-12-01T00:00:00Z", "timeMax": "2026-12-03T12:00:00Z", "timeZone": "Europe/Berlin",
        "items": [{ "id": DR }, { "id": "nobody@clinic.example" }],
    });
    let answer = world.post("/calendar/v3/freeBusy", &ask).await.ok();
    assert_eq!(answer["timeMin"], "2026-12-01T00:00:00.000Z");
    let expected = json!([
        { "start": "2026-12-01T10:00:00+01:00", "end": "2026-12-01T11:00:00+01:00" },
        { "start": "2026-12-02T01:00:00+01:00", "end": "2026-12-03T01:00:00+01:00" },
    ]);
    assert_eq!(answer["calendars"][DR], json!({ "busy": expected }));
    let unknown = json!({ "errors": [{ "domain": "global", "reason": "notFound" }], "busy": [] });
    assert_eq!(answer["calendars"]["nobody@clinic.example"], unknown);
    world.sim.break_free_busy(DR, Some("internalError")).unwrap();
    let answer = world.post("/calendar/v3/freeBusy", &ask).await.ok();
    assert_eq!(answer["calendars"][DR]["errors"][0]["reason"], "internalError");
    ask["timeMax"] = json!("2026-11-01T00:00:00Z");
    assert_eq!(world.post("/calendar/v3/freeBusy", &ask).await.reason(), (400, "timeRangeEmpty"));
    ask["timeMax"] = json!("2027-06-01T00:00:00Z");
    assert_eq!(world.post("/calendar/v3/freeBusy", &ask).await.reason(), (400, "timeRangeTooLong"));
    ask["timeMax"] = json!("2026-12-02T00:00:00");
    assert_eq!(world.post("/calendar/v3/freeBusy", &ask).await.reason(), (400, "badRequest"));
}
