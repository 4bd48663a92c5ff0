//! The secrets that the daemon knows, and what each must look like.

use base64::Engine as _;
use frontdesk_core::twilio::sid::AccountSid;

use crate::config::{Secret, SecretName};

/// A secret, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ctl) struct Known {
    /// Its two names.
    pub(in crate::ctl) name: SecretName,
    /// What it is.
    pub(in crate::ctl) what: &'static str,
    /// What it must look like.
    shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Key,
    AccountSid,
    AuthToken,
    ServiceAccount,
    OauthClient,
    Password,
    Chosen,
}

/// What is wrong with a secret; never the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{credential} {found}: {remedy}")]
pub struct Unfit {
    /// Its name.
    pub credential: &'static str,
    /// What was found.
    pub found: String,
    /// What would do.
    pub remedy: &'static str,
}

/// All of them.
pub(in crate::ctl) const ALL: [Known; 9] = [
    of(SecretName::GEMINI_API_KEY, "Gemini's API key", Shape::Key),
    of(SecretName::TWILIO_ACCOUNT_SID, "Twilio's account SID", Shape::AccountSid),
    of(SecretName::TWILIO_AUTH_TOKEN, "Twilio's auth token", Shape::AuthToken),
    of(
        SecretName::TWILIO_AUTH_TOKEN_SECONDARY,
        "Twilio's secondary auth token, while they are changed",
        Shape::AuthToken,
    ),
    of(SecretName::GOOGLE_CREDENTIALS, "a Google service account's key (JSON)", Shape::ServiceAccount),
    of(SecretName::GOOGLE_CLIENT, "a Google OAuth client (JSON)", Shape::OauthClient),
    of(SecretName::SMTP_PASSWORD, "the mail server's password", Shape::Password),
    of(SecretName::CALDAV_PASSWORD, "the calendar server's password", Shape::Password),
    of(SecretName::ADMIN_TOKEN, "the admin pages' token", Shape::Chosen),
];
/// Shorter ones can be guessed.
const SHORTEST_CHOSEN: usize = 16;
const SHORTEST_KEY: usize = 16;

const fn of(name: SecretName, what: &'static str, shape: Shape) -> Known {
    Known { name, what, shape }
}

/// The secret of that name; else the nearest name there is.
pub(in crate::ctl) fn find(credential: &str) -> Result<Known, &'static str> {
    if let Some(known) = ALL.iter().find(|known| known.name.credential == credential) {
        return Ok(*known);
    }
    let likeness = |known: &&Known| {
        // A variable's name is as good a hint.
        let written = credential.to_lowercase().replace('_', "-");
        (strsim::jaro_winkler(&written, known.name.credential) * 1_000.0) as u32
    };
    Err(ALL.iter().max_by_key(likeness).map_or("gemini-api-key", |known| known.name.credential))
}

impl Known {
    /// Whether it is a document of several lines.
    pub(in crate::ctl) fn is_document(self) -> bool {
        matches!(self.shape, Shape::ServiceAccount | Shape::OauthClient)
    }

    /// The secret that `text` is, without white space around it and the mark that Windows puts in front of files; an error
    /// if it cannot be one.
    pub(in crate::ctl) fn read(self, text: &str) -> Result<Secret, Unfit> {
        let secret = Secret::new(text.trim_start_matches('\u{feff}'));
        match unfit(self.shape, secret.expose()) {
            None => Ok(secret),
            Some((found, remedy)) => Err(Unfit { credential: self.name.credential, found, remedy }),
        }
    }
}

/// What was found and what would do.
fn unfit(shape: Shape, text: &str) -> Option<(String, &'static str)> {
    if text.is_empty() {
        return Some(("is empty".to_owned(), "give it a value"));
    }
    let one_word = text.bytes().all(|b| b.is_ascii_graphic());
    let said = |found: &str, remedy| Some((found.to_owned(), remedy));
    match shape {
        Shape::AccountSid => AccountSid::parse(text).err().and_then(|_| {
            said(
                "is no account SID",
                "copy the one that begins with AC, and 32 hexadecimal digits, from Twilio's console",
            )
        }),
        Shape::AuthToken if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) => {
            said("is no auth token", "copy the 32 hexadecimal digits from Twilio's console")
        }
        Shape::Key | Shape::Chosen if !one_word => {
            said("holds spaces, line breaks or letters that no key has", "copy it again, without anything around it")
        }
        Shape::Key if text.len() < SHORTEST_KEY => said("is too short for a key", "copy all of it"),
        Shape::Chosen if text.len() < SHORTEST_CHOSEN => {
            said("can be guessed", "take 16 characters or more, such as those of: openssl rand -hex 16")
        }
        Shape::Password if text.chars().any(char::is_control) => {
            said("holds line breaks or control characters", "give the password alone")
        }
        Shape::ServiceAccount | Shape::OauthClient => document(shape, text),
        Shape::AuthToken | Shape::Key | Shape::Chosen | Shape::Password => None,
    }
}

fn document(shape: Shape, text: &str) -> Option<(String, &'static str)> {
    let (wanted, remedy): (&[&str], _) = match shape {
        Shape::OauthClient => (
            &["/installed/client_id", "/installed/client_secret"],
            "download the client of the type \"Desktop app\" from Google's console",
        ),
        _ => (
            &["/type", "/client_email", "/private_key", "/token_uri"],
            "download a new JSON key of the service account from Google's console",
        ),
    };
    let document: serde_json::Value = match serde_json::from_str(text) {
        Ok(document) => document,
        Err(error) => {
            return Some((format!("is not JSON (line {}, column {})", error.line(), error.column()), remedy));
        }
    };
    let has =
        |path: &&&str| document.pointer(path).and_then(serde_json::Value::as_str).is_some_and(|it| !it.is_empty());
    if let Some(missing) = wanted.iter().find(|path| !has(path)) {
        return Some((format!("has no {}", missing.trim_start_matches('/').replace('/', ".")), remedy));
    }
    let key = document.pointer("/private_key").and_then(serde_json::Value::as_str);
    let broken = key.is_some_and(|key| !is_pem_key(key));
    broken.then(|| ("has a private_key that is cut or broken".to_owned(), remedy))
}

fn is_pem_key(text: &str) -> bool {
    let body = text.trim().strip_prefix("-----BEGIN PRIVATE KEY-----");
    let body = body.and_then(|rest| rest.strip_suffix("-----END PRIVATE KEY-----"));
    let body = body.map(|body| body.split_whitespace().collect::<String>());
    body.is_some_and(|body| base64::engine::general_purpose::STANDARD.decode(body).is_ok_and(|key| !key.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE_ACCOUNT: &str = r#"{"type": "service_account", "client_email": "a@b.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
        "private_key": "-----BEGIN PRIVATE KEY-----\nAAAA\nBBBB\n-----END PRIVATE KEY-----\n"}"#;

    #[test]
    fn each_is_known_by_its_form() {
        let read = |name: &str, text: &str| find(name).unwrap().read(text).map(|secret| secret.expose().to_owned());
        for (name, text) in [
            ("gemini-api-key", "\u{feff}AIzaSyA-0123456789_0123456789\r\n"),
            ("twilio-account-sid", "AC0123456789abcdef0123456789abcdef"),
            ("twilio-auth-token", " 0123456789abcdef0123456789abcdef\n"),
            ("google-credentials", SERVICE_ACCOUNT),
            ("google-client", r#"{"installed": {"client_id": "x", "client_secret": "y"}}"#),
            ("smtp-password", "correct horse"),
            ("admin-token", "0123456789abcdef"),
        ] {
            assert_eq!(read(name, text).unwrap(), text.trim_matches(['\u{feff}', ' ', '\r', '\n']), "{name}");
        }
        for (name, text, said) in [
            ("gemini-api-key", " \n", "gemini-api-key is empty"),
            ("gemini-api-key", "key: AIzaSyA0123456789", "holds spaces"),
            ("gemini-api-key", "AIza", "too short"),
            ("twilio-account-sid", "SK0123456789abcdef0123456789abcdef", "is no account SID"),
            ("twilio-auth-token", "0123456789abcdef", "is no auth token"),
            ("google-credentials", "{", "is not JSON (line 1, column 1)"),
            ("google-credentials", "{}", "has no type"),
            ("google-credentials", &SERVICE_ACCOUNT.replace("BBBB", "B"), "cut or broken"),
            ("google-client", r#"{"web": {"client_id": "x"}}"#, "has no installed.client_id"),
            ("smtp-password", "two\nlines", "line breaks"),
            ("admin-token", "letmein", "can be guessed"),
        ] {
            let error = read(name, text).unwrap_err().to_string();
            assert!(error.contains(said), "{name}: {error}");
            assert!(text.trim().len() < 4 || !error.contains(text.trim()), "it is not repeated: {error}");
        }
    }

    #[test]
    fn a_misspelt_name_has_a_nearest() {
        assert_eq!(find("twilio-authtoken"), Err("twilio-auth-token"));
        assert_eq!(find("GEMINI_API_KEY"), Err("gemini-api-key"));
        assert_eq!(find("smtp-pasword"), Err("smtp-password"));
    }
}
