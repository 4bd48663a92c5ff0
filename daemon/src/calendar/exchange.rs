//! One request to a calendar server with its whole answer, whatever the two speak.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{self, HeaderMap};
use reqwest::{RequestBuilder, StatusCode};

use super::error::{CalError, MOST_PATIENCE};
use crate::logging::chain;
use crate::net::retry_after;

/// One request with its whole answer. Somebody is on the phone: what takes longer is an outage.
const WITHIN: Duration = Duration::from_secs(10);
/// Largest answer; a calendar of several years has less.
const MOST_BYTES: usize = 10 * 1024 * 1024;

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Answer {
    /// When the server wants to be asked again.
    pub(super) fn patience(&self) -> Option<Duration> {
        let wanted = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?;
        retry_after(wanted, Timestamp::now()).map(|wanted| wanted.min(MOST_PATIENCE))
    }
}

/// Asks, and reads the answer to its end.
pub(super) async fn whole(request: RequestBuilder) -> Result<Answer, CalError> {
    let passing = |error: reqwest::Error| CalError::Retry { found: trouble(error), after: None };
    let mut response = request.timeout(WITHIN).send().await.map_err(passing)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(passing)? {
        if body.len() + piece.len() > MOST_BYTES {
            return Err(CalError::Unknown(format!("its answer has more than {} MB", MOST_BYTES / 1024 / 1024)));
        }
        body.extend_from_slice(&piece);
    }
    let body = match String::from_utf8(body) {
        Ok(body) => body,
        // Of a refusal the status is enough.
        Err(_) if !status.is_success() => String::new(),
        Err(_) => return Err(CalError::Unknown("its answer is not UTF-8".to_owned())),
    };
    Ok(Answer { status, headers, body })
}

/// What was met on the way, without the address: it may hold a user's name.
fn trouble(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no whole answer came within {} s", WITHIN.as_secs());
    }
    chain(&error.without_url()).to_string()
}
