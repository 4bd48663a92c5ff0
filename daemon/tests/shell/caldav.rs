//! Calendar servers that misbehave as no real one can be made to: each ends in an error that says what would do.

use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::booking::appointment::Busy;
use frontdesk_core::clerk::{Outside, Question};
use frontdesk_core::letter::ics::Names;
use frontdeskd::calendar::{Backend, CalDav, CalError, Calendar as _, Link, Retry, asking};
use frontdeskd::config::{CalDavConfig, Secret, StoreConfig};
use frontdeskd::metrics::Metrics;
use frontdeskd::store::Store;
use jiff::tz::TimeZone;

use super::clinic::{appointment, clinic, entry, moved, osei, span};
use super::fakes::{Reply, Scripted};
use super::world::client;

const PASSWORD: &str = "s3cret-clinic";

/// The way to the calendar: one answer tells the home, the next what is in it.
fn discovery() -> Vec<Reply> {
    let home = r#"<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav"><d:response><d:href>/</d:href><d:propstat><d:prop><c:calendar-home-set><d:href>/u/</d:href></c:calendar-home-set></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>"#;
    let calendars = r#"<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav"><d:response><d:href>/u/dr-osei/</d:href><d:propstat><d:prop><d:resourcetype><d:collection/><c:calendar/></d:resourcetype></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>"#;
    vec![Reply::Say(207, home.to_owned()), Reply::Say(207, calendars.to_owned())]
}

fn caldav(server: &Scripted) -> CalDav {
    let config = CalDavConfig {
        url: format!("http://{}", server.address).parse().unwrap(),
        user: "frontdesk".to_owned(),
        password: Secret::new(PASSWORD),
        calendars: std::collections::BTreeMap::new(),
        ca_file: None,
    };
    CalDav::new(client(), &config, Names::Hidden, TimeZone::get("Europe/Berlin").unwrap())
}

/// A client that has found its calendar and then meets `replies`, the last for ever.
async fn found(replies: impl IntoIterator<Item = Reply>) -> (CalDav, Scripted) {
    let server = Scripted::start(discovery().into_iter().chain(replies).collect()).await;
    (caldav(&server), server)
}

async fn busy_with(replies: impl IntoIterator<Item = Reply>) -> Result<usize, CalError> {
    let (caldav, _server) = found(replies).await;
    caldav.busy(&osei(), span("2026-12-01T00:00Z", "2026-12-02T00:00Z")).await.map(|taken| taken.len())
}

fn raw(head: &str, body: &str) -> Reply {
    Reply::Raw(format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n{body}"))
}

fn query(calendar_data: &str) -> Reply {
    Reply::Say(
        207,
        format!(
            r#"<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav"><d:response><d:href>/u/dr-osei/a.ics</d:href><d:propstat><d:prop><d:getetag>"1"</d:getetag><c:calendar-data>{calendar_data}</c:calendar-data></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>"#
        ),
    )
}

const EVENT: &str =
    "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:x\nDTSTART:20261201T140000Z\nDURATION:PT30M\nEND:VEVENT\nEND:VCALENDAR";

#[tokio::test]
async fn the_way_to_a_calendar_is_asked_once_and_with_the_password() {
    let (caldav, server) = found([query(EVENT)]).await;
    for _ in 0..2 {
        let taken = caldav.busy(&osei(), span("2026-12-01T00:00Z", "2026-12-02T00:00Z")).await.unwrap();
        assert_eq!(taken[0].span, span("2026-12-01T14:00Z", "2026-12-01T14:30Z"));
    }
    let requests = server.requests();
    let first: Vec<&str> = requests.iter().map(|request| request.lines().next().unwrap()).collect();
    let expected =
        ["PROPFIND / HTTP/1.1", "PROPFIND /u/ HTTP/1.1", "REPORT /u/dr-osei/ HTTP/1.1", "REPORT /u/dr-osei/ HTTP/1.1"];
    assert_eq!(first, expected);
    assert!(requests.iter().all(|request| request.contains("Basic ZnJvbnRkZXNrOnMzY3JldC1jbGluaWM=")), "{requests:?}");
    assert!(requests[2].contains("depth: 1") && requests[2].contains("<c:time-range start=\"2026"), "{}", requests[2]);
}

/// Nothing of this may read as "free".
#[tokio::test]
async fn an_answer_that_does_not_tell_is_no_free_calendar() {
    let half = &EVENT[..EVENT.len() - 25];
    for (reply, said) in [
        (Reply::Say(200, String::new()), "HTTP 200 came where a calendar server answers 207"),
        (Reply::Say(207, String::new()), "is not XML of a calendar server (line 1"),
        (Reply::Say(207, "<html><body>Welcome to the hotel</body></html>".into()), "it is no multistatus"),
        (Reply::Say(207, "{\"busy\":[]}".into()), "is not XML"),
        (query(half), "it ends too early"),
        (query(""), "without its iCalendar text"),
        (query(&EVENT.replace("DTSTART:20261201T140000Z", "DTSTART:soon")), "a date or time is none"),
        (query(&EVENT.replace("DURATION:PT30M", "RRULE:FREQ=SECONDLY")), "begins on 2026-12-01 cannot be worked out"),
        (raw("207 Multi-Status", "\u{0}"), "is not XML"),
    ] {
        let error = busy_with([reply.clone()]).await.unwrap_err();
        assert!(matches!(error, CalError::Unknown(_)), "{reply:?}: {error}");
        assert!(error.to_string().contains(said), "{reply:?}: {error}");
        assert_eq!(error.retry(), Retry::Later);
    }
}

#[tokio::test]
async fn trouble_that_passes_is_told_from_trouble_that_somebody_must_end() {
    let long = format!("207 Multi-Status\r\nContent-Length: {}", 1_000);
    for (reply, retry, said) in [
        (raw("429 Too Many\r\nRetry-After: 30", ""), Retry::After(Duration::from_secs(30)), "HTTP 429"),
        (raw("503 Busy\r\nRetry-After: never", ""), Retry::Later, "HTTP 503; it is tried again"),
        (Reply::Say(500, "<html>".into()), Retry::Later, "HTTP 500"),
        (Reply::Drop, Retry::Later, "cannot be used right now"),
        (raw(&long, "<d:multistatus"), Retry::Later, "cannot be used right now"),
        (Reply::Say(401, String::new()), Retry::Later, "check [calendar] user and the credential caldav-password"),
        (Reply::Say(403, String::new()), Retry::Later, "the right to read and write"),
        (Reply::Say(404, String::new()), Retry::Later, "that the calendar still exists"),
        (Reply::Say(405, String::new()), Retry::Later, "must name a CalDAV server"),
        (Reply::Say(507, String::new()), Retry::Later, "make room"),
        (raw("301 Moved\r\nLocation: https://elsewhere.example/", ""), Retry::Later, "the address that it has now"),
        (Reply::Say(418, String::new()), Retry::Never, "please report it"),
    ] {
        let error = busy_with([reply.clone()]).await.unwrap_err();
        assert_eq!(error.retry(), retry, "{reply:?}: {error}");
        assert!(error.to_string().contains(said), "{reply:?}: {error}");
        assert!(!error.to_string().contains("127.0.0.1"), "{error}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let body = "x".repeat(10 * 1024 * 1024 + 1);
    let error = busy_with([Reply::Say(207, body)]).await.unwrap_err();
    assert_eq!(error, CalError::Unknown("its answer has more than 10 MB".to_owned()));
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_an_outage() {
    let (caldav, server) = found([Reply::Silence]).await;
    let osei = osei();
    let asking = caldav.busy(&osei, span("2026-12-01T00:00Z", "2026-12-02T00:00Z"));
    tokio::pin!(asking);
    tokio::select! {
        _ = &mut asking => panic!("nobody has answered"),
        _ = server.wait_for(3) => {}
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(10_001)).await;
    tokio::time::resume();
    let found = "no whole answer came within 10 s".to_owned();
    assert_eq!(asking.await, Err(CalError::Retry { found, after: None }));
}

/// A server was seen to move a series by an hour in winter: it is not asked to work one out.
#[tokio::test]
async fn a_series_is_worked_out_here() {
    let weekly = EVENT
        .replace("DTSTART:20261201T140000Z", "DTSTART;TZID=Europe/Berlin:20261006T150000")
        .replace("DURATION", "RRULE:FREQ=WEEKLY\nDURATION");
    let (caldav, server) = found([query(&weekly)]).await;
    let taken = caldav.busy(&osei(), span("2026-12-01T00:00Z", "2026-12-02T00:00Z")).await.unwrap();
    assert_eq!(taken[0].span, span("2026-12-01T14:00Z", "2026-12-01T14:30Z"));
    assert!(!server.requests()[2].contains("expand"), "{:?}", server.requests());
}

#[tokio::test]
async fn a_redirect_is_followed_on_the_way_and_the_password_stays_on_its_host() {
    let mut replies = discovery();
    replies.insert(0, Reply::Say(404, String::new()));
    replies.insert(1, raw("301 Moved\r\nLocation: /dav/", ""));
    replies.push(query(EVENT));
    let server = Scripted::start(replies).await;
    let taken = caldav(&server).busy(&osei(), span("2026-12-01T00:00Z", "2026-12-02T00:00Z")).await.unwrap();
    assert_eq!(taken.len(), 1);
    let requests = server.requests();
    assert!(requests[1].starts_with("PROPFIND /.well-known/caldav "), "{requests:?}");
    assert!(
        requests[2].starts_with("PROPFIND /dav/ ") && requests[2].contains("current-user-principal"),
        "{requests:?}"
    );

    let away = raw("302 Found\r\nLocation: http://elsewhere.example/dav/", "");
    let server = Scripted::start(vec![away]).await;
    let error = caldav(&server).busy(&osei(), span("2026-12-01T00:00Z", "2026-12-02T00:00Z")).await.unwrap_err();
    assert!(matches!(&error, CalError::Config(said) if said.contains("on elsewhere.example")), "{error}");
    let server = Scripted::start(vec![raw("302 Found\r\nLocation: /", "")]).await;
    let error = caldav(&server).busy(&osei(), span("2026-12-01T00:00Z", "2026-12-02T00:00Z")).await.unwrap_err();
    assert!(error.to_string().contains("round in circles"), "{error}");
}

#[tokio::test]
async fn a_calendar_that_nobody_has_made_is_asked_for_and_looked_for_again() {
    let mut replies = discovery();
    replies[1] = Reply::Say(207, r#"<d:multistatus xmlns:d="DAV:"/>"#.to_owned());
    replies.extend(discovery());
    replies.push(query(EVENT));
    let server = Scripted::start(replies).await;
    let caldav = caldav(&server);
    let day = span("2026-12-01T00:00Z", "2026-12-02T00:00Z");
    let error = caldav.busy(&osei(), day).await.unwrap_err();
    assert!(error.to_string().contains("no calendar is called \"dr-osei\" among the 0"), "{error}");
    assert_eq!(caldav.busy(&osei(), day).await.unwrap().len(), 1, "made meanwhile");
}

/// The server has done it, and its answer was lost: nothing is written twice, nothing is called changed by staff.
#[tokio::test]
async fn a_lost_answer_to_a_write_is_found_out() {
    let (clinic, booked) = (clinic(), appointment(7));
    let there = |appointment| {
        frontdesk_core::letter::ics::entry(appointment, &clinic, Names::Hidden, "2026-11-21T09:30:00Z".parse().unwrap())
    };
    let file = |text: &str| raw("200 OK\r\nETag: W/\"7\"", text);
    let (caldav, server) = found([Reply::Drop, Reply::Say(412, String::new()), file(&there(&booked))]).await;
    assert_eq!(caldav.put(entry(&booked, &clinic)).await.unwrap_err().retry(), Retry::Later);
    let link = caldav.put(entry(&booked, &clinic)).await.unwrap();
    let address = "/u/dr-osei/00000000000000000000000000000007.ics".to_owned();
    assert_eq!(link, Link { address, etag: Some("\"7\"".to_owned()) });
    assert!(server.requests()[2].contains("if-none-match: *"), "{:?}", server.requests());

    let later = moved(&booked);
    let (caldav, server) = found([Reply::Say(412, String::new()), file(&there(&later))]).await;
    assert_eq!(caldav.update(&link, entry(&later, &clinic)).await.unwrap(), link);
    assert!(server.requests()[2].contains("if-match: \"7\""), "{:?}", server.requests());

    let moved_there = there(&booked).replace("DTSTART:20261201T14", "DTSTART:20261201T13");
    let (caldav, _server) = found([Reply::Say(412, String::new()), file(&moved_there)]).await;
    assert_eq!(caldav.update(&link, entry(&later, &clinic)).await, Err(CalError::Conflict), "somebody came between");
    let (caldav, _server) = found([Reply::Say(412, String::new()), Reply::Say(404, String::new())]).await;
    assert_eq!(caldav.update(&link, entry(&later, &clinic)).await, Err(CalError::NotFound));
}

#[tokio::test]
async fn a_note_of_staffs_does_not_undo_what_the_patient_has_changed() {
    let (clinic, booked) = (clinic(), appointment(7));
    let later = moved(&booked);
    let written =
        frontdesk_core::letter::ics::entry(&booked, &clinic, Names::Hidden, "2026-11-21T09:30:00Z".parse().unwrap());
    // Programs raise the number with every change.
    let noted = written.replace("SEQUENCE:0", "SEQUENCE:4\r\nDESCRIPTION:Needs the ramp");
    assert_ne!(noted, written);
    let there = || raw("200 OK\r\nETag: \"8\"", &noted);
    let stale = || Reply::Say(412, String::new());
    let address = "/u/dr-osei/00000000000000000000000000000007.ics".to_owned();
    let link = |etag: &str| Link { address: address.clone(), etag: Some(format!("\"{etag}\"")) };

    let done = raw("204 No Content\r\nETag: \"9\"", "");
    let (caldav, server) = found([stale(), there(), done]).await;
    assert_eq!(caldav.update(&link("7"), entry(&later, &clinic)).await, Ok(link("9")));
    assert!(server.requests()[4].contains("if-match: \"8\""), "{:?}", server.requests());
    let (caldav, server) = found([stale(), there(), stale()]).await;
    assert_eq!(caldav.update(&link("7"), entry(&later, &clinic)).await.unwrap_err().retry(), Retry::Later);
    assert_eq!(server.requests().len(), 5, "and not once more");
}

/// A version is asked for where a server rewrites what it is given.
#[tokio::test]
async fn a_write_without_a_version_is_followed_by_asking_for_it() {
    let tags = r#"<d:multistatus xmlns:d="DAV:"><d:response><d:href>/x</d:href><d:propstat><d:prop><d:getetag>"9"</d:getetag></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>"#;
    let (caldav, _server) = found([Reply::Say(201, String::new()), Reply::Say(207, tags.to_owned())]).await;
    let (clinic, booked) = (clinic(), appointment(7));
    assert_eq!(caldav.put(entry(&booked, &clinic)).await.unwrap().etag.as_deref(), Some("\"9\""));
}

/// Servers without a record of changes are listed when their tag has changed.
#[tokio::test]
async fn a_server_without_a_record_of_changes_is_listed() {
    let tag = r#"<d:multistatus xmlns:d="DAV:" xmlns:s="http://calendarserver.org/ns/"><d:response><d:href>/u/dr-osei/</d:href><d:propstat><d:prop><s:getctag>42</s:getctag></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>"#;
    let list = r#"<d:multistatus xmlns:d="DAV:"><d:response><d:href>/u/dr-osei/</d:href><d:propstat><d:prop><d:resourcetype><d:collection/></d:resourcetype></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response><d:response><d:href>/u/dr-osei/00000000000000000000000000000007.ics</d:href><d:propstat><d:prop><d:getetag>"7"</d:getetag></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>"#;
    let say = |text: &str| Reply::Say(207, text.to_owned());
    let (caldav, _server) = found([Reply::Say(501, String::new()), say(tag), say(list), say(tag)]).await;
    let seen = caldav.changes(&osei(), None, &|_, etag| etag != Some("\"7\"")).await.unwrap();
    assert_eq!((seen.ours.len(), seen.present.unwrap().len()), (0, 1), "the collection is no entry");
    let again = caldav.changes(&osei(), Some(&seen.cursor), &|_, _| true).await.unwrap();
    assert_eq!((again.ours.len(), again.present), (0, None));
    assert_eq!(again.cursor, seen.cursor);
}

#[tokio::test]
async fn a_caller_waits_four_seconds_for_a_calendar_and_is_told_what_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&StoreConfig { path: folder.path().join("book.db"), keep_days: 30 }).unwrap();
    let (caldav, server) = found([query(EVENT), Reply::Silence]).await;
    let (backend, metrics) = (Arc::new(Backend::CalDav(Box::new(caldav))), Metrics::new());
    let now = || "2026-11-27T09:00:00Z".parse().unwrap();
    let ask = asking::ask(backend, store, metrics.clone(), now).unwrap();
    let question = Question { practitioners: vec![osei()], span: span("2026-12-01T00:00Z", "2026-12-02T00:00Z") };
    let meeting = span("2026-12-01T14:00Z", "2026-12-01T14:30Z");
    let known = Outside::Busy(vec![Busy { practitioner: osei(), span: meeting, kind: None }]);
    assert_eq!(ask(question.clone()).await, known);

    let mut answer = ask(question);
    tokio::select! {
        _ = &mut answer => panic!("nobody has answered"),
        _ = server.wait_for(4) => {}
    }
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    assert_eq!(answer.await, Outside::Unreachable(Vec::new()));
    assert!(began.elapsed() <= Duration::from_millis(4_001), "{:?}", began.elapsed());
    for counted in [r#"what="busy",outcome="done"} 1"#, r#"what="busy",outcome="failed"} 1"#] {
        assert!(metrics.encode().contains(counted), "{}", metrics.encode());
    }
}

#[test]
fn without_a_calendar_nobody_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&StoreConfig { path: folder.path().join("book.db"), keep_days: 30 }).unwrap();
    let now = || "2026-11-27T09:00:00Z".parse().unwrap();
    assert!(asking::ask(Arc::new(Backend::Local), store, Metrics::new(), now).is_none());
}
