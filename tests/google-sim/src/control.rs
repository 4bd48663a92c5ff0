//! `/sim/…`: the switches and the people, for whoever runs the simulator as a program.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    calendar::Fields,
    exchange::{Answer, Request},
    fault::Fault,
    hands::HandError,
    settings::Role,
    sim::Sim,
};

/// Answers a request of the control interface: 200 with JSON, or 400 with `error`.
pub(crate) fn handle(sim: &Sim, request: &Request) -> Answer {
    let outcome = match request.method.as_str() {
        "GET" => read(sim, request),
        "POST" => act(sim, request).map(|found| found.unwrap_or(json!({}))),
        _ => Err("GET or POST".to_owned()),
    };
    sim.changed.notify_waiters();
    match outcome {
        Ok(body) => Answer::json(200, &body),
        Err(text) => Answer::json(400, &json!({ "error": text })),
    }
}

fn wanted<'a>(request: &'a Request, name: &str) -> Result<&'a str, String> {
    request.query(name).ok_or_else(|| format!("the parameter {name} is missing"))
}

fn text(request: &Request) -> Result<&str, String> {
    std::str::from_utf8(&request.body).map_err(|_| "the body is no text".to_owned())
}

/// For the error in the answer.
fn said(error: &HandError) -> String {
    error.to_string()
}

fn read(sim: &Sim, request: &Request) -> Result<Value, String> {
    match request.path.as_str() {
        "/sim/service-account.json" => Ok(sim.key_file()),
        "/sim/client.json" => Ok(sim.client_file()),
        "/sim/events" => sim.events(wanted(request, "calendar")?).map(Value::from).map_err(|error| said(&error)),
        "/sim/requests" => {
            let seen = sim.state().seen.clone();
            let row = |seen: &crate::Seen| json!({ "method": seen.method, "verb": seen.verb, "path": seen.path, "status": seen.status });
            Ok(seen.iter().map(row).collect())
        }
        "/sim/mail" => {
            let sent = sim.state().sent.clone();
            let row = |mail: &crate::SentMail| {
                json!({
                    "id": mail.id, "mailbox": mail.mailbox, "recipients": mail.recipients, "subject": mail.subject,
                    "text": mail.text, "wasDraft": mail.was_draft, "at": mail.at.to_string(),
                    "raw": String::from_utf8_lossy(&mail.raw),
                })
            };
            Ok(sent.iter().map(row).collect())
        }
        other => Err(format!("nothing is read at {other}")),
    }
}

fn act(sim: &Sim, request: &Request) -> Result<Option<Value>, String> {
    let calendar = || wanted(request, "calendar");
    match request.path.as_str() {
        "/sim/faults" => {
            let faults = text(request)?.split_whitespace().map(str::parse).collect::<Result<Vec<Fault>, _>>();
            let faults = faults.map_err(|error| error.to_string())?;
            for fault in faults {
                sim.state().faults.add(fault);
            }
        }
        "/sim/faults/clear" => sim.state().faults.clear(),
        "/sim/outage" => {
            let on = wanted(request, "on")?.parse().map_err(|_| "on is true or false".to_owned())?;
            sim.state().faults.outage = on;
        }
        "/sim/consent" => sim.state().consent = text(request)?.parse()?,
        "/sim/pass" => {
            let seconds = wanted(request, "seconds")?.parse().map_err(|_| "seconds is no number".to_owned())?;
            sim.clock.pass(Duration::from_secs(seconds));
        }
        "/sim/revoke" => sim.state().grants.revoke(),
        "/sim/change-password" => sim.state().grants.change_password(),
        "/sim/expire-tokens" => sim.state().grants.expire_access(),
        "/sim/delete-key" => sim.state().grants.key_deleted = true,
        "/sim/expire-sync-tokens" => sim.expire_sync_tokens(calendar()?).map_err(|error| said(&error))?,
        "/sim/break-busy" => sim.break_busy(calendar()?, request.query("reason")).map_err(|error| said(&error))?,
        "/sim/share" => {
            let role = wanted(request, "role")?;
            let role = Role::of_name(role).ok_or_else(|| format!("there is no role {role:?}"))?;
            sim.share(calendar()?, wanted(request, "email")?, role).map_err(|error| said(&error))?;
        }
        "/sim/staff/add" => {
            let id = sim.staff_add(calendar()?, event(request)?).map_err(|error| said(&error))?;
            return Ok(Some(json!({ "id": id })));
        }
        "/sim/staff/change" => {
            sim.staff_change(calendar()?, wanted(request, "event")?, event(request)?).map_err(|error| said(&error))?;
        }
        "/sim/staff/delete" => {
            sim.staff_delete(calendar()?, wanted(request, "event")?).map_err(|error| said(&error))?;
        }
        other => return Err(format!("nothing is done at {other}")),
    }
    Ok(None)
}

fn event(request: &Request) -> Result<Fields, String> {
    serde_json::from_slice(&request.body).map_err(|error| format!("the body is no event: {error}"))
}
