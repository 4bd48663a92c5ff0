//! One request to a calendar server and what its refusal means.

use frontdesk_core::caldav::address::redirected;
use frontdesk_core::caldav::multistatus::Multistatus;
use reqwest::header;
use reqwest::{Method, RequestBuilder, StatusCode};
use url::Url;

use super::super::error::CalError;
pub(super) use super::super::exchange::Answer;
use super::super::exchange::whole;
use crate::config::Secret;

/// Redirects on the way to the first address.
const MOST_REDIRECTS: usize = 5;

/// Only in this version.
pub(super) const IF_MATCH: &str = "If-Match";
/// With `*`: only if it is not there.
pub(super) const IF_NONE_MATCH: &str = "If-None-Match";

/// What goes with a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    /// `PROPFIND`, `REPORT`, `PUT` …
    pub(super) method: &'static str,
    /// `Depth`, where it has a meaning.
    pub(super) depth: Option<&'static str>,
    /// A header that makes it happen only if something holds.
    pub(super) only_if: Option<(&'static str, &'a str)>,
    /// The body's type.
    pub(super) content_type: &'static str,
    /// The body; empty for none.
    pub(super) body: &'a str,
}

impl Ask<'_> {
    pub(super) const XML: &'static str = "application/xml; charset=utf-8";
    pub(super) const CALENDAR: &'static str = "text/calendar; charset=utf-8";
}

/// A query in XML.
pub(super) fn query<'a>(method: &'static str, depth: &'static str, body: &'a str) -> Ask<'a> {
    Ask { method, depth: Some(depth), only_if: None, content_type: Ask::XML, body }
}

impl Answer {
    /// The version that the server names, in the form in which `If-Match` takes it: proxies that compress mark it as
    /// weak, and then nothing would ever match.
    pub(super) fn etag(&self) -> Option<String> {
        let etag = self.headers.get(header::ETAG)?.to_str().ok()?.trim();
        Some(strong(etag).to_owned())
    }

    /// The body of a `207`, or what came in its place.
    pub(super) fn multistatus(&self) -> Result<Multistatus, CalError> {
        match self.status {
            StatusCode::MULTI_STATUS => Ok(Multistatus::read(&self.body)?),
            status if status.is_success() => Err(CalError::Unknown(format!(
                "HTTP {} came where a calendar server answers 207: perhaps another server's page",
                status.as_u16()
            ))),
            _ => Err(self.refusal()),
        }
    }

    /// What a status that is no success means, and what would do.
    pub(super) fn refusal(&self) -> CalError {
        let code = self.status.as_u16();
        match code {
            401 => CalError::NeedsConsent(format!(
                "HTTP {code}, the user or the password is wrong: check [calendar] user and the credential caldav-password"
            )),
            403 => CalError::Config(format!(
                "HTTP {code}, the user may not do this: give [calendar] user the right to read and write the calendar"
            )),
            404 | 410 => CalError::Config(format!(
                "HTTP {code}, nothing is there: check [calendar] url, and that the calendar still exists"
            )),
            405 | 415 | 501 => CalError::Config(format!(
                "HTTP {code}, the server does not do this: [calendar] url must name a CalDAV server"
            )),
            409 => {
                CalError::Config(format!("HTTP {code}, the calendar is not there any more: make it anew at the server"))
            }
            507 => CalError::Config(format!("HTTP {code}, its storage is full: make room at the server")),
            408 | 423 | 425 | 429 | 500..=599 => {
                CalError::Retry { found: format!("HTTP {code}"), after: self.patience() }
            }
            300..=399 => CalError::Config(format!(
                "HTTP {code}, it sends us elsewhere: write the address that it has now into [calendar] url"
            )),
            200..=299 => CalError::Unknown(format!("HTTP {code} came where it has no meaning")),
            _ => CalError::Bug(format!("HTTP {code}")),
        }
    }
}

/// An entity tag without the mark of weakness.
pub(super) fn strong(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}

/// A server and who we are there.
pub(super) struct Server {
    http: reqwest::Client,
    user: String,
    password: Secret,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Server(..)")
    }
}

impl Server {
    pub(super) fn new(http: reqwest::Client, user: String, password: Secret) -> Self {
        Self { http, user, password }
    }

    /// Asks, and reads the answer to its end.
    pub(super) async fn ask(&self, address: &Url, ask: Ask<'_>) -> Result<Answer, CalError> {
        whole(self.request(address, ask)?).await
    }

    /// Asks on from where a redirect leads, method and body kept; also tells where that was. For the way to the first
    /// address only: later a redirect is news that a technician must hear.
    pub(super) async fn ask_along(&self, start: &Url, ask: Ask<'_>) -> Result<(Url, Answer), CalError> {
        let mut address = start.clone();
        for _ in 0..MOST_REDIRECTS {
            let answer = self.ask(&address, ask).await?;
            if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok((address, answer));
            }
            let location = answer.headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
            let location = location.ok_or_else(|| answer.refusal())?;
            address = redirected(&address, location)?;
        }
        Err(CalError::Config("it sends us round in circles: check [calendar] url".to_owned()))
    }

    fn request(&self, address: &Url, ask: Ask<'_>) -> Result<RequestBuilder, CalError> {
        let method = Method::from_bytes(ask.method.as_bytes())
            .map_err(|_| CalError::Bug(format!("{} is no method", ask.method)))?;
        let mut request =
            self.http.request(method, address.clone()).basic_auth(&self.user, Some(self.password.expose()));
        if let Some(depth) = ask.depth {
            request = request.header("Depth", depth);
        }
        if let Some((name, value)) = ask.only_if {
            request = request.header(name, value);
        }
        if !ask.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, ask.content_type).body(ask.body.to_owned());
        }
        Ok(request)
    }
}
