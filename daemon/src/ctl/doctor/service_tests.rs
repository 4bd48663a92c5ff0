use std::fs;

use super::*;
use crate::ctl::doctor::finding::Outcome;

fn unit(changes: &[(&str, &str)]) -> Vec<Finding> {
    let usual = [
        ("LoadState", "loaded"),
        ("ActiveState", "active"),
        ("SubState", "running"),
        ("NRestarts", "0"),
        ("Result", "success"),
        ("UnitFileState", "enabled"),
        ("ExecMainStatus", "0"),
        ("StatusText", "2 calls"),
    ];
    let value = |key: &str, usual: &str| {
        changes
            .iter()
            .find(|(changed, _)| *changed == key)
            .map_or_else(|| usual.to_owned(), |(_, value)| (*value).to_owned())
    };
    let text: Vec<String> = usual.iter().map(|(key, usual)| format!("{key}={}", value(key, usual))).collect();
    judge_unit(&Ok(text.join("\n")))
}

#[test]
fn a_unit_runs_or_it_is_told_why_not() {
    for (changes, outcome, said) in [
        (&[][..], Outcome::Ok, "2 calls"),
        (&[("LoadState", "not-found")], Outcome::Skipped, "no unit"),
        (
            &[("ActiveState", "failed"), ("ExecMainStatus", "78"), ("Result", "exit-code")],
            Outcome::Wrong,
            "refused its configuration",
        ),
        (&[("ActiveState", "failed"), ("Result", "watchdog")], Outcome::Wrong, "watchdog"),
        (&[("ActiveState", "inactive")], Outcome::Wrong, "is not started"),
        (&[("ActiveState", "activating"), ("SubState", "auto-restart")], Outcome::Wrong, "again and again"),
        (&[("NRestarts", "3")], Outcome::Advice, "started again 3 times"),
        (&[("UnitFileState", "disabled")], Outcome::Advice, "unit is disabled"),
    ] {
        let findings = unit(changes);
        assert!(findings[0].outcome == outcome && findings[0].what.contains(said), "{findings:?}");
    }
    assert_eq!(judge_unit(&Err(NoWord::NoProgram))[0].outcome, Outcome::Skipped);
}

#[tokio::test]
async fn a_port_of_somebody_else_is_found() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let look = |found| [("phone", address, found)];
    let findings = judge_ports(&look(port(address).await), false);
    assert!(findings[0].outcome == Outcome::Wrong && findings[0].what.contains("another program"), "{findings:?}");
    assert!(findings[0].fix.as_ref().unwrap().contains(&format!("sport = :{}", address.port())));
    assert_eq!(judge_ports(&look(port(address).await), true)[0].outcome, Outcome::Ok);
    drop(taken);
    assert_eq!(judge_ports(&look(port(address).await), false)[0].outcome, Outcome::Ok);
    let findings = judge_ports(&look(port(address).await), true);
    assert!(findings[0].what.contains("does not listen there"), "{findings:?}");
}

#[test]
fn the_daemons_own_trouble_is_told() {
    let path = "/run/frontdesk/control.sock".into();
    let asked = Err(CtlError::NotRunning { path });
    assert_eq!(judge_daemon(&asked)[0].fix.as_deref(), Some("sudo systemctl start frontdeskd"));
    assert_eq!(judge_outbox(&asked)[0].outcome, Outcome::Skipped);
}

/// A process as proc(5) shows it.
fn process(limit: &str, policy: u32) -> (tempfile::TempDir, System) {
    let root = tempfile::tempdir().unwrap();
    let proc = root.path().join("proc/4711");
    fs::create_dir_all(proc.join("task/4712")).unwrap();
    fs::write(proc.join("comm"), "frontdeskd\n").unwrap();
    let limits = format!(
        "Limit                     Soft Limit           Hard Limit           Units\nMax realtime priority     {limit}                   {limit}\n"
    );
    fs::write(proc.join("limits"), limits).unwrap();
    let zeros = |many| vec!["0"; many].join(" ");
    let stat = format!("4712 (desk (audio) S {} 20 {policy} {}", zeros(36), zeros(10));
    fs::write(proc.join("task/4712/stat"), stat).unwrap();
    let system = System::below(root.path());
    (root, system)
}

#[test]
fn real_time_is_granted_or_it_is_told_why_not() {
    for (limit, policy, desk, outcome, said) in [
        ("20", 1, DeskWord::Ready, Outcome::Ok, "desk (audio runs at real-time priority 20"),
        ("20", 0, DeskWord::Ready, Outcome::Wrong, "RestrictRealtime"),
        ("0", 0, DeskWord::Ready, Outcome::Wrong, "LimitRTPRIO=20 is missing"),
        ("0", 0, DeskWord::Absent, Outcome::Advice, "LimitRTPRIO=20 is missing"),
        ("20", 0, DeskWord::Absent, Outcome::Ok, "up to priority 20"),
        ("20", 0, DeskWord::Off, Outcome::Skipped, "without a speakerphone"),
    ] {
        let (_root, system) = process(limit, policy);
        let findings = judge_real_time(&look_at_real_time(&system), Some(desk));
        assert!(
            findings[0].outcome == outcome && findings[0].what.contains(said),
            "{limit} {policy} {desk:?}: {findings:?}"
        );
    }
    let nobody = System::below(std::path::Path::new("/no/such/folder"));
    assert_eq!(judge_real_time(&look_at_real_time(&nobody), None)[0].outcome, Outcome::Skipped);
}
