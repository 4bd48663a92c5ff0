//! A service account's assertion (RFC 7523), judged as Google does.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::Value;

use super::{AUDIENCE, consent::long, grants::Person, key::Key};
use crate::{error::OauthError, sim::Sim};

/// Seconds between `iat` and `exp` at most: an hour, and the leeway that Google leaves.
const LONGEST: i64 = 3_900;
/// Seconds by which `iat` may lie ahead.
const AHEAD: i64 = 60;

/// On whose behalf, and with which scopes, an assertion asks.
pub(super) fn judge(sim: &Sim, assertion: &str, key_deleted: bool) -> Result<(Person, BTreeSet<String>), OauthError> {
    let claims = verified(&sim.key, assertion, key_deleted, &sim.settings.service_account)?;
    check_times(&claims, sim.clock.now())?;
    if claims["aud"] != AUDIENCE {
        let text = format!("Invalid JWT: Failed audience check. The right audience is {AUDIENCE}");
        return Err(OauthError::grant(text));
    }
    let scopes: BTreeSet<String> =
        claims["scope"].as_str().unwrap_or_default().split(' ').filter(|scope| !scope.is_empty()).map(long).collect();
    if scopes.is_empty() || !scopes.iter().all(|scope| sim.documents.knows_scope(scope)) {
        return Err(OauthError::new(400, "invalid_scope", "Invalid OAuth scope or ID token audience provided."));
    }
    let robot = &sim.settings.service_account;
    match &claims["sub"] {
        Value::Null => Ok((Person { email: robot.clone(), robot: true }, scopes)),
        Value::String(sub) if sub == robot => Ok((Person { email: robot.clone(), robot: true }, scopes)),
        Value::String(sub) => delegated(sim, sub, &scopes).map(|person| (person, scopes)),
        _ => Err(OauthError::grant("Invalid email or User ID")),
    }
}

fn delegated(sim: &Sim, sub: &str, scopes: &BTreeSet<String>) -> Result<Person, OauthError> {
    let delegation = &sim.settings.delegation;
    let unauthorized = "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any \
                        of the scopes requested.";
    let refuse = || OauthError::new(401, "unauthorized_client", unauthorized);
    let Some(allowed) = delegation.get(sub) else {
        return Err(if delegation.is_empty() { refuse() } else { OauthError::grant("Invalid email or User ID") });
    };
    if !scopes.iter().all(|scope| allowed.contains(scope)) {
        return Err(refuse());
    }
    Ok(Person { email: sub.to_owned(), robot: false })
}

/// The claims, if the account signed them.
fn verified(key: &Key, assertion: &str, key_deleted: bool, account: &str) -> Result<Value, OauthError> {
    let bad = || OauthError::new(400, "invalid_grant", "Bad Request");
    let (signed, signature) = assertion.rsplit_once('.').ok_or_else(bad)?;
    let (header, claims) = signed.split_once('.').ok_or_else(bad)?;
    let part = |text: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
        serde_json::from_slice::<Value>(&bytes).map_err(|_| bad())
    };
    let (header, claims) = (part(header)?, part(claims)?);
    if header["alg"] != "RS256" {
        return Err(OauthError::grant("Invalid JWT: unsupported algorithm"));
    }
    if claims["iss"] != account {
        return Err(OauthError::grant("Invalid grant: account not found"));
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| bad())?;
    // Google finds the key by its id where there is one.
    let known = header["kid"].as_str().is_none_or(|id| id.is_empty() || Key::knows_id(id));
    if key_deleted || !known || !key.verifies(signed, &signature) {
        return Err(OauthError::grant("Invalid JWT Signature."));
    }
    Ok(claims)
}

fn check_times(claims: &Value, now: Timestamp) -> Result<(), OauthError> {
    let (issued, expires) = (claims["iat"].as_i64(), claims["exp"].as_i64());
    let now = now.as_second();
    let good = |issued: i64, expires: i64| {
        expires > issued && expires.saturating_sub(issued) <= LONGEST && issued <= now + AHEAD && expires > now
    };
    if issued.zip(expires).is_some_and(|(issued, expires)| good(issued, expires)) {
        return Ok(());
    }
    Err(OauthError::grant(
        "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp \
         values in the JWT claim.",
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::settings::Settings;

    fn claims(sim: &Sim) -> Value {
        let now = sim.clock.now().as_second();
        json!({ "iss": sim.settings.service_account, "scope": "https://www.googleapis.com/auth/calendar.events",
            "aud": AUDIENCE, "iat": now - 10, "exp": now + 3_590 })
    }

    fn refusal(sim: &Sim, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = claims(sim);
        change(&mut claims);
        let error = judge(sim, &sim.key.sign(&claims), false).unwrap_err();
        format!("{} {}: {}", error.status, error.error, error.description.split('(').next().unwrap_or_default().trim())
    }

    #[test]
    fn a_good_assertion_is_the_accounts() {
        let sim = Sim::for_tests(Settings::default());
        let (person, scopes) = judge(&sim, &sim.key.sign(&claims(&sim)), false).unwrap();
        assert!(person.robot && person.email == sim.settings.service_account);
        assert!(scopes.contains("https://www.googleapis.com/auth/calendar.events"));
    }

    #[test]
    fn every_mistake_has_googles_words() {
        let sim = Sim::for_tests(Settings::default());
        let now = sim.clock.now().as_second();
        let short_lived = "400 invalid_grant: Invalid JWT: Token must be a short-lived token";
        assert_eq!(refusal(&sim, |c| c["exp"] = json!(now + 4_000)), short_lived);
        assert_eq!(refusal(&sim, |c| c["iat"] = json!(now + 120)), short_lived, "a clock ahead");
        assert_eq!(refusal(&sim, |c| c["exp"] = json!(now - 5)), short_lived, "a clock behind");
        assert_eq!(refusal(&sim, |c| c["exp"] = json!("soon")), short_lived);
        let audience = "400 invalid_grant: Invalid JWT: Failed audience check. The right audience is ";
        assert_eq!(refusal(&sim, |c| c["aud"] = json!("http://127.0.0.1/token")), format!("{audience}{AUDIENCE}"));
        let scope = "400 invalid_scope: Invalid OAuth scope or ID token audience provided.";
        assert_eq!(refusal(&sim, |c| c["scope"] = json!("")), scope);
        assert_eq!(refusal(&sim, |c| c["scope"] = json!("calendar,gmail")), scope);
        assert_eq!(refusal(&sim, |c| c["iss"] = json!("x@y.z")), "400 invalid_grant: Invalid grant: account not found");
        assert!(refusal(&sim, |c| c["sub"] = json!("a@clinic.example")).starts_with("401 unauthorized_client"));
    }

    #[test]
    fn a_foreign_or_deleted_key_and_garbage_are_refused() {
        let sim = Sim::for_tests(Settings::default());
        let good = sim.key.sign(&claims(&sim));
        assert_eq!(judge(&sim, &good, true).unwrap_err().description, "Invalid JWT Signature.");
        let mut forged = good.clone();
        forged.replace_range(good.len() - 6.., "AAAAAA");
        assert_eq!(judge(&sim, &forged, false).unwrap_err().description, "Invalid JWT Signature.");
        for garbage in ["", ".", "..", "a.b.c", "e30.e30.", "é.é.é"] {
            assert_eq!(judge(&sim, garbage, false).unwrap_err().error, "invalid_grant", "{garbage}");
        }
    }

    #[test]
    fn delegation_is_for_its_users_and_scopes() {
        let events = "https://www.googleapis.com/auth/calendar.events".to_owned();
        let delegation = [("a@clinic.example".to_owned(), vec![events])].into();
        let sim = Sim::for_tests(Settings { delegation, ..Settings::default() });
        let mut claims = claims(&sim);
        claims["sub"] = json!("a@clinic.example");
        let (person, _) = judge(&sim, &sim.key.sign(&claims), false).unwrap();
        assert_eq!(person, Person { email: "a@clinic.example".into(), robot: false });
        assert_eq!(
            refusal(&sim, |c| c["sub"] = json!("b@clinic.example")),
            "400 invalid_grant: Invalid email or User ID"
        );
        let more = "https://www.googleapis.com/auth/calendar.events https://www.googleapis.com/auth/gmail.send";
        claims["scope"] = json!(more);
        assert_eq!(judge(&sim, &sim.key.sign(&claims), false).unwrap_err().error, "unauthorized_client");
    }
}
