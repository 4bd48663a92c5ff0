//! `calls`: listing them, showing one, ending one.

use clap::Args;
use frontdesk_core::session::id::ConversationId;
use http::Method;
use jiff::Timestamp;

use super::client::Client;
use super::show::{between, date_time, number, plain, table, time};
use super::{CtlError, Verdict, View};
use crate::http::reply::{CallDetail, CallList, Ending};
use crate::store::{CallSummary, MAX_LISTED};

/// Which calls are listed.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only calls that are running
    #[arg(long)]
    active: bool,
    /// How many, at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=MAX_LISTED as i64))]
    limit: u16,
    /// Only calls before the one with this number in the first column
    #[arg(long, value_name = "NUMBER")]
    before: Option<i64>,
}

/// Lists calls, the newest first.
pub(super) async fn list(client: &Client, view: &mut View<'_>, list: &List) -> Result<Verdict, CtlError> {
    let before = list.before.map_or_else(String::new, |id| format!("&before={id}"));
    let path = format!("/v1/calls?limit={}&active={}{before}", list.limit, list.active);
    let answer = client.ask(Method::GET, &path).await?;
    if view.json {
        view.line(answer.text()?)?;
        return Ok(Verdict::Well);
    }
    let CallList { calls, next } = answer.json()?;
    if calls.is_empty() {
        view.line(if list.active { "no call is running" } else { "no calls" })?;
        return Ok(Verdict::Well);
    }
    let rows: Vec<_> = calls.iter().map(|listed| row(&listed.call, view)).collect();
    view.line(table(["NUMBER", "CALL", "STARTED", "LASTED", "CALLER", "TURNS", "ENDED"], &rows))?;
    if let Some(next) = next {
        view.line(format_args!("\nolder calls: --before {next}"))?;
    }
    Ok(Verdict::Well)
}

fn row(call: &CallSummary, view: &View<'_>) -> [String; 7] {
    [
        call.id.to_string(),
        call.call_sid.clone(),
        date_time(call.started_at, view.zone),
        lasted(call),
        number(call.caller.as_ref()),
        call.turns.to_string(),
        ended(call),
    ]
}

/// Time with the agent, so far if it is running.
fn lasted(call: &CallSummary) -> String {
    let Some(answered) = call.answered_at else { return "-".to_owned() };
    between(answered, call.ended_at.unwrap_or_else(Timestamp::now))
}

fn ended(call: &CallSummary) -> String {
    match (&call.ended_at, &call.end_reason) {
        (None, _) => "running".to_owned(),
        (Some(_), reason) => reason.as_deref().map_or_else(|| "-".to_owned(), plain),
    }
}

/// Shows one call with what was said and what happened, in order.
pub(super) async fn show(client: &Client, view: &mut View<'_>, sid: ConversationId) -> Result<Verdict, CtlError> {
    let answer = client.ask(Method::GET, &format!("/v1/calls/{sid}")).await?;
    if view.json {
        view.line(answer.text()?)?;
        return Ok(Verdict::Well);
    }
    let CallDetail { call: detail, live } = answer.json()?;
    let call = &detail.call;
    let dash = || "-".to_owned();
    for (name, value) in [
        ("call", call.call_sid.clone()),
        // Not every line knows the conversation; every one that is about the call names it.
        ("log", format!("journalctl -u frontdeskd CALL_SID={}", plain(&call.call_sid))),
        ("direction", call.direction.clone()),
        ("caller", number(call.caller.as_ref())),
        ("started", date_time(call.started_at, view.zone)),
        ("lasted", lasted(call)),
        ("ended", ended(call)),
        ("Twilio", call.twilio_status.as_deref().map_or_else(dash, plain)),
        ("tokens", format!("{} read, {} generated", detail.tokens.prompt, detail.tokens.response)),
    ] {
        view.line(format_args!("{name:10}{value}"))?;
    }
    if let Some(live) = live {
        view.line(format_args!("{:10}{}, connection {}", "now", live.turn, live.connection))?;
    }
    let said = detail.transcript.iter().map(|turn| {
        let cut = if turn.interrupted { " [interrupted]" } else { "" };
        (turn.started_at, turn.who.as_str(), format!("{}{cut}", plain(&turn.text)))
    });
    let happened = detail.events.iter().map(|event| {
        let detail = if event.detail.is_null() { String::new() } else { event.detail.to_string() };
        (event.at, "*", plain(&format!("{} {detail}", event.kind)))
    });
    let mut lines: Vec<_> = said.chain(happened).collect();
    // Stable: what was said at once keeps its order.
    lines.sort_by_key(|(at, ..)| *at);
    if !lines.is_empty() {
        view.line("")?;
    }
    for (at, who, what) in lines {
        view.line(format_args!("{}  {who:6}  {}", time(at, view.zone), what.trim_end()))?;
    }
    Ok(Verdict::Well)
}

/// Ends a running call.
pub(super) async fn end(client: &Client, view: &mut View<'_>, sid: ConversationId) -> Result<Verdict, CtlError> {
    let answer = client.ask(Method::DELETE, &format!("/v1/calls/{sid}")).await?;
    let Ending { call_sid } = answer.json()?;
    if view.json {
        view.line(answer.text()?)?;
    } else {
        view.line(format_args!("the call {call_sid} is being ended"))?;
    }
    Ok(Verdict::Well)
}
