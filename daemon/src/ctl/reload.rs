//! `reload`: has the daemon read its configuration again.

use std::time::Duration;

use http::Method;

use super::client::Client;
use super::{CtlError, Verdict, View};
use crate::http::reply::Reloaded;
use crate::reload::request::summary;

/// A slow card, and other reloads before this one.
const ANSWER_WITHIN: Duration = Duration::from_mins(1);

/// Asks for it and tells what came of it. A configuration that cannot be used is an error with every complaint.
pub(super) async fn reload(client: &Client, view: &mut View<'_>) -> Result<Verdict, CtlError> {
    client.target.needs_socket("reload")?;
    let answer = client.ask_within(Method::POST, "/v1/reload", ANSWER_WITHIN).await?;
    let reloaded: Reloaded = answer.json()?;
    if view.json {
        view.line(answer.text()?)?;
        return Ok(Verdict::Well);
    }
    for advice in &reloaded.advice {
        view.line(format_args!("advice: {advice}"))?;
    }
    view.line(summary(&reloaded.applied, &reloaded.needs_restart))?;
    Ok(Verdict::Well)
}
