//! Lists of events: filters, pages, series, syncs.

use frontdesk_google_sim::Settings;
use serde_json::{Value, json};

use crate::common::{DR, World};

const EVENTS: &str = "/calendar/v3/calendars/dr-osei%40clinic.example/events";

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap()).collect()
}

fn add(world: &World, id: &str, from: &str, to: &str) {
    let event = json!({
        "id": id, "summary": format!("Visit {id}"), "start": { "dateTime": from }, "end": { "dateTime": to },
        "extendedProperties": { "private": { "fd_booking": id } },
    });
    world.sim.staff_add(DR, &event).unwrap();
}

fn three(world: &World) {
    add(world, "noon1", "2026-12-01T12:00:00Z", "2026-12-01T13:00:00Z");
    add(world, "first", "2026-12-01T09:00:00Z", "2026-12-01T10:00:00Z");
    add(world, "late1", "2026-12-01T16:00:00Z", "2026-12-01T17:00:00Z");
}

#[tokio::test]
async fn bounds_are_on_the_events_end_and_start() {
    let world = World::new().await;
    three(&world);
    let ask = "timeMin=2026-12-01T10:00:00Z&timeMax=2026-12-01T16:00:00Z&singleEvents=true&orderBy=startTime";
    assert_eq!(ids(&world.get(&format!("{EVENTS}?{ask}")).await.ok()), ["noon1"], "both bounds are exclusive");
    let ask = "timeMin=2026-12-01T09:59:59Z&timeMax=2026-12-01T16:00:01Z&singleEvents=true&orderBy=startTime";
    assert_eq!(ids(&world.get(&format!("{EVENTS}?{ask}")).await.ok()), ["first", "noon1", "late1"]);
    assert_eq!(world.get(&format!("{EVENTS}?orderBy=startTime")).await.status, 400, "only of single events");
    let backwards = "timeMin=2026-12-02T00:00:00Z&timeMax=2026-12-01T00:00:00Z";
    assert_eq!(world.get(&format!("{EVENTS}?{backwards}")).await.reason(), (400, "timeRangeEmpty"));
    assert_eq!(world.get(&format!("{EVENTS}?timeMin=2026-12-02T00:00:00")).await.reason(), (400, "badRequest"));
}

#[tokio::test]
async fn properties_words_and_ids_filter() {
    let world = World::new().await;
    three(&world);
    let found = world.get(&format!("{EVENTS}?privateExtendedProperty=fd_booking%3Dfirst")).await.ok();
    assert_eq!(ids(&found), ["first"]);
    assert_eq!(ids(&world.get(&format!("{EVENTS}?q=visit%20LATE1")).await.ok()), ["late1"]);
    assert_eq!(ids(&world.get(&format!("{EVENTS}?iCalUID=noon1%40google.com")).await.ok()), ["noon1"]);
    assert_eq!(ids(&world.get(&format!("{EVENTS}?eventTypes=outOfOffice")).await.ok()), [""; 0]);
    let short = world.get(&format!("{EVENTS}?fields=items(id,start/dateTime)&q=first")).await.ok();
    assert_eq!(short, json!({ "items": [{ "id": "first", "start": { "dateTime": "2026-12-01T09:00:00Z" } }] }));
}

#[tokio::test]
async fn deleted_events_are_told_when_asked_for() {
    let world = World::new().await;
    three(&world);
    world.sim.staff_delete(DR, "first").unwrap();
    assert_eq!(ids(&world.get(EVENTS).await.ok()), ["noon1", "late1"]);
    let all = world.get(&format!("{EVENTS}?showDeleted=true")).await.ok();
    assert_eq!(ids(&all), ["noon1", "late1", "first"]);
    assert_eq!(all["items"][2]["status"], "cancelled");
    assert_eq!(all["items"][2].get("start"), None, "no more than its id is promised");
}

#[tokio::test]
async fn a_small_page_makes_a_client_turn_pages() {
    let world = World::with(Settings { largest_page: 2, ..Settings::default() }, &["calendar"]).await;
    three(&world);
    let first = world.get(&format!("{EVENTS}?showDeleted=true")).await.ok();
    assert_eq!(ids(&first), ["noon1", "first"]);
    assert_eq!(first.get("nextSyncToken"), None, "only the last page has it");
    // A change between two pages must not be lost.
    world.sim.staff_move(DR, "noon1", "2026-12-01T14:00:00Z", "2026-12-01T15:00:00Z").unwrap();
    let page = first["nextPageToken"].as_str().unwrap();
    let last = world.get(&format!("{EVENTS}?showDeleted=true&pageToken={page}")).await.ok();
    let sync = last["nextSyncToken"].as_str().unwrap();
    assert_eq!(ids(&world.get(&format!("{EVENTS}?syncToken={sync}")).await.ok()), ["noon1"]);
    assert_eq!(world.get(&format!("{EVENTS}?pageToken=nonsense")).await.reason(), (400, "invalid"));
}

#[tokio::test]
async fn a_page_may_be_empty_although_more_follow() {
    let settings = Settings { empty_first_page: true, ..Settings::default() };
    let world = World::with(settings, &["calendar"]).await;
    let none = world.get(EVENTS).await.ok();
    assert_eq!((ids(&none), none.get("nextPageToken")), (vec![], None), "an empty calendar is told at once");
    three(&world);
    let empty = world.get(EVENTS).await.ok();
    assert_eq!(ids(&empty), [""; 0]);
    let page = empty["nextPageToken"].as_str().unwrap();
    let rest = world.get(&format!("{EVENTS}?pageToken={page}")).await.ok();
    assert_eq!(ids(&rest), ["noon1", "first", "late1"]);
    assert!(rest["nextSyncToken"].is_string());
}

#[tokio::test]
async fn a_sync_tells_what_has_changed_since() {
    let world = World::new().await;
    three(&world);
    let first = world.get(EVENTS).await.ok();
    let sync = |list: &Value| format!("{EVENTS}?syncToken={}", list["nextSyncToken"].as_str().unwrap());
    let nothing = world.get(&sync(&first)).await.ok();
    assert_eq!(ids(&nothing), [""; 0]);
    world.sim.staff_delete(DR, "first").unwrap();
    world.sim.staff_move(DR, "late1", "2026-12-02T16:00:00Z", "2026-12-02T17:00:00Z").unwrap();
    let second = world.get(&sync(&first)).await.ok();
    assert_eq!(ids(&second), ["first", "late1"], "deleted ones always come");
    assert_eq!(second["items"][0]["status"], "cancelled");
    for forbidden in
        ["timeMin=2026-12-01T00:00:00Z", "q=x", "orderBy=updated", "showDeleted=false", "singleEvents=true"]
    {
        assert_eq!(
            world.get(&format!("{}&{forbidden}", sync(&second))).await.reason(),
            (400, "invalid"),
            "{forbidden}"
        );
    }
    world.sim.expire_sync_tokens(DR).unwrap();
    assert_eq!(world.get(&sync(&second)).await.reason(), (410, "fullSyncRequired"));
    let anew = world.get(EVENTS).await.ok();
    assert_eq!(ids(&world.get(&sync(&anew)).await.ok()), [""; 0]);
    assert_eq!(world.get(&format!("{EVENTS}?syncToken=nonsense")).await.reason(), (400, "invalid"));
}

fn weekly() -> Value {
    json!({
        "id": "staff", "summary": "Staff meeting", "recurrence": ["RRULE:FREQ=WEEKLY;COUNT=4"],
        "start": { "dateTime": "2026-10-15T09:00:00", "timeZone": "Europe/London" },
        "end": { "dateTime": "2026-10-15T10:00:00", "timeZone": "Europe/London" },
    })
}

#[tokio::test]
async fn a_series_is_one_event_or_many() {
    let world = World::new().await;
    world.sim.staff_add(DR, &weekly()).unwrap();
    assert_eq!(ids(&world.get(EVENTS).await.ok()), ["staff"]);
    let single = world.get(&format!("{EVENTS}?singleEvents=true&orderBy=startTime")).await.ok();
    let expected =
        ["staff_20261015T080000Z", "staff_20261022T080000Z", "staff_20261029T090000Z", "staff_20261105T090000Z"];
    assert_eq!(ids(&single), expected, "the same time by the clock, although summer time ends");
    assert_eq!(single["items"][2]["start"]["dateTime"], "2026-10-29T09:00:00Z");
    assert_eq!(single["items"][2]["recurringEventId"], "staff");
    let busy = json!({ "timeMin": "2026-10-29T00:00:00Z", "timeMax": "2026-10-30T00:00:00Z", "items": [{ "id": DR }] });
    let busy = world.post("/calendar/v3/freeBusy", &busy).await.ok();
    assert_eq!(
        busy["calendars"][DR]["busy"],
        json!([{ "start": "2026-10-29T09:00:00Z", "end": "2026-10-29T10:00:00Z" }])
    );
}

#[tokio::test]
async fn one_occurrence_is_moved_or_deleted_alone() {
    let world = World::new().await;
    world.sim.staff_add(DR, &weekly()).unwrap();
    world.sim.staff_move(DR, "staff_20261022T080000Z", "2026-10-23T08:00:00Z", "2026-10-23T09:00:00Z").unwrap();
    assert_eq!(world.delete(&format!("{EVENTS}/staff_20261029T090000Z")).await.status, 204);
    let single = world.get(&format!("{EVENTS}?singleEvents=true&orderBy=startTime")).await.ok();
    assert_eq!(ids(&single), ["staff_20261015T080000Z", "staff_20261022T080000Z", "staff_20261105T090000Z"]);
    assert_eq!(single["items"][1]["start"]["dateTime"], "2026-10-23T09:00:00+01:00");
    assert_eq!(single["items"][1]["originalStartTime"]["dateTime"], "2026-10-22T09:00:00+01:00");
    assert_eq!(world.delete(&format!("{EVENTS}/staff")).await.status, 204);
    let single = world.get(&format!("{EVENTS}?singleEvents=true")).await.ok();
    assert_eq!(ids(&single), [""; 0], "with the series goes what was changed in it");
}

#[tokio::test]
async fn a_rule_that_is_not_simulated_is_refused_loudly() {
    let world = World::new().await;
    let mut event = weekly();
    event["recurrence"] = json!(["RRULE:FREQ=MONTHLY"]);
    assert_eq!(world.post(EVENTS, &event).await.reason(), (501, "notSimulated"));
}

#[tokio::test]
async fn calendars_are_listed_and_a_service_account_has_to_put_them_there() {
    let world = World::with(Settings { largest_page: 2, ..Settings::default() }, &["calendar"]).await;
    let first = world.get("/calendar/v3/users/me/calendarList").await.ok();
    assert_eq!(ids(&first), ["frontdesk@clinic.example", DR]);
    assert_eq!((&first["items"][0]["primary"], &first["items"][1]["accessRole"]), (&json!(true), &json!("owner")));
    let page = first["nextPageToken"].as_str().unwrap();
    let last = world.get(&format!("/calendar/v3/users/me/calendarList?pageToken={page}")).await.ok();
    assert_eq!(ids(&last), ["dr-lind@clinic.example"]);
    let zone = world.get("/calendar/v3/calendars/primary").await.ok();
    assert_eq!((&zone["id"], &zone["timeZone"]), (&json!("frontdesk@clinic.example"), &json!("Europe/London")));

    let settings = Settings::default();
    let robot = settings.service_account.clone();
    let world = World::of(settings, &robot, &["calendar"]).await;
    assert_eq!(ids(&world.get("/calendar/v3/users/me/calendarList").await.ok()), [robot.as_str()]);
    let entry = world.post("/calendar/v3/users/me/calendarList", &json!({ "id": DR })).await.ok();
    assert_eq!(entry["accessRole"], "writer");
    let listed = world.get("/calendar/v3/users/me/calendarList?minAccessRole=writer").await.ok();
    assert_eq!(ids(&listed), [DR, robot.as_str()]);
}
