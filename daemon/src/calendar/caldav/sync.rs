//! What has changed in a calendar since it was last looked at (RFC 6578), also at servers that cannot say.

use std::collections::BTreeSet;

use frontdesk_core::booking::appointment::AppointmentId;
use frontdesk_core::caldav::ReadError;
use frontdesk_core::caldav::address::{appointment, resolve};
use frontdesk_core::caldav::multistatus::{FileChange, names_condition};
use frontdesk_core::caldav::object::Object;
use frontdesk_core::caldav::request;
use url::Url;

use super::super::{CalError, Changes, Cursor, IsNews, Link, State};
use super::CalDav;
use super::http::{query, strong};

/// Parts of one answer; a server that has more to say will say it the next time.
const MOST_PARTS: usize = 50;
/// Entries that are fetched at a time.
const BATCH: usize = 50;
/// What a cursor begins with: which way the calendar is read.
const BY_TOKEN: &str = "sync ";
const BY_TAG: &str = "tag ";

/// What a way of reading has found.
struct Looked {
    files: Vec<FileChange>,
    /// `files` is all there is.
    is_whole: bool,
    cursor: Cursor,
}

/// Reads what has changed in `calendar`.
pub(super) async fn changes(
    client: &CalDav,
    calendar: &Url,
    since: Option<&Cursor>,
    is_news: IsNews<'_>,
) -> Result<Changes, CalError> {
    let since = since.map_or("", |cursor| cursor.0.as_str());
    let looked = match since.strip_prefix(BY_TAG) {
        Some(tag) => by_tag(client, calendar, tag).await?,
        None => match by_token(client, calendar, since.strip_prefix(BY_TOKEN).unwrap_or("")).await? {
            Some(looked) => looked,
            None => by_tag(client, calendar, "").await?,
        },
    };
    told(client, calendar, looked, is_news).await
}

/// By the server's own record. `None` if it keeps none.
async fn by_token(client: &CalDav, calendar: &Url, since: &str) -> Result<Option<Looked>, CalError> {
    let (mut token, mut is_whole) = (since.to_owned(), since.is_empty());
    let mut files = Vec::new();
    for _ in 0..MOST_PARTS {
        let answer = client.ask(calendar, query("REPORT", "0", &request::sync_collection(&token))).await?;
        let status = answer.status.as_u16();
        if matches!(status, 400 | 403 | 405 | 409 | 412 | 415 | 501) {
            let is_forgotten = names_condition(&answer.body, "valid-sync-token");
            if is_forgotten && !token.is_empty() {
                // What it remembers begins later: everything is looked at anew.
                (token, is_whole) = (String::new(), true);
                files.clear();
                continue;
            }
            return Ok(None);
        }
        let part = answer.multistatus()?;
        token = part.sync_token.clone().ok_or(ReadError::Shape("a list of changes does not say where to go on"))?;
        let (changes, more) = part.changes()?;
        files.extend(changes);
        if !more {
            return Ok(Some(Looked { files, is_whole, cursor: Cursor(format!("{BY_TOKEN}{token}")) }));
        }
    }
    // Half of everything is not everything.
    if is_whole {
        return Err(CalError::Unknown("the list of what is in the calendar does not end".to_owned()));
    }
    Ok(Some(Looked { files, is_whole, cursor: Cursor(format!("{BY_TOKEN}{token}")) }))
}

/// By a tag that changes with anything in the calendar: then everything is listed. Without a tag, every time.
async fn by_tag(client: &CalDav, calendar: &Url, since: &str) -> Result<Looked, CalError> {
    let answer = client.ask(calendar, query("PROPFIND", "0", request::COLLECTION_TAG)).await?.multistatus()?;
    let tag = answer.responses.into_iter().find_map(|response| response.properties.collection_tag).unwrap_or_default();
    // Read before the list: what changes in between is seen twice rather than never.
    let cursor = Cursor(format!("{BY_TAG}{tag}"));
    if !tag.is_empty() && tag == since {
        return Ok(Looked { files: Vec::new(), is_whole: false, cursor });
    }
    let (files, _) = client.ask(calendar, query("PROPFIND", "1", request::TAGS)).await?.multistatus()?.changes()?;
    Ok(Looked { files, is_whole: true, cursor })
}

async fn told(client: &CalDav, calendar: &Url, looked: Looked, is_news: IsNews<'_>) -> Result<Changes, CalError> {
    let mut changes = Changes { ours: Vec::new(), present: None, cursor: looked.cursor };
    let (mut present, mut fetched) = (BTreeSet::new(), Vec::new());
    for file in looked.files {
        let (href, etag) = match &file {
            FileChange::There { href, etag } => (href, etag.as_deref().map(strong)),
            FileChange::Gone { href } => (href, None),
        };
        let address = resolve(calendar, href)?;
        match (appointment(&address), &file) {
            (None, _) => {}
            (Some(id), FileChange::Gone { .. }) => changes.ours.push((id, State::Gone)),
            (Some(id), FileChange::There { .. }) => {
                present.insert(id);
                if is_news(id, etag) {
                    fetched.push((id, address));
                }
            }
        }
    }
    for batch in fetched.chunks(BATCH) {
        changes.ours.append(&mut fetch(client, calendar, batch).await?);
    }
    changes.present = looked.is_whole.then_some(present);
    Ok(changes)
}

/// What these files say of their appointments. One that is not there any more, or speaks of something else, is gone.
async fn fetch(
    client: &CalDav,
    calendar: &Url,
    batch: &[(AppointmentId, Url)],
) -> Result<Vec<(AppointmentId, State)>, CalError> {
    let body = request::multiget(batch.iter().map(|(_, address)| address.path()));
    let files = client.ask(calendar, query("REPORT", "1", &body)).await?.multistatus()?.files()?;
    let mut states: Vec<(AppointmentId, State)> = batch.iter().map(|(id, _)| (*id, State::Gone)).collect();
    for file in files {
        let address = resolve(calendar, &file.href)?;
        let Some(slot) = states.iter_mut().find(|(id, _)| appointment(&address) == Some(*id)) else { continue };
        if let Some(own) = Object::read(&file.text, client.zones())?.own(slot.0)? {
            let etag = file.etag.as_deref().map(|etag| strong(etag).to_owned());
            slot.1 = State::There(Link { address: address.path().to_owned(), etag }, own);
        }
    }
    Ok(states)
}
