//! Trading what a browser brought back for lasting access.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use super::client::OAuthClient;
use super::end;
use super::endpoint::{self, Failure, Refusal};
use super::scope;
use super::vault::{Kept, VaultError};
use crate::config::{GooglePublishing, Secret};
use crate::logging::chain;

/// What a browser brought back, and what belongs to it.
#[derive(Debug)]
pub struct Exchange {
    /// Google's code: good once, for a few minutes.
    pub code: Secret,
    /// The PKCE verifier of the question that it answers.
    pub verifier: Secret,
    /// Where the browser came back to, exactly as it was asked.
    pub redirect_uri: String,
    /// The scopes that were asked for.
    pub asked: Vec<String>,
}

/// Why there is no lasting access. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The code does not do.
    #[error(
        "Google does not take the code ({0}): it is good once, for a few minutes; run frontdeskctl google login again"
    )]
    Code(String),
    /// The person has unticked something.
    #[error("{}", Unticked(.0))]
    Missing(Vec<String>),
    /// It would end with the hour.
    #[error(
        "Google gave access for an hour and no longer: withdraw the app's access at \
         https://myaccount.google.com/permissions and run frontdeskctl google login again"
    )]
    NotLasting,
    /// The client, or an administrator.
    #[error("Google does not let this OAuth client ask ({found}): {would_do}")]
    Client {
        /// Google's words.
        found: String,
        /// What would do.
        would_do: &'static str,
    },
    /// It passes.
    #[error("Google gives no access right now: {0}; run frontdeskctl google login again")]
    Passing(String),
    /// The file.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The daemon is about to stop.
    #[error("the daemon is stopping: try again when it runs")]
    Stopping,
}

/// The permissions, by the words of Google's page.
struct Unticked<'a>(&'a [String]);

impl fmt::Display for Unticked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short: Vec<&str> = self.0.iter().map(|scope| scope.rsplit('/').next().unwrap_or(scope)).collect();
        write!(
            f,
            "these permissions were not given: {}. Nothing was changed; run frontdeskctl google login again and leave every \
             box ticked",
            short.join(", ")
        )
    }
}

/// Asks Google for what the code is worth.
pub(super) async fn exchange(
    http: &reqwest::Client,
    endpoint: &Url,
    client: &OAuthClient,
    publishing: Option<GooglePublishing>,
    exchange: &Exchange,
) -> Result<(Kept, endpoint::Granted), LoginError> {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", exchange.code.expose()),
        ("client_id", &client.id),
        ("client_secret", client.secret.expose()),
        ("redirect_uri", &exchange.redirect_uri),
        ("code_verifier", exchange.verifier.expose()),
    ];
    let granted = endpoint::ask(http, endpoint, &form).await.map_err(refusal)?;
    let scopes = granted.scope.as_deref().map_or_else(|| exchange.asked.clone(), scope::list);
    let missing: Vec<_> = exchange.asked.iter().filter(|scope| !scope::holds(&scopes, scope)).cloned().collect();
    if !missing.is_empty() {
        return Err(LoginError::Missing(missing));
    }
    let refresh_token = granted.refresh_token.clone().ok_or(LoginError::NotLasting)?;
    let now = Timestamp::now();
    let kept = Kept {
        client_id: client.id.clone(),
        account: granted.id_token.as_deref().and_then(account),
        asked: exchange.asked.clone(),
        granted: scopes,
        consented_at: now,
        ends_at: end::of(now, now, granted.refresh_lives, publishing),
        refresh_token,
    };
    Ok((kept, granted))
}

fn refusal(failure: Failure) -> LoginError {
    let Refusal { code, words, .. } = match failure {
        Failure::Passing(found) => return LoginError::Passing(found),
        Failure::Refused(refusal) => refusal,
    };
    let would_do = match code.as_str() {
        "invalid_grant" => return LoginError::Code(words),
        "redirect_uri_mismatch" => "make a client of the type \"Desktop app\" and pass its file as google-client",
        "invalid_client" | "unauthorized_client" => {
            "pass the client's file anew as google-client and restart the daemon; its secret may have been changed"
        }
        "deleted_client" | "disabled_client" => {
            "make a new client in Google's console and pass its file as google-client"
        }
        "admin_policy_enforced" | "org_internal" | "access_denied" => {
            "ask the administrator of the clinic's Workspace to trust the app"
        }
        _ => "look at the client in Google's console",
    };
    LoginError::Client { found: words, would_do }
}

#[derive(Deserialize)]
struct Claims {
    email: String,
}

/// Who consented. No signature is checked: the token comes straight from Google over TLS (`OpenID` Connect Core, 3.1.3.7).
fn account(id_token: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(id_token.split('.').nth(1)?).ok()?;
    let Claims { email } = serde_json::from_slice(&payload).ok()?;
    let is_address = email.contains('@') && email.len() <= 254 && email.chars().all(|c| !c.is_control() && c != ' ');
    is_address.then_some(email)
}

/// Takes a refresh token back. Returns Google's words if it does not do so.
pub(super) async fn revoke(http: &reqwest::Client, token_endpoint: &Url, token: &Secret) -> Result<(), String> {
    let address = token_endpoint.join("revoke").map_err(|error| error.to_string())?;
    let answer = http.post(address).form(&[("token", token.expose())]).send().await;
    let answer = answer.map_err(|error| chain(&error.without_url()).to_string())?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let body = endpoint::body(answer).await.unwrap_or_default();
    match endpoint::refused(status.as_u16(), &body) {
        // It was worth nothing any more.
        Failure::Refused(Refusal { code, .. }) if code == "invalid_token" => Ok(()),
        Failure::Refused(Refusal { words, .. }) | Failure::Passing(words) => Err(words),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn id_token(claims: &serde_json::Value) -> String {
        format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    #[test]
    fn who_consented_is_in_the_id_token() {
        assert_eq!(
            account(&id_token(&json!({ "email": "desk@clinic.example", "sub": "1" }))).as_deref(),
            Some("desk@clinic.example")
        );
        for odd in [json!({}), json!({ "email": 3 }), json!({ "email": "a\n@b" }), json!({ "email": "nobody" })] {
            assert_eq!(account(&id_token(&odd)), None, "{odd}");
        }
    }

    #[test]
    fn what_was_not_given_is_named_as_googles_page_does() {
        let error = LoginError::Missing(vec!["https://www.googleapis.com/auth/gmail.send".to_owned()]);
        assert!(error.to_string().starts_with("these permissions were not given: gmail.send. "), "{error}");
    }

    proptest! {
        #[test]
        fn no_id_token_panics(text in ".{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = account(&text);
            let _ = account(&format!("a.{}.b", URL_SAFE_NO_PAD.encode(bytes)));
        }
    }
}
