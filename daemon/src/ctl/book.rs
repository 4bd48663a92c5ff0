//! `appointments`, `messages`, `outbox` and `audit`: what was arranged, what staff are told, what is still to be done outside,
//! and who changed what.

use std::time::Duration;

use clap::Args;
use http::Method;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};

use super::client::Client;
use super::show::{date_time, number, plain, span, table};
use super::{CtlError, Verdict, View};
use crate::http::reply::{AppointmentList, AuditCheck, AuditList, MessageList, Retried};
use crate::store::{AuditEntry, Errands, ListedAppointment, ListedErrand, ListedMessage, MAX_LISTED};

/// Which appointments are listed.
#[derive(Debug, Args)]
pub(super) struct Days {
    /// The first day, such as 2026-12-01; today unless told otherwise
    #[arg(long, value_name = "DATE")]
    from: Option<civil::Date>,
    /// How many days
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=366))]
    days: u16,
}

impl Days {
    /// Whole days of the clock in `zone`.
    fn query(&self, zone: &TimeZone) -> Option<String> {
        let first = self.from.unwrap_or_else(|| Timestamp::now().to_zoned(zone.clone()).date());
        let midnight = |date: civil::Date| date.to_zoned(zone.clone()).ok().map(|midnight| midnight.timestamp());
        let last = first.checked_add(SignedDuration::from_hours(24 * i64::from(self.days))).ok()?;
        Some(format!("from={}&to={}", midnight(first)?, midnight(last)?))
    }
}

/// Lists appointments, by time.
pub(super) async fn appointments(client: &Client, view: &mut View<'_>, days: &Days) -> Result<Verdict, CtlError> {
    let query = days.query(view.zone).map_or_else(String::new, |query| format!("?{query}"));
    let answer = client.ask(Method::GET, &format!("/v1/appointments{query}")).await?;
    if view.json {
        view.line(answer.text()?)?;
        return Ok(Verdict::Well);
    }
    let AppointmentList { appointments, more } = answer.json()?;
    if appointments.is_empty() {
        view.line("no appointments")?;
        return Ok(Verdict::Well);
    }
    let rows: Vec<_> = appointments.iter().map(|appointment| booked(appointment, view.zone)).collect();
    view.line(table(["TIME", "WITH", "WHAT", "REFERENCE", "STATE", "PATIENT", "PHONE"], &rows))?;
    if more {
        view.line(format_args!("\nonly the first {MAX_LISTED} are shown: ask for fewer days"))?;
    }
    Ok(Verdict::Well)
}

fn booked(appointment: &ListedAppointment, zone: &TimeZone) -> [String; 7] {
    let patient = appointment.patient.as_ref();
    [
        appointment.from.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
        appointment.practitioner.to_string(),
        appointment.kind.to_string(),
        appointment.reference.clone(),
        format!("{:?}", appointment.state).to_lowercase(),
        patient.map_or_else(|| "-".to_owned(), |patient| plain(&patient.name)),
        patient.map_or_else(|| "-".to_owned(), |patient| number(patient.phone.as_ref())),
    ]
}

/// Which messages are listed.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Those too that are dealt with
    #[arg(long)]
    all: bool,
    /// How many, at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=MAX_LISTED as i64))]
    limit: u16,
    /// Only messages before the one with this number
    #[arg(long, value_name = "NUMBER")]
    before: Option<i64>,
}

/// Lists messages, the newest first.
pub(super) async fn messages(client: &Client, view: &mut View<'_>, which: &Which) -> Result<Verdict, CtlError> {
    let before = which.before.map_or_else(String::new, |id| format!("&before={id}"));
    let path = format!("/v1/messages?limit={}&unread={}{before}", which.limit, !which.all);
    let answer = client.ask(Method::GET, &path).await?;
    if view.json {
        view.line(answer.text()?)?;
        return Ok(Verdict::Well);
    }
    let MessageList { messages, next } = answer.json()?;
    if messages.is_empty() {
        view.line("no messages")?;
    }
    for message in &messages {
        show(message, view)?;
    }
    if let Some(next) = next {
        view.line(format_args!("older messages: --before {next}"))?;
    }
    Ok(Verdict::Well)
}

/// A message is prose: it does not fit into a table.
fn show(message: &ListedMessage, view: &mut View<'_>) -> std::io::Result<()> {
    let today = if message.today { ", for today" } else { "" };
    let read = if message.read_at.is_some() { ", dealt with" } else { "" };
    let (id, taken, topic) = (message.id, date_time(message.taken_at, view.zone), plain(&message.topic));
    view.line(format_args!("{id}  {taken}  {topic}{today}{read}"))?;
    view.line(format_args!("   {}, {}", plain(&message.name), number(message.phone.as_ref())))?;
    view.line(format_args!("   {}\n", plain(&message.text)))
}

/// Says that a message is dealt with.
pub(super) async fn read(client: &Client, view: &mut View<'_>, id: i64) -> Result<Verdict, CtlError> {
    let answer = client.ask(Method::POST, &format!("/v1/messages/{id}/read")).await?;
    let _: ListedMessage = answer.json()?;
    if view.json {
        view.line(answer.text()?)?;
    } else {
        view.line(format_args!("the message {id} is dealt with"))?;
    }
    Ok(Verdict::Well)
}

/// Lists what is to be done outside and is not, or what was given up alone. Something that was given up is no good answer.
pub(super) async fn outbox(client: &Client, view: &mut View<'_>, only_dead: bool) -> Result<Verdict, CtlError> {
    let path = if only_dead { "/v1/outbox?dead=true" } else { "/v1/outbox" };
    let answer = client.ask(Method::GET, path).await?;
    let Errands { waiting, dead, oldest_age_s, errands } = answer.json()?;
    let verdict = if dead == 0 { Verdict::Well } else { Verdict::Unwell };
    if view.json {
        view.line(answer.text()?)?;
        return Ok(verdict);
    }
    if waiting + dead == 0 {
        view.line("nothing waits")?;
    } else {
        let oldest = span(Duration::from_secs(oldest_age_s));
        view.line(format_args!("{waiting} waiting, the oldest for {oldest}; {dead} given up"))?;
    }
    if !errands.is_empty() {
        let rows: Vec<_> = errands.iter().map(|errand| undone(errand, view.zone)).collect();
        view.line("")?;
        view.line(table(["NUMBER", "KIND", "STATE", "TRIES", "SINCE", "NEXT", "NOTE"], &rows))?;
    }
    Ok(verdict)
}

fn undone(errand: &ListedErrand, zone: &TimeZone) -> [String; 7] {
    [
        errand.id.to_string(),
        errand.kind.as_str().to_owned(),
        plain(&errand.state),
        errand.attempts.to_string(),
        date_time(errand.created_at, zone),
        if errand.state == "waiting" { date_time(errand.due_at, zone) } else { "-".to_owned() },
        errand.note.as_deref().map_or_else(|| "-".to_owned(), plain),
    ]
}

/// Has an errand tried now.
pub(super) async fn retry(client: &Client, view: &mut View<'_>, id: i64) -> Result<Verdict, CtlError> {
    tell(client, view, Method::POST, &format!("/v1/outbox/{id}/retry"), "is tried again").await
}

/// Has all errands tried now that were given up.
pub(super) async fn retry_dead(client: &Client, view: &mut View<'_>) -> Result<Verdict, CtlError> {
    let answer = client.ask(Method::POST, "/v1/outbox/retry").await?;
    let Retried { retried } = answer.json()?;
    if view.json {
        view.line(answer.text()?)?;
    } else {
        let (errands, are) = if retried == 1 { ("errand", "is") } else { ("errands", "are") };
        view.line(format_args!("{retried} {errands} that had been given up {are} tried again"))?;
    }
    Ok(Verdict::Well)
}

/// Gives an errand up for good.
pub(super) async fn give_up(client: &Client, view: &mut View<'_>, id: i64) -> Result<Verdict, CtlError> {
    tell(client, view, Method::DELETE, &format!("/v1/outbox/{id}"), "will not be done").await
}

async fn tell(
    client: &Client,
    view: &mut View<'_>,
    method: Method,
    path: &str,
    what: &str,
) -> Result<Verdict, CtlError> {
    let answer = client.ask(method, path).await?;
    let errand: ListedErrand = answer.json()?;
    if view.json {
        view.line(answer.text()?)?;
    } else {
        view.line(format_args!("the errand {} ({}) {what}", errand.id, errand.kind.as_str()))?;
    }
    Ok(Verdict::Well)
}

/// Which rows of the audit are listed.
#[derive(Debug, Args)]
pub(super) struct Rows {
    /// Only rows behind the one with this number
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    after: i64,
    /// How many, at most
    #[arg(long, value_name = "N", default_value_t = MAX_LISTED as u16, value_parser = clap::value_parser!(u16).range(1..=MAX_LISTED as i64))]
    limit: u16,
}

/// Lists who changed what, the oldest first.
pub(super) async fn audit(client: &Client, view: &mut View<'_>, rows: &Rows) -> Result<Verdict, CtlError> {
    let answer = client.ask(Method::GET, &format!("/v1/audit?after={}&limit={}", rows.after, rows.limit)).await?;
    if view.json {
        view.line(answer.text()?)?;
        return Ok(Verdict::Well);
    }
    let AuditList { entries, next } = answer.json()?;
    let rows: Vec<_> = entries.iter().map(|entry| changed(entry, view.zone)).collect();
    view.line(table(["NUMBER", "TIME", "WHO", "DID", "TO", "WHAT"], &rows))?;
    if let Some(next) = next {
        view.line(format_args!("\nlater rows: --after {next}"))?;
    }
    Ok(Verdict::Well)
}

fn changed(entry: &AuditEntry, zone: &TimeZone) -> [String; 6] {
    let AuditEntry { id, at, actor, action, object, fields, hash: _ } = entry;
    [id.to_string(), date_time(*at, zone), plain(actor), plain(action), plain(object), plain(fields)]
}

/// Says whether the audit is as it was written.
pub(super) async fn check_audit(client: &Client, view: &mut View<'_>) -> Result<Verdict, CtlError> {
    let answer = client.ask(Method::GET, "/v1/audit/check").await?;
    let AuditCheck { broken_at } = answer.json()?;
    if view.json {
        view.line(answer.text()?)?;
    } else {
        view.line(match broken_at {
            None => "the audit is as it was written".to_owned(),
            Some(row) => format!("the row {row} was changed, or one before it is missing"),
        })?;
    }
    Ok(if broken_at.is_none() { Verdict::Well } else { Verdict::Unwell })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_as_long_as_the_clock_on_the_wall_says() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let days = Days { from: Some(civil::date(2026, 10, 25)), days: 1 };
        let query = days.query(&berlin).unwrap();
        assert_eq!(query, "from=2026-10-24T22:00:00Z&to=2026-10-25T23:00:00Z", "25 hours");
    }
}
