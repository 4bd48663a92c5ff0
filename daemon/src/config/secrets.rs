//! Secrets: never in the configuration file, never in a log.
//!
//! Each is looked for as a systemd credential (`$CREDENTIALS_DIRECTORY/<id>`) and then in the environment variable
//! that people know. Credentials are loaded when the service starts: a changed one needs a restart.

use std::fmt;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use ring::digest::{SHA256, digest};

/// A secret is a line, or a small JSON document.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// A text that cannot be printed and is erased when it is dropped.
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Keeps `text`, without the white space around it.
    pub fn new(text: &str) -> Self {
        Self(text.trim().as_bytes().into())
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a secret is made from text")
    }

    /// Whether `candidate` is this secret, in a time that does not tell how much of it is right.
    pub fn matches(&self, candidate: &[u8]) -> bool {
        let (ours, theirs) = (digest(&SHA256, &self.0), digest(&SHA256, candidate));
        ours.as_ref().iter().zip(theirs.as_ref()).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        // Nobody reads these zeros; without this the compiler may leave them out.
        std::hint::black_box(&self.0);
    }
}

/// The two names of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretName {
    /// The systemd credential.
    pub credential: &'static str,
    /// The environment variable.
    pub variable: &'static str,
}

macro_rules! secret_names {
    ($($(#[$doc:meta])* $name:ident = $credential:literal, $variable:literal;)+) => {
        impl SecretName {
            $($(#[$doc])* pub const $name: Self = Self { credential: $credential, variable: $variable };)+
        }
    };
}

secret_names! {
    /// Gemini, with an API key.
    GEMINI_API_KEY = "gemini-api-key", "GEMINI_API_KEY";
    /// The Twilio account.
    TWILIO_ACCOUNT_SID = "twilio-account-sid", "TWILIO_ACCOUNT_SID";
    /// Twilio's primary token: signs webhooks, authorises REST requests.
    TWILIO_AUTH_TOKEN = "twilio-auth-token", "TWILIO_AUTH_TOKEN";
    /// The other token, while they are being rotated.
    TWILIO_AUTH_TOKEN_SECONDARY = "twilio-auth-token-secondary", "TWILIO_AUTH_TOKEN_SECONDARY";
    /// A Google service account's key: the credential is the JSON document, the variable names its file.
    GOOGLE_CREDENTIALS = "google-credentials", "GOOGLE_APPLICATION_CREDENTIALS";
    /// What a person shows to the admin listener.
    ADMIN_TOKEN = "admin-token", "FRONTDESK_ADMIN_TOKEN";
}

/// Where secrets are looked for.
#[derive(Clone, Copy)]
pub(super) struct Secrets<'a> {
    environment: &'a dyn Fn(&str) -> Option<String>,
}

/// What was found in the place of a secret, when it is not the secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SecretError {
    /// It is in neither place; the text names both.
    Missing(String),
    /// It is there, but cannot be read or cannot be right.
    Unusable(String),
}

impl<'a> Secrets<'a> {
    pub(super) fn new(environment: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { environment }
    }

    /// A secret of one line, fit for an HTTP header.
    pub(super) fn line(self, name: SecretName) -> Result<Secret, SecretError> {
        let (text, found_in) = self.find(name, |text| Ok(text.to_owned()))?;
        if text.expose().bytes().all(|b| b.is_ascii_graphic()) {
            return Ok(text);
        }
        let problem = format!("{found_in} holds spaces, line breaks or letters that no key has");
        Err(SecretError::Unusable(problem))
    }

    /// A JSON document, of which the variable names the file.
    pub(super) fn document(self, name: SecretName) -> Result<Secret, SecretError> {
        let (text, found_in) = self.find(name, |path| {
            let read = read_small(Path::new(path));
            read.map_err(|error| format!("the file that {} names, {path}, cannot be read ({error})", name.variable))
        })?;
        match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text.expose()) {
            Ok(_) => Ok(text),
            Err(error) => Err(SecretError::Unusable(format!(
                "{found_in} is not a JSON document (line {}, column {})",
                error.line(),
                error.column()
            ))),
        }
    }

    /// The secret and, in words, where it was. `from_variable` makes it from the variable's value.
    fn find(
        self,
        name: SecretName,
        from_variable: impl FnOnce(&str) -> Result<String, String>,
    ) -> Result<(Secret, String), SecretError> {
        let SecretName { credential, variable } = name;
        let directory = (self.environment)("CREDENTIALS_DIRECTORY").filter(|directory| !directory.is_empty());
        let looked_for_credential = match directory {
            None => format!("no systemd credential {credential} (no credentials were passed)"),
            Some(directory) => {
                let path = Path::new(&directory).join(credential);
                match read_small(&path).map(|text| Secret::new(&text)) {
                    Ok(secret) if !secret.0.is_empty() => {
                        return Ok((secret, format!("the credential {credential}")));
                    }
                    Ok(_) => format!("the systemd credential {credential} is empty"),
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        format!("no systemd credential {credential} in {directory}")
                    }
                    Err(error) => {
                        let problem = format!("the credential {} cannot be read ({error})", path.display());
                        return Err(SecretError::Unusable(problem));
                    }
                }
            }
        };
        let looked_for_variable = match (self.environment)(variable) {
            None => format!("no environment variable {variable}"),
            Some(value) if value.trim().is_empty() => format!("the environment variable {variable} is empty"),
            Some(value) => {
                let text = from_variable(value.trim()).map_err(SecretError::Unusable)?;
                return Ok((Secret::new(&text), format!("the environment variable {variable}")));
            }
        };
        Err(SecretError::Missing(format!("{looked_for_credential}, and {looked_for_variable}")))
    }
}

fn read_small(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_SECRET_BYTES { Err(ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn a_credential_comes_before_the_environment_and_is_trimmed() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("gemini-api-key"), "from-systemd\n").unwrap();
        let path = directory.path().to_str().unwrap();
        let both = [("CREDENTIALS_DIRECTORY", path), ("GEMINI_API_KEY", "from-environment")];
        let environment = environment(&both);
        let secrets = Secrets::new(&environment);
        assert_eq!(secrets.line(SecretName::GEMINI_API_KEY).unwrap().expose(), "from-systemd");
    }

    #[test]
    fn a_missing_secret_names_both_places() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap();
        let environment_with_directory = [("CREDENTIALS_DIRECTORY", path), ("GEMINI_API_KEY", " ")];
        for (pairs, said) in [
            (
                &[][..],
                "no systemd credential gemini-api-key (no credentials were passed), and no environment variable \
                 GEMINI_API_KEY"
                    .to_owned(),
            ),
            (
                &environment_with_directory[..],
                format!(
                    "no systemd credential gemini-api-key in {path}, and the environment variable GEMINI_API_KEY is \
                     empty"
                ),
            ),
        ] {
            let environment = environment(pairs);
            let result = Secrets::new(&environment).line(SecretName::GEMINI_API_KEY);
            assert_eq!(result, Err(SecretError::Missing(said)));
        }
    }

    #[test]
    fn what_cannot_be_a_key_is_refused_without_being_repeated() {
        let pairs = [("GEMINI_API_KEY", "two words")];
        let environment = environment(&pairs);
        let result = Secrets::new(&environment).line(SecretName::GEMINI_API_KEY);
        let said = "the environment variable GEMINI_API_KEY holds spaces, line breaks or letters that no key has";
        assert_eq!(result, Err(SecretError::Unusable(said.to_owned())));
    }

    #[test]
    fn google_credentials_are_a_document_or_the_name_of_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key.json");
        std::fs::write(&file, "{\"type\": \"service_account\"}").unwrap();
        let named = [("GOOGLE_APPLICATION_CREDENTIALS", file.to_str().unwrap())];
        let by_variable = environment(&named);
        let document = Secrets::new(&by_variable).document(SecretName::GOOGLE_CREDENTIALS).unwrap();
        assert_eq!(document.expose(), "{\"type\": \"service_account\"}");

        std::fs::write(directory.path().join("google-credentials"), "[1]").unwrap();
        let passed = [("CREDENTIALS_DIRECTORY", directory.path().to_str().unwrap())];
        let by_credential = environment(&passed);
        let Err(SecretError::Unusable(said)) = Secrets::new(&by_credential).document(SecretName::GOOGLE_CREDENTIALS)
        else {
            panic!("a list is no service account");
        };
        assert_eq!(said, "the credential google-credentials is not a JSON document (line 1, column 0)");
    }

    #[test]
    fn a_secret_prints_nothing_and_compares_whole() {
        let secret = Secret::new(" hush\n");
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert!(secret.matches(b"hush"));
        for wrong in ["", "hus", "hush ", "Hush"] {
            assert!(!secret.matches(wrong.as_bytes()), "{wrong:?}");
        }
    }
}
