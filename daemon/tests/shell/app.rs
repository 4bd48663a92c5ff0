//! The whole daemon, as its composition root builds it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use frontdeskd::app::{App, StopSignal, Surroundings};
use frontdeskd::clock::Clock;
use frontdeskd::config::{self, Config};
use frontdeskd::gate::Sources;
use frontdeskd::notify::Notifier;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::fakes::certificates;
use super::twilio::{CALL, OTHER, encode, exchange, post_text, sign, voice};
use super::world::{ACCOUNT, PUBLIC_URL, TOKEN};

struct Stop(CancellationToken);

impl StopSignal for Stop {
    async fn wait(&mut self) -> &'static str {
        self.0.cancelled().await;
        "the test"
    }
}

/// With everything of its own in `home`, but for a store at `store`.
fn config(home: &Path, store: &Path) -> Config {
    config_with(home, store, "")
}

/// The same, and `more`.
fn config_with(home: &Path, store: &Path, more: &str) -> Config {
    std::fs::write(home.join("ca.pem"), certificates().ca).unwrap();
    let text = format!(
        "[clinic]\nname = \"Riverside Clinic\"\ntime_zone = \"UTC\"\n\
         [gemini]\nendpoint = \"ws://127.0.0.1:1\"\nca_file = \"ca.pem\"\n\
         [phone]\nlisten = \"127.0.0.1:0\"\npublic_url = \"{PUBLIC_URL}\"\nnumber = \"+15550100100\"\ndrain_seconds = 0\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[control]\nsocket = '{}'\n[store]\npath = '{}'\n{more}",
        home.join("control.sock").display(),
        store.display(),
    );
    std::fs::write(home.join("config.toml"), text).unwrap();
    let client = home.join("client.json").display().to_string();
    std::fs::write(&client, r#"{"installed":{"client_id":"an-id","client_secret":"made-up"}}"#).unwrap();
    let secrets = [
        ("GEMINI_API_KEY", "a-key"),
        ("TWILIO_ACCOUNT_SID", ACCOUNT),
        ("TWILIO_AUTH_TOKEN", TOKEN),
        ("GOOGLE_OAUTH_CLIENT", &client),
    ];
    let secret = |name: &str| secrets.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    config::load(&home.join("config.toml"), &secret).unwrap().config
}

/// The body of what the admin listener answers.
async fn get(admin: SocketAddr, path: &str) -> String {
    exchange(admin, &format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n")).await.body
}

/// Twilio announces a call. The body of the answer.
async fn call(public: SocketAddr, sid: &str) -> String {
    let form = voice(sid);
    let signature = sign(TOKEN, &format!("{PUBLIC_URL}/twilio/voice"), &form);
    let header = format!("X-Twilio-Signature: {signature}\r\n");
    exchange(public, &post_text("/twilio/voice", &header, &encode(&form))).await.body
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_does_not_keep_the_phone_from_being_answered() {
    let home = tempfile::tempdir().unwrap();
    let app =
        App::start(config(home.path(), &home.path().join("missing/calls.db")), Notifier::from_environment(&|_| None));
    let app = app.await.unwrap();
    let (public, admin, stop) = (app.public, app.admin, CancellationToken::new());
    let asking = async {
        let answer = call(public, CALL).await;
        assert!(answer.contains("<Connect>"), "{answer}");

        let health: serde_json::Value = serde_json::from_str(&get(admin, "/health").await).unwrap();
        assert_eq!((health["status"].as_str(), health["store"]["state"].as_str()), (Some("degraded"), Some("memory")));
        assert!(get(admin, "/metrics").await.contains("\nfrontdesk_store_in_memory 1\n"));
        assert!(get(admin, &format!("/v1/calls/{CALL}")).await.contains("+15550100"), "kept as long as it runs");
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(app.run(Stop(stop.clone())), asking);
    ended.unwrap();
}

#[tokio::test]
async fn a_login_that_nobody_has_made_yet_is_missed_where_people_look() {
    let home = tempfile::tempdir().unwrap();
    let more = "[google]\nlogin = \"user\"\nendpoint = \"http://127.0.0.1:1\"\n";
    let config = config_with(home.path(), &home.path().join("calls.db"), more);
    let app = App::start(config, Notifier::from_environment(&|_| None)).await.unwrap();
    let (admin, stop) = (app.admin, CancellationToken::new());
    let asking = async {
        let health = async || serde_json::from_str::<serde_json::Value>(&get(admin, "/health").await).unwrap();
        // The file is looked for in a task of its own.
        while health().await["google"]["state"] == "unknown" {
            tokio::task::yield_now().await;
        }
        let health = health().await;
        assert_eq!((&health["status"], &health["google"]["state"]), (&"degraded".into(), &"needs_consent".into()));
        assert!(health["google"]["why"].as_str().unwrap().contains("run frontdeskctl google login"), "{health}");
        let report: serde_json::Value = serde_json::from_str(&get(admin, "/v1/google").await).unwrap();
        assert_eq!(report["who"]["client_id"], "an-id");
        assert_eq!(report["who"]["page"], "http://127.0.0.1:1/o/oauth2/v2/auth");
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(app.run(Stop(stop.clone())), asking);
    ended.unwrap();
}

/// What the clock of the machine below shows, in seconds.
static CLOCK: AtomicI64 = AtomicI64::new(200);

fn machine() -> Clock {
    Clock::at(Instant::now(), Timestamp::from_second(CLOCK.load(Ordering::Relaxed)).unwrap())
}

/// A box comes up in 1970: callers reach a human at once, the record of the call is not older than the program, and once
/// the clock is set the agent answers without anybody's doing.
#[tokio::test]
async fn a_box_that_comes_up_in_1970_sends_callers_on_until_its_clock_is_set() {
    let home = tempfile::tempdir().unwrap();
    let time = Sources { machine, synchronized: home.path().join("synchronized") };
    let around = Surroundings { time, ..Notifier::from_environment(&|_| None).into() };
    let app = App::start(config(home.path(), &home.path().join("calls.db")), around).await.unwrap();
    let (public, admin, stop) = (app.public, app.admin, CancellationToken::new());
    let asking = async {
        let answer = call(public, CALL).await;
        assert!(answer.contains("<Record") && !answer.contains("<Connect>"), "{answer}");
        let health = async || serde_json::from_str::<serde_json::Value>(&get(admin, "/health").await).unwrap();
        let waiting = health().await;
        assert_eq!((&waiting["status"], &waiting["gemini"]["state"]), (&"degraded".into(), &"waiting".into()));
        assert_eq!(waiting["gemini"]["why"], "the machine's clock is not set");
        let record: serde_json::Value = serde_json::from_str(&get(admin, &format!("/v1/calls/{CALL}")).await).unwrap();
        assert_eq!(record["end_reason"], "not taken: clock-not-set");
        assert!(record["started_at"].as_str().unwrap() >= "2026-11-01", "{record}");

        CLOCK.store(Timestamp::now().as_second(), Ordering::Relaxed);
        while health().await["gemini"]["state"] == "waiting" {
            tokio::task::yield_now().await;
        }
        let answer = call(public, OTHER).await;
        assert!(answer.contains("<Connect>"), "{answer}");
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(app.run(Stop(stop.clone())), asking);
    ended.unwrap();
    let known = std::fs::read_to_string(home.path().join("last-known-time")).unwrap();
    assert!(known.starts_with("20"), "{known}");
}

/// Somebody else has the port for people: the phone is answered all the same, and it is told where it can be seen.
#[tokio::test]
async fn a_taken_admin_port_does_not_keep_the_phone_from_being_answered() {
    let home = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config(home.path(), &home.path().join("calls.db"));
    config.admin.listen = taken.local_addr().unwrap();
    let app = App::start(config, Notifier::from_environment(&|_| None)).await.unwrap();
    let (public, admin, stop) = (app.public, app.admin, CancellationToken::new());
    let asking = async {
        assert!(call(public, CALL).await.contains("<Connect>"));
        drop(taken);
        // Its owner gone, the port is taken within two seconds.
        while tokio::net::TcpStream::connect(admin).await.is_err() {
            tokio::task::yield_now().await;
        }
        let health: serde_json::Value = serde_json::from_str(&get(admin, "/health").await).unwrap();
        assert_eq!(health["shut"], serde_json::json!([]));
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(app.run(Stop(stop.clone())), asking);
    ended.unwrap();
}
