//! The clinic's calendars at Google: what is booked by phone stands there, and what staff do there holds.

use std::time::Duration;

use frontdesk_gemini_sim::Settings as GeminiSettings;
use frontdesk_google_sim::{CalendarSetup, GoogleSim, Settings as GoogleSettings};
use frontdesk_tests::script::{booking, booking_line, line};
use frontdesk_tests::world::{Making, World, caller_says, listen};
use frontdesk_twilio_sim::{CallReport, Step};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const CALL: Duration = Duration::from_secs(150);
/// What follows from a booking, or from what staff have done before the start, is done within moments.
const FOLLOWS: Duration = Duration::from_secs(20);
/// The clinic's data as they are shipped, and its practitioners.
const CLINIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../images/config/clinic.toml");
const PRACTITIONERS: [&str; 3] = ["osei", "lindqvist", "park"];

/// The clinic with a calendar at Google for each practitioner.
struct Clinic {
    world: World,
    google: GoogleSim,
    _key: tempfile::TempDir,
}

/// An entry, and the calendar that it stands in.
type Entry = (String, Value);

impl Clinic {
    async fn open() -> Self {
        let calendar = |id: &&str| CalendarSetup::new(&format!("{id}@clinic.example"), id, "Europe/Berlin");
        let settings = GoogleSettings {
            calendars: PRACTITIONERS.iter().map(calendar).collect(),
            // Every list has more than one page.
            largest_page: 2,
            ..GoogleSettings::default()
        };
        let google = GoogleSim::start(settings).await.expect("google-sim");
        let key = tempfile::tempdir().expect("a folder");
        let path = key.path().join("key.json");
        google.write_service_account_key(&path).expect("a key");
        let ids = PRACTITIONERS.map(|id| format!("{id} = '{id}@clinic.example'")).join(", ");
        let world = World::make(Making {
            gemini: GeminiSettings { scenario: booking(), ..GeminiSettings::default() },
            lines: vec![
                ("clinic", format!("file = '{CLINIC}'")),
                ("calendar", "backend = 'google'".to_owned()),
                ("calendar", format!("calendars = {{ {ids} }}")),
                ("google", "login = 'service-account'".to_owned()),
                ("google", format!("endpoint = '{}'", google.base())),
            ],
            environment: vec![("GOOGLE_APPLICATION_CREDENTIALS", path.display().to_string())],
            ..Making::default()
        });
        Self { world: world.await.expect("a world"), google, _key: key }
    }

    /// A call in which a check-up is booked for Anna Rossi.
    async fn book(&self) -> CallReport {
        let scenario = booking();
        let mut steps = vec![listen()];
        for turn in [booking_line::WISH, booking_line::CHOICE, booking_line::NAME, booking_line::YES, line::GOODBYE] {
            steps.extend([
                Step::Say(caller_says(&scenario, &scenario.exchanges[turn].caller).expect("a voice")),
                listen(),
            ]);
        }
        self.world.call(steps).wait_ended(CALL).await.expect("the call ends")
    }

    /// What stands in the calendars.
    fn entries(&self) -> Vec<Entry> {
        let of = |id: &&str| {
            let calendar = format!("{id}@clinic.example");
            let events = self.google.events(&calendar).expect("a calendar").into_iter();
            events
                .filter(|event| event["status"] != "cancelled")
                .map(move |event| (calendar.clone(), event))
                .collect::<Vec<_>>()
        };
        PRACTITIONERS.iter().flat_map(of).collect()
    }

    async fn one_entry(&self) -> Entry {
        let one = |_: &GoogleSim| {
            Some(self.entries()).filter(|entries| entries.len() == 1).map(|mut entries| entries.remove(0))
        };
        self.google.wait_for(one, FOLLOWS).await.expect("one entry")
    }

    /// Waits until the one appointment is as `is` says.
    async fn appointment(&self, is: impl Fn(&Value) -> bool) -> Value {
        let until = Timestamp::now() + SignedDuration::from_hours(24 * 120);
        let path = format!("/v1/appointments?to={until}");
        let listed = self.world.daemon.wait_for_json(&path, FOLLOWS, |listed| is(&listed["appointments"][0])).await;
        listed.expect("the appointment")["appointments"][0].clone()
    }
}

fn instant(text: &Value) -> Timestamp {
    text.as_str().expect("a time").parse().expect("a time")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_booked_by_phone_stands_at_google_and_what_staff_do_there_holds() {
    let mut clinic = Clinic::open().await;
    let report = clinic.book().await;
    assert!(report.problems().is_empty(), "{:?}", report.problems());
    let booked = clinic.appointment(|one| one["state"] == "booked").await;
    let (calendar, entry) = clinic.one_entry().await;
    assert_eq!(calendar, format!("{}@clinic.example", booked["practitioner"].as_str().unwrap()));
    assert!(entry["summary"].as_str().unwrap().contains(booked["reference"].as_str().unwrap()), "{entry}");
    assert_eq!(instant(&entry["start"]["dateTime"]), instant(&booked["from"]));
    assert!(!entry.to_string().contains("Rossi") && entry.get("attendees").is_none(), "nobody is named: {entry}");

    // While the box is off somebody drags it to another day.
    clinic.world.daemon.kill().unwrap();
    let later = |time: &Value| (instant(time) + SignedDuration::from_hours(24)).to_string();
    let (start, end) = (later(&entry["start"]["dateTime"]), later(&entry["end"]["dateTime"]));
    let id = entry["id"].as_str().unwrap();
    clinic.google.staff_move(&calendar, id, &start, &end).unwrap();
    clinic.world.restart().await.unwrap();
    let moved = clinic.appointment(|one| one["from"] != booked["from"]).await;
    assert_eq!(instant(&moved["from"]), start.parse().unwrap());
    assert_eq!(moved["state"], "booked");

    // And then deletes it.
    clinic.world.daemon.kill().unwrap();
    clinic.google.staff_delete(&calendar, id).unwrap();
    clinic.google.expire_sync_tokens(&calendar).unwrap();
    clinic.world.restart().await.unwrap();
    clinic.appointment(|one| one["state"] == "cancelled").await;
    assert_eq!(clinic.entries().len(), 0, "and it is not written again");
    assert!(!clinic.world.daemon.log().iter().any(|line| line.contains("Rossi")), "no name in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_appointment_that_is_booked_while_google_is_away_is_entered_when_it_is_back() {
    let clinic = Clinic::open().await;
    clinic.google.set_outage(true);
    let report = clinic.book().await;
    assert!(report.problems().is_empty(), "{:?}", report.problems());
    let booked = clinic.appointment(|one| one["state"] == "booked").await;
    assert_eq!(clinic.entries().len(), 0, "the outage was one");
    let waits =
        |outbox: &Value| outbox["errands"].as_array().unwrap().iter().any(|errand| errand["kind"] == "calendar");
    let outbox = clinic.world.daemon.wait_for_json("/v1/outbox", FOLLOWS, waits).await.unwrap();
    let errand = outbox["errands"].as_array().unwrap().iter().find(|errand| errand["kind"] == "calendar").unwrap();

    clinic.google.set_outage(false);
    let (status, _) = clinic.world.daemon.post(&format!("/v1/outbox/{}/retry", errand["id"])).await.unwrap();
    assert_eq!(status, 202);
    let (_, entry) = clinic.one_entry().await;
    assert!(entry["summary"].as_str().unwrap().contains(booked["reference"].as_str().unwrap()), "{entry}");
    let settled =
        |outbox: &Value| outbox["errands"].as_array().unwrap().iter().all(|errand| errand["kind"] != "calendar");
    clinic.world.daemon.wait_for_json("/v1/outbox", FOLLOWS, settled).await.unwrap();
    let said = json!(clinic.google.requests().iter().filter(|seen| seen.method == "calendar.events.insert").count());
    assert_eq!(said, 1, "entered once");
}
