//! The consent page, whose person decides at once.
//!
//! Source: Google's OAuth 2.0 guide for desktop applications, November 2026.

use std::collections::BTreeSet;

use url::Url;

use super::grants::Code;
use crate::{
    error::OauthError,
    exchange::{Answer, Request},
    settings::Consent,
    sim::Sim,
};

const KNOWN: [&str; 13] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "access_type",
    "prompt",
    "state",
    "code_challenge",
    "code_challenge_method",
    "login_hint",
    "include_granted_scopes",
    "hd",
    "nonce",
];

/// `GET /o/oauth2/v2/auth`: a redirect with a code or an error, or Google's page of errors.
pub(crate) fn consent(sim: &Sim, request: &Request) -> Answer {
    let asked = match check(sim, request) {
        Ok(asked) => asked,
        Err(error) => return page(&error),
    };
    let mut state = sim.state();
    let granted: BTreeSet<String> = match &state.consent {
        Consent::Deny => return back(&asked, &[("error", "access_denied")]),
        Consent::Grant => asked.scopes.clone(),
        Consent::Only(left) => {
            let left: BTreeSet<String> = left.iter().map(|scope| long(scope)).collect();
            asked.scopes.intersection(&left).cloned().collect()
        }
    };
    if granted.is_empty() {
        return back(&asked, &[("error", "access_denied")]);
    }
    let scope = granted.iter().cloned().collect::<Vec<_>>().join(" ");
    let anew = !state.grants.consented || request.query("prompt").is_some_and(|prompt| prompt.contains("consent"));
    state.grants.consented = true;
    let code = state.grants.code(sim.clock.now(), |expires| Code {
        offline: request.query("access_type") == Some("offline"),
        asked_anew: anew,
        ..Code::new(asked.redirect_uri, asked.challenge, granted, expires)
    });
    back(&asked, &[("code", &code), ("scope", &scope), ("authuser", "0"), ("prompt", "consent")])
}

struct Asked<'a> {
    url: Url,
    /// The same word for word: the exchange has to repeat it.
    redirect_uri: &'a str,
    state: Option<&'a str>,
    challenge: Option<&'a str>,
    scopes: BTreeSet<String>,
}

fn check<'a>(sim: &Sim, request: &'a Request) -> Result<Asked<'a>, OauthError> {
    let bad = |text: String| OauthError::new(400, "invalid_request", text);
    let wanted = |name: &str| {
        let value = request.query(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| bad(format!("Missing required parameter: {name}")))
    };
    if let Some((name, _)) = request.query.iter().find(|(name, _)| !KNOWN.contains(&name.as_str())) {
        return Err(bad(format!("Parameter not allowed for this message type: {name}")));
    }
    if wanted("client_id")? != sim.settings.client_id {
        return Err(OauthError::new(401, "invalid_client", "The OAuth client was not found."));
    }
    let given = wanted("redirect_uri")?;
    let url = loopback(given).ok_or_else(|| {
        OauthError::new(400, "redirect_uri_mismatch", format!("redirect_uri={given} is no loopback address"))
    })?;
    if wanted("response_type")? != "code" {
        return Err(OauthError::new(400, "unsupported_response_type", "Only response_type=code is simulated."));
    }
    let scopes: BTreeSet<String> = wanted("scope")?.split(' ').filter(|scope| !scope.is_empty()).map(long).collect();
    if let Some(unknown) = scopes.iter().find(|scope| !sim.documents.knows_scope(scope)) {
        let text = format!("Some requested scopes were invalid. {{invalid=[{unknown}]}}");
        return Err(OauthError::new(400, "invalid_scope", text));
    }
    let challenge = request.query("code_challenge");
    if challenge.is_some() && request.query("code_challenge_method") != Some("S256") {
        return Err(bad("Only code_challenge_method=S256 is simulated.".to_owned()));
    }
    if challenge.is_some_and(|challenge| challenge.len() != 43) {
        return Err(bad("Invalid code challenge.".to_owned()));
    }
    Ok(Asked { url, redirect_uri: given, state: request.query("state"), challenge, scopes })
}

/// The name under which Google stores a scope.
pub(super) fn long(scope: &str) -> String {
    match scope {
        "email" | "profile" => format!("https://www.googleapis.com/auth/userinfo.{scope}"),
        _ => scope.to_owned(),
    }
}

/// Desktop clients may be sent back to this machine alone, at any port.
fn loopback(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let ours = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    (ours && url.scheme() == "http" && url.fragment().is_none()).then_some(url)
}

fn back(asked: &Asked<'_>, pairs: &[(&str, &str)]) -> Answer {
    let mut url = asked.url.clone();
    {
        let mut query = url.query_pairs_mut();
        if let Some(state) = asked.state {
            query.append_pair("state", state);
        }
        query.extend_pairs(pairs);
    }
    Answer::empty(302).with("location", url.to_string())
}

fn page(error: &OauthError) -> Answer {
    let text = format!(
        "<!DOCTYPE html><html><title>Error {}</title><h1>Access blocked: authorization error</h1><p>Error {}: {}</p></html>",
        error.status, error.status, error.error
    );
    log::info!("consent page: {}: {}", error.error, error.description);
    Answer::html(error.status, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_sent_back_to() {
        for good in ["http://127.0.0.1:8765/", "http://localhost:1", "http://[::1]:9000/done"] {
            assert!(loopback(good).is_some(), "{good}");
        }
        for bad in
            ["https://127.0.0.1:1/", "http://clinic.example/", "urn:ietf:wg:oauth:2.0:oob", "", "http://localhost/#a"]
        {
            assert!(loopback(bad).is_none(), "{bad}");
        }
    }
}
