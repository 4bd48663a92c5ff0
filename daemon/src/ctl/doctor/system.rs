//! This machine, as far as files and programs tell of it.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// A program of the system's that takes longer is stuck.
const PROGRAM_WITHIN: Duration = Duration::from_secs(4);

/// Where the machine's files are: below `/`, but for tests.
#[derive(Debug, Clone)]
pub(in crate::ctl) struct System {
    root: PathBuf,
}

/// Why a program said nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ctl) enum NoWord {
    /// This system does not have it.
    NoProgram,
    /// It failed; its last line.
    Failed(String),
    /// It did not end.
    Stuck,
}

impl System {
    pub(in crate::ctl) fn below(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Where `path`, an absolute one, is.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The text of a small file, without white space around it.
    pub(super) fn read(&self, path: &str) -> io::Result<String> {
        Ok(crate::ctl::files::read_text(&self.path(path), 1 << 20)?.trim().to_owned())
    }

    /// The same as a number.
    pub(super) fn number<T: std::str::FromStr>(&self, path: &str) -> Option<T> {
        self.read(path).ok()?.parse().ok()
    }

    /// What the machine is called, if that says anything.
    pub(in crate::ctl) fn hostname(&self) -> Option<String> {
        self.read("/proc/sys/kernel/hostname")
            .ok()
            .filter(|name| !["", "localhost", "frontdesk", "debian"].contains(&name.as_str()))
    }

    /// The system's name for people.
    pub(in crate::ctl) fn pretty_name(&self) -> String {
        let release = self.read("/etc/os-release").unwrap_or_default();
        property(&release, "PRETTY_NAME").unwrap_or("unknown").trim_matches('"').to_owned()
    }

    /// The board, where the firmware tells.
    pub(in crate::ctl) fn model(&self) -> String {
        let told = self.read("/proc/device-tree/model").unwrap_or_else(|_| "unknown".to_owned());
        told.trim_end_matches('\0').to_owned()
    }

    /// The names in a folder, in order; none if there is no such folder.
    pub(super) fn list(&self, path: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(path)) else { return Vec::new() };
        let name = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
        let mut names: Vec<String> = entries.filter_map(name).collect();
        names.sort();
        names
    }
}

/// What a program prints; in English.
pub(in crate::ctl) async fn ask<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Result<String, NoWord> {
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).env("LC_ALL", "C").env("SYSTEMD_COLORS", "0").stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(PROGRAM_WITHIN, command.output()).await {
        Err(_) => Err(NoWord::Stuck),
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => Err(NoWord::NoProgram),
        Ok(Err(error)) => Err(NoWord::Failed(error.to_string())),
        Ok(Ok(out)) if out.status.success() => Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned()),
        Ok(Ok(out)) => {
            let said = String::from_utf8_lossy(&out.stderr).trim().lines().last().unwrap_or_default().to_owned();
            Err(NoWord::Failed(if said.is_empty() { out.status.to_string() } else { said }))
        }
    }
}

impl std::fmt::Display for NoWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoProgram => f.write_str("this system does not have it"),
            Self::Failed(said) => f.write_str(said),
            Self::Stuck => write!(f, "it did not answer within {PROGRAM_WITHIN:?}"),
        }
    }
}

/// `KEY=value` lines, as systemd's tools print them.
pub(super) fn property<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).filter(|value| !value.is_empty())
}
