//! Access tokens for Vertex AI: a service account signs a JWT and trades it for a token.
//!
//! Source: Google's OAuth 2.0 documentation for service accounts (RFC 7523), November 2026.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use crate::logging::chain;

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Google's own library signs this constant, whatever address the token is asked from.
const AUDIENCE: &str = "https://oauth2.googleapis.com/token";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// A token with less left is replaced before it is used: a connection lives ten minutes.
const MARGIN: Duration = Duration::from_mins(11);
/// The clocks of two machines are never the same.
const SKEW: i64 = 10;
const LIFETIME: i64 = 3_600;
/// What a token endpoint may promise at most; beyond it is a mistake.
const LONGEST: Duration = Duration::from_hours(24);
/// Characters of the endpoint's words that are passed on.
const MOST_WORDS: usize = 300;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The credentials are not a service account's key.
    #[error("the Google credentials are not usable: {0}")]
    Credentials(String),
    /// Google refuses them.
    #[error("Google refuses the service account: {0}")]
    Refused(String),
    /// Google could not be asked.
    #[error("the token could not be fetched: {0}")]
    Unreachable(String),
}

#[derive(Deserialize)]
struct KeyFile {
    #[serde(rename = "type")]
    kind: String,
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: String,
    #[serde(default = "default_token_uri")]
    token_uri: String,
    universe_domain: Option<String>,
}

fn default_token_uri() -> String {
    AUDIENCE.to_owned()
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: serde_json::Value,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Refusal {
    error: String,
    error_description: String,
}

/// A service account, and the token that it was last given. One request at a time; the others wait for its token.
pub struct ServiceAccount {
    email: String,
    key_id: String,
    token_uri: String,
    key: RsaKeyPair,
    token: Mutex<Option<(String, Instant)>>,
    http: reqwest::Client,
}

impl ServiceAccount {
    /// Reads a key file (JSON) as Google's console gives it.
    pub fn new(key_file: &str, http: reqwest::Client) -> Result<Self, TokenError> {
        let bad = |why: &dyn std::fmt::Display| TokenError::Credentials(why.to_string());
        let file: KeyFile = serde_json::from_str(key_file).map_err(|error| bad(&unreadable(&error)))?;
        if file.kind != "service_account" {
            return Err(bad(&format!("type is {:?}, expected a service account's key file", file.kind)));
        }
        if file.universe_domain.as_deref().is_some_and(|domain| domain != "googleapis.com") {
            return Err(bad(&"universe_domain is not googleapis.com"));
        }
        let der = PrivatePkcs8KeyDer::from_pem_slice(file.private_key.as_bytes()).map_err(|error| bad(&error))?;
        let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|error| bad(&error))?;
        let token = Mutex::new(None);
        Ok(Self { email: file.client_email, key_id: file.private_key_id, token_uri: file.token_uri, key, token, http })
    }

    /// A token with at least eleven minutes left, and another one than the `refused`: of many calls that meet the same
    /// refusal, the first fetches a new token for all.
    pub async fn token(&self, refused: Option<&str>) -> Result<String, TokenError> {
        let mut held = self.token.lock().await;
        if let Some((token, until)) = held.as_ref()
            && refused != Some(token)
            && Instant::now() + MARGIN < *until
        {
            return Ok(token.clone());
        }
        let granted = self.ask().await?;
        let seconds = granted.expires_in.as_u64().or_else(|| granted.expires_in.as_str()?.parse().ok());
        let until = Instant::now() + Duration::from_secs(seconds.unwrap_or(LIFETIME as u64)).min(LONGEST);
        *held = Some((granted.access_token.clone(), until));
        Ok(granted.access_token)
    }

    async fn ask(&self) -> Result<Granted, TokenError> {
        let assertion = self.assertion(Timestamp::now().as_second())?;
        let form = [("grant_type", GRANT), ("assertion", &assertion)];
        let unreachable = |error: reqwest::Error| TokenError::Unreachable(chain(&error.without_url()).to_string());
        let answer = self.http.post(&self.token_uri).form(&form).send().await.map_err(unreachable)?;
        let status = answer.status();
        if status.is_success() {
            // What is not a token's document may hold one all the same: it is not quoted.
            let nonsense = || TokenError::Unreachable("the answer is not a token's document".to_owned());
            let granted = answer.json().await;
            return granted.map_err(|error| if error.is_decode() { nonsense() } else { unreachable(error) });
        }
        let refusal: Refusal = answer.json().await.unwrap_or_default();
        let passing = status.is_server_error()
            || matches!(status.as_u16(), 408 | 429)
            || matches!(refusal.error.as_str(), "internal_failure" | "server_error" | "temporarily_unavailable");
        let why = format!("HTTP {} {} {}", status.as_u16(), refusal.error, refusal.error_description);
        let why: String = why.trim_end().chars().filter(|c| !c.is_control()).take(MOST_WORDS).collect();
        Err(if passing { TokenError::Unreachable(why) } else { TokenError::Refused(why) })
    }

    fn assertion(&self, now: i64) -> Result<String, TokenError> {
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": self.key_id });
        let issued = now - SKEW;
        let claims = json!({
            "iss": self.email, "scope": SCOPE, "aud": AUDIENCE, "iat": issued, "exp": issued + LIFETIME,
        });
        let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| TokenError::Credentials("the private key cannot sign".to_owned()))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// What is wrong with a key file, without a word out of it: the parser quotes what it did not expect.
fn unreadable(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if text.starts_with("missing field") {
        return format!("a service account's key file is expected, but a field is missing ({text})");
    }
    format!("a service account's key file is expected, but line {} column {} is not one", error.line(), error.column())
}
