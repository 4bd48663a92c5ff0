//! Letters that a real mail server takes late.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use frontdesk_tests::clinic_data::{check_up, open_daily, osei};
use frontdesk_tests::practice::{Letter, Opening, Practice};
use frontdesk_tests::script::{afterwards, book, find, hold, turn};
use serde_json::{Value, json};

use super::wire::Wire;

const WISH: &str = "I need a check-up, please.";
const YES: &str = "Yes, that is right.";
/// An attempt, well below the wait for the next.
const ATTEMPT: Duration = Duration::from_secs(15);

/// A mail server that takes letters without a password, and where it puts them.
struct Server {
    port: u16,
    letters: PathBuf,
    child: Child,
}

impl Server {
    fn start() -> Self {
        let server = std::env::var("MAIL_SERVER").expect("run tests/proofs/mail/run.sh");
        let letters = PathBuf::from(std::env::var("MAIL_LETTERS").unwrap());
        let mut words = server.split(' ');
        let mut child = Command::new(words.next().unwrap())
            .args(words)
            .arg(&letters)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        // One without TLS, and one that says nothing.
        let ports: Vec<String> = lines.take(2).collect();
        let port = ports.iter().find_map(|line| line.strip_prefix("plain ")?.parse().ok()).expect("a port");
        Self { port, letters, child }
    }

    fn letters_to(&self, who: &str) -> Vec<Letter> {
        let files = std::fs::read_dir(&self.letters).unwrap().map(|file| file.unwrap().path());
        let theirs = files.filter(|path| path.to_str().unwrap().ends_with(&format!("-{who}.eml")));
        theirs.map(|path| Letter::read(&std::fs::read_to_string(path).unwrap()).unwrap()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends when its standard input does.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The server is away when the appointment is made; when it is back it wants the letter later, and then takes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_arrives_once_although_the_mail_server_is_away_and_then_busy() {
    let server = Server::start();
    let wire = Wire::to(server.port).await;
    let anna = json!({ "email": "busy-once@example.org", "email_consent": true });
    let lines = [
        "backend = 'smtp'".to_owned(),
        "from = 'frontdesk@clinic.example'".to_owned(),
        "smtp_host = 'localhost'".to_owned(),
        format!("smtp_port = {}", wire.address.port()),
        "smtp_security = 'none'".to_owned(),
    ];
    let opening = Opening {
        data: [open_daily(), osei(), check_up(&["osei"], "")].concat(),
        exchanges: vec![
            turn(WISH, [find("check-up", json!({})), afterwards(hold(0))], "{find_slots.slots.0.say}?"),
            turn(YES, [book("Anna Rossi", anna)], "{result.say}"),
        ],
        lines: lines.map(|line| ("mail", line)).into(),
        ..Opening::default()
    };
    let practice = Practice::open(opening).await.unwrap();
    wire.cut();
    let told = practice.hears(&[WISH, YES]).await.unwrap();
    assert_eq!(told.outcomes(), ["find_slots: found", "hold_slot: held", "book: booked"]);
    let booked = practice.appointments().await.unwrap();

    // Nobody waits half a minute: a technician has it tried again, first too early.
    let number = failed(&practice, "broke off at the connection").await;
    wire.mend();
    try_again(&practice, &number).await;
    failed(&practice, "answered 451").await;
    assert_eq!(server.letters_to("busy-once").len(), 0);
    try_again(&practice, &number).await;
    assert_eq!(practice.reminders_left().await.unwrap(), 1);

    let letters = server.letters_to("busy-once");
    assert_eq!(letters.len(), 1);
    for line in ["METHOD:REQUEST", &format!("UID:{}", booked[0]["id"].as_str().unwrap())] {
        assert!(letters[0].says(line), "{line} is not in\n{}", letters[0].calendar);
    }
    assert_eq!(practice.log_with(&["Rossi", "busy-once"]), [""; 0]);
}

/// The number of the letter's errand, once an attempt at it has failed for that reason.
async fn failed(practice: &Practice, why: &str) -> Value {
    let is_it = |errand: &&Value| {
        errand["kind"] == "mail"
            && errand["state"] == "waiting"
            && errand["note"].as_str().is_some_and(|note| note.contains(why))
    };
    let letter = |outbox: &Value| outbox["errands"].as_array()?.iter().find(is_it).map(|errand| errand["id"].clone());
    let outbox =
        practice.world.daemon.wait_for_json("/v1/outbox", ATTEMPT, |outbox| letter(outbox).is_some()).await.unwrap();
    letter(&outbox).unwrap()
}

async fn try_again(practice: &Practice, errand: &Value) {
    let (status, answer) = practice.world.daemon.post(&format!("/v1/outbox/{errand}/retry")).await.unwrap();
    assert_eq!(status, 202, "{answer}");
}
