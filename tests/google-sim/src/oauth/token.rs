//! `POST /token`: three ways to an access token.

use std::collections::BTreeSet;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::{
    consent::long,
    grants::{Code, Person, Token},
    jwt,
};
use crate::{
    error::OauthError,
    exchange::{Answer, Request, value},
    sim::{Sim, State},
};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Answers the endpoint.
pub(crate) fn token(sim: &Sim, request: &Request) -> Answer {
    let form = request.form();
    let outcome = match value(&form, "grant_type") {
        Some("authorization_code") => exchange(sim, request, &form),
        Some("refresh_token") => refresh(sim, request, &form),
        Some(JWT_BEARER) => assertion(sim, &form),
        Some(other) => Err(OauthError::new(400, "unsupported_grant_type", format!("Invalid grant_type: {other}"))),
        None => Err(missing("grant_type")),
    };
    match outcome {
        Ok(body) => Answer::json(200, &body).with("cache-control", "no-cache, no-store, max-age=0, must-revalidate"),
        Err(error) => error.answer(),
    }
}

fn missing(name: &str) -> OauthError {
    OauthError::new(400, "invalid_request", format!("Missing required parameter: {name}"))
}

fn wanted<'a>(form: &'a [(String, String)], name: &str) -> Result<&'a str, OauthError> {
    value(form, name).filter(|value| !value.is_empty()).ok_or_else(|| missing(name))
}

/// The client's name and secret, in the form or as RFC 6749 has them in a header.
fn check_client(sim: &Sim, request: &Request, form: &[(String, String)]) -> Result<(), OauthError> {
    let basic = || {
        let text = request.header("authorization")?.strip_prefix("Basic ")?;
        let plain = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
        let (id, secret) = plain.split_once(':')?;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned);
        Some((decoded(id)?, decoded(secret)?))
    };
    let (id, secret) = match (value(form, "client_id"), value(form, "client_secret")) {
        (Some(id), Some(secret)) => (id.to_owned(), secret.to_owned()),
        (Some(_), None) if basic().is_none() => {
            return Err(OauthError::new(400, "invalid_request", "client_secret is missing."));
        }
        _ => basic()
            .ok_or_else(|| OauthError::new(400, "invalid_request", "Could not determine client ID from request."))?,
    };
    if id != sim.settings.client_id {
        return Err(OauthError::new(401, "invalid_client", "The OAuth client was not found."));
    }
    if secret != sim.settings.client_secret {
        return Err(OauthError::new(401, "invalid_client", "Unauthorized"));
    }
    Ok(())
}

fn exchange(sim: &Sim, request: &Request, form: &[(String, String)]) -> Result<Value, OauthError> {
    check_client(sim, request, form)?;
    let now = sim.clock.now();
    let (given, redirect) = (wanted(form, "code")?, wanted(form, "redirect_uri")?);
    let mut state = sim.state();
    let code = state.grants.take_code(given, now).ok_or_else(|| OauthError::grant("Malformed auth code."))?;
    if code.redirect_uri != redirect {
        return Err(OauthError::new(400, "redirect_uri_mismatch", "Bad Request"));
    }
    check_verifier(&code, value(form, "code_verifier"))?;
    let person = Person { email: sim.settings.user.clone(), robot: false };
    let mut answer = grant(sim, &mut state, person, code.scopes.clone(), code.offline);
    if code.offline && code.asked_anew {
        let expires = sim.settings.refresh_token_life.map(|life| sim.clock.after(life));
        answer["refresh_token"] = json!(state.grants.refresh_token(code.scopes, expires));
        tell_end(&mut answer, expires, now);
    }
    Ok(answer)
}

fn tell_end(answer: &mut Value, expires: Option<Timestamp>, now: Timestamp) {
    if let Some(expires) = expires {
        answer["refresh_token_expires_in"] = json!(expires.as_second() - now.as_second());
    }
}

fn check_verifier(code: &Code, verifier: Option<&str>) -> Result<(), OauthError> {
    match (&code.challenge, verifier) {
        (None, None) => Ok(()),
        (Some(_), None) => Err(OauthError::grant("Missing code verifier.")),
        (None, Some(_)) => Err(OauthError::grant("code_verifier or verifier is not needed.")),
        (Some(challenge), Some(verifier)) => {
            let legal = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
            let good = (43..=128).contains(&verifier.len())
                && verifier.chars().all(legal)
                && URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())) == *challenge;
            if good { Ok(()) } else { Err(OauthError::grant("Invalid code verifier.")) }
        }
    }
}

fn refresh(sim: &Sim, request: &Request, form: &[(String, String)]) -> Result<Value, OauthError> {
    check_client(sim, request, form)?;
    let now = sim.clock.now();
    let name = wanted(form, "refresh_token")?;
    let mut state = sim.state();
    let revoked = || OauthError::grant("Token has been expired or revoked.");
    let (scopes, expires) = state.grants.refreshed(name, now).ok_or_else(revoked)?;
    let asked: BTreeSet<String> = match value(form, "scope") {
        Some(text) if !text.is_empty() => text.split(' ').filter(|scope| !scope.is_empty()).map(long).collect(),
        _ => scopes.clone(),
    };
    if !asked.is_subset(&scopes) {
        return Err(OauthError::new(400, "invalid_scope", "Some requested scopes were invalid."));
    }
    let person = Person { email: sim.settings.user.clone(), robot: false };
    let mut answer = grant(sim, &mut state, person, asked, true);
    if sim.settings.rotate_refresh_tokens {
        state.grants.end_refresh_token(name);
        answer["refresh_token"] = json!(state.grants.refresh_token(scopes, expires));
    }
    tell_end(&mut answer, expires, now);
    Ok(answer)
}

fn assertion(sim: &Sim, form: &[(String, String)]) -> Result<Value, OauthError> {
    let assertion = wanted(form, "assertion")?;
    let mut state = sim.state();
    let (person, scopes) = jwt::judge(sim, assertion, state.grants.key_deleted)?;
    let mut answer = grant(sim, &mut state, person, scopes, false);
    // Who signs for its own token knows what it asked for.
    if let Some(answer) = answer.as_object_mut() {
        answer.remove("scope");
        answer.remove("id_token");
    }
    Ok(answer)
}

fn grant(sim: &Sim, state: &mut State, person: Person, scopes: BTreeSet<String>, offline: bool) -> Value {
    let now = sim.clock.now();
    let life = sim.settings.access_token_life;
    let mut answer = json!({
        "expires_in": life.as_secs(),
        "scope": scopes.iter().cloned().collect::<Vec<_>>().join(" "),
        "token_type": "Bearer",
    });
    if sim.settings.expires_in_text {
        answer["expires_in"] = json!(life.as_secs().to_string());
    }
    if scopes.contains("openid") {
        let issued = now.as_second();
        let mut claims = json!({
            "iss": "https://accounts.google.com", "azp": sim.settings.client_id, "aud": sim.settings.client_id,
            "sub": SUBJECT, "iat": issued, "exp": issued + 3_600,
        });
        if scopes.contains(EMAIL) {
            claims["email"] = json!(person.email);
            claims["email_verified"] = json!(true);
        }
        answer["id_token"] = json!(sim.key.sign(&claims));
    }
    answer["access_token"] =
        json!(state.grants.access(Token { person, scopes, expires: sim.clock.after(life), offline }));
    answer
}

/// The number behind the user's account.
pub(super) const SUBJECT: &str = "110000000000000000001";
pub(super) const EMAIL: &str = "https://www.googleapis.com/auth/userinfo.email";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifier_of_rfc_7636_fits_its_challenge() {
        let challenge = Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        let code = Code::new("http://127.0.0.1:1/", challenge, BTreeSet::new(), Timestamp::MAX);
        assert_eq!(check_verifier(&code, Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")), Ok(()));
        for wrong in [None, Some(""), Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK"), Some("é")] {
            assert!(check_verifier(&code, wrong).is_err(), "{wrong:?}");
        }
        let none = Code::new("http://127.0.0.1:1/", None, BTreeSet::new(), Timestamp::MAX);
        assert_eq!(check_verifier(&none, None), Ok(()));
    }
}
