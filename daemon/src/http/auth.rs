//! Who may ask the admin listener.
//!
//! With an admin token, whoever shows it; only `/health` is open. Without one the listener is on loopback, and every
//! program of this machine may ask, but no web page that a browser of this machine has loaded: a page can send
//! requests here, and by pointing its own name at 127.0.0.1 (DNS rebinding) even read the answers. Such requests give
//! themselves away by the `Host` that they name, and by what browsers say about their origin.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::reply::Refused;
use crate::config::{AdminConfig, Secret};
use crate::metrics::Metrics;

/// What a request must show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminAuth {
    /// The admin token.
    Token(Secret),
    /// That it comes from a program of this machine, and not from a web page.
    Loopback,
    /// Nothing would do: the listener can be reached from the network and there is no token. The configuration
    /// refuses this; it is refused here again, because the answers are transcripts.
    Nobody,
}

impl AdminAuth {
    /// The rule for a listener that listens on `local`.
    pub fn of(config: &AdminConfig, local: SocketAddr) -> Self {
        match &config.token {
            Some(token) => Self::Token(token.clone()),
            None if local.ip().is_loopback() => Self::Loopback,
            None => Self::Nobody,
        }
    }

    fn admit(&self, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
        match self {
            Self::Token(_) if path == "/health" => Ok(()),
            Self::Token(token) => match bearer(headers) {
                Some(shown) if token.matches(shown) => Ok(()),
                Some(_) => Err(Refusal::WrongToken),
                None => Err(Refusal::NoToken),
            },
            Self::Loopback => from_this_machine(headers),
            Self::Nobody => Err(Refusal::Closed),
        }
    }
}

/// Why a request was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    NoToken,
    WrongToken,
    ForeignHost,
    ForeignPage,
    Closed,
}

impl Refusal {
    /// The word for programs and metrics.
    fn as_str(self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::WrongToken => "wrong_token",
            Self::ForeignHost => "foreign_host",
            Self::ForeignPage => "foreign_page",
            Self::Closed => "closed",
        }
    }

    fn into_response(self) -> Response {
        let (status, message) = match self {
            Self::NoToken => (
                StatusCode::UNAUTHORIZED,
                "show the admin token: Authorization: Bearer … (frontdeskctl takes it from FRONTDESK_ADMIN_TOKEN)",
            ),
            Self::WrongToken => {
                (StatusCode::UNAUTHORIZED, "that is not the admin token; credentials are read when the daemon starts")
            }
            Self::ForeignHost => (
                StatusCode::FORBIDDEN,
                "ask for 127.0.0.1, [::1] or localhost; to be reached by another name, the listener needs an admin token",
            ),
            Self::ForeignPage => (StatusCode::FORBIDDEN, "this is not for pages of other origins"),
            Self::Closed => {
                (StatusCode::FORBIDDEN, "this listener needs an admin token, and the daemon was given none")
            }
        };
        let mut response = Refused::new(status, self.as_str(), message).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The token that is shown; a second `Authorization` is one too many.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?.as_bytes(), values.next()) else { return None };
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// A program of this machine names it by a loopback name; a page that a browser shows says so, or names its own host.
fn from_this_machine(headers: &HeaderMap) -> Result<(), Refusal> {
    if !headers.get_all(HOST).iter().all(names_loopback) {
        return Err(Refusal::ForeignHost);
    }
    let fetched_by_another =
        headers.get("sec-fetch-site").is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"));
    // Pages of our own may post to us: their origin is the host they name.
    let own = |origin: &HeaderValue| {
        let host = headers.get(HOST).map(HeaderValue::as_bytes).unwrap_or_default();
        origin.as_bytes().split(|byte| *byte == b'/').next_back() == Some(host)
    };
    if fetched_by_another || !headers.get_all(ORIGIN).iter().all(own) {
        return Err(Refusal::ForeignPage);
    }
    Ok(())
}

fn names_loopback(host: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The middleware that lets only authorised requests through. Refusals are counted, and logged without what was shown.
pub(super) async fn admit(
    State((auth, metrics)): State<(AdminAuth, Metrics)>,
    request: Request,
    next: Next,
) -> Response {
    match auth.admit(request.uri().path(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            metrics.admin_refused(refusal.as_str());
            log::debug!("a request to the admin listener was refused: {}", refusal.as_str());
            refusal.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect::<HeaderMap>()
    }

    fn loopback(pairs: &[(&'static str, &str)]) -> Result<(), Refusal> {
        AdminAuth::Loopback.admit("/v1/calls", &headers(pairs))
    }

    #[test]
    fn the_rule_follows_from_token_and_address() {
        let config = |token: Option<&str>| AdminConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            token: token.map(Secret::new),
            tls: None,
        };
        let of = |token, local: &str| AdminAuth::of(&config(token), local.parse().unwrap());
        assert_eq!(of(None, "127.0.0.1:8090"), AdminAuth::Loopback);
        assert_eq!(of(None, "[::1]:8090"), AdminAuth::Loopback);
        assert_eq!(of(None, "192.168.1.7:8090"), AdminAuth::Nobody);
        assert_eq!(of(None, "0.0.0.0:8090"), AdminAuth::Nobody);
        assert_eq!(of(Some("s"), "127.0.0.1:8090"), AdminAuth::Token(Secret::new("s")));
    }

    #[test]
    fn only_the_token_opens_and_only_health_is_open() {
        let auth = AdminAuth::Token(Secret::new("let-me-in"));
        let ask = |path, authorization: &str| auth.admit(path, &headers(&[("authorization", authorization)]));
        assert_eq!(ask("/v1/calls", "Bearer let-me-in"), Ok(()));
        assert_eq!(ask("/v1/calls", "bearer  let-me-in "), Ok(()));
        for wrong in ["Bearer let-me-i", "Bearer let-me-in2", "Bearer ", "Bearer Let-me-in"] {
            assert_eq!(ask("/v1/calls", wrong), Err(Refusal::WrongToken), "{wrong}");
        }
        for none in ["", "Bearer", "Basic bGV0LW1lLWlu", "let-me-in", "Bearerlet-me-in"] {
            assert_eq!(ask("/metrics", none), Err(Refusal::NoToken), "{none}");
        }
        assert_eq!(auth.admit("/v1/calls", &HeaderMap::new()), Err(Refusal::NoToken));
        assert_eq!(auth.admit("/health", &HeaderMap::new()), Ok(()));
        assert_eq!(auth.admit("/health/", &HeaderMap::new()), Err(Refusal::NoToken));

        let mut twice = headers(&[("authorization", "Bearer let-me-in")]);
        twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer let-me-in"));
        assert_eq!(auth.admit("/v1/calls", &twice), Err(Refusal::NoToken));
    }

    #[test]
    fn a_program_of_this_machine_needs_no_token() {
        for host in ["127.0.0.1:8090", "127.8.9.1", "localhost:8090", "LOCALHOST", "[::1]:8090", "[::1]"] {
            assert_eq!(loopback(&[("host", host)]), Ok(()), "{host}");
        }
        assert_eq!(loopback(&[]), Ok(()), "a browser always names a host");
    }

    #[test]
    fn a_name_that_was_pointed_at_loopback_is_refused() {
        for host in [
            "evil.example",
            "evil.example:8090",
            "localhost.evil.example",
            "127.0.0.1.evil.example:8090",
            "desk.local",
            "192.168.1.7:8090",
            "0.0.0.0:8090",
            "",
            "127.0.0.1:8090, evil.example",
        ] {
            assert_eq!(loopback(&[("host", host)]), Err(Refusal::ForeignHost), "{host}");
        }
        let mut two = headers(&[("host", "localhost")]);
        two.append(HOST, HeaderValue::from_static("evil.example"));
        assert_eq!(AdminAuth::Loopback.admit("/metrics", &two), Err(Refusal::ForeignHost));
    }

    #[test]
    fn a_page_of_another_origin_is_refused() {
        let host = ("host", "localhost:8090");
        assert_eq!(loopback(&[host, ("sec-fetch-site", "cross-site")]), Err(Refusal::ForeignPage));
        assert_eq!(loopback(&[host, ("sec-fetch-site", "same-site")]), Err(Refusal::ForeignPage));
        assert_eq!(loopback(&[host, ("origin", "http://evil.example")]), Err(Refusal::ForeignPage));
        assert_eq!(loopback(&[host, ("origin", "http://localhost:3000")]), Err(Refusal::ForeignPage));
        assert_eq!(loopback(&[host, ("origin", "null")]), Err(Refusal::ForeignPage));
        assert_eq!(loopback(&[host, ("sec-fetch-site", "none")]), Ok(()), "typed into the address bar");
        assert_eq!(loopback(&[host, ("sec-fetch-site", "same-origin"), ("origin", "http://localhost:8090")]), Ok(()));
    }

    #[test]
    fn without_token_or_loopback_nobody_is_admitted() {
        assert_eq!(AdminAuth::Nobody.admit("/health", &headers(&[("host", "localhost")])), Err(Refusal::Closed));
    }
}
