//! The OAuth client of an installed app: as whom the daemon asks a person for access.

use serde::Deserialize;

use crate::config::Secret;

/// The client's file is not usable. It never quotes the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the OAuth client (google-client) is not usable: {0}")]
pub struct ClientError(&'static str);

const EXPECTED: &str =
    "expected the JSON file of an OAuth client of the type \"Desktop app\", as Google's console gives it";

/// An OAuth client. Its secret is none, as Google says of installed apps, and is not printed all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthClient {
    pub(super) id: String,
    pub(super) secret: Secret,
}

#[derive(Deserialize)]
struct File {
    installed: Option<Fields>,
    web: Option<serde::de::IgnoredAny>,
    r#type: Option<String>,
}

#[derive(Deserialize)]
struct Fields {
    client_id: String,
    client_secret: String,
}

impl OAuthClient {
    /// Reads the file.
    pub fn read(text: &str) -> Result<Self, ClientError> {
        let file: File = serde_json::from_str(text).map_err(|_| ClientError(EXPECTED))?;
        if file.web.is_some() {
            return Err(ClientError(
                "it is a client of the type \"Web application\": make one of the type \"Desktop app\"",
            ));
        }
        if file.r#type.as_deref() == Some("service_account") {
            return Err(ClientError(
                "it is a service account's key: pass that as google-credentials, with [google] login = \"service-account\"",
            ));
        }
        let Fields { client_id, client_secret } = file.installed.ok_or(ClientError(EXPECTED))?;
        let secret = Secret::new(&client_secret);
        let is_word = |text: &str| !text.is_empty() && text.len() <= 512 && text.bytes().all(|b| b.is_ascii_graphic());
        if !is_word(&client_id) || !is_word(secret.expose()) {
            return Err(ClientError("its client_id or client_secret is none"));
        }
        Ok(Self { id: client_id, secret })
    }

    /// Its public name.
    pub fn id(&self) -> &str {
        &self.id
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_desktop_client_is_read() {
        let file = r#"{"installed":{"client_id":"1-a.apps.googleusercontent.com","project_id":"p",
            "auth_uri":"https://accounts.google.com/o/oauth2/auth","token_uri":"https://oauth2.googleapis.com/token",
            "client_secret":"GOCSPX-made-up","redirect_uris":["http://localhost"]}}"#;
        let client = OAuthClient::read(file).unwrap();
        assert_eq!((client.id(), client.secret.expose()), ("1-a.apps.googleusercontent.com", "GOCSPX-made-up"));
        assert!(!format!("{client:?}").contains("GOCSPX"));
    }

    #[test]
    fn another_file_of_googles_is_called_by_its_name() {
        for (file, part) in [
            (r#"{"web":{"client_id":"x"}}"#, "Web application"),
            (r#"{"type":"service_account","private_key":"hush"}"#, "google-credentials"),
            (r#"{"type":"authorized_user","refresh_token":"hush"}"#, "Desktop app"),
            (r#"{"installed":{"client_id":"x"}}"#, "Desktop app"),
            (r#"{"installed":{"client_id":"x y","client_secret":"hush"}}"#, "is none"),
            (r#""hush""#, "Desktop app"),
            ("", "Desktop app"),
        ] {
            let said = OAuthClient::read(file).unwrap_err().to_string();
            assert!(said.contains(part) && !said.contains("hush"), "{file}: {said}");
        }
    }

    proptest! {
        #[test]
        fn no_file_panics(text in ".{0,100}") {
            let _ = OAuthClient::read(&text);
            let _ = OAuthClient::read(&serde_json::json!({ "installed": { "client_id": text, "client_secret": text } }).to_string());
        }
    }
}
