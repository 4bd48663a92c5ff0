//! What is wrong with a configuration, in words that say where, what was found and what would do.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where something is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<Path>,
    /// Its line, counted from 1; `None` when the file as a whole is meant.
    pub line: Option<usize>,
}

/// One thing to mend, or to consider. It never repeats a secret or a phone number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Where it is written; `None` for what was looked for outside the files.
    pub place: Option<Place>,
    /// Section and key, for example `[phone] max_calls`; empty when a whole file is meant.
    pub key: String,
    /// What was found, for example `= 5000` or `is missing`.
    pub found: String,
    /// What would do.
    pub remedy: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { file, line }) = &self.place {
            write!(f, "{}:", file.display())?;
            if let Some(line) = line {
                write!(f, "{line}:")?;
            }
            f.write_str(" ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{} ", self.key)?;
        }
        write!(f, "{}: {}", self.found, self.remedy)
    }
}

/// Everything that is wrong with a configuration, not just the first of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<Complaint>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, complaint) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{complaint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Collects complaints while the whole configuration is read.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    /// These keep the daemon from starting.
    pub(super) errors: Vec<Complaint>,
    /// These do not.
    pub(super) advice: Vec<Complaint>,
    /// Files that were read beside the configuration itself.
    pub(super) files: Vec<PathBuf>,
    /// Where each secret was found, in words.
    pub(super) secrets: Vec<String>,
    /// Secrets that are there, or may be, and that nobody could look at.
    pub(super) unseen: Vec<String>,
    /// Every key that was asked for, as section and key: what the shipped file must document.
    pub(super) known: Vec<(String, &'static str)>,
}

impl Complaints {
    pub(super) fn error(
        &mut self,
        place: Option<Place>,
        key: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.errors.push(Complaint { place, key: key.into(), found: found.into(), remedy: remedy.into() });
    }

    pub(super) fn advise(&mut self, place: Option<Place>, key: &str, found: impl Into<String>, remedy: &str) {
        self.advice.push(Complaint { place, key: key.into(), found: found.into(), remedy: remedy.into() });
    }
}
