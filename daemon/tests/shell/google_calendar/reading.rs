//! What takes time, and answers that do not tell.

use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::booking::appointment::{AppointmentId, Busy};
use frontdesk_core::clerk::{Outside, Question};
use frontdesk_core::clinic::ids::PractitionerId;
use frontdesk_core::google::event::event_id;
use frontdeskd::calendar::trouble::Troubles;
use frontdeskd::calendar::{Backend, CalError, Calendar as _, Retry, asking};
use frontdeskd::config::StoreConfig;
use frontdeskd::errands::{Entries, watch};
use frontdeskd::metrics::Metrics;
use frontdeskd::store::Store;
use futures_util::future::join;
use jiff::Timestamp;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::super::clinic::{clinic, osei, span};
use super::super::fakes::{Reply, Scripted};
use super::{PLACE, TOKEN, body, day, event, google_at, list, meeting, refusal, say};

fn raw(head: &str, body: &str) -> Reply {
    Reply::Raw(format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n{body}"))
}

async fn busy_with(replies: impl IntoIterator<Item = Reply>) -> Result<usize, CalError> {
    let (google, _server) = meeting(replies).await;
    google.busy(&osei(), day()).await.map(|taken| taken.len())
}

#[tokio::test]
async fn what_takes_time_is_read_page_by_page_and_ours_are_told_from_others() {
    let ours = AppointmentId(7);
    let mut first = list(&json!([event(&event_id(ours), "2026-12-01T14:00:00Z", "2026-12-01T14:30:00Z")]));
    first["nextPageToken"] = "page 2".into();
    let mut empty = list(&json!([]));
    empty["nextPageToken"] = "page 3".into();
    let holiday = json!({ "id": "closed", "start": { "date": "2026-12-01" }, "end": { "date": "2026-12-02" } });
    let (google, server) = meeting([say(&first), say(&empty), say(&list(&json!([holiday])))]).await;
    let taken = google.busy(&osei(), day()).await.unwrap();
    let found: Vec<_> = taken.iter().map(|taken| (taken.span, taken.ours)).collect();
    let expected = [
        (span("2026-12-01T14:00Z", "2026-12-01T14:30Z"), Some(ours)),
        (span("2026-11-30T23:00Z", "2026-12-01T23:00Z"), None),
    ];
    assert_eq!(found, expected, "the day of the calendar's zone");
    let requests = server.requests();
    for part in ["singleEvents=true", "timeMin=2026-12-01T00%3A00%3A00Z", "timeMax=2026-12-02T00%3A00%3A00Z"] {
        assert!(requests.iter().all(|request| request.contains(part)), "{part}: {requests:?}");
    }
    assert!(requests[0].starts_with(&format!("GET /{}?", PLACE.trim_end_matches('/'))), "{}", requests[0]);
    assert!(requests[0].contains(&format!("authorization: Bearer {TOKEN}")), "{}", requests[0]);
    assert!(!requests[0].contains("pageToken") && requests[1].contains("pageToken=page+2"), "{requests:?}");
    assert!(!requests[0].contains("summary"), "no title crosses the network: {}", requests[0]);
}

#[tokio::test]
async fn further_calendars_are_asked_when_they_are_busy_and_one_that_does_not_tell_is_not_free() {
    let told = json!({ "busy": [{ "start": "2026-12-01T09:00:00Z", "end": "2026-12-01T10:00:00Z" }] });
    let silent = json!({ "errors": [{ "domain": "global", "reason": "notFound" }], "busy": [] });
    for (calendar, expected) in
        [(told, Ok(span("2026-12-01T09:00Z", "2026-12-01T10:00Z"))), (silent, Err("\"notFound\""))]
    {
        let calendars = json!({ "private@group.calendar.google.com": calendar });
        let free_busy = say(&json!({ "kind": "calendar#freeBusy", "calendars": calendars }));
        let entries = say(&list(&json!([])));
        let server = Scripted::answering(move |request| {
            if request.starts_with("POST /calendar/v3/freeBusy ") { free_busy.clone() } else { entries.clone() }
        });
        let server = server.await;
        match (google_at(&server, &["private"]).busy(&osei(), day()).await, expected) {
            (Ok(taken), Ok(busy)) => assert_eq!((taken[0].span, taken[0].ours, taken.len()), (busy, None, 1)),
            (Err(CalError::Unknown(said)), Err(reason)) => assert!(said.contains(reason), "{said}"),
            (found, expected) => panic!("{found:?} in place of {expected:?}"),
        }
        let question = server.requests().into_iter().find(|request| request.starts_with("POST")).unwrap();
        let items = json!([{ "id": "private@group.calendar.google.com" }]);
        assert_eq!(body(&question)["items"], items, "the calendar that is written to is read otherwise");
    }
}

/// A Google at which a further calendar is not shared, and the calendar that is written to has a meeting.
async fn half_open() -> Scripted {
    let silent = json!({ "errors": [{ "domain": "global", "reason": "notFound" }], "busy": [] });
    let free_busy =
        say(&json!({ "kind": "calendar#freeBusy", "calendars": { "private@group.calendar.google.com": silent } }));
    let entries = say(&list(&json!([event("staff", "2026-12-01T14:00:00Z", "2026-12-01T14:30:00Z")])));
    Scripted::answering(move |request| {
        if request.starts_with("POST /calendar/v3/freeBusy ") { free_busy.clone() } else { entries.clone() }
    })
    .await
}

fn book() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&StoreConfig { path: folder.path().join("book.db"), keep_days: 30 }).unwrap();
    (folder, store)
}

fn backend(server: &Scripted) -> Arc<Backend> {
    Arc::new(Backend::Google(Box::new(google_at(server, &["private"]))))
}

fn now() -> Timestamp {
    "2026-11-27T09:00:00Z".parse().unwrap()
}

#[tokio::test]
async fn what_one_calendar_says_counts_although_another_does_not_tell() {
    let server = half_open().await;
    let (_folder, store) = book();
    let ask = asking::ask(backend(&server), store, Metrics::new(), now).unwrap();
    let meeting = span("2026-12-01T14:00Z", "2026-12-01T14:30Z");
    let known = vec![Busy { practitioner: osei(), span: meeting, kind: None }];
    let question = Question { practitioners: vec![osei()], span: day() };
    assert_eq!(ask(question).await, Outside::Unreachable(known));
}

#[tokio::test]
async fn a_calendar_of_which_callers_could_not_be_told_is_in_trouble_before_anybody_calls() {
    let server = half_open().await;
    let (_folder, store) = book();
    let entries = Arc::new(Entries::new(store, Arc::new(clinic()), backend(&server), now));
    let (troubles, metrics, stop) = (Arc::new(Troubles::new()), Metrics::new(), CancellationToken::new());
    let watching = watch::run(Arc::clone(&entries), Arc::clone(&troubles), metrics.clone(), stop.clone());
    let noticed = async {
        while !metrics.encode().contains(r#"what="busy",outcome="failed"}"#) {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    tokio::time::timeout(Duration::from_secs(30), join(watching, noticed)).await.unwrap();
    assert!(metrics.encode().contains(r#"what="changes",outcome="done"}"#), "what has changed is read all the same");
    let later = std::time::Instant::now() + Duration::from_mins(16);
    assert_eq!(troubles.lasting(Duration::from_mins(15), later), 1, "of the one whose further calendar is not shared");
}

/// Nothing of this may read as "free".
#[tokio::test]
async fn an_answer_that_does_not_tell_is_no_free_calendar() {
    let whole = list(&json!([event("x", "2026-12-01T14:00:00Z", "2026-12-01T14:30:00Z")])).to_string();
    let half = whole[..whole.len() - 30].to_owned();
    for (reply, said) in [
        (Reply::Say(200, String::new()), "is not what Google Calendar says (line 1"),
        (Reply::Say(204, String::new()), "perhaps a proxy's page"),
        (Reply::Say(200, "{}".into()), "it is no list of a calendar's entries"),
        (Reply::Say(200, "<html><body>Welcome to the hotel</body></html>".into()), "is not what Google Calendar says"),
        (Reply::Say(200, half), "is not what Google Calendar says"),
        (Reply::Say(200, whole.replace("2026-12-01T14:30:00Z", "soon")), "change that entry in the calendar"),
        (Reply::Say(200, whole.replace("\"end\"", "\"until\"")), "no beginning or no end"),
        (raw("302 Found\r\nLocation: https://portal.example/", ""), "HTTP 302 came where Google Calendar answers"),
        (Reply::Say(403, "<html>Blocked by the firewall</html>".into()), "perhaps a proxy's page"),
    ] {
        let error = busy_with([reply.clone()]).await.unwrap_err();
        assert!(matches!(error, CalError::Unknown(_)), "{reply:?}: {error}");
        assert!(error.to_string().contains(said), "{reply:?}: {error}");
        assert_eq!(error.retry(), Retry::Later);
    }
}

#[tokio::test]
async fn trouble_that_passes_is_told_from_trouble_that_somebody_must_end() {
    let hour = Retry::After(Duration::from_hours(1));
    for (reply, retry, said) in [
        (raw("429 Too Many\r\nRetry-After: 30", ""), Retry::After(Duration::from_secs(30)), "HTTP 429"),
        (refusal(503, "backendError"), Retry::Later, "HTTP 503 backendError; it is tried again"),
        (Reply::Say(500, "<html>".into()), Retry::Later, "HTTP 500; it is tried again"),
        (refusal(403, "rateLimitExceeded"), Retry::Later, "cannot be used right now: HTTP 403 rateLimitExceeded"),
        (refusal(403, "quotaExceeded"), hour, "limit is used up"),
        (Reply::Drop, Retry::Later, "cannot be used right now"),
        (raw("200 OK\r\nContent-Length: 1000", "{\"kind\":"), Retry::Later, "cannot be used right now"),
        (refusal(401, "authError"), Retry::Later, "does not take our token"),
        (refusal(403, "insufficientPermissions"), Retry::Later, "does not reach to calendars"),
        (refusal(403, "accessNotConfigured"), Retry::Later, "switch it on in Google's console"),
        (refusal(403, "forbidden"), Retry::Later, "share the calendar with it"),
        (refusal(404, "notFound"), Retry::Later, "check [calendar] calendars"),
        (refusal(400, "timeRangeEmpty"), Retry::Never, "HTTP 400 timeRangeEmpty"),
    ] {
        let error = busy_with([reply.clone()]).await.unwrap_err();
        assert_eq!(error.retry(), retry, "{reply:?}: {error}");
        assert!(error.to_string().contains(said), "{reply:?}: {error}");
        for private in ["127.0.0.1", "Ana", "osei@", "osei%40", TOKEN] {
            assert!(!error.to_string().contains(private), "{private} in {error}");
        }
    }
}

#[tokio::test]
async fn what_passes_within_a_moment_is_tried_again_for_a_caller_and_once() {
    let free = say(&list(&json!([])));
    assert_eq!(busy_with([refusal(503, "backendError"), free.clone()]).await, Ok(0));
    assert_eq!(busy_with([Reply::Drop, free.clone()]).await, Ok(0));
    let (google, server) = meeting([refusal(503, "backendError")]).await;
    assert!(google.busy(&osei(), day()).await.is_err());
    assert_eq!(server.requests().len(), 2);
    let patient = raw("429 Too Many\r\nRetry-After: 5", "");
    let error = busy_with([patient, free]).await.unwrap_err();
    assert_eq!(error.retry(), Retry::After(Duration::from_secs(5)), "whoever asks for patience is given it");
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end_and_a_list_without_end_neither() {
    let error = busy_with([Reply::Say(200, "x".repeat(10 * 1024 * 1024 + 1))]).await.unwrap_err();
    assert_eq!(error, CalError::Unknown("its answer has more than 10 MB".to_owned()));
    let mut endless = list(&json!([]));
    endless["nextPageToken"] = "again".into();
    let (google, server) = meeting([say(&endless)]).await;
    let error = google.busy(&osei(), day()).await.unwrap_err();
    assert_eq!(error, CalError::Unknown("the list of what is in the calendar does not end".to_owned()));
    assert_eq!(server.requests().len(), 50);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_an_outage() {
    let (google, server) = meeting([Reply::Silence]).await;
    let osei = osei();
    let asking = google.state(&osei, AppointmentId(7));
    tokio::pin!(asking);
    tokio::select! {
        _ = &mut asking => panic!("nobody has answered"),
        _ = server.wait_for(1) => {}
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(10_001)).await;
    tokio::time::resume();
    let found = "no whole answer came within 10 s".to_owned();
    assert_eq!(asking.await, Err(CalError::Retry { found, after: None }));
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    assert_eq!(busy_with([refusal(401, "authError"), say(&list(&json!([])))]).await, Ok(0));
    let (google, server) = meeting([refusal(401, "authError")]).await;
    let error = google.busy(&osei(), day()).await.unwrap_err();
    assert!(matches!(error, CalError::NeedsConsent(_)), "{error}");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_practitioner_without_a_calendar_is_a_matter_of_the_configuration() {
    let (google, server) = meeting([Reply::Drop]).await;
    let nobody = PractitionerId::parse("nobody").unwrap();
    let error = google.busy(&nobody, day()).await.unwrap_err();
    assert!(matches!(&error, CalError::Config(said) if said.contains("names none for nobody")), "{error}");
    assert_eq!(server.requests().len(), 0);
}
