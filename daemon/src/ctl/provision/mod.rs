//! `provision`: a new box is told everything that it needs, from one folder or file.
//!
//! ```text
//! folder ─► read ─► Order: files, secrets, network, keys ─► rehearse: the daemon's own check, on a copy ─► apply ─► wipe
//!             └──────────────── complaints: file, line, key ◄──────────┘                                 └─► result text
//! ```
//!
//! Until everything has been found to be right nothing is written. The format is in `docs/provisioning.md`.

mod apply;
mod keys;
mod network;
mod order;
mod rehearse;
mod table;

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;

use super::files::{self, FileError, NewFile};
use super::local::{LocalError, needs_root};
use super::progress::Progress;
use super::secrets::SecretsError;
use super::show::date_time;
use super::{CtlError, Verdict, View};
use crate::config::Complaint;
use order::Order;

/// What a technician finds beside the folder.
const RESULT: &str = "frontdesk-provision-result.txt";

/// Why the box was not told.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// What was written cannot be used.
    #[error("nothing was changed:\n{}", lines(.0))]
    Wrong(Vec<String>),
    /// A secret cannot be kept.
    #[error("nothing was changed")]
    Secrets(#[from] SecretsError),
    /// A file cannot be written.
    #[error("nothing was changed")]
    File(#[source] FileError),
    /// It is done, but the plain secrets are still there.
    #[error("everything is in place, but a plain secret is still in the folder: erase it")]
    NotWiped(#[source] FileError),
}

impl ProvisionError {
    pub(super) fn exit_code(&self) -> u8 {
        if matches!(self, Self::NotWiped(_)) { 5 } else { 1 }
    }
}

fn lines(complaints: &[String]) -> String {
    complaints.join("\n")
}

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The folder, or one TOML file
    #[arg(value_name = "PATH")]
    from: PathBuf,
    /// Only check; write and erase nothing
    #[arg(long)]
    check: bool,
    /// Leave the plain secrets where they are
    #[arg(long, conflicts_with = "boot")]
    keep: bool,
    /// As the image's first start does: remove the whole folder when all is done, and write the result beside it in any case
    #[arg(long, conflicts_with = "check")]
    boot: bool,
    /// Write below that folder in place of /, such as an image's root; secrets cannot be encrypted there
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

/// Does it.
pub(super) fn run(options: &Options, view: &mut View<'_>) -> Result<Verdict, CtlError> {
    if !options.check && options.root == Path::new("/") {
        needs_root("provisioning a box")?;
    }
    let done = provision(options);
    if !options.check && !matches!(&done, Err(ProvisionError::Wrong(_)) if !options.boot) {
        let text = result(&done, &date_time(Timestamp::now(), view.zone));
        let told = files::commit(&[NewFile {
            path: beside(&options.from),
            bytes: text.into(),
            mode: 0o644,
            folder_mode: 0o755,
        }]);
        // On the boot partition it is all that is seen of it; elsewhere the same is on the screen.
        if options.boot {
            told.map_err(LocalError::from)?;
        }
    }
    let report = done.map_err(LocalError::from)?;
    if view.json {
        view.line(serde_json::json!({ "checked_only": options.check, "done": report }))?;
    } else {
        for line in &report {
            view.line(line)?;
        }
        view.line(if options.check {
            "all of it can be used; nothing was written"
        } else {
            "done; systemctl restart frontdeskd lets the daemon see it, nmcli connection reload the network"
        })?;
    }
    Ok(Verdict::Well)
}

/// One line for each thing that was done, or would be.
fn provision(options: &Options) -> Result<Vec<String>, ProvisionError> {
    let progress = Progress::start("provisioning");
    let wrong =
        |complaints: Vec<Complaint>| ProvisionError::Wrong(complaints.iter().map(Complaint::to_string).collect());
    progress.step("reading what is to be");
    let order = Order::read(&options.from).map_err(wrong)?;
    progress.step("checking it as the daemon would");
    rehearse::rehearse(&order, &options.root).map_err(ProvisionError::Wrong)?;
    if options.check {
        return Ok(apply::announced(&order));
    }
    progress.step("storing it");
    let report = apply::apply(&order, &options.root)?;
    if options.keep {
        return Ok(report);
    }
    progress.step("erasing the plain secrets");
    let wiped = apply::wipe(&order, &options.from, options.boot).map_err(ProvisionError::NotWiped)?;
    Ok(report.into_iter().chain(wiped).collect())
}

/// For whoever puts the card into a computer: what was done, or what to mend. Names, never values.
fn result(done: &Result<Vec<String>, ProvisionError>, now: &str) -> String {
    let text = match done {
        Ok(report) => format!("Frontdesk was provisioned ({now}).\n\n{}\n", lines(report)),
        Err(error) => {
            format!("Frontdesk was NOT provisioned as it should be ({now}).\n\n{}\n", crate::logging::chain(error))
        }
    };
    // Read with the editors of other systems.
    text.replace('\n', "\r\n")
}

fn beside(from: &Path) -> PathBuf {
    // Of `.` and `x/..` there is no parent as they are written.
    let whole = from.canonicalize().unwrap_or_else(|_| from.to_owned());
    whole.with_file_name(RESULT)
}

/// What a system says of a file that cannot be read, in a complaint's place.
fn unreadable(path: &Path, error: &io::Error) -> Complaint {
    Complaint {
        place: Some(crate::config::Place { file: path.into(), line: None }),
        key: String::new(),
        found: format!("cannot be read ({error})"),
        remedy: "mend the file, the folder or the card".to_owned(),
    }
}

#[cfg(test)]
mod tests;
