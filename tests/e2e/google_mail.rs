//! Letters by Gmail: booked by voice, sent by the simulated Google, outages included.

use std::time::Duration;

use frontdesk_gemini_sim::Settings as GeminiSettings;
use frontdesk_google_sim::{Failure, Fault, GoogleSim, Settings as GoogleSettings};
use frontdesk_tests::script::{booking, booking_line, line};
use frontdesk_tests::world::{Making, World, caller_says, listen};
use frontdesk_twilio_sim::Step;
use serde_json::Value;
use tempfile::TempDir;

const CALL: Duration = Duration::from_secs(150);
/// What follows from a booking is done within moments.
const FOLLOWS: Duration = Duration::from_secs(15);
const CLINIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../images/config/clinic.toml");
const MAILBOX: &str = "frontdesk@clinic.example";
/// What the Workspace's administrator has delegated to the service account.
const SEND: &str = "https://www.googleapis.com/auth/gmail.send";
const DRAFTS: &str = "https://www.googleapis.com/auth/gmail.compose";

/// A clinic that sends its letters by Gmail, as a service account that acts for its mailbox.
struct Clinic {
    google: GoogleSim,
    world: World,
    _key: TempDir,
}

impl Clinic {
    async fn open() -> Self {
        Self::with_right(SEND).await
    }

    async fn with_right(right: &str) -> Self {
        let delegation = [(MAILBOX.to_owned(), vec![right.to_owned()])].into_iter().collect();
        let google =
            GoogleSim::start(GoogleSettings { user: MAILBOX.to_owned(), delegation, ..GoogleSettings::default() })
                .await
                .expect("google-sim");
        let key = tempfile::tempdir().expect("a folder");
        let path = key.path().join("key.json");
        google.write_service_account_key(&path).expect("a key file");
        let world = World::make(Making {
            gemini: GeminiSettings { scenario: booking(), ..GeminiSettings::default() },
            lines: vec![
                ("clinic", format!("file = '{CLINIC}'")),
                ("mail", r#"backend = "gmail""#.to_owned()),
                ("mail", format!("from = {MAILBOX:?}")),
                ("google", r#"login = "service-account""#.to_owned()),
                ("google", format!("delegate = {MAILBOX:?}")),
                ("google", format!("drafts = {}", right == DRAFTS)),
                ("google", format!("endpoint = {:?}", google.base())),
            ],
            environment: vec![("GOOGLE_APPLICATION_CREDENTIALS", path.display().to_string())],
            ..Making::default()
        })
        .await
        .expect("a world");
        Self { google, world, _key: key }
    }

    /// Anna Rossi books an appointment by phone.
    async fn book(&self) {
        let scenario = booking();
        let mut steps = vec![listen()];
        for turn in [booking_line::WISH, booking_line::CHOICE, booking_line::NAME, booking_line::YES, line::GOODBYE] {
            let caller = &scenario.exchanges[turn].caller;
            steps.extend([Step::Say(caller_says(&scenario, caller).expect("a voice")), listen()]);
        }
        let report = self.world.call(steps).wait_ended(CALL).await.expect("the call ends");
        assert!(report.problems().is_empty(), "{:?}", report.problems());
    }

    /// Waits until the errand of the letter is as wanted; nothing if it is done.
    async fn letter(&self, wanted: impl Fn(Option<&Value>) -> bool) -> Option<Value> {
        let of = |outbox: &Value| {
            outbox["errands"].as_array().expect("a list").iter().find(|errand| errand["kind"] == "mail").cloned()
        };
        let outbox = self.world.daemon.wait_for_json("/v1/outbox", FOLLOWS, |outbox| wanted(of(outbox).as_ref())).await;
        of(&outbox.expect("the errand of the letter"))
    }

    /// Has the errand done by the wish of staff, who would otherwise wait half a minute.
    async fn try_again(&self, errand: &Value) {
        let (status, said) =
            self.world.daemon.post(&format!("/v1/outbox/{}/retry", errand["id"])).await.expect("the daemon answers");
        assert_eq!(status, 202, "{said}");
        self.letter(|errand| errand.is_none()).await;
    }
}

fn has_failed(errand: Option<&Value>) -> bool {
    errand.is_some_and(|errand| errand["state"] == "waiting" && errand["note"].is_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_by_voice_sends_its_letter_by_gmail() {
    let clinic = Clinic::open().await;
    clinic.book().await;
    let mail = clinic.google.wait_for(|google| google.sent().pop(), FOLLOWS).await.expect("a letter");
    assert_eq!((&*mail.mailbox, &*mail.recipients), (MAILBOX, &["anna.rossi@example.com".to_owned()][..]));
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 90);
    let booked = clinic.world.daemon.json(&format!("/v1/appointments?to={until}")).await.unwrap();
    let reference = booked["appointments"][0]["reference"].as_str().unwrap();
    assert!(mail.subject.contains(reference) && mail.text.contains(reference), "{}: {}", mail.subject, mail.text);
    let raw = String::from_utf8_lossy(&mail.raw);
    assert!(raw.contains("method=REQUEST") && raw.contains("X-Frontdesk-Letter: "), "{raw}");
    clinic.letter(|errand| errand.is_none()).await;
    assert_eq!(clinic.google.sent().len(), 1);
    let said = clinic.world.daemon.log();
    assert!(
        !said.iter().any(|line| line.contains("rossi@") || line.contains("ya29.")),
        "no address and no token in the log"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_of_an_outage_is_delivered_after_it_and_once() {
    let clinic = Clinic::open().await;
    clinic.google.set_outage(true);
    clinic.book().await;
    let waiting = clinic.letter(has_failed).await.unwrap();
    assert_eq!(clinic.google.sent().len(), 0, "{waiting}");
    clinic.google.set_outage(false);
    clinic.try_again(&waiting).await;
    assert_eq!(clinic.google.sent().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_right_to_drafts_a_letter_whose_answer_was_lost_comes_once() {
    let clinic = Clinic::with_right(DRAFTS).await;
    clinic.google.fail(Fault::next(Failure::CutAfter).at("gmail.users.drafts.send"));
    clinic.book().await;
    let waiting = clinic.letter(has_failed).await.unwrap();
    assert_eq!((&waiting["note"], clinic.google.sent().len()), (&"Gmail's answer was lost".into(), 1), "{waiting}");
    clinic.try_again(&waiting).await;
    assert_eq!(clinic.google.sent().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_whose_answer_was_lost_comes_twice_with_one_calendar_entry_and_no_third_time() {
    let clinic = Clinic::open().await;
    clinic.google.fail(Fault::next(Failure::CutAfter).at("gmail.users.messages.send"));
    clinic.book().await;
    let waiting = clinic.letter(has_failed).await.unwrap();
    assert_eq!(waiting["note"], "Gmail's answer was lost", "{waiting}");
    clinic.try_again(&waiting).await;
    let sent = clinic.google.sent();
    assert_eq!(sent.len(), 2);
    let name = |raw: &[u8]| {
        let raw = String::from_utf8_lossy(raw).into_owned();
        raw.lines().find(|line| line.starts_with("X-Frontdesk-Letter: ")).map(str::to_owned).expect("a name")
    };
    assert_eq!((name(&sent[0].raw), &sent[0].subject), (name(&sent[1].raw), &sent[1].subject), "the same letter");
}
