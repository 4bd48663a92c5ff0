//! The technician's tool, run as a program.

use std::path::Path;
use std::process::Output;

use frontdeskd::http::reply::HealthStatus;

use crate::world::{OVER, RUNNING, UNKNOWN, World, sid};

const TOKEN: &str = "s3cret-token";

async fn ctl(arguments: &[&str], token: Option<&str>) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_frontdeskctl"));
    command.args(arguments).env_remove("FRONTDESK_SOCKET").env_remove("FRONTDESK_ADMIN_TOKEN").env("TZ", "UTC");
    if let Some(token) = token {
        command.env("FRONTDESK_ADMIN_TOKEN", token);
    }
    command.output().await.unwrap()
}

/// Exit status, output and complaint of a run against the control socket.
pub(crate) async fn by_socket(socket: &Path, arguments: &str) -> (i32, String, String) {
    let socket = ["--socket", socket.to_str().unwrap()];
    let arguments: Vec<&str> = socket.into_iter().chain(arguments.split(' ')).collect();
    parts(ctl(&arguments, None).await)
}

fn parts(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn status_shows_the_daemon_and_who_is_on_the_phone() {
    let mut world = World::new(HealthStatus::Ok);
    let socket = world.control();
    let (code, out, err) = by_socket(&socket, "status").await;
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.starts_with("frontdeskd  1.2.3, ok\nup          0:05\ncalls       1 of 50\nGemini      up since "),
        "{out}"
    );
    let row = out.lines().find(|line| line.starts_with(RUNNING)).unwrap();
    assert!(row.contains("+1555•••0200") && row.contains("replying") && row.ends_with(" 2"), "{row}");
    let (code, out, _) = by_socket(&socket, "status --json").await;
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["health"]["status"], &json["calls"][0]["call_sid"]), (0, &"ok".into(), &RUNNING.into()));
}

#[tokio::test]
async fn status_says_where_records_are_kept() {
    for (condition, word) in [(HealthStatus::Ok, "records     all kept\n"), (HealthStatus::Degraded, "in memory only")]
    {
        let mut world = World::new(condition);
        let socket = world.control();
        let (_, out, _) = by_socket(&socket, "status").await;
        assert!(out.contains(word), "{out}");
    }
}

#[tokio::test]
async fn calls_are_listed_shown_and_ended() {
    let mut world = World::new(HealthStatus::Ok);
    let socket = world.control();
    let (code, out, _) = by_socket(&socket, "calls --limit 2").await;
    assert_eq!(code, 0);
    assert!(out.contains(RUNNING) && !out.contains(OVER) && !out.contains("+15550100200"), "{out}");
    let older = out.lines().last().unwrap().strip_prefix("older calls: ").unwrap().to_owned();
    let (_, out, _) = by_socket(&socket, &format!("calls list {older}")).await;
    assert!(out.contains(OVER) && out.contains("agent-ended") && !out.contains(RUNNING), "{out}");

    let (code, out, _) = by_socket(&socket, &format!("calls show {OVER}")).await;
    assert_eq!(code, 0);
    assert!(out.contains("caller    +1555•••0200\n"), "{out}");
    assert!(out.contains(&format!("log       journalctl -u frontdeskd CALL_SID={OVER}\n")), "{out}");
    assert!(out.ends_with("\n\n14:14:20  caller  I need an appointment.\n"), "{out}");

    let (code, out, _) = by_socket(&socket, &format!("calls end {RUNNING}")).await;
    assert_eq!((code, out), (0, format!("the call {RUNNING} is being ended\n")));
    assert_eq!(*world.calls.ended.lock().unwrap(), [sid(RUNNING)]);
    let (code, out, err) = by_socket(&socket, &format!("calls end {OVER}")).await;
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.starts_with(&format!("frontdeskctl: the call {OVER} is over since ")), "{err}");
    assert_eq!(by_socket(&socket, &format!("calls show {UNKNOWN}")).await.0, 1);
}

#[tokio::test]
async fn health_is_a_word_and_an_exit_status() {
    for (condition, word, code) in [(HealthStatus::Ok, "ok\n", 0), (HealthStatus::Degraded, "degraded\n", 1)] {
        let mut world = World::new(condition);
        let socket = world.control();
        assert_eq!(by_socket(&socket, "health").await, (code, word.to_owned(), String::new()));
    }
}

#[tokio::test]
async fn metrics_and_drain_are_passed_on() {
    let mut world = World::new(HealthStatus::Ok);
    let socket = world.control();
    assert!(by_socket(&socket, "metrics").await.1.ends_with("# EOF\n"));
    let (code, out, _) = by_socket(&socket, "drain").await;
    assert_eq!((code, out.as_str()), (0, "no new calls are taken; 1 call is still running\n"));
    assert!(*world.calls.drained.lock().unwrap());
}

#[tokio::test]
async fn the_admin_listener_is_asked_with_a_token() {
    let mut world = World::new(HealthStatus::Ok);
    let admin = world.admin(Some(TOKEN)).await;
    let url = format!("http://{}", admin.0);
    let (code, out, _) = parts(ctl(&["--url", &url, "calls"], Some(TOKEN)).await);
    assert!(code == 0 && out.contains(RUNNING), "{out}");
    let (code, out, err) = parts(ctl(&["--url", &url, "calls"], Some("wrong")).await);
    assert_eq!((code, out.as_str()), (4, ""));
    assert!(err.contains("not the admin token") && !err.contains("wrong\n"), "{err}");
    assert_eq!(parts(ctl(&["--url", &url, "status"], None).await).0, 4);
    assert_eq!(parts(ctl(&["--url", &url, "health"], None).await).0, 0, "health is open");
}

#[tokio::test]
async fn a_daemon_that_is_not_there_is_told_with_what_would_help() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("control.sock");
    let (code, out, err) = by_socket(&socket, "status").await;
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(err.contains("systemctl status frontdeskd") && err.contains("--socket"), "{err}");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert_eq!(by_socket(&socket, "health").await.0, 3, "left behind by a crash");
    assert_eq!(parts(ctl(&["--url", "http://desk.lan", "health"], Some(TOKEN)).await).0, 2);
}

#[tokio::test]
async fn a_test_of_the_desk_says_what_is_wrong_and_fails_when_something_is() {
    let mut world = World::new(HealthStatus::Ok);
    let socket = world.control();
    let (code, out, err) = by_socket(&socket, "desk test").await;
    assert_eq!((code, err.as_str()), (1, ""));
    assert!(out.starts_with("testing for 8 seconds"), "nobody watches a bar here: {out}");
    for line in [
        "loop delay   81.2 ms, 61.2 of them in the device and the air; certainty 0.88",
        "echo         6.0 dB below what was played; cancelled by us; 31.5 dB of it taken away",
        "rates        microphone 16400 Hz (announced: 16000), loudspeaker 48000 Hz announced, not measured yet",
        "USB          12 Mbit/s, behind 480",
        "WRONG   this is what rate_lies is\n        -> buy another\nwell    this is what canceller_works is",
    ] {
        assert!(out.contains(&format!("{line}\n")), "{line:?} is not in\n{out}");
    }
    let (code, out, _) = by_socket(&socket, "desk test --json").await;
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["findings"][0]["severity"], &json["well"]), (1, &"fault".into(), &false.into()));
}
