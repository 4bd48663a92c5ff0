//! The configuration: read, checked, and handed out section by section.
//!
//! ```text
//! config.toml ─┐              ┌─ complaint: every error, with file, line, key and remedy
//! config.d/*   ├─ file ─► check ┤
//! clinic.toml ─┤              └─ Config: typed, complete, nothing left to look up
//! secrets ─────┘
//! ```

mod access;
mod calendar;
mod check;
mod clinic;
mod complaint;
mod file;
mod google;
mod knowledge;
mod mail;
mod parts;
mod prompt;
mod secrets;
mod section;
mod spoken;
mod value;

use std::path::{Path, PathBuf};

pub use calendar::{CalDavConfig, CalendarBackend, CalendarConfig, GoogleCalendarConfig};
pub use complaint::{Complaint, ConfigErrors, Place};
pub use google::{GoogleConfig, GoogleLogin, GooglePublishing};
pub use mail::{MailBackend, MailConfig, SmtpConfig, SmtpSecurity};
pub use parts::{
    AdminConfig, ClinicConfig, Config, ControlConfig, DeskConfig, GeminiAccess, GeminiConfig, LogConfig, PhoneConfig,
    StoreConfig, TlsFiles,
};
pub use secrets::{CREDENTIAL_STORES, Secret, SecretName};

use complaint::Complaints;
use jiff::Timestamp;

/// Where the configuration is, unless another file is named.
pub const DEFAULT_PATH: &str = "/etc/frontdesk/config.toml";

/// A configuration that can be relied on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// What to do.
    pub config: Config,
    /// What is allowed but unwise, for the log and for `frontdeskd check`.
    pub advice: Vec<Complaint>,
    /// The files that were read: the configuration and its drop-ins, in the order in which they were laid over one
    /// another, then the clinic's own.
    pub files: Vec<PathBuf>,
    /// Where each secret was found, in words.
    pub secrets: Vec<String>,
    /// Secrets that only the unit or root can look at; something of their shape stands in for them. Always empty when
    /// loaded for running.
    pub unseen: Vec<String>,
}

/// Reads the configuration at `path`, its drop-ins and the secrets that it needs; blocks on the file system.
///
/// `environment` looks up an environment variable, so that a test needs none. The error holds everything that is
/// wrong, in the order of the sections.
pub fn load(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, ConfigErrors> {
    read(path, secrets::Secrets::new(environment, &[]))
}

/// Reads the configuration like [`load`], but for whoever checks it in a shell: secrets are also looked for in `stores`,
/// from where systemd passes them to the unit, it is asked whether the daemon's user could keep the store, and the clinic's
/// own texts are read.
pub fn inspect(
    path: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
    stores: &[PathBuf],
) -> Result<Loaded, ConfigErrors> {
    let mut loaded = read(path, secrets::Secrets::new(environment, stores))?;
    let (store, users) = (&loaded.config.store.path, access::User::candidates());
    let mut out = Complaints::default();
    let key = "[store] path";
    if let Some(access::Unusable { found, remedy }) = access::store_unusable(store, &users) {
        out.error(None, key, found, remedy);
    }
    if let Some(remedy) = access::sandbox_advice(store, &users) {
        out.advise(None, key, "is a place that the unit may not write to", &remedy);
    }
    if let MailBackend::Folder { path: folder, .. } = &loaded.config.mail.backend
        && let Some(remedy) = access::sandbox_advice(&folder.join("new"), &users)
    {
        out.advise(None, "[mail] outbox_dir", "is a place that the unit may not write to", &remedy);
    }
    knowledge::inspect(&loaded.config.clinic, &users, &mut out);
    loaded.files.append(&mut out.files);
    loaded.advice.append(&mut out.advice);
    if out.errors.is_empty() { Ok(loaded) } else { Err(ConfigErrors(out.errors)) }
}

fn read(path: &Path, secrets: secrets::Secrets<'_>) -> Result<Loaded, ConfigErrors> {
    let mut out = Complaints::default();
    let (tables, files) = file::read(path, &mut out);
    // A file that cannot be read says nothing about what is missing in it.
    if !out.errors.is_empty() {
        return Err(ConfigErrors(out.errors));
    }
    let config = check::check(tables, path, secrets, Timestamp::now(), &mut out);
    let Complaints { errors, advice, files: more, secrets, unseen, .. } = out;
    let files = files.into_iter().chain(more).collect();
    match config {
        Some(config) if errors.is_empty() => Ok(Loaded { config, advice, files, secrets, unseen }),
        _ => Err(ConfigErrors(errors)),
    }
}

#[cfg(test)]
pub(crate) use clinic::tests::shipped as shipped_clinic;
#[cfg(test)]
mod tests;
