//! Secrets: never in the configuration file, never in a log.
//!
//! Each is looked for as a systemd credential (`$CREDENTIALS_DIRECTORY/<id>`) and then in the environment variable
//! that people know. Credentials are loaded when the service starts: a changed one needs a restart.
//!
//! Whoever checks a configuration in a shell is passed no credentials. For them the files are looked at from which
//! systemd takes those of the unit; what only root or the service can read there is said to be there, and no more.

use std::fmt;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

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
    /// An OAuth client of the type "Desktop app", with which a person logs in: the document, or its file's name.
    GOOGLE_CLIENT = "google-client", "GOOGLE_OAUTH_CLIENT";
    /// The account at the mail server.
    SMTP_PASSWORD = "smtp-password", "SMTP_PASSWORD";
    /// The clinic's user at the calendar server.
    CALDAV_PASSWORD = "caldav-password", "CALDAV_PASSWORD";
    /// What a person shows to the admin listener.
    ADMIN_TOKEN = "admin-token", "FRONTDESK_ADMIN_TOKEN";
}

/// Where systemd looks for a credential that a unit loads by its name alone (systemd.exec(5), `LoadCredential=`), in
/// this order. Encrypted ones lie in a directory beside each, whose name ends in `.encrypted`.
pub const CREDENTIAL_STORES: [&str; 4] =
    ["/etc/credstore", "/run/credstore", "/usr/local/lib/credstore", "/usr/lib/credstore"];

/// Where secrets are looked for.
#[derive(Clone, Copy)]
pub(super) struct Secrets<'a> {
    environment: &'a dyn Fn(&str) -> Option<String>,
    /// Where the unit would get its credentials from; empty for the unit itself.
    stores: &'a [PathBuf],
}

/// A secret, and where it was.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) secret: Secret,
    /// In words.
    pub(super) place: String,
}

/// What was found in the place of a secret, when it is not the secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SecretError {
    /// It is in neither place; the text names both.
    Missing(String),
    /// It is there, but cannot be read or cannot be right.
    Unusable(String),
    /// It is there, or may be, and the unit will read it; here nobody can.
    Unseen {
        /// What can be said of it.
        found: String,
        /// Something of its shape, so that everything else can be checked.
        stand_in: Secret,
    },
}

impl<'a> Secrets<'a> {
    pub(super) fn new(environment: &'a dyn Fn(&str) -> Option<String>, stores: &'a [PathBuf]) -> Self {
        Self { environment, stores }
    }

    /// A secret of one line, fit for an HTTP header.
    pub(super) fn line(self, name: SecretName) -> Result<Found, SecretError> {
        let found = self.find(name, |text| Ok(text.to_owned()))?;
        if found.secret.expose().bytes().all(|b| b.is_ascii_graphic()) {
            return Ok(found);
        }
        let problem = format!("{} holds spaces, line breaks or letters that no key has", found.place);
        Err(SecretError::Unusable(problem))
    }

    /// A password: one line, whatever is in it.
    pub(super) fn password(self, name: SecretName) -> Result<Found, SecretError> {
        let found = self.find(name, |text| Ok(text.to_owned()))?;
        if found.secret.expose().chars().any(char::is_control) {
            return Err(SecretError::Unusable(format!("{} holds line breaks or control characters", found.place)));
        }
        Ok(found)
    }

    /// A JSON document, of which the variable names the file.
    pub(super) fn document(self, name: SecretName) -> Result<Found, SecretError> {
        let found = self.find(name, |path| {
            let read = read_small(Path::new(path));
            read.map_err(|error| format!("the file that {} names, {path}, cannot be read ({error})", name.variable))
        })?;
        match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(found.secret.expose()) {
            Ok(_) => Ok(found),
            Err(error) => Err(SecretError::Unusable(format!(
                "{} is not a JSON document (line {}, column {})",
                found.place,
                error.line(),
                error.column()
            ))),
        }
    }

    /// The secret. `from_variable` makes it from the variable's value.
    fn find(
        self,
        name: SecretName,
        from_variable: impl FnOnce(&str) -> Result<String, String>,
    ) -> Result<Found, SecretError> {
        let SecretName { credential, variable } = name;
        let directory = (self.environment)("CREDENTIALS_DIRECTORY").filter(|directory| !directory.is_empty());
        let looked_for_credential = match directory {
            None => match self.find_in_stores(name)? {
                InStores::Found(found) => return Ok(found),
                // The variable can be looked at all the same.
                InStores::Unseen(found) if (self.environment)(variable).is_none_or(|value| value.trim().is_empty()) => {
                    return Err(SecretError::Unseen { found, stand_in: stand_in(name) });
                }
                InStores::Unseen(found) | InStores::Nothing(found) => found,
            },
            Some(directory) => {
                let path = Path::new(&directory).join(credential);
                match read_small(&path).map(|text| Secret::new(&text)) {
                    Ok(secret) if !secret.0.is_empty() => {
                        return Ok(Found { secret, place: format!("the credential {credential}") });
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
                return Ok(Found { secret: Secret::new(&text), place: format!("the environment variable {variable}") });
            }
        };
        Err(SecretError::Missing(format!("{looked_for_credential}, and {looked_for_variable}")))
    }
}

/// What the stores say.
enum InStores {
    Found(Found),
    /// It is there, or may be; the text says which.
    Unseen(String),
    /// It is in none of them; the text says so.
    Nothing(String),
}

impl Secrets<'_> {
    /// Looks where systemd would, the plain before the encrypted: the unit loads only those unless a drop-in says else.
    fn find_in_stores(self, SecretName { credential, .. }: SecretName) -> Result<InStores, SecretError> {
        if self.stores.is_empty() {
            return Ok(InStores::Nothing(format!("no systemd credential {credential} (no credentials were passed)")));
        }
        let mut unseen = None;
        for store in self.stores {
            let path = store.join(credential);
            match read_small(&path).map(|text| Secret::new(&text)) {
                Ok(secret) if !secret.0.is_empty() => {
                    let place = format!("the credential {credential} in {}", store.display());
                    return Ok(InStores::Found(Found { secret, place }));
                }
                Ok(_) => return Err(SecretError::Unusable(format!("the credential {} is empty", path.display()))),
                Err(error) if is_absent(&error) => {}
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    unseen.get_or_insert_with(|| format!("{}: only root can look there", path.display()));
                }
                Err(error) => {
                    let problem = format!("the credential {} cannot be read ({error})", path.display());
                    return Err(SecretError::Unusable(problem));
                }
            }
            let path = store.with_added_extension("encrypted").join(credential);
            match std::fs::metadata(&path) {
                Ok(_) => {
                    unseen = Some(format!(
                        "{}: encrypted, and passed only by LoadCredentialEncrypted={credential} in a drop-in",
                        path.display()
                    ));
                }
                Err(error) if is_absent(&error) => {}
                Err(_) => drop(unseen.get_or_insert_with(|| format!("{}: only root can look there", path.display()))),
            }
        }
        let stores: Vec<String> = self.stores.iter().map(|store| store.display().to_string()).collect();
        let nothing = || format!("no systemd credential {credential} in {}", stores.join(", "));
        Ok(unseen.map_or_else(|| InStores::Nothing(nothing()), InStores::Unseen))
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// A text that passes for the secret wherever only its shape matters.
fn stand_in(name: SecretName) -> Secret {
    Secret::new(match name {
        SecretName::TWILIO_ACCOUNT_SID => "AC00000000000000000000000000000000",
        SecretName::GOOGLE_CREDENTIALS | SecretName::GOOGLE_CLIENT => "{}",
        _ => "unseen",
    })
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
        let secrets = Secrets::new(&environment, &[]);
        assert_eq!(secrets.line(SecretName::GEMINI_API_KEY).unwrap().secret.expose(), "from-systemd");
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
            let result = Secrets::new(&environment, &[]).line(SecretName::GEMINI_API_KEY);
            assert_eq!(result, Err(SecretError::Missing(said)));
        }
    }

    #[test]
    fn what_cannot_be_a_key_is_refused_without_being_repeated() {
        let pairs = [("GEMINI_API_KEY", "two words")];
        let environment = environment(&pairs);
        let result = Secrets::new(&environment, &[]).line(SecretName::GEMINI_API_KEY);
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
        let document = Secrets::new(&by_variable, &[]).document(SecretName::GOOGLE_CREDENTIALS).unwrap();
        assert_eq!(document.secret.expose(), "{\"type\": \"service_account\"}");

        std::fs::write(directory.path().join("google-credentials"), "[1]").unwrap();
        let passed = [("CREDENTIALS_DIRECTORY", directory.path().to_str().unwrap())];
        let by_credential = environment(&passed);
        let Err(SecretError::Unusable(said)) =
            Secrets::new(&by_credential, &[]).document(SecretName::GOOGLE_CREDENTIALS)
        else {
            panic!("a list is no service account");
        };
        assert_eq!(said, "the credential google-credentials is not a JSON document (line 1, column 0)");
    }

    /// Stores in a directory, for whoever checks a configuration in a shell.
    fn stores(home: &Path) -> [PathBuf; 2] {
        ["etc", "run"].map(|place| {
            let store = home.join(place).join("credstore");
            std::fs::create_dir_all(&store).unwrap();
            store
        })
    }

    #[test]
    fn in_a_shell_the_files_are_looked_at_that_the_unit_is_given() {
        let home = tempfile::tempdir().unwrap();
        let stores = stores(home.path());
        std::fs::write(stores[1].join("gemini-api-key"), "of-the-unit\n").unwrap();
        std::fs::write(stores[0].join("twilio-auth-token"), " ").unwrap();
        let of_the_shell = [("GEMINI_API_KEY", "of-the-shell")];
        let environment = environment(&of_the_shell);
        let secrets = Secrets::new(&environment, &stores);
        let found = secrets.line(SecretName::GEMINI_API_KEY).unwrap();
        assert_eq!(found.secret.expose(), "of-the-unit");
        assert_eq!(found.place, format!("the credential gemini-api-key in {}", stores[1].display()));

        let Err(SecretError::Unusable(said)) = secrets.line(SecretName::TWILIO_AUTH_TOKEN) else { panic!("a blank") };
        assert!(said.ends_with("etc/credstore/twilio-auth-token is empty"), "{said}");
        let Err(SecretError::Missing(said)) = secrets.line(SecretName::ADMIN_TOKEN) else { panic!("nowhere") };
        let looked = format!("no systemd credential admin-token in {}, {}", stores[0].display(), stores[1].display());
        assert!(said.starts_with(&looked) && said.ends_with("no environment variable FRONTDESK_ADMIN_TOKEN"), "{said}");
    }

    #[test]
    fn an_encrypted_credential_is_said_to_be_there_and_its_shape_stands_in() {
        let home = tempfile::tempdir().unwrap();
        let stores = stores(home.path());
        let encrypted = home.path().join("etc/credstore.encrypted");
        std::fs::create_dir(&encrypted).unwrap();
        std::fs::write(encrypted.join("twilio-account-sid"), "scrambled").unwrap();
        let secrets = Secrets::new(&|_| None, &stores);
        let Err(SecretError::Unseen { found, stand_in }) = secrets.line(SecretName::TWILIO_ACCOUNT_SID) else {
            panic!("it is there");
        };
        let said = "etc/credstore.encrypted/twilio-account-sid: encrypted, and passed only by \
                    LoadCredentialEncrypted=twilio-account-sid in a drop-in";
        assert!(found.ends_with(said), "{found}");
        assert!(frontdesk_core::twilio::sid::AccountSid::parse(stand_in.expose()).is_ok());

        let given = [("TWILIO_ACCOUNT_SID", "AC1")];
        let environment = environment(&given);
        let found = Secrets::new(&environment, &stores).line(SecretName::TWILIO_ACCOUNT_SID).unwrap();
        assert_eq!(found.place, "the environment variable TWILIO_ACCOUNT_SID", "what can be seen is looked at");
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
