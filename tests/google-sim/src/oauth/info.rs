//! What a token is, whose it is, and its end.

use serde_json::json;

use super::{
    SERVICE_CLIENT_ID,
    grants::Token,
    token::{EMAIL, SUBJECT},
};
use crate::{
    error::{ApiError, OauthError},
    exchange::{Answer, Request, value},
    sim::Sim,
};

fn given(request: &Request, name: &str) -> Option<String> {
    let form = request.form();
    value(&form, name).or_else(|| request.query(name)).map(str::to_owned)
}

/// `/tokeninfo`: every value is a string.
pub(crate) fn token_info(sim: &Sim, request: &Request) -> Answer {
    let now = sim.clock.now();
    let state = sim.state();
    let token = given(request, "access_token").and_then(|name| state.grants.token(&name, now).cloned());
    let Some(token) = token else {
        return OauthError::new(400, "invalid_token", "Invalid Value").answer();
    };
    let mut info = json!({
        "azp": audience(sim, &token),
        "aud": audience(sim, &token),
        "sub": SUBJECT,
        "scope": token.scopes.iter().cloned().collect::<Vec<_>>().join(" "),
        "exp": token.expires.as_second().to_string(),
        "expires_in": (token.expires.as_second() - now.as_second()).to_string(),
        "access_type": if token.offline { "offline" } else { "online" },
    });
    if token.scopes.contains(EMAIL) {
        info["email"] = json!(token.person.email);
        info["email_verified"] = json!("true");
    }
    Answer::json(200, &info)
}

fn audience(sim: &Sim, token: &Token) -> String {
    if token.person.robot { SERVICE_CLIENT_ID.to_owned() } else { sim.settings.client_id.clone() }
}

/// `oauth2.tokeninfo`, the older interface.
pub(crate) fn api_token_info(sim: &Sim, request: &Request) -> Result<serde_json::Value, ApiError> {
    let now = sim.clock.now();
    let state = sim.state();
    let token = given(request, "access_token").and_then(|name| state.grants.token(&name, now).cloned());
    let token = token.ok_or_else(|| ApiError::new(400, "invalid_token", "Invalid Value"))?;
    let mut info = json!({
        "issued_to": audience(sim, &token),
        "audience": audience(sim, &token),
        "user_id": SUBJECT,
        "scope": token.scopes.iter().cloned().collect::<Vec<_>>().join(" "),
        "expires_in": token.expires.as_second() - now.as_second(),
    });
    if token.scopes.contains(EMAIL) {
        info["email"] = json!(token.person.email);
        info["verified_email"] = json!(true);
    }
    Ok(info)
}

/// `oauth2.userinfo.get`.
pub(crate) fn api_user_info(token: &Token) -> serde_json::Value {
    let mut info = json!({ "id": SUBJECT });
    if token.scopes.contains(EMAIL) {
        info["email"] = json!(token.person.email);
        info["verified_email"] = json!(true);
    }
    info
}

/// `POST /revoke`: ends all grants of the person, not the one alone.
pub(crate) fn revoke(sim: &Sim, request: &Request) -> Answer {
    let mut state = sim.state();
    if given(request, "token").is_some_and(|name| state.grants.knows(&name)) {
        state.grants.revoke();
        return Answer::json(200, &json!({}));
    }
    OauthError::new(400, "invalid_token", "Token expired or revoked").answer()
}
