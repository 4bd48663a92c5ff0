//! One request to Google Calendar and what its refusal means.

use std::time::Duration;

use frontdesk_core::google::page::{Next, Page};
use frontdesk_core::google::query::Parameters;
use frontdesk_core::google::refusal::{Refusal, reason, refusal};
use reqwest::header;
use reqwest::{Method, RequestBuilder, StatusCode};
use url::Url;

use super::super::error::{CalError, MOST_PATIENCE};
use super::super::exchange::{Answer, whole};
use crate::google::Access;

/// Before Google is asked once more for somebody who waits; what takes longer to pass is an outage to them.
const MOMENT: Duration = Duration::from_millis(700);
/// Pages of one list, of 2,500 entries each: decades of a practitioner's appointments.
const MOST_PAGES: usize = 50;
/// What every address in a calendar begins with: a token goes nowhere else.
const CALENDARS: &str = "calendar/v3/calendars/";

/// What goes with a request.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// Below the API's root.
    pub(super) path: &'a str,
    pub(super) query: Parameters,
    /// Only if the entry is of this version.
    pub(super) only_if: Option<&'a str>,
    /// JSON; empty for none.
    pub(super) body: String,
}

impl<'a> Ask<'a> {
    /// Something to be read.
    pub(super) fn get(path: &'a str, query: Parameters) -> Self {
        Self { method: Method::GET, path, query, only_if: None, body: String::new() }
    }
}

/// Who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// Somebody on the phone: what passes within a moment is tried again at once.
    Caller,
    /// Nobody: it is tried again another time.
    Nobody,
}

/// Google Calendar, and who we are there.
pub(super) struct Api {
    http: reqwest::Client,
    access: Access,
    root: Url,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Api").field(&self.root.as_str()).finish()
    }
}

impl Api {
    /// The API below `root`.
    pub(super) fn new(http: reqwest::Client, access: Access, root: Url) -> Self {
        Self { http, access, root }
    }

    pub(super) fn root(&self) -> &Url {
        &self.root
    }

    /// Asks, and reads the answer to its end. A token that is refused is replaced once.
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Result<Answer, CalError> {
        let token = self.access.bearer(None).await?;
        let answer = whole(self.request(ask, &token)?).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let token = self.access.bearer(Some(&token)).await?;
        whole(self.request(ask, &token)?).await
    }

    /// Reads something for whoever waits for it.
    pub(super) async fn ask_for(&self, waiting: Waiting, ask: &Ask<'_>) -> Result<Answer, CalError> {
        let first = self.ask(ask).await;
        if waiting == Waiting::Caller && passes_soon(&first) {
            tokio::time::sleep(MOMENT).await;
            return self.ask(ask).await;
        }
        first
    }

    /// All pages of a list, with what comes of the last one: where to go on, if the list has that. `query` tells the
    /// parameters of the page with that token. An answer that is no success is given back as it is.
    pub(super) async fn pages(
        &self,
        waiting: Waiting,
        place: &str,
        query: impl Fn(Option<&str>) -> Parameters,
    ) -> Result<Result<(Vec<Page>, Option<String>), Answer>, CalError> {
        let path = collection(place);
        let (mut pages, mut token) = (Vec::new(), None);
        while pages.len() < MOST_PAGES {
            let answer = self.ask_for(waiting, &Ask::get(path, query(token.as_deref()))).await?;
            if answer.status != StatusCode::OK {
                return Ok(Err(answer));
            }
            let page = read(answer.body).await?;
            let next = page.next.clone();
            pages.push(page);
            match next {
                Next::Page(next) => token = Some(next),
                Next::Changes(since) => return Ok(Ok((pages, since))),
            }
        }
        // Half of everything is not everything.
        Err(CalError::Unknown("the list of what is in the calendar does not end".to_owned()))
    }

    fn request(&self, ask: &Ask<'_>, token: &str) -> Result<RequestBuilder, CalError> {
        let address = self.root.join(ask.path).ok().filter(|address| address.origin() == self.root.origin());
        let mut address = address.ok_or_else(|| CalError::Bug("an entry's address is none".to_owned()))?;
        if !ask.query.is_empty() {
            address.query_pairs_mut().extend_pairs(&ask.query);
        }
        let mut request = self.http.request(ask.method.clone(), address).bearer_auth(token);
        if let Some(version) = ask.only_if {
            request = request.header(header::IF_MATCH, version);
        }
        if !ask.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json").body(ask.body.clone());
        }
        Ok(request)
    }
}

/// Works it out away from the network's threads: a year of entries takes a while.
async fn read(body: String) -> Result<Page, CalError> {
    let read = tokio::task::spawn_blocking(move || Page::read(&body)).await;
    Ok(read.map_err(|_| CalError::Bug("reading the entries has failed".to_owned()))??)
}

fn passes_soon(answer: &Result<Answer, CalError>) -> bool {
    match answer {
        Ok(answer) => {
            meaning(answer) == Refusal::Passing && answer.patience().is_none_or(|patience| patience <= MOMENT)
        }
        Err(error) => matches!(error, CalError::Retry { .. }),
    }
}

/// The address of a calendar's entries as a whole.
pub(super) fn collection(place: &str) -> &str {
    place.trim_end_matches('/')
}

/// The calendar and the id of an entry's address; `None` if it is none of ours.
pub(super) fn parts(address: &str) -> Option<(&str, &str)> {
    let (place, id) = address.rsplit_once('/').filter(|_| address.starts_with(CALENDARS))?;
    Some((place, id))
}

/// What an answer that is no success means.
pub(super) fn meaning(answer: &Answer) -> Refusal {
    refusal(answer.status.as_u16(), &answer.body)
}

/// The body of a success.
pub(super) fn granted(answer: Answer) -> Result<String, CalError> {
    if answer.status == StatusCode::OK { Ok(answer.body) } else { Err(refused(&answer)) }
}

/// The error that an answer is, and what would do.
pub(super) fn refused(answer: &Answer) -> CalError {
    let (code, reason) = (answer.status.as_u16(), reason(&answer.body));
    let said = if reason.is_empty() { format!("HTTP {code}") } else { format!("HTTP {code} {reason}") };
    match meaning(answer) {
        Refusal::Token => CalError::NeedsConsent(format!(
            "{said}, Google does not take our token, and a new one no better: give access again, or make a new key for the \
             service account"
        )),
        Refusal::Consent => CalError::NeedsConsent(format!(
            "{said}, the access that we were given does not reach to calendars: give it again, with everything that is asked for"
        )),
        Refusal::NotEnabled => CalError::Config(format!(
            "{said}, the Google Calendar API is switched off in the project of the credentials: switch it on in Google's console"
        )),
        Refusal::NotShared => CalError::Config(format!(
            "{said}, the account may not do this: share the calendar with it, with the right to make changes to events"
        )),
        Refusal::Missing | Refusal::Gone => CalError::Config(format!(
            "{said}, there is no such calendar, or the account does not see it: check [calendar] calendars, and share the \
             calendar with the account, with the right to make changes to events"
        )),
        Refusal::Duplicate | Refusal::Stale => CalError::Conflict,
        Refusal::Passing => CalError::Retry { found: said, after: answer.patience() },
        Refusal::Exhausted => {
            CalError::Retry { found: format!("{said}, Google's limit is used up"), after: Some(MOST_PATIENCE) }
        }
        Refusal::Elsewhere => CalError::Unknown(format!(
            "{said} came where Google Calendar answers: perhaps a proxy's page, or [google] endpoint is another server"
        )),
        Refusal::Ours => CalError::Bug(said),
    }
}
