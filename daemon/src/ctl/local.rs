//! Commands that work on this machine, without asking the daemon: why one has not done what it should.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::files::FileError;
use super::provision::ProvisionError;
use super::secrets::SecretsError;

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// Only root may.
    #[error("{what} needs root: run it with sudo")]
    NeedsRoot {
        /// What was to be done.
        what: &'static str,
    },
    /// It works here alone.
    #[error("{what} is about this machine: run it on the box, without --url")]
    HereOnly {
        /// What was to be done.
        what: &'static str,
    },
    /// A program of the system's.
    #[error("{program} cannot be run ({source}); it is in the package {package}")]
    Program {
        /// Which.
        program: &'static str,
        /// What brings it.
        package: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It was asked first, and the answer was no.
    #[error("nothing was written")]
    Declined,
    /// Nobody is there to be asked.
    #[error("nobody can be asked here, for there is no terminal: add {0}")]
    NobodyToAsk(&'static str),
    /// It is there already.
    #[error("{path} is there already: name another file", path = .0.display())]
    Exists(PathBuf),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A secret.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// What a new box is to be told.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
}

impl LocalError {
    /// The exit status that `--help` promises.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::NeedsRoot { .. } => 4,
            Self::HereOnly { .. } | Self::NobodyToAsk(_) | Self::Exists(_) => 2,
            Self::Provision(error) => error.exit_code(),
            Self::Program { .. } | Self::Declined | Self::File(_) | Self::Secrets(_) => 1,
        }
    }
}

/// Refuses what only root may do.
pub(super) fn needs_root(what: &'static str) -> Result<(), LocalError> {
    if is_root() { Ok(()) } else { Err(LocalError::NeedsRoot { what }) }
}

/// Whether root runs this: proc(5) gives a process's folder to the user that it acts as.
pub(super) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0)
}
