//! One question to Gmail, and what came of it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use frontdesk_core::letter::Sent;
use frontdesk_core::letter::gmail::{Fault, Refusal, Step, Trace, failed, refused};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use jiff::Timestamp;
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use crate::google::{Access, AccessError};
use crate::net::retry_after;

/// Answers about letters have a few kilobytes; what is longer is not read to its end.
const MOST_BYTES: usize = 1 << 20;
/// A letter above that, such as one with pictures in its page, goes to the address for uploads as it is: in a document it
/// would be a third larger, and Google means documents to be small.
const MOST_IN_A_DOCUMENT: usize = 64 << 10;

/// Gmail's mailbox of the account that `access` stands for.
pub(super) struct Door {
    http: reqwest::Client,
    access: Access,
    root: Url,
    /// How long one answer is waited for.
    within: Duration,
}

/// What is asked: a method, a path below `users/me`, and what goes with it.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// Its parts.
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) body: Body<'a>,
}

/// What goes with a question.
pub(super) enum Body<'a> {
    None,
    Document(Value),
    /// A letter; in a document it stands in the given member, if any.
    Letter(&'a [u8], Option<&'static str>),
}

/// Why there is no answer to use.
pub(super) enum Trouble {
    Access(AccessError),
    Refused { refusal: Refusal, after: Option<Duration> },
    Fault(Fault),
}

impl Ask<'_> {
    pub(super) fn get<'a>(path: &'a [&'a str], query: &'a [(&'a str, &'a str)]) -> Ask<'a> {
        Ask { method: Method::GET, path, query, body: Body::None }
    }

    pub(super) fn post<'a>(path: &'a [&'a str], body: Body<'a>) -> Ask<'a> {
        Ask { method: Method::POST, path, query: &[], body }
    }
}

impl Trouble {
    /// Whether our token does not reach that far.
    pub(super) fn lacks_right(&self) -> bool {
        matches!(self, Self::Refused { refusal, .. } if refusal.lacks_right())
    }

    /// Whether what was asked for is not there.
    pub(super) fn is_gone(&self) -> bool {
        self.status() == Some(404)
    }

    fn status(&self) -> Option<u16> {
        if let Self::Refused { refusal, .. } = self { Some(refusal.status) } else { None }
    }

    /// What it means for the letter.
    pub(super) fn sent(self, step: Step, trace: Trace) -> Sent {
        match self {
            Self::Access(error @ AccessError::Retry { .. }) => Sent::Retry { why: error.to_string(), after: None },
            Self::Access(error) => Sent::Misconfigured(error.to_string()),
            Self::Refused { refusal, after } => refused(step, &refusal, after, trace, Timestamp::now()),
            Self::Fault(fault) => failed(step, fault, trace),
        }
    }
}

impl Door {
    /// `root` is the address below which there are `gmail/v1` and `upload/gmail/v1`.
    pub(super) fn new(http: reqwest::Client, access: Access, root: Url, within: Duration) -> Self {
        Self { http, access, root, within }
    }

    /// The token, which may take as long as Google's other end takes.
    pub(super) async fn knock(&self) -> Result<String, Trouble> {
        self.access.bearer(None).await.map_err(Trouble::Access)
    }

    /// Asks; once more, with another token, if the token is refused.
    pub(super) async fn ask<T: DeserializeOwned>(&self, ask: Ask<'_>) -> Result<T, Trouble> {
        let token = self.access.bearer(None).await.map_err(Trouble::Access)?;
        match self.once(&ask, &token).await {
            Err(trouble) if trouble.status() == Some(401) => {
                let token = self.access.bearer(Some(&token)).await.map_err(Trouble::Access)?;
                self.once(&ask, &token).await
            }
            answer => answer,
        }
    }

    async fn once<T: DeserializeOwned>(&self, ask: &Ask<'_>, token: &str) -> Result<T, Trouble> {
        let request = self.request(ask).bearer_auth(token).timeout(self.within);
        let mut answer = request.send().await.map_err(|error| Trouble::Fault(fault(&error)))?;
        let status = answer.status();
        let wanted = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let after = wanted.and_then(|text| retry_after(text, Timestamp::now()));
        let mut body = Vec::new();
        while body.len() <= MOST_BYTES {
            match answer.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                // A refusal's status says enough.
                Err(_) if !status.is_success() => break,
                Err(error) => return Err(Trouble::Fault(fault(&error))),
            }
        }
        if !status.is_success() {
            let refusal = Refusal::read(status.as_u16(), &body);
            return Err(Trouble::Refused { refusal, after });
        }
        serde_json::from_slice(&body).map_err(|_| Trouble::Fault(Fault::Strange))
    }

    fn request(&self, ask: &Ask<'_>) -> RequestBuilder {
        let upload = matches!(ask.body, Body::Letter(letter, _) if letter.len() > MOST_IN_A_DOCUMENT);
        let mut url = self.root.clone();
        {
            let mut segments = url.path_segments_mut().expect("an http address has a path");
            segments.pop_if_empty();
            if upload {
                segments.push("upload");
            }
            // What Google has named something with is one part of the path, whatever it is.
            segments.extend(["gmail", "v1", "users", "me"]).extend(ask.path);
        }
        if upload {
            url.query_pairs_mut().append_pair("uploadType", "media");
        }
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(ask.query);
        }
        let request = self.http.request(ask.method.clone(), url);
        match &ask.body {
            Body::None => request,
            Body::Document(document) => request.json(document),
            Body::Letter(letter, _) if upload => request.header(CONTENT_TYPE, "message/rfc822").body(letter.to_vec()),
            Body::Letter(letter, member) => {
                let raw = json!({ "raw": URL_SAFE.encode(letter) });
                request.json(&member.map_or(raw.clone(), |member| json!({ member: raw })))
            }
        }
    }
}

/// What became of a question that has no answer. That nobody was there to hear it is known only where no connection was
/// made.
fn fault(error: &reqwest::Error) -> Fault {
    if error.is_connect() {
        Fault::Unreachable
    } else if error.is_timeout() {
        Fault::Silence
    } else {
        Fault::Cut
    }
}
