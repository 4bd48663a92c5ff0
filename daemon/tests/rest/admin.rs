//! The admin listener.

use frontdeskd::http::reply::{CallDetail, CallList, Health, HealthStatus};

use crate::world::{OVER, RUNNING, UNKNOWN, WAITING, World, sid};

const TOKEN: &str = "Authorization: Bearer s3cret-token";

#[tokio::test]
async fn calls_are_listed_newest_first_page_by_page() {
    let mut world = World::new(HealthStatus::Ok);
    let admin = world.admin(None).await;
    let answer = admin.ask("GET /v1/calls?limit=2", &[]).await;
    assert_eq!(answer.status, 200);
    let page: CallList = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(page.calls.iter().map(|listed| listed.call.call_sid.as_str()).collect::<Vec<_>>(), [RUNNING, WAITING]);
    assert_eq!(page.calls[0].live.as_ref().unwrap().turn, "replying");
    assert!(page.calls[1].live.is_none());

    let older = format!("GET /v1/calls?limit=2&before={}", page.next.unwrap());
    let page: CallList = serde_json::from_str(&admin.ask(&older, &[]).await.body).unwrap();
    assert_eq!(page.calls.iter().map(|listed| listed.call.call_sid.as_str()).collect::<Vec<_>>(), [OVER]);
    assert_eq!(page.next, None);

    let running: CallList = serde_json::from_str(&admin.ask("GET /v1/calls?active=true", &[]).await.body).unwrap();
    assert_eq!(running.calls.len(), 2, "the one that is over is left out");
}

#[tokio::test]
async fn one_call_is_shown_with_its_transcript() {
    let mut world = World::new(HealthStatus::Ok);
    let admin = world.admin(None).await;
    let answer = admin.ask(&format!("GET /v1/calls/{OVER}"), &[]).await;
    let shown: CallDetail = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(shown.call.transcript[0].text, "I need an appointment.");
    assert_eq!(shown.call.call.end_reason.as_deref(), Some("agent-ended"));
    assert_eq!(answer.json()["caller"], "+15550100200", "staff call people back");
    assert_eq!(shown.live, None);
    let running = admin.ask(&format!("GET /v1/calls/{RUNNING}"), &[]).await.json();
    assert_eq!(running["live"]["connection"], 2);

    for unknown in [UNKNOWN, "CA1", "..%2f..%2fetc"] {
        let answer = admin.ask(&format!("GET /v1/calls/{unknown}"), &[]).await;
        assert_eq!(answer.failure(), (404, "no_such_call".to_owned()));
    }
}

#[tokio::test]
async fn only_a_running_call_can_be_ended() {
    let mut world = World::new(HealthStatus::Ok);
    let admin = world.admin(None).await;
    let end = async |call| admin.ask(&format!("DELETE /v1/calls/{call}"), &[]).await;
    let answer = end(RUNNING).await;
    assert_eq!((answer.status, answer.json()["call_sid"].as_str()), (202, Some(RUNNING)));
    assert_eq!(end(OVER).await.failure(), (409, "ended".to_owned()));
    assert_eq!(end(WAITING).await.failure(), (409, "not_here".to_owned()));
    assert_eq!(end(UNKNOWN).await.failure(), (404, "no_such_call".to_owned()));
    assert_eq!(*world.calls.ended.lock().unwrap(), [sid(RUNNING)]);
}

#[tokio::test]
async fn health_is_open_and_says_by_its_status_whether_all_is_well() {
    for (condition, status) in [(HealthStatus::Ok, 200), (HealthStatus::Degraded, 503), (HealthStatus::Draining, 503)] {
        let mut world = World::new(condition);
        let answer = world.admin(Some("s3cret-token")).await.ask("GET /health", &[]).await;
        assert_eq!(answer.status, status);
        let health: Health = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((health.status, health.version.as_str()), (condition, "1.2.3"));
        assert_eq!(answer.json()["status"], condition.as_str());
        let word = if condition == HealthStatus::Degraded { "memory" } else { "ok" };
        assert_eq!(answer.json()["store"]["state"], word);
    }
}

#[tokio::test]
async fn with_a_token_nothing_else_is_open() {
    let mut world = World::new(HealthStatus::Ok);
    let admin = world.admin(Some("s3cret-token")).await;
    let requests = ["GET /metrics", "GET /v1/calls", "GET /v1/nothing", "DELETE /v1/calls/x", "POST /v1/drain"];
    for request in requests {
        let answer = admin.ask(request, &[]).await;
        assert_eq!(answer.failure(), (401, "no_token".to_owned()), "{request}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        let wrong = admin.ask(request, &["Authorization: Bearer s3cret-tokeN"]).await;
        assert_eq!(wrong.failure(), (401, "wrong_token".to_owned()), "{request}");
    }
    let metrics = admin.ask_as("GET /metrics", &["Host: desk.clinic.example", TOKEN]).await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let counted = format!("frontdesk_admin_refused_total{{why=\"wrong_token\"}} {}\n", requests.len());
    assert!(metrics.body.contains(&counted), "{}", metrics.body);
}

#[tokio::test]
async fn without_a_token_no_web_page_gets_in() {
    let mut world = World::new(HealthStatus::Ok);
    let admin = world.admin(None).await;
    let port = admin.0.rsplit(':').next().unwrap();
    let rebound = format!("Host: evil.example:{port}");
    let list = "GET /v1/calls";
    assert_eq!(admin.ask_as(list, &[&rebound]).await.failure(), (403, "foreign_host".to_owned()));
    assert_eq!(admin.ask_as("GET /health", &[&rebound]).await.failure(), (403, "foreign_host".to_owned()));
    let fetched = admin.ask(list, &["Sec-Fetch-Site: cross-site", "Origin: https://evil.example"]).await;
    assert_eq!(fetched.failure(), (403, "foreign_page".to_owned()));
    assert_eq!(fetched.header("access-control-allow-origin"), None);
    let named = format!("Host: localhost:{port}");
    assert_eq!(admin.ask_as(list, &[&named]).await.status, 200);
}

#[tokio::test]
async fn whatever_is_wrong_is_said_in_json() {
    let mut world = World::new(HealthStatus::Ok);
    let admin = world.admin(None).await;
    for (request, status, code) in [
        ("GET /", 404, "no_such_path"),
        ("GET /v1/calls/", 404, "no_such_path"),
        ("POST /v1/drain", 404, "no_such_path"),
        ("POST /v1/calls", 405, "wrong_method"),
        ("GET /v1/desk/test", 405, "wrong_method"),
        ("PUT /health", 405, "wrong_method"),
        ("GET /v1/calls?limit=0", 400, "bad_query"),
        ("GET /v1/calls?limit=501", 400, "bad_query"),
        ("GET /v1/calls?limit=many", 400, "bad_query"),
        ("GET /v1/calls?before=x", 400, "bad_query"),
        ("GET /v1/calls?newest=1", 400, "bad_query"),
        ("GET /v1/outbox?dead=yes", 400, "bad_query"),
    ] {
        let answer = admin.ask(request, &[]).await;
        assert_eq!(answer.failure(), (status, code.to_owned()), "{request}");
    }
    let answer = admin.ask("DELETE /v1/calls", &[]).await;
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
    let large = admin.ask("GET /v1/calls", &["Content-Length: 16385"]).await;
    assert_eq!(large.failure(), (413, "too_large".to_owned()));
    assert!(!*world.calls.drained.lock().unwrap());
}

#[tokio::test]
async fn nothing_is_cached_or_framed() {
    let mut world = World::new(HealthStatus::Ok);
    let admin = world.admin(Some("s3cret-token")).await;
    for (request, headers) in [("GET /v1/calls", [TOKEN]), ("GET /nothing", [TOKEN]), ("GET /v1/calls", ["A: b"])] {
        let answer = admin.ask(request, &headers).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{request}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("content-security-policy"), Some("default-src 'none'; frame-ancestors 'none'"));
    }
}

#[tokio::test]
async fn a_closed_store_is_said_to_be_unavailable() {
    let mut world = World::new(HealthStatus::Ok);
    let admin = world.admin(None).await;
    world.state.store.close().await;
    assert_eq!(admin.ask("GET /v1/calls", &[]).await.failure(), (503, "store_unavailable".to_owned()));
    assert_eq!(admin.ask("GET /health", &[]).await.status, 200);
}
