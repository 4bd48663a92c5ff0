//! What has changed in a calendar since it was last looked at, by Google's own record.

use std::collections::BTreeSet;

use frontdesk_core::google::event::appointment;
use frontdesk_core::google::page::Page;
use frontdesk_core::google::query;
use reqwest::StatusCode;

use super::super::{CalError, Changes, Cursor, IsNews, Link, State};
use super::GoogleCalendar;
use super::api::{Waiting, refused};

/// Reads what has changed in the calendar at `place`.
pub(super) async fn changes(
    google: &GoogleCalendar,
    place: &str,
    since: Option<&Cursor>,
    is_news: IsNews<'_>,
) -> Result<Changes, CalError> {
    let listed = |since| google.api.pages(Waiting::Nobody, place, move |page| query::changes(since, page));
    let since = since.map(|cursor| cursor.0.as_str());
    let (pages, token, is_whole) = match listed(since).await? {
        Ok((pages, token)) => (pages, token, since.is_none()),
        // Google has forgotten since when, or does not know its own word any more: everything is looked at anew.
        Err(answer) if since.is_some() && matches!(answer.status, StatusCode::GONE | StatusCode::BAD_REQUEST) => {
            let (pages, token) = listed(None).await?.map_err(|answer| refused(&answer))?;
            (pages, token, true)
        }
        Err(answer) => return Err(refused(&answer)),
    };
    let token = token.ok_or_else(|| CalError::Unknown("a list of changes does not say where to go on".to_owned()))?;
    told(google, place, (&pages, is_whole), Cursor(token), is_news)
}

fn told(
    google: &GoogleCalendar,
    place: &str,
    (pages, is_whole): (&[Page], bool),
    cursor: Cursor,
    is_news: IsNews<'_>,
) -> Result<Changes, CalError> {
    let mut changes = Changes { ours: Vec::new(), present: None, cursor };
    let mut present = BTreeSet::new();
    for event in pages.iter().flat_map(|page| &page.events) {
        let Some(id) = appointment(&event.id) else { continue };
        if event.is_cancelled {
            changes.ours.push((id, State::Gone));
            continue;
        }
        present.insert(id);
        if is_news(id, event.etag.as_deref()) {
            let link = || Link { address: format!("{place}{}", event.id), etag: event.etag.clone() };
            let own = event.own(id, &google.zones)?;
            changes.ours.push((id, own.map_or(State::Gone, |own| State::There(link(), own))));
        }
    }
    changes.present = is_whole.then_some(present);
    Ok(changes)
}
