//! `service`, `daemon`, `ports` and `realtime`: the daemon as a process, and what it says of itself.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use super::finding::{Finding, count};
use super::system::{self, NoWord, System, property};
use crate::config::Config;
use crate::ctl::CtlError;
use crate::http::reply::{DeskWord, GoogleState, Health, HealthStatus, StoreState};

const UNIT: &str = "frontdeskd";
const CONNECTS_WITHIN: Duration = Duration::from_secs(2);
/// As in `main.rs`: the configuration is wrong.
const EX_CONFIG: &str = "78";
const JOURNAL: &str = "journalctl -u frontdeskd -b -n 30 --no-pager";

/// What systemd says of the unit.
pub(super) async fn look_at_unit() -> Result<String, NoWord> {
    let properties = "LoadState,ActiveState,SubState,NRestarts,Result,UnitFileState,ExecMainStatus,StatusText";
    system::ask("systemctl", &["show", UNIT, "--property", properties]).await
}

/// The check `service`.
pub(super) fn judge_unit(said: &Result<String, NoWord>) -> Vec<Finding> {
    let text = match said {
        Ok(text) => text,
        Err(why) => return vec![Finding::skipped(format!("systemd does not tell of its units here ({why})"))],
    };
    let get = |key| property(text, key).unwrap_or_default();
    if get("LoadState") == "not-found" || get("LoadState").is_empty() {
        return vec![Finding::skipped("there is no unit frontdeskd.service on this machine")];
    }
    if get("LoadState") != "loaded" {
        return vec![Finding::wrong(
            "the unit of frontdeskd cannot be used",
            "systemd-analyze verify frontdeskd.service",
        )];
    }
    let restarts: u64 = get("NRestarts").parse().unwrap_or(0);
    let mut findings = Vec::new();
    match (get("ActiveState"), get("Result"), get("ExecMainStatus")) {
        (_, _, EX_CONFIG) if get("ActiveState") != "active" => {
            findings.push(Finding::wrong(
                "the daemon has refused its configuration, and is not started again",
                "sudo frontdeskd check",
            ));
        }
        ("active", _, _) if restarts > 0 => {
            let times = if restarts == 1 { "once".to_owned() } else { count(restarts, "time") };
            findings.push(Finding::advice(
                format!("the daemon had to be started again {times} since somebody started it"),
                JOURNAL,
            ));
        }
        ("active", _, _) => {}
        ("activating" | "reloading", _, _) if get("SubState") == "auto-restart" => {
            findings.push(Finding::wrong(format!("the daemon ends again and again ({})", get("Result")), JOURNAL));
        }
        ("activating" | "reloading" | "deactivating", _, _) => {
            findings.push(Finding::advice(
                format!("the daemon is {} just now", get("ActiveState")),
                "systemctl status frontdeskd",
            ));
        }
        (_, "watchdog", _) => {
            findings.push(Finding::wrong("the daemon stood still and was ended by the watchdog", JOURNAL));
        }
        ("failed", why, _) => findings.push(Finding::wrong(format!("the daemon has failed ({why})"), JOURNAL)),
        _ => findings.push(Finding::wrong("the daemon is not started", "sudo systemctl start frontdeskd")),
    }
    if matches!(get("UnitFileState"), "disabled" | "masked") {
        let what = format!("the unit is {}: after the next start of the box there is no daemon", get("UnitFileState"));
        let unmask = if get("UnitFileState") == "masked" { "sudo systemctl unmask frontdeskd && " } else { "" };
        findings.push(Finding::advice(what, format!("{unmask}sudo systemctl enable frontdeskd")));
    }
    if findings.is_empty() {
        let status = get("StatusText");
        findings.push(Finding::ok(if status.is_empty() { "it runs" } else { status }));
    }
    findings
}

/// What came of asking the daemon how it is.
pub(super) type Asked = Result<Health, CtlError>;

/// The check `daemon`.
pub(super) fn judge_daemon(asked: &Asked) -> Vec<Finding> {
    let health = match asked {
        Ok(health) => health,
        Err(error @ CtlError::NotAllowed { .. }) => {
            return vec![Finding::skipped_but(error.to_string(), "sudo frontdeskctl doctor")];
        }
        Err(error @ CtlError::Refused { .. }) => return vec![Finding::skipped(error.to_string())],
        Err(error @ CtlError::Silent { .. }) => {
            return vec![Finding::wrong(
                format!("the daemon does not answer: {error}"),
                "sudo systemctl restart frontdeskd",
            )];
        }
        Err(error) => return vec![Finding::wrong(error.to_string(), "sudo systemctl start frontdeskd")],
    };
    let mut findings = Vec::new();
    if health.gemini.state == "down" {
        let why = health.gemini.why.as_deref().unwrap_or("it could not be used");
        let what = format!("Gemini is down for the daemon ({why}): callers go to the desk or to the fallback");
        findings.push(Finding::wrong(what, "frontdeskctl doctor --deep --only gemini-tls,gemini-key"));
    }
    if health.store.state != StoreState::Ok {
        let why = health.store.why.as_deref().unwrap_or("its file cannot be used as it should");
        findings.push(Finding::wrong(format!("the record of calls: {why}"), JOURNAL));
    }
    if let Some(why) = &health.calendar.why {
        findings.push(Finding::wrong(why, JOURNAL));
    }
    if health.google.state.needs_somebody() && health.google.state != GoogleState::Unused {
        findings.push(Finding::wrong("access to Google does not work", "frontdeskctl google status"));
    }
    if health.status == HealthStatus::Draining {
        findings.push(Finding::advice(
            "no new calls are taken: somebody has drained it",
            "sudo systemctl restart frontdeskd",
        ));
    }
    if findings.is_empty() {
        let calls = count(health.active_calls as u64, "call");
        findings.push(Finding::ok(format!(
            "frontdeskd {} answers; {calls}; Gemini {}",
            health.version, health.gemini.state
        )));
    }
    findings
}

/// The check `outbox`.
pub(super) fn judge_outbox(asked: &Asked) -> Vec<Finding> {
    let Ok(health) = asked else { return vec![Finding::skipped("only a running daemon knows")] };
    vec![match (&health.outbox.why, health.outbox.dead) {
        (None, _) => Finding::ok(format!("{} waiting", count(health.outbox.waiting, "errand"))),
        (Some(why), 0) => Finding::wrong(why, "frontdeskctl outbox list"),
        (Some(why), _) => {
            Finding::wrong(why, "frontdeskctl outbox list --dead; then: frontdeskctl outbox retry --dead")
        }
    }]
}

/// How a port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    /// Somebody listens.
    Open,
    /// Nobody does, and the daemon could.
    Free,
    /// Nobody does, and the daemon could not: for this reason.
    Refused(ErrorKind),
}

/// Looks at the places where the daemon listens, or would.
pub(super) async fn look_at_ports(config: &Config) -> Vec<(&'static str, SocketAddr, Port)> {
    let mut ports = Vec::new();
    for (section, address) in [("phone", config.phone.listen), ("admin", config.admin.listen)] {
        // Any free port: which it is only the daemon knows.
        if address.port() != 0 {
            ports.push((section, address, port(address).await));
        }
    }
    ports
}

async fn port(address: SocketAddr) -> Port {
    let mut reachable = address;
    if address.ip().is_unspecified() {
        reachable.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    let connecting = tokio::net::TcpStream::connect(reachable);
    if matches!(tokio::time::timeout(CONNECTS_WITHIN, connecting).await, Ok(Ok(_))) {
        return Port::Open;
    }
    match tokio::net::TcpListener::bind(address).await {
        Ok(_) => Port::Free,
        Err(error) => Port::Refused(error.kind()),
    }
}

/// The check `ports`; `runs` says whether the daemon does.
pub(super) fn judge_ports(ports: &[(&'static str, SocketAddr, Port)], runs: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (section, address, port) in ports {
        let who = format!("sudo ss -ltnp 'sport = :{}'", address.port());
        let key = format!("[{section}] listen = \"{address}\"");
        match (port, runs) {
            (Port::Open, true) | (Port::Free, false) => {}
            (Port::Open, false) | (Port::Refused(ErrorKind::AddrInUse), _) => {
                findings.push(Finding::wrong(format!("{key}: another program has that port"), who));
            }
            (Port::Free, true) => {
                let what = format!(
                    "{key}: the daemon runs and does not listen there; the configuration was changed since its start"
                );
                findings.push(Finding::wrong(what, "sudo systemctl restart frontdeskd"));
            }
            (Port::Refused(ErrorKind::PermissionDenied), _) if address.port() < 1_024 && !runs => {
                let fix = "sudo systemctl edit frontdeskd  (AmbientCapabilities= and CapabilityBoundingSet=CAP_NET_BIND_SERVICE)";
                findings.push(Finding::advice(format!("{key}: a port below 1024 needs a permission"), fix));
            }
            (Port::Refused(kind), _) => {
                findings.push(Finding::wrong(format!("{key}: nothing can listen there ({kind})"), "ip address"));
            }
        }
    }
    if findings.is_empty() {
        findings.push(match (ports.len(), runs) {
            (0, _) => Finding::skipped("the configuration leaves the ports to the system"),
            (_, true) => Finding::ok("the daemon listens where it should"),
            (_, false) => Finding::ok("the ports are free for the daemon"),
        });
    }
    findings
}

/// What is known of the daemon's real-time threads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct RealTime {
    /// The process; `None` when it cannot be seen.
    pub(super) pid: Option<u32>,
    /// `LimitRTPRIO=`
    pub(super) limit: Option<u64>,
    /// Its threads under `SCHED_FIFO`, each with its priority.
    pub(super) fifo: Vec<(String, u32)>,
}

/// Reads `/proc`.
pub(super) fn look_at_real_time(system: &System) -> RealTime {
    let named = |pid: &String| system.read(&format!("/proc/{pid}/comm")).is_ok_and(|name| name == UNIT);
    let pids = system.list("/proc").into_iter().filter(|name| name.bytes().all(|b| b.is_ascii_digit()));
    let Some(pid) = pids.into_iter().find(named) else { return RealTime::default() };
    let limits = system.read(&format!("/proc/{pid}/limits")).unwrap_or_default();
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max realtime priority")?.split_whitespace().next());
    let threads = system.list(&format!("/proc/{pid}/task"));
    let fifo = threads.iter().filter_map(|thread| fifo(&system.read(&format!("/proc/{pid}/task/{thread}/stat")).ok()?));
    RealTime { pid: pid.parse().ok(), limit: limit.and_then(|limit| limit.parse().ok()), fifo: fifo.collect() }
}

/// proc(5): behind the name in brackets the fields 3, 4, …; 40 is the real-time priority, 41 the policy.
fn fifo(stat: &str) -> Option<(String, u32)> {
    const SCHED_FIFO: &str = "1";
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let (priority, policy) = (fields.get(37)?, fields.get(38)?);
    (*policy == SCHED_FIFO).then(|| (name.to_owned(), priority.parse().unwrap_or(0)))
}

/// The check `realtime`.
pub(super) fn judge_real_time(facts: &RealTime, desk: Option<DeskWord>) -> Vec<Finding> {
    if desk == Some(DeskWord::Off) {
        return vec![Finding::skipped("without a speakerphone nothing asks for real time")];
    }
    if facts.pid.is_none() {
        return vec![Finding::skipped("no running frontdeskd can be seen from here")];
    }
    if let Some((name, priority)) = facts.fifo.iter().max_by_key(|(_, priority)| *priority) {
        return vec![Finding::ok(format!("the thread {name} runs at real-time priority {priority}"))];
    }
    let fix = "sudo systemctl revert frontdeskd && sudo systemctl restart frontdeskd";
    vec![match (facts.limit, desk) {
        (Some(0), Some(DeskWord::Ready)) => Finding::wrong(
            "sound has no real-time priority, since the unit allows none (LimitRTPRIO=20 is missing)",
            fix,
        ),
        (Some(0), _) => {
            Finding::advice("the unit allows no real-time priority (LimitRTPRIO=20 is missing): sound may stutter", fix)
        }
        (_, Some(DeskWord::Ready)) => Finding::wrong(
            "sound has no real-time priority, though its limit would allow it: RestrictRealtime= or the kernel refuses it",
            "systemctl show frontdeskd -p RestrictRealtime -p SystemCallFilter | head -n 2; zcat /proc/config.gz | grep RT_GROUP_SCHED",
        ),
        (Some(limit), _) => {
            Finding::ok(format!("real time is allowed up to priority {limit}; no speakerphone is open now"))
        }
        (None, _) => {
            Finding::skipped_but("the limits of the daemon cannot be seen", "sudo frontdeskctl doctor --only realtime")
        }
    }]
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
