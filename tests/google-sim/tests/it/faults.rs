//! What goes wrong on demand.

use std::time::Duration;

use frontdesk_google_sim::{Failure, Fault, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{DR, World, said};

const EVENTS: &str = "/calendar/v3/calendars/dr-osei%40clinic.example/events";
const SEND: &str = "/gmail/v1/users/me/messages/send";

fn visit() -> Value {
    json!({ "id": "bk0001", "start": { "dateTime": "2026-12-01T09:00:00Z" }, "end": { "dateTime": "2026-12-01T09:30:00Z" } })
}

#[tokio::test]
async fn every_refusal_has_its_status_and_reason() {
    let world = World::new().await;
    for (fault, status, reason) in [
        ("401", 401, "authError"),
        ("403-rate", 403, "rateLimitExceeded"),
        ("403-user-rate", 403, "userRateLimitExceeded"),
        ("403-quota", 403, "quotaExceeded"),
        ("403-daily", 403, "dailyLimitExceeded"),
        ("403-not-configured", 403, "accessNotConfigured"),
        ("403-policy", 403, "domainPolicy"),
        ("404", 404, "notFound"),
        ("409", 409, "duplicate"),
        ("409-conflict", 409, "conflict"),
        ("410", 410, "fullSyncRequired"),
        ("410-updated", 410, "updatedMinTooLongAgo"),
        ("410-deleted", 410, "deleted"),
        ("412", 412, "conditionNotMet"),
        ("429", 429, "rateLimitExceeded"),
        ("500", 500, "backendError"),
        ("503", 503, "backendError"),
        ("504", 504, "backendError"),
    ] {
        world.sim.fail(fault.parse().unwrap());
        assert_eq!(world.get(EVENTS).await.reason(), (status, reason), "{fault}");
    }
    world.sim.fail("502".parse().unwrap());
    let proxy = world.get(EVENTS).await;
    assert_eq!((proxy.status, &proxy.body), (502, &Value::Null), "a page, not JSON");
    world.get(EVENTS).await.ok();
}

#[tokio::test]
async fn a_fault_waits_for_its_method_and_is_used_up() {
    let world = World::with(
        Settings { faults: vec!["503:7*2@calendar.events.insert".parse().unwrap()], ..Settings::default() },
        &["calendar"],
    )
    .await;
    world.get(EVENTS).await.ok();
    for _ in 0..2 {
        let refused = world.post(EVENTS, &visit()).await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, "7"));
    }
    assert!(world.sim.events(DR).unwrap().is_empty(), "refused is not done");
    world.post(EVENTS, &visit()).await.ok();
}

#[tokio::test]
async fn too_many_requests_says_when_to_come_again() {
    let world = World::new().await;
    world.sim.fail(Fault::next(Failure::TooMany { retry_after: Some(30) }).at("gmail"));
    let refused = world.post(SEND, &json!({ "raw": "QQ" })).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "30"));
    let text = refused.body["error"]["message"].as_str().unwrap();
    let until: jiff::Timestamp = text.strip_prefix("User-rate limit exceeded.  Retry after ").unwrap().parse().unwrap();
    let wait = until.as_second() - jiff::Timestamp::now().as_second();
    assert!((1..=30).contains(&wait), "{text}");
}

#[tokio::test]
async fn an_answer_is_lost_before_or_after_the_work() {
    let world = World::new().await;
    world.sim.fail(Fault::next(Failure::CutBefore));
    assert!(world.request(Method::POST, EVENTS).json(&visit()).send().await.is_err());
    assert!(world.sim.events(DR).unwrap().is_empty());
    world.sim.fail(Fault::next(Failure::CutAfter));
    assert!(world.request(Method::POST, EVENTS).json(&visit()).send().await.is_err());
    assert_eq!(world.sim.events(DR).unwrap().len(), 1, "it was done");
    assert_eq!(world.post(EVENTS, &visit()).await.reason(), (409, "duplicate"));
    let statuses: Vec<Option<u16>> = world.sim.requests().iter().map(|seen| seen.status).collect();
    assert_eq!(statuses, [None, None, Some(409)]);
}

#[tokio::test]
async fn half_an_answer_begins_and_breaks_off() {
    let world = World::new().await;
    world.sim.fail(Fault::next(Failure::HalfAnswer));
    let mut answer = world.request(Method::POST, EVENTS).json(&visit()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.chunk().await.unwrap().unwrap().starts_with(b"{"));
    assert!(answer.chunk().await.is_err(), "the rest never comes");
    assert_eq!(world.sim.events(DR).unwrap().len(), 1);
    world.sim.fail(Fault::next(Failure::HalfAnswer));
    let nothing = world.request(Method::DELETE, &format!("{EVENTS}/bk0001")).send().await;
    assert!(nothing.is_err(), "half of an empty answer is none");
    world.sim.fail(Fault::next(Failure::Malformed));
    let broken = world.get(EVENTS).await;
    assert_eq!((broken.status, broken.body), (200, Value::Null));
}

#[tokio::test]
async fn a_slow_answer_comes_all_the_same() {
    let world = World::new().await;
    world.sim.fail(Fault::next(Failure::Slow { by: Duration::from_millis(300) }));
    let begun = std::time::Instant::now();
    world.get(EVENTS).await.ok();
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn an_outage_lasts_until_it_ends() {
    let world = World::new().await;
    world.sim.set_outage(true);
    for _ in 0..3 {
        assert!(world.request(Method::GET, EVENTS).send().await.is_err());
    }
    world.sim.set_outage(false);
    world.get(EVENTS).await.ok();
}

#[tokio::test]
async fn the_token_server_fails_in_its_own_words() {
    let world = World::new().await;
    for (fault, status, error) in [
        ("invalid-grant:invalid_rapt@oauth.token", 400, "invalid_grant"),
        ("oauth:deleted_client@oauth.token", 400, "deleted_client"),
        ("oauth:unauthorized_client@oauth", 401, "unauthorized_client"),
        ("500@oauth.token", 500, "internal_failure"),
        ("503@oauth.token", 503, "temporarily_unavailable"),
    ] {
        world.sim.fail(fault.parse().unwrap());
        let refused = world.form("/token", &[("grant_type", "refresh_token")]).await;
        assert_eq!(refused.error(), (status, error), "{fault}");
        let subtype = if fault.contains("rapt") { json!("invalid_rapt") } else { Value::Null };
        assert_eq!(refused.body["error_subtype"], subtype);
    }
}

#[tokio::test]
async fn a_fault_that_is_none_is_explained() {
    for text in ["", "teapot", "503:soon", "401:5", "500*0", "500*x", "slow", "oauth"] {
        let error = text.parse::<Fault>().unwrap_err().to_string();
        assert!(error.contains("expected NAME[:ARGUMENT][*TIMES][@METHOD]"), "{error}");
    }
    assert_eq!(
        "slow:5*3@gmail".parse(),
        Ok(Fault::next(Failure::Slow { by: Duration::from_millis(5) }).times(3).at("gmail"))
    );
}

#[tokio::test]
async fn whoever_waits_is_woken_by_a_request() {
    let world = World::new().await;
    let wait = world.sim.wait_for(
        |sim| sim.requests().iter().any(|seen| seen.method == "calendar.events.list").then_some(()),
        Duration::from_secs(20),
    );
    let (waited, answered) = tokio::join!(wait, world.get(EVENTS));
    waited.unwrap();
    answered.ok();
    assert!(world.sim.wait_for(|_| None::<()>, Duration::from_millis(20)).await.is_err());
}

#[tokio::test]
async fn the_switches_are_reached_over_http_too() {
    let world = World::new().await;
    let post =
        |path: &str, body: &str| said(world.http.post(format!("{}{path}", world.sim.base())).body(body.to_owned()));
    assert_eq!(post("/sim/faults", "404@calendar 503*2@oauth").await.status, 200);
    assert_eq!(world.get(EVENTS).await.status, 404);
    assert_eq!(post("/sim/faults", "nonsense").await.status, 400);
    assert_eq!(post("/sim/faults/clear", "").await.status, 200);
    let event = r#"{"start":{"date":"2026-12-01"},"end":{"date":"2026-12-02"}}"#;
    let added = post(&format!("/sim/staff/add?calendar={DR}"), event).await.ok();
    let id = added["id"].as_str().unwrap();
    assert_eq!(
        post(&format!("/sim/staff/change?calendar={DR}&event={id}"), r#"{"summary":"Closed"}"#).await.status,
        200
    );
    let events = world.get(&format!("/sim/events?calendar={DR}")).await.ok();
    assert_eq!(events[0]["summary"], "Closed");
    assert_eq!(post(&format!("/sim/staff/delete?calendar={DR}&event={id}"), "").await.status, 200);
    assert_eq!(post("/sim/outage?on=true", "").await.status, 200);
    assert!(world.request(Method::GET, EVENTS).send().await.is_err());
    assert_eq!(post("/sim/outage?on=false", "").await.status, 200, "the switch itself is always reached");
    assert_eq!(post("/sim/share?calendar=x&email=y&role=king", "").await.status, 400);
    assert_eq!(post("/sim/nowhere", "").await.status, 400);
    let file = world.get("/sim/service-account.json").await.ok();
    assert_eq!(file["type"], "service_account");
    assert_eq!(post(&format!("/sim/pass?seconds={}", u64::MAX), "").await.status, 200, "a century at most");
    assert_eq!(world.get(EVENTS).await.reason(), (401, "authError"));
}

#[tokio::test]
async fn discovery_leads_clients_here() {
    let world = World::new().await;
    for path in ["/discovery/v1/apis/calendar/v3/rest", "/$discovery/rest?version=v3"] {
        let document = world.get(path).await.ok();
        assert_eq!(document["rootUrl"], format!("{}/", world.sim.base()));
        assert_eq!(document["revision"], "20261030");
    }
    assert_eq!(world.get("/$discovery/rest?version=v1").await.ok()["name"], "gmail");
    assert_eq!(world.get("/discovery/v1/apis/drive/v3/rest").await.status, 404);
}
