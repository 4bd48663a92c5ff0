//! The configuration: read, checked, and handed out section by section.
//!
//! ```text
//! config.toml ─┐              ┌─ complaint: every error, with file, line, key and remedy
//! config.d/*   ├─ file ─► check ┤
//! secrets ─────┘              └─ Config: typed, complete, nothing left to look up
//! ```

mod check;
mod complaint;
mod file;
mod parts;
mod secrets;
mod section;
mod value;

use std::path::{Path, PathBuf};

pub use complaint::{Complaint, ConfigErrors, Place};
pub use parts::{
    AdminConfig, ClinicConfig, Config, ControlConfig, GeminiAccess, GeminiConfig, LogConfig, PhoneConfig, StoreConfig,
    TlsFiles,
};
pub use secrets::{Secret, SecretName};

use complaint::Complaints;

/// Where the configuration is, unless another file is named.
pub const DEFAULT_PATH: &str = "/etc/frontdesk/config.toml";

/// A configuration that can be relied on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// What to do.
    pub config: Config,
    /// What is allowed but unwise, for the log and for `frontdeskd check`.
    pub advice: Vec<Complaint>,
    /// The files that were read, in the order in which they were laid over one another.
    pub files: Vec<PathBuf>,
}

/// Reads the configuration at `path`, its drop-ins and the secrets that it needs; blocks on the file system.
///
/// `environment` looks up an environment variable, so that a test needs none. The error holds everything that is
/// wrong, in the order of the sections.
pub fn load(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, ConfigErrors> {
    let mut out = Complaints::default();
    let (tables, files) = file::read(path, &mut out);
    // A file that cannot be read says nothing about what is missing in it.
    if !out.errors.is_empty() {
        return Err(ConfigErrors(out.errors));
    }
    let config = check::check(tables, path, secrets::Secrets::new(environment), &mut out);
    match config {
        Some(config) if out.errors.is_empty() => Ok(Loaded { config, advice: out.advice, files }),
        _ => Err(ConfigErrors(out.errors)),
    }
}

#[cfg(test)]
mod tests;
