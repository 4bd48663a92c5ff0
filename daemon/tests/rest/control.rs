//! The control socket.

use frontdeskd::http::reply::HealthStatus;

use crate::world::{RUNNING, World, ask_control};

#[tokio::test]
async fn the_daemons_own_user_may_ask_everything() {
    let mut world = World::new(HealthStatus::Ok);
    let path = world.control();
    assert_eq!(ask_control(&path, "GET /health").await.status, 200);
    assert_eq!(ask_control(&path, "GET /v1/calls").await.json()["calls"].as_array().unwrap().len(), 3);
    assert_eq!(ask_control(&path, &format!("DELETE /v1/calls/{RUNNING}")).await.status, 202);
    assert_eq!(ask_control(&path, "GET /nothing").await.failure(), (404, "no_such_path".to_owned()));
}

#[tokio::test]
async fn draining_is_asked_here() {
    let mut world = World::new(HealthStatus::Ok);
    let path = world.control();
    let answer = ask_control(&path, "POST /v1/drain").await;
    assert_eq!((answer.status, answer.json()["active_calls"].as_u64()), (202, Some(1)));
    assert!(*world.calls.drained.lock().unwrap());
}

/// Somebody else's program, without any group of ours.
fn stranger() -> tokio::process::Command {
    let mut command = tokio::process::Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "curl", "--silent"]);
    command
}

/// Only root can become somebody else: run by another user, or without setpriv and curl, this shows nothing.
#[tokio::test]
async fn a_stranger_is_refused() {
    let can_become = stranger().arg("--version").output().await;
    if !can_become.is_ok_and(|output| output.status.success()) {
        return;
    }
    let mut world = World::new(HealthStatus::Ok);
    let path = world.control();
    let asked = stranger()
        .args(["--write-out", "%{http_code}", "--unix-socket"])
        .arg(&path)
        .arg("http://control/v1/calls")
        .output()
        .await
        .unwrap();
    let said = String::from_utf8(asked.stdout).unwrap();
    assert!(said.contains("not_a_member") && said.ends_with("403"), "{said}");
}
