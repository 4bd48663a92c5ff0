//! `google status`, `test` and `logout`: the daemon's access to Google.

use std::time::Duration;

use clap::Args;
use http::Method;
use jiff::Timestamp;

use super::client::Client;
use super::show::{date_time, plain, span};
use super::{CtlError, Verdict, View};
use crate::http::reply::{
    GoogleFeature, GoogleForgotten, GoogleHealth, GoogleReport, GoogleTest, GoogleTestPlan, GoogleWho,
};

/// Some dozens of requests to a service that may be slow.
const TESTED_WITHIN: Duration = Duration::from_mins(5);

/// What to try.
#[derive(Debug, Args)]
pub(super) struct Trial {
    /// Write nothing, not even for a second
    #[arg(long)]
    read_only: bool,
    /// Try this calendar instead of the configured ones; may be given several times
    #[arg(long = "calendar", value_name = "ID")]
    calendars: Vec<String>,
    /// Send a letter there
    #[arg(long, value_name = "ADDRESS")]
    send_to: Option<String>,
}

/// Shows who the daemon is at Google.
pub(super) async fn status(client: &Client, view: &mut View<'_>) -> Result<Verdict, CtlError> {
    let answer = client.ask(Method::GET, "/v1/google").await?;
    let report: GoogleReport = answer.json()?;
    if view.json {
        view.line(answer.text()?)?;
    } else {
        let text = overview(&report, Timestamp::now(), view);
        view.line(text)?;
    }
    Ok(if report.health.state.needs_somebody() { Verdict::Unwell } else { Verdict::Well })
}

/// Tries it out.
pub(super) async fn test(client: &Client, view: &mut View<'_>, trial: &Trial) -> Result<Verdict, CtlError> {
    let plan = GoogleTestPlan {
        calendars: trial.calendars.clone(),
        read_only: trial.read_only,
        send_to: trial.send_to.clone(),
    };
    client.target.needs_socket("a test at Google")?;
    let answer = client.ask_with(Method::POST, "/v1/google/test", &plan, TESTED_WITHIN).await?;
    let tested: GoogleTest = answer.json()?;
    if view.json {
        view.line(answer.text()?)?;
    } else {
        for finding in &tested.findings {
            let word = if finding.well { "ok    " } else { "FAILED" };
            view.line(format!("{word}  {}: {}", plain(&finding.what), plain(&finding.found)))?;
            if !finding.would_do.is_empty() {
                view.line(format!("        -> {}", plain(&finding.would_do)))?;
            }
        }
    }
    Ok(if tested.well { Verdict::Well } else { Verdict::Unwell })
}

/// Forgets the login.
pub(super) async fn logout(client: &Client, view: &mut View<'_>) -> Result<Verdict, CtlError> {
    client.target.needs_socket("logging out at Google")?;
    let answer = client.ask(Method::DELETE, "/v1/google/login").await?;
    let forgotten: GoogleForgotten = answer.json()?;
    if view.json {
        view.line(answer.text()?)?;
    } else {
        view.line(match (&forgotten.not_told, forgotten.was_there) {
            (_, false) => "nobody was logged in; nothing is kept".to_owned(),
            (None, true) => "the login is forgotten, here and at Google".to_owned(),
            (Some(why), true) => format!(
                "the login is forgotten here, but Google was not told ({}): withdraw it at \
                 https://myaccount.google.com/permissions",
                plain(why)
            ),
        })?;
    }
    Ok(if forgotten.not_told.is_some() { Verdict::Unwell } else { Verdict::Well })
}

/// How it is, in words.
pub(super) fn state(health: &GoogleHealth) -> String {
    match &health.why {
        Some(why) => format!("{}: {}", health.state.as_str(), plain(why)),
        None => health.state.as_str().to_owned(),
    }
}

fn overview(report: &GoogleReport, now: Timestamp, view: &View<'_>) -> String {
    let mut lines = vec![format!("Google      {}", state(&report.health))];
    match &report.who {
        GoogleWho::Nobody => lines.push("login       none: see [google] login in the configuration".to_owned()),
        GoogleWho::ServiceAccount { email, delegate } => {
            lines.push(format!("login       the service account {}", plain(email)));
            lines.extend(delegate.as_ref().map(|delegate| format!("acts for    {}", plain(delegate))));
        }
        GoogleWho::User { account, consented_at, .. } => {
            let account = account.as_deref().map_or("an account that Google does not name".to_owned(), plain);
            lines.push(match consented_at {
                Some(at) => format!("login       {account}, on {}", date_time(*at, view.zone)),
                None => "login       nobody has logged in: frontdeskctl google login".to_owned(),
            });
            if consented_at.is_some() {
                lines.push(format!("ends        {}", end(report.health.ends_at, now, view)));
            }
        }
    }
    lines.extend(report.features.iter().filter_map(feature));
    lines.extend(report.endpoint.as_ref().map(|endpoint| format!("simulator   {}", plain(endpoint))));
    lines.join("\n")
}

/// When the login ends.
pub(super) fn end(ends_at: Option<Timestamp>, now: Timestamp, view: &View<'_>) -> String {
    let Some(ends_at) = ends_at else { return "not known to end by itself".to_owned() };
    let at = date_time(ends_at, view.zone);
    match Duration::try_from(ends_at.duration_since(now)) {
        Ok(left) if !left.is_zero() => {
            format!("{at}, in {}: publish the consent screen (\"In production\") and log in again", span(left))
        }
        _ => format!("{at}: it has ended"),
    }
}

fn feature(GoogleFeature { feature, granted, used, .. }: &GoogleFeature) -> Option<String> {
    let words = if (*granted)? { "granted" } else { "not granted" };
    let but = if *used { "" } else { ", and not used" };
    Some(format!("{:<12}{words}{but}", feature.as_str()))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn an_end_is_shown_with_the_time_that_is_left() {
        let mut out = Vec::new();
        let view = View { out: &mut out, zone: &TimeZone::UTC, json: false };
        let now: Timestamp = "2026-11-27T10:00:00Z".parse().unwrap();
        let said = end(Some("2026-12-04T09:59:59Z".parse().unwrap()), now, &view);
        assert!(said.starts_with("2026-12-04 09:59:59, in 6 d 23 h: publish"), "{said}");
        assert_eq!(end(Some("2026-11-26T00:00:00Z".parse().unwrap()), now, &view), "2026-11-26 00:00:00: it has ended");
        assert_eq!(end(None, now, &view), "not known to end by itself");
    }
}
