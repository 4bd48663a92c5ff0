//! Calendars on a real CalDAV server. `tests/proofs/caldav/run.sh` starts it and names its address in `RADICALE`.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

mod booked;
#[path = "../shell/clinic.rs"]
mod clinic;
mod office;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use frontdesk_core::booking::appointment::{AppointmentId, Span};
use frontdesk_core::caldav::multistatus::Multistatus;
use frontdesk_core::caldav::object::Object;
use frontdesk_core::caldav::zone::Zones;
use frontdesk_core::clinic::ids::PractitionerId;
use frontdesk_core::letter::ics::{self, Names};
use frontdeskd::calendar::{CalDav, CalError, Calendar as _, Cursor, State, strangers};
use frontdeskd::config::{CalDavConfig, Secret};
use jiff::tz::TimeZone;
use reqwest::{Method, StatusCode};

use clinic::{appointment, clinic, entry, moved, osei, span};

const USER: &str = "frontdesk";
const PASSWORD: &str = "s3cret-clinic";
const RECURRENCES: &str = include_str!("../../core/tests/data/caldav/recurrences.txt");

/// Asks for the entries of a time, recurring ones as single occurrences.
const EXPANDED: &str = "<c:calendar-query xmlns:d='DAV:' xmlns:c='urn:ietf:params:xml:ns:caldav'><d:prop><c:calendar-data>\
    <c:expand RANGE/></c:calendar-data></d:prop><c:filter><c:comp-filter name='VCALENDAR'><c:comp-filter name='VEVENT'>\
    <c:time-range RANGE/></c:comp-filter></c:comp-filter></c:filter></c:calendar-query>";

/// Everything is news.
fn all(_: AppointmentId, _: Option<&str>) -> bool {
    true
}

fn december() -> Span {
    span("2026-12-01T00:00Z", "2027-01-01T00:00Z")
}

/// Staff with a calendar program of their own, at a calendar that nobody else in these tests uses.
struct Staff {
    http: reqwest::Client,
    name: String,
}

impl Staff {
    async fn with_a_calendar() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("calendar-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        Self::with(name).await
    }

    /// A colleague with a calendar beside this one.
    async fn colleague(&self) -> Self {
        Self::with(beside(&self.name)).await
    }

    async fn with(name: String) -> Self {
        let staff = Self { http: http(), name };
        let body = r#"<c:mkcalendar xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav"><d:set><d:prop><d:displayname>Dr Osei</d:displayname><c:supported-calendar-component-set><c:comp name="VEVENT"/></c:supported-calendar-component-set></d:prop></d:set></c:mkcalendar>"#;
        assert_eq!(staff.send("MKCALENDAR", "", body).await.0, StatusCode::CREATED);
        staff
    }

    async fn send(&self, method: &str, file: &str, body: &str) -> (StatusCode, String) {
        let address = format!("{}/{USER}/{}/{file}", base(), self.name);
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.http.request(method, address).basic_auth(USER, Some(PASSWORD)).header("Depth", "1");
        let request = request.body(body.to_owned());
        let response = request.send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    async fn write(&self, file: &str, text: &str) {
        let (status, said) = self.send("PUT", file, text).await;
        assert!(status.is_success(), "{status}: {said}\n{text}");
    }

    async fn enter(&self, uid: &str, lines: &str) {
        let lines = lines.replace('\n', "\r\n");
        let text = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Staff//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
                            DTSTAMP:20261101T000000Z\r\n{lines}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        self.write(&format!("{uid}.ics"), &text).await;
    }

    /// The box's client, for this calendar.
    fn client(&self) -> CalDav {
        client(&self.name, PASSWORD)
    }
}

/// What the calendar of the colleague is called.
fn beside(calendar: &str) -> String {
    format!("{calendar}-colleague")
}

fn kim() -> PractitionerId {
    PractitionerId::parse("nurse-kim").unwrap()
}

fn base() -> String {
    std::env::var("RADICALE").expect("run tests/proofs/caldav/run.sh: it starts the server and names it here")
}

/// The daemon's client; it trusts nobody, for nothing here is encrypted.
fn http() -> reqwest::Client {
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    frontdeskd::app::http_client(&tls).unwrap()
}

fn client(calendar: &str, password: &str) -> CalDav {
    client_at(&base(), calendar, password)
}

fn client_at(base: &str, calendar: &str, password: &str) -> CalDav {
    let config = CalDavConfig {
        url: base.parse().unwrap(),
        user: USER.to_owned(),
        password: Secret::new(password),
        calendars: BTreeMap::from([(osei(), calendar.to_owned()), (kim(), beside(calendar))]),
        ca_file: None,
    };
    CalDav::new(http(), &config, Names::Hidden, TimeZone::get("Europe/Berlin").unwrap())
}

/// What we have noted in an entry, which stays whatever staff's programs do to it: they do not know it.
fn noted(file: &str) -> &str {
    file.lines().find(|line| line.starts_with("X-FRONTDESK-WRITTEN:")).unwrap()
}

fn file(id: AppointmentId) -> String {
    format!("{id}.ics")
}

#[tokio::test]
async fn an_appointment_is_entered_once_and_names_nobody() {
    let staff = Staff::with_a_calendar().await;
    let (caldav, clinic, booked) = (staff.client(), clinic(), appointment(1));
    let link = caldav.put(entry(&booked, &clinic)).await.unwrap();
    assert!(link.etag.is_some());
    assert_eq!(caldav.put(entry(&booked, &clinic)).await.unwrap(), link, "the same again");
    let (status, text) = staff.send("GET", &file(booked.id), "").await;
    assert_eq!(status, StatusCode::OK);
    for part in ["DTSTART:20261201T140000Z", "K7Q-4MR", "Dr. Amara Osei"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("Ana") && !text.contains("EVIL"), "{text}");
    let taken = caldav.busy(&osei(), december()).await.unwrap();
    assert_eq!((taken.len(), taken[0].span, taken[0].ours), (1, booked.slot.time, Some(booked.id)));
    assert_eq!(strangers(&taken, |_| Some(booked.slot.time)), []);
}

#[tokio::test]
async fn two_who_enter_the_same_appointment_at_once_enter_it_once() {
    let staff = Staff::with_a_calendar().await;
    let (one, other, clinic, booked) = (staff.client(), staff.client(), clinic(), appointment(2));
    let put = |caldav| put(caldav, &booked, &clinic);
    let (first, second, third) = tokio::join!(put(&one), put(&other), put(&one));
    assert_eq!(first.as_ref(), second.as_ref());
    assert_eq!(first, third);
    assert!(first.is_ok(), "{first:?}");
}

async fn put(
    caldav: &CalDav,
    booked: &frontdesk_core::booking::appointment::Appointment,
    clinic: &frontdesk_core::clinic::Clinic,
) -> Result<frontdeskd::calendar::Link, CalError> {
    caldav.put(entry(booked, clinic)).await
}

#[tokio::test]
async fn what_staff_enter_takes_time_as_they_mean_it() {
    let staff = Staff::with_a_calendar().await;
    staff
        .enter("meeting", "DTSTART;TZID=Europe/Berlin:20261202T100000\nDTEND;TZID=Europe/Berlin:20261202T113000")
        .await;
    staff.enter("leave", "DTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261226").await;
    staff.enter("maybe", "DTSTART:20261203T080000Z\nDURATION:PT1H\nSTATUS:TENTATIVE").await;
    staff.enter("off", "DTSTART:20261204T080000Z\nDURATION:PT1H\nSTATUS:CANCELLED").await;
    staff.enter("birthday", "DTSTART:20261205T080000Z\nDURATION:PT1H\nTRANSP:TRANSPARENT").await;
    staff
        .enter(
            "round",
            "DTSTART;TZID=Europe/Berlin:20261007T090000\nDURATION:PT30M\nRRULE:FREQ=WEEKLY;BYDAY=WE\n\
                          EXDATE;TZID=Europe/Berlin:20261209T090000,20261216T090000,20261230T090000",
        )
        .await;
    let taken = staff.client().busy(&osei(), december()).await.unwrap();
    let mut spans: Vec<Span> = strangers(&taken, |_| None);
    spans.sort_unstable();
    assert_eq!(
        spans,
        [
            span("2026-12-02T08:00Z", "2026-12-02T08:30Z"),
            span("2026-12-02T09:00Z", "2026-12-02T10:30Z"),
            span("2026-12-03T08:00Z", "2026-12-03T09:00Z"),
            span("2026-12-23T08:00Z", "2026-12-23T08:30Z"),
            span("2026-12-23T23:00Z", "2026-12-25T23:00Z"),
        ]
    );
    let night = span("2026-12-23T23:00Z", "2026-12-23T23:30Z");
    assert_eq!(staff.client().busy(&osei(), night).await.unwrap().len(), 1, "half past midnight of a day off");
    let free = span("2026-12-10T00:00Z", "2026-12-12T00:00Z");
    assert_eq!(staff.client().busy(&osei(), free).await.unwrap(), []);
}

#[tokio::test]
async fn what_staff_change_is_noticed_and_holds() {
    let staff = Staff::with_a_calendar().await;
    let (caldav, clinic, booked) = (staff.client(), clinic(), appointment(3));
    let link = caldav.put(entry(&booked, &clinic)).await.unwrap();
    let start = caldav.changes(&osei(), None, &all).await.unwrap();
    assert_eq!(start.present, Some([booked.id].into()));

    let elsewhere = moved(&booked);
    let written =
        |appointment| ics::entry(appointment, &clinic, Names::Hidden, "2026-11-22T09:30:00Z".parse().unwrap());
    let theirs = written(&elsewhere);
    let theirs = theirs.replace(noted(&theirs), noted(&written(&booked)));
    staff.write(&file(booked.id), &theirs).await;
    let ours = moved(&elsewhere);
    assert_eq!(caldav.update(&link, entry(&ours, &clinic)).await, Err(CalError::Conflict));
    assert_eq!(caldav.remove(&osei(), &link).await, Err(CalError::Conflict));
    assert_eq!(caldav.put(entry(&booked, &clinic)).await, Err(CalError::Conflict));

    let seen = caldav.changes(&osei(), Some(&start.cursor), &all).await.unwrap();
    assert_eq!(seen.present, None);
    let [(id, State::There(now, own))] = &seen.ours[..] else { panic!("{:?}", seen.ours) };
    assert_eq!((*id, own.time, own.revision), (booked.id, elsewhere.slot.time, 0));
    // Whoever has seen it may change it again.
    let link = caldav.update(now, entry(&ours, &clinic)).await.unwrap();
    let own_echo = caldav.changes(&osei(), Some(&seen.cursor), &|_, etag| etag != link.etag.as_deref()).await.unwrap();
    assert_eq!(own_echo.ours, [], "what we wrote is no news");

    let (status, _) = staff.send("DELETE", &file(booked.id), "").await;
    assert!(status.is_success());
    staff.enter("lunch", "DTSTART:20261203T110000Z\nDURATION:PT1H").await;
    assert_eq!(caldav.update(&link, entry(&moved(&ours), &clinic)).await, Err(CalError::NotFound));
    let seen = caldav.changes(&osei(), Some(&own_echo.cursor), &all).await.unwrap();
    assert_eq!(seen.ours, [(booked.id, State::Gone)]);
    assert_eq!(caldav.remove(&osei(), &link).await, Ok(()), "gone is gone");
}

#[tokio::test]
async fn a_change_and_a_cancellation_of_ours_are_carried_out() {
    let staff = Staff::with_a_calendar().await;
    let (caldav, clinic, booked) = (staff.client(), clinic(), appointment(4));
    let link = caldav.put(entry(&booked, &clinic)).await.unwrap();
    let later = moved(&booked);
    let changed = caldav.update(&link, entry(&later, &clinic)).await.unwrap();
    assert_ne!(changed.etag, link.etag);
    assert_eq!(caldav.busy(&osei(), december()).await.unwrap()[0].span, later.slot.time);
    // The store was put back to before the change: what is newer is found by its number.
    let latest = moved(&later);
    let written = caldav.put(entry(&latest, &clinic)).await.unwrap();
    assert_eq!(caldav.remove(&osei(), &written).await, Ok(()));
    assert_eq!(caldav.remove(&osei(), &written).await, Ok(()), "twice is as good as once");
    assert_eq!(caldav.busy(&osei(), december()).await.unwrap(), []);
}

#[tokio::test]
async fn a_record_of_changes_that_is_lost_is_begun_anew() {
    let staff = Staff::with_a_calendar().await;
    let (caldav, clinic, booked) = (staff.client(), clinic(), appointment(5));
    caldav.put(entry(&booked, &clinic)).await.unwrap();
    let lost = Cursor(format!("sync http://radicale.org/ns/sync/{}", "0".repeat(64)));
    let seen = caldav.changes(&osei(), Some(&lost), &all).await.unwrap();
    assert_eq!((seen.ours.len(), seen.present), (1, Some([booked.id].into())));
    assert!(caldav.changes(&osei(), Some(&seen.cursor), &all).await.unwrap().ours.is_empty());
}

#[tokio::test]
async fn who_is_kept_out_is_told_why() {
    let staff = Staff::with_a_calendar().await;
    let wrong = client(&staff.name, "guessed").busy(&osei(), december()).await.unwrap_err();
    assert!(matches!(wrong, CalError::NeedsConsent(_)), "{wrong}");
    assert!(!wrong.to_string().contains("guessed"), "{wrong}");
    let missing = client("nobodys", PASSWORD).busy(&osei(), december()).await.unwrap_err();
    assert!(missing.to_string().contains("no calendar is called \"nobodys\""), "{missing}");
    assert!(staff.client().calendars().await.unwrap().contains(&"Dr Osei".to_owned()));

    // A calendar that is deleted while the box runs is an error, not a free day; made again, it is found again.
    let caldav = staff.client();
    assert_eq!(caldav.busy(&osei(), december()).await, Ok(vec![]));
    assert!(staff.send("DELETE", "", "").await.0.is_success());
    let gone = caldav.busy(&osei(), december()).await.unwrap_err();
    assert!(matches!(gone, CalError::Config(_)), "{gone}");
    let (clinic, booked) = (clinic(), appointment(6));
    let refused = caldav.put(entry(&booked, &clinic)).await.unwrap_err();
    assert!(matches!(refused, CalError::Config(_)), "{refused}");
}

/// The server works recurrences out with a library of its own, rightly as long as no summer time is in the way: both must
/// find the same time taken.
#[tokio::test]
async fn recurrences_are_worked_out_as_the_server_does() {
    let staff = Staff::with_a_calendar().await;
    let zones = Zones::new(jiff::tz::db().clone(), TimeZone::get("Europe/Berlin").unwrap());
    let caldav = staff.client();
    let mut compared = 0;
    for (n, line) in RECURRENCES.lines().filter(|line| !line.starts_with('#')).step_by(9).enumerate() {
        let fields: Vec<&str> = line.split(' ').collect();
        let at = |text: &str| {
            let wall = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S", text).unwrap();
            TimeZone::UTC.to_timestamp(wall).unwrap()
        };
        let within = Span { from: at(fields[2]), to: at(fields[3]) };
        let uid = format!("rule-{n}");
        // In UTC an end without a zone means another time for the server's library.
        let rule = if fields[0].contains("UNTIL") { format!("{}Z", fields[0]) } else { fields[0].to_owned() };
        staff.enter(&uid, &format!("DTSTART:{}Z\nDURATION:PT20M\nRRULE:{rule}", fields[1])).await;
        let range = format!("start='{}Z' end='{}Z'", fields[2], fields[3]);
        let body = EXPANDED.replace("RANGE", &range);
        let (status, answer) = staff.send("REPORT", "", &body).await;
        assert_eq!(status, StatusCode::MULTI_STATUS, "{line}");
        let mut theirs = Vec::new();
        for file in Multistatus::read(&answer).unwrap().files().unwrap() {
            let taken = Object::read(&file.text, &zones).unwrap().taken(within).unwrap();
            theirs.extend(taken.iter().map(|taken| taken.span));
        }
        let mut ours = strangers(&caldav.busy(&osei(), within).await.unwrap(), |_| None);
        ours.sort_unstable();
        theirs.sort_unstable();
        assert_eq!(ours, theirs, "{line}");
        compared += ours.len();
        assert!(staff.send("DELETE", &format!("{uid}.ics"), "").await.0.is_success());
    }
    assert!(compared > 200, "{compared}");
}
