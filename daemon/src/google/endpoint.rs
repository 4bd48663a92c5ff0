//! Google's token endpoint: a form goes in, a token or a refusal comes out.
//!
//! Source: Google's OAuth 2.0 documentation and google-auth 2.62 (which answers pass), November 2026.

use std::time::Duration;

use reqwest::Response;
use serde::Deserialize;
use serde_json::Value;
use url::{Host, Url};

use crate::config::Secret;
use crate::logging::chain;

/// An access token lives that long, if nothing is said of it.
const LIFETIME: Duration = Duration::from_hours(1);
/// What an endpoint may promise at most for an access token; beyond it is a mistake.
const LONGEST: Duration = Duration::from_hours(24);
/// Characters of the endpoint's words that are passed on.
const MOST_WORDS: usize = 300;
/// Google's largest answer, an id token included, has a few kilobytes.
const MOST_BYTES: usize = 64 << 10;

/// What was granted.
pub(super) struct Granted {
    pub(super) access_token: String,
    /// How long it is good for, a day at most.
    pub(super) lives: Duration,
    /// What the next token can be had with; an answer without one leaves the old in force.
    pub(super) refresh_token: Option<Secret>,
    /// How long that one is good for, where it ends by itself.
    pub(super) refresh_lives: Option<Duration>,
    /// The scopes, if the answer names them.
    pub(super) scope: Option<String>,
    /// Who consented, as a JWT straight from Google.
    pub(super) id_token: Option<String>,
}

/// Why nothing was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Asking again changes nothing.
    Refused(Refusal),
    /// It passes; what was met.
    Passing(String),
}

/// A refusal, in the endpoint's own words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Refusal {
    /// For example `invalid_grant`; never empty.
    pub(super) code: String,
    /// For example `invalid_rapt`.
    pub(super) subtype: String,
    /// Status, code and description, fit for a log.
    pub(super) words: String,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    #[serde(default)]
    expires_in: Value,
    refresh_token: Option<String>,
    #[serde(default)]
    refresh_token_expires_in: Value,
    scope: Option<String>,
    id_token: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Refused {
    error: String,
    error_description: String,
    error_subtype: String,
}

/// Asks `endpoint`.
pub(super) async fn ask(http: &reqwest::Client, endpoint: &Url, form: &[(&str, &str)]) -> Result<Granted, Failure> {
    let answer = http.post(endpoint.clone()).form(form).send().await.map_err(unreachable)?;
    let status = answer.status();
    let body = body(answer).await?;
    if !status.is_success() {
        return Err(refused(status.as_u16(), &body));
    }
    // What is not a token's document may hold one all the same: it is not quoted.
    let nonsense = |_| Failure::Passing("the answer is not a token's document".to_owned());
    let answer: Answer = serde_json::from_slice(&body).map_err(nonsense)?;
    Ok(Granted {
        access_token: answer.access_token,
        lives: seconds(&answer.expires_in).unwrap_or(LIFETIME).min(LONGEST),
        refresh_token: answer.refresh_token.filter(|token| !token.is_empty()).map(|token| Secret::new(&token)),
        // Zero is said where there is no end.
        refresh_lives: seconds(&answer.refresh_token_expires_in).filter(|lives| !lives.is_zero()),
        scope: answer.scope,
        id_token: answer.id_token,
    })
}

/// Whether what is sent there can be read by nobody else on its way: TLS, or this machine.
pub(super) fn is_private(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback)
}

/// Why a request came to nothing, without its address.
pub(super) fn unreachable(error: reqwest::Error) -> Failure {
    Failure::Passing(chain(&error.without_url()).to_string())
}

/// The body of an answer, if it is no larger than any of Google's.
pub(super) async fn body(mut answer: Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(Failure::Passing(format!("the answer has more than {MOST_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Numbers come as JSON numbers or as text.
fn seconds(value: &Value) -> Option<Duration> {
    let seconds = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())?;
    Some(Duration::from_secs(seconds))
}

/// What a status that is no success and its body say.
pub(super) fn refused(status: u16, body: &[u8]) -> Failure {
    let Refused { error: code, error_description, error_subtype: subtype } =
        serde_json::from_slice(body).unwrap_or_default();
    let words = printable(&format!("HTTP {status} {code} {error_description}"));
    let passing = (500..600).contains(&status)
        || matches!(status, 408 | 429)
        // No word of Google's: a proxy, or a page on which guests of a network log in.
        || code.is_empty()
        || matches!(code.as_str(), "internal_failure" | "server_error" | "temporarily_unavailable")
        // Our clock is wrong; it is set when the network is there.
        || (code == "invalid_grant" && error_description.contains("short-lived token"));
    if passing { Failure::Passing(words) } else { Failure::Refused(Refusal { code, subtype, words }) }
}

/// What somebody else wrote, fit for a log.
pub(super) fn printable(text: &str) -> String {
    text.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST_WORDS).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_clock_that_is_wrong_is_waited_for() {
        let says = |description: &str| {
            refused(400, json!({ "error": "invalid_grant", "error_description": description }).to_string().as_bytes())
        };
        let late = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.";
        assert!(matches!(says(late), Failure::Passing(_)));
        assert!(matches!(says("Invalid JWT Signature."), Failure::Refused(_)));
    }

    #[test]
    fn a_page_of_somebody_elses_is_no_refusal_of_googles() {
        for status in [302, 400, 401, 403, 404, 407] {
            for body in ["<html>Welcome to the hotel</html>", "", "{}", "[1]", "{\"error\":{\"code\":403}}"] {
                assert!(matches!(refused(status, body.as_bytes()), Failure::Passing(_)), "{status} {body}");
            }
            let said = refused(status, b"{\"error\":\"access_denied\"}");
            assert!(matches!(said, Failure::Refused(_)), "{status}");
        }
    }

    #[test]
    fn only_tls_and_this_machine_are_private() {
        let private = |url: &str| is_private(&url.parse().unwrap());
        for url in ["https://oauth2.googleapis.com/token", "http://127.0.0.1:1/", "http://[::1]/", "http://localhost:9"]
        {
            assert!(private(url), "{url}");
        }
        for url in [
            "http://oauth2.googleapis.com/token",
            "http://192.168.1.7/",
            "http://localhost.example/",
            "ftp://127.0.0.1/",
        ] {
            assert!(!private(url), "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics_or_breaks_a_line(status in 100_u16..600, body in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC*|.*") {
            let document = json!({ "error": text, "error_description": text, "error_subtype": text }).to_string();
            for body in [&body[..], document.as_bytes()] {
                let (Failure::Passing(words) | Failure::Refused(Refusal { words, .. })) = refused(status, body);
                prop_assert!(!words.contains('\n') && words.chars().count() <= MOST_WORDS);
            }
            let _ = seconds(&json!(text));
        }
    }
}
