//! Appointments that are kept in calendars of a real CalDAV server, Radicale.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use frontdesk_gemini_sim::Exchange;
use frontdesk_tests::clinic_data::{check_up, open_daily, osei};
use frontdesk_tests::daemon::no_tls;
use frontdesk_tests::practice::{Opening, Practice};
use frontdesk_tests::script::{afterwards, book, find, hold, turn};
use reqwest::{Method, StatusCode, Url};
use serde_json::{Value, json};

use super::wire::Wire;

const USER: &str = "frontdesk";
const PASSWORD: &str = "s3cret-clinic";
const WISH: &str = "I need a check-up, please.";
const YES: &str = "Yes, that is right.";
/// The first wait for another attempt is 30 s, give or take a fifth.
const TRIED_AGAIN: Duration = Duration::from_mins(1);

/// Staff at their calendar, with a program of their own.
struct Office {
    http: reqwest::Client,
    calendar: String,
    server: Url,
}

impl Office {
    /// With a calendar that nobody else in these stories uses.
    async fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let server = std::env::var("RADICALE").expect("run tests/proofs/caldav/run.sh: it starts the server");
        let calendar = format!("story-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let http = reqwest::Client::builder().tls_backend_preconfigured(no_tls().unwrap()).no_proxy().build().unwrap();
        let office = Self { http, calendar, server: server.parse().unwrap() };
        assert_eq!(office.sends("MKCALENDAR", "", "").await.0, StatusCode::CREATED);
        office
    }

    async fn sends(&self, method: &str, file: &str, body: &str) -> (StatusCode, String) {
        let address = self.server.join(&format!("/{USER}/{}/{file}", self.calendar)).unwrap();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.http.request(method, address).basic_auth(USER, Some(PASSWORD)).header("Depth", "1");
        let response = request.body(body.to_owned()).send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    /// The entries of the calendar, as one text.
    async fn entries(&self) -> String {
        let (status, text) = self.sends("GET", "", "").await;
        assert_eq!(status, StatusCode::OK, "{text}");
        text
    }

    /// Writes something of their own over an appointment's time.
    async fn blocks(&self, appointment: &Value) {
        let at = |key: &str| stamp(appointment, key);
        let text = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Staff//EN\r\nBEGIN:VEVENT\r\nUID:meeting\r\n\
             DTSTAMP:20261101T000000Z\r\nDTSTART:{}\r\nDTEND:{}\r\nSUMMARY:Meeting\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
            at("from"),
            at("to")
        );
        let (status, said) = self.sends("PUT", "meeting.ics", &text).await;
        assert_eq!(status, StatusCode::CREATED, "{said}");
    }
}

/// A clinic that keeps its appointments in that calendar, over a wire.
async fn clinic(office: &Office) -> (Practice, Arc<Wire>) {
    let wire = Arc::new(Wire::to(office.server.port().unwrap()).await);
    let lines = [
        "backend = 'caldav'".to_owned(),
        format!("url = 'http://{}'", wire.address),
        format!("user = '{USER}'"),
        format!("calendars = {{ osei = '{}' }}", office.calendar),
    ];
    let opening = Opening {
        data: [open_daily(), osei(), check_up(&["osei"], "")].concat(),
        exchanges: Vec::from(script()),
        lines: lines.map(|line| ("calendar", line)).into(),
        environment: vec![("CALDAV_PASSWORD", PASSWORD.to_owned())],
        ..Opening::default()
    };
    (Practice::open(opening).await.unwrap(), wire)
}

fn script() -> [Exchange; 2] {
    [
        turn(WISH, [find("check-up", json!({})), afterwards(hold(0))], "{find_slots.slots.0.say}?"),
        turn(YES, [book("Anna Rossi", json!({}))], "{result.say}"),
    ]
}

fn stamp(appointment: &Value, key: &str) -> String {
    let at: jiff::Timestamp = appointment[key].as_str().unwrap().parse().unwrap();
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// What staff see of an appointment: when, the reference, and not who comes.
fn assert_entered(entries: &str, appointment: &Value) {
    assert_eq!(entries.matches("BEGIN:VEVENT").count(), 1, "{entries}");
    let reference = appointment["reference"].as_str().unwrap();
    for part in [reference, &format!("DTSTART:{}", stamp(appointment, "from"))] {
        assert!(entries.contains(part), "{part} is not in\n{entries}");
    }
    assert!(!entries.contains("Rossi"), "{entries}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_is_entered_in_the_practitioners_calendar() {
    let office = Office::new().await;
    let (practice, _wire) = clinic(&office).await;
    let told = practice.hears(&[WISH, YES]).await.unwrap();
    assert_eq!(told.outcomes(), ["find_slots: found", "hold_slot: held", "book: booked"]);
    practice.reminders_left().await.unwrap();
    assert_entered(&office.entries().await, &practice.appointments().await.unwrap()[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_staff_enter_between_the_offer_and_the_yes_is_theirs() {
    let office = Office::new().await;
    let (practice, _wire) = clinic(&office).await;
    let talk = practice.ring().await.unwrap();
    talk.says(WISH).await.unwrap();
    let held = practice.appointments().await.unwrap();
    office.blocks(&held[0]).await;
    talk.says_all(&[YES, WISH, YES]).await.unwrap();
    let told = talk.hangs_up().await.unwrap();

    let outcomes = [
        "find_slots: found",
        "hold_slot: held",
        "book: slot_taken",
        "find_slots: found",
        "hold_slot: held",
        "book: booked",
    ];
    assert_eq!(told.outcomes(), outcomes);
    assert!(told.was_told("I am sorry, that time has just been taken."), "{:?}", told.heard());
    let rows = practice.rows().await.unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert!(rows[0]["from"].as_str() >= held[0]["to"].as_str(), "{rows:?}");
    practice.reminders_left().await.unwrap();
    let (status, _) = office.sends("DELETE", "meeting.ics", "").await;
    assert!(status.is_success(), "{status}");
    assert_entered(&office.entries().await, &rows[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_that_cannot_be_reached_costs_no_booking_and_has_it_when_it_is_back() {
    let office = Office::new().await;
    let (practice, wire) = clinic(&office).await;
    let talk = practice.ring().await.unwrap();
    talk.says(WISH).await.unwrap();
    wire.cut();
    talk.says(YES).await.unwrap();
    let told = talk.hangs_up().await.unwrap();
    assert_eq!(told.outcomes(), ["find_slots: found", "hold_slot: held", "book: booked"]);
    assert!(told.was_told("You are booked for") && told.was_told("I cannot reach our calendar"), "{:?}", told.heard());
    let booked = practice.appointments().await.unwrap();
    assert_eq!((booked.len(), &booked[0]["state"]), (1, &json!("booked")));

    let failed = |outbox: &Value| outbox["errands"].as_array().unwrap().iter().any(has_failed);
    practice.world.daemon.wait_for_json("/v1/outbox", TRIED_AGAIN, failed).await.unwrap();
    assert!(!office.entries().await.contains("BEGIN:VEVENT"), "it is not there yet");
    wire.mend();
    let done = |outbox: &Value| outbox["errands"] == json!([]);
    practice.world.daemon.wait_for_json("/v1/outbox", TRIED_AGAIN, done).await.unwrap();
    assert_entered(&office.entries().await, &booked[0]);
}

fn has_failed(errand: &Value) -> bool {
    errand["kind"] == "calendar" && errand["state"] == "waiting" && errand["attempts"].as_u64() >= Some(1)
}
