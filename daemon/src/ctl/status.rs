//! `status`, `health`, `metrics` and `drain`: the daemon as a whole.

use std::io::IsTerminal as _;
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde_json::json;

use super::client::Client;
use super::show::{between, plain, span, table, time};
use super::{CtlError, Verdict, View};
use crate::http::reply::{
    CallList, ConfigHealth, Draining, GoogleState, Health, HealthStatus, ListedCall, OutboxHealth, StoreHealth,
    StoreState,
};

const WATCH_EVERY: Duration = Duration::from_secs(2);
/// Home, and clear what is below.
const REDRAW: &str = "\x1b[H\x1b[J";

/// Shows how the daemon is, and the calls that are running.
pub(super) async fn once(client: &Client, view: &mut View<'_>) -> Result<Verdict, CtlError> {
    let health = ask_health(client).await?;
    let calls: CallList = client.ask(Method::GET, "/v1/calls?active=true&limit=500").await?.json()?;
    if view.json {
        view.line(json!({ "health": health, "calls": calls.calls }))?;
    } else {
        view.line(overview(&health, view))?;
        if !calls.calls.is_empty() {
            view.line("")?;
            view.line(running(&calls.calls, view))?;
        }
    }
    view.out.flush()?;
    Ok(verdict(&health))
}

/// The same again and again. A daemon that is restarted meanwhile is waited for.
pub(super) async fn watch(client: &Client, view: &mut View<'_>) -> Result<Verdict, CtlError> {
    let redraw = !view.json && std::io::stdout().is_terminal();
    let mut ticks = tokio::time::interval(WATCH_EVERY);
    loop {
        ticks.tick().await;
        if redraw {
            write!(view.out, "{REDRAW}")?;
        }
        match once(client, view).await {
            Ok(_) => {}
            Err(away @ (CtlError::NotRunning { .. } | CtlError::Unreachable { .. } | CtlError::Silent { .. })) => {
                view.line(away)?;
                view.out.flush()?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Says it in one word.
pub(super) async fn health(client: &Client, view: &mut View<'_>) -> Result<Verdict, CtlError> {
    let health = ask_health(client).await?;
    if view.json {
        view.line(json!(health))?;
    } else {
        view.line(health.status.as_str())?;
    }
    Ok(verdict(&health))
}

/// Prints the counters.
pub(super) async fn metrics(client: &Client, view: &mut View<'_>) -> Result<Verdict, CtlError> {
    let answer = client.ask(Method::GET, "/metrics").await?;
    view.out.write_all(answer.text()?.as_bytes())?;
    Ok(Verdict::Well)
}

/// Takes no new calls.
pub(super) async fn drain(client: &Client, view: &mut View<'_>) -> Result<Verdict, CtlError> {
    let answer = client.ask(Method::POST, "/v1/drain").await?;
    let draining: Draining = answer.json()?;
    if view.json {
        view.line(answer.text()?)?;
    } else {
        view.line(match draining.active_calls {
            0 => "no new calls are taken; none is running".to_owned(),
            1 => "no new calls are taken; 1 call is still running".to_owned(),
            many => format!("no new calls are taken; {many} calls are still running"),
        })?;
    }
    Ok(Verdict::Well)
}

/// Health is an answer also when it is bad.
async fn ask_health(client: &Client) -> Result<Health, CtlError> {
    let answer = client.ask_any(Method::GET, "/health").await?;
    match answer.json() {
        Ok(health) => Ok(health),
        Err(odd) => Err(answer.unless_failed().err().unwrap_or(odd)),
    }
}

fn verdict(health: &Health) -> Verdict {
    match health.status {
        HealthStatus::Ok => Verdict::Well,
        HealthStatus::Degraded | HealthStatus::Draining => Verdict::Unwell,
    }
}

fn overview(health: &Health, view: &View<'_>) -> String {
    let (gemini, desk) = (&health.gemini, &health.desk);
    let why = gemini.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    let gemini = match gemini.state.as_str() {
        // Nothing is asked of it while nobody calls.
        "unknown" => format!("not known since {}", time(gemini.since, view.zone)),
        known => format!("{known} since {}{why}", time(gemini.since, view.zone)),
    };
    let standby = if desk.standing_by { ", standing by" } else { "" };
    let mut lines = vec![
        format!("frontdeskd  {}, {}", health.version, health.status.as_str()),
        format!("up          {}", span(Duration::from_secs(health.uptime_s))),
        format!("calls       {} of {}", health.active_calls, health.max_calls),
        format!("Gemini      {gemini}"),
        format!("records     {}", records(&health.store)),
        format!(
            "desk        {}{}",
            super::desk::device(desk.state, desk.device.as_deref(), desk.why.as_deref()),
            standby
        ),
        format!("outbox      {}", outbox(&health.outbox)),
        format!("calendars   {}", health.calendar.why.as_deref().map_or_else(|| "no trouble".to_owned(), plain)),
    ];
    if health.google.state != GoogleState::Unused {
        lines.push(format!("Google      {}", super::google::state(&health.google)));
    }
    lines.extend(settings(&health.config).map(|words| format!("settings    {words}")));
    lines.extend(health.shut.iter().map(|address| format!("waits for   {} (another program has it)", plain(address))));
    lines.join("\n")
}

/// What of the written configuration is not in force; nothing if all of it is.
fn settings(config: &ConfigHealth) -> Option<String> {
    let refused = config.refused.as_deref().map(|complaints| match complaints {
        [only] => format!("not read again, the ones of before hold: {}", plain(only)),
        _ => format!("not read again, the ones of before hold: {} mistakes (frontdeskd check)", complaints.len()),
    });
    let waiting = (!config.needs_restart.is_empty())
        .then(|| format!("some wait for a restart: {}", plain(&config.needs_restart.join(", "))));
    let words: Vec<String> = refused.into_iter().chain(waiting).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// Where they are, and what was lost of them; why is in the log.
fn records(store: &StoreHealth) -> String {
    let place = match store.state {
        StoreState::Ok => None,
        StoreState::Behind => Some(format!("{} wait: the disk takes nothing", store.waiting)),
        StoreState::Afresh => {
            Some(store.why.clone().unwrap_or_else(|| "in a new file: the old one was damaged".to_owned()))
        }
        StoreState::Damaged => Some("in a damaged file: restart the daemon, which saves what can be read".to_owned()),
        StoreState::Memory => Some("in memory only, until the daemon stops: its file cannot be used".to_owned()),
    };
    let lost =
        (store.dropped + store.failed > 0).then(|| format!("{} dropped, {} failed", store.dropped, store.failed));
    let words: Vec<String> = place.into_iter().chain(lost).collect();
    if words.is_empty() {
        return "all kept".to_owned();
    }
    format!("{} (journalctl -u frontdeskd says why)", words.join("; "))
}

/// What is still to be done outside.
fn outbox(outbox: &OutboxHealth) -> String {
    match (&outbox.why, outbox.waiting) {
        (Some(why), _) => plain(why),
        (None, 0) => "nothing waits".to_owned(),
        (None, waiting) => {
            format!("{waiting} waiting, the oldest for {}", span(Duration::from_secs(outbox.oldest_age_s)))
        }
    }
}

fn running(calls: &[ListedCall], view: &View<'_>) -> String {
    let now = Timestamp::now();
    let row = |listed: &ListedCall| {
        let started = listed.call.started_at;
        let live = listed.live.as_ref();
        [
            listed.call.call_sid.clone(),
            time(started, view.zone),
            between(started, now),
            super::show::number(listed.call.caller.as_ref()),
            live.map_or_else(|| "not here".to_owned(), |live| live.turn.clone()),
            live.map_or_else(|| "-".to_owned(), |live| live.connection.to_string()),
        ]
    };
    let rows: Vec<_> = calls.iter().map(row).collect();
    table(["CALL", "SINCE", "LASTS", "CALLER", "TURN", "CONNECTION"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_are_not_in_force_are_named() {
        let config = |refused: &[&str], needs_restart: &[&str]| ConfigHealth {
            refused: (!refused.is_empty()).then(|| refused.iter().map(ToString::to_string).collect()),
            needs_restart: needs_restart.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(settings(&config(&[], &[])), None);
        let said = |refused: &[&str], restart: &[&str]| settings(&config(refused, restart)).unwrap();
        assert!(said(&["line 12: no such key"], &[]).ends_with("hold: line 12: no such key"));
        assert!(said(&["one", "two"], &[]).contains("2 mistakes"));
        let both = said(&["one"], &["[phone] listen", "[store] path"]);
        assert!(both.contains("one; some wait for a restart: [phone] listen, [store] path"), "{both}");
    }
}
