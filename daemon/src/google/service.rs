//! A service account: signs a JWT and trades it for a token, for itself or for a person whose administrator lets it.
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
use url::Url;

use super::endpoint::{self, Failure, Granted, is_private};
use super::scope::{DRAFTS, Feature};

/// Google's own library signs this constant, whatever address the token is asked from.
const AUDIENCE: &str = "https://oauth2.googleapis.com/token";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The clocks of two machines are never the same.
const SKEW: i64 = 10;
/// Seconds; Google refuses more.
const LIFETIME: i64 = 3_600;

/// Why there is no token.
#[derive(Debug, Clone, thiserror::Error)]
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

/// What tokens are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// One token for what is delegated together: a scope that is not lets Google refuse all of them.
    pub scopes: &'static [&'static str],
    /// Whom the account acts for, by domain-wide delegation; nobody: for itself.
    pub subject: Option<String>,
    /// A token with less left is replaced before it is used.
    pub margin: Duration,
}

impl Wanted {
    /// Gemini on Vertex AI: a connection lives ten minutes.
    pub fn vertex() -> Self {
        let scopes = &["https://www.googleapis.com/auth/cloud-platform"];
        Self { scopes, subject: None, margin: Duration::from_mins(11) }
    }

    /// What a clinic's calendars or mail need, for the account itself or for `subject`.
    pub fn of(feature: Feature, subject: Option<String>) -> Self {
        // Google's own library replaces tokens 3 min 45 s before their end.
        Self { scopes: feature.scopes(), subject, margin: Duration::from_mins(5) }
    }

    /// What mail with drafts needs, for `subject`.
    pub fn with_drafts(subject: Option<String>) -> Self {
        Self { scopes: DRAFTS, ..Self::of(Feature::Mail, subject) }
    }
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

/// What the endpoint last answered.
#[derive(Default)]
struct Held {
    /// A token, and until when it is good.
    token: Option<(String, Instant)>,
    /// When it was last asked in vain, and what came of it.
    failed: Option<(Instant, TokenError)>,
}

/// A service account, and the token that it was last given. One request at a time; the others wait for its token.
pub struct ServiceAccount {
    email: String,
    key_id: String,
    endpoint: Url,
    key: RsaKeyPair,
    wanted: Wanted,
    held: Mutex<Held>,
    http: reqwest::Client,
}

impl ServiceAccount {
    /// Reads a key file (JSON) as Google's console gives it. Tokens are asked from `endpoint`, or else from where the file
    /// says; never readable by others on their way.
    pub fn new(
        key_file: &str,
        wanted: Wanted,
        endpoint: Option<&Url>,
        http: reqwest::Client,
    ) -> Result<Self, TokenError> {
        let bad = |why: &dyn std::fmt::Display| TokenError::Credentials(why.to_string());
        let file: KeyFile = serde_json::from_str(key_file).map_err(|error| bad(&unreadable(&error)))?;
        if file.kind != "service_account" {
            return Err(bad(&format!("type is {:?}, expected a service account's key file", file.kind)));
        }
        if file.universe_domain.as_deref().is_some_and(|domain| domain != "googleapis.com") {
            return Err(bad(&"universe_domain is not googleapis.com"));
        }
        let endpoint = match endpoint {
            Some(endpoint) => endpoint.clone(),
            None => file.token_uri.parse().map_err(|_| bad(&"token_uri is not an address"))?,
        };
        if !is_private(&endpoint) {
            return Err(bad(&"tokens would cross the network readable by anybody: token_uri must begin with https://"));
        }
        let der = PrivatePkcs8KeyDer::from_pem_slice(file.private_key.as_bytes()).map_err(|error| bad(&error))?;
        let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|error| bad(&error))?;
        let (email, key_id, held) = (file.client_email, file.private_key_id, Mutex::default());
        Ok(Self { email, key_id, endpoint, key, wanted, held, http })
    }

    /// The account's own address, with which a clinic shares its calendars.
    pub fn email(&self) -> &str {
        &self.email
    }

    /// A token that is good for longer than the margin, and another one than the `refused`: of many calls that meet the
    /// same refusal, the first fetches a new token for all, or fails for all who wait for it.
    pub async fn token(&self, refused: Option<&str>) -> Result<String, TokenError> {
        let at = Instant::now();
        let mut held = self.held.lock().await;
        if let Some((token, until)) = held.token.as_ref()
            && refused != Some(token)
            && Instant::now() + self.wanted.margin < *until
        {
            return Ok(token.clone());
        }
        // What was met meanwhile would be met again, after as long a wait.
        if let Some((failed, error)) = &held.failed
            && at < *failed
        {
            return Err(error.clone());
        }
        let granted = self.ask().await.inspect_err(|error| held.failed = Some((Instant::now(), error.clone())))?;
        held.token = Some((granted.access_token.clone(), Instant::now() + granted.lives));
        Ok(granted.access_token)
    }

    async fn ask(&self) -> Result<Granted, TokenError> {
        let assertion = self.assertion(Timestamp::now().as_second())?;
        let form = [("grant_type", GRANT), ("assertion", &assertion)];
        endpoint::ask(&self.http, &self.endpoint, &form).await.map_err(|failure| match failure {
            Failure::Passing(found) => TokenError::Unreachable(found),
            Failure::Refused(refusal) => {
                let found = refusal.words.trim_end_matches('.');
                TokenError::Refused(format!("{found}{}", self.remedy(&refusal.code)))
            }
        })
    }

    /// What would do about a refusal, where that is known.
    fn remedy(&self, code: &str) -> &'static str {
        match code {
            "unauthorized_client" | "access_denied" if self.wanted.subject.is_some() => {
                "; an administrator of the Workspace must delegate these scopes to the account's numeric client id \
                 (Security, API controls, Domain-wide delegation), which can take a day to hold"
            }
            "invalid_grant" => "; the key may have been deleted: make a new one in Google's console",
            _ => "",
        }
    }

    fn assertion(&self, now: i64) -> Result<String, TokenError> {
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": self.key_id });
        let issued = now - SKEW;
        let mut claims = json!({
            "iss": self.email, "scope": self.wanted.scopes.join(" "), "aud": AUDIENCE,
            "iat": issued, "exp": issued + LIFETIME,
        });
        if let Some(subject) = &self.wanted.subject {
            claims["sub"] = json!(subject);
        }
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
