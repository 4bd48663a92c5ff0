//! The folder of the clinic's own texts: where it is, and, for whoever checks, what in it will not be told to anybody.
//!
//! A folder that is named and not there is an error. A text that cannot be used is advice: somebody may spoil one while the
//! daemon runs, and the phone is to be answered after the next power loss all the same.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::access::{User, unreadable_for};
use super::complaint::{Complaints, Place};
use super::parts::ClinicConfig;
use super::section::Section;
use crate::knowledge::{Folder, read};

/// The texts are looked for under this name beside the configuration, unless another is written.
const FOLDER: &str = "knowledge";
const KEY: &str = "[clinic] knowledge";

/// The folder that is named, else the one beside the configuration, which may be made while the daemon runs; a relative path
/// starts there.
pub(super) fn folder(section: &mut Section<'_>) -> Option<Folder> {
    let file = section.here().file;
    let is_written = section.place("knowledge").is_some();
    let named = section.optional("knowledge", |text| {
        let path = file.with_file_name(text);
        match std::fs::read_dir(&path) {
            Ok(_) => Ok(path),
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                Err(format!("{} is a file: name the folder that it is in", path.display()))
            }
            Err(error) => Err(format!("{} cannot be read ({error}): name a folder with texts", path.display())),
        }
    });
    let path = if is_written { named } else { Some(file.with_file_name(FOLDER)) };
    path.map(|path| Folder { path, is_named: is_written })
}

/// Reads the texts and points out what nobody will be told, and what of it the daemon's user may not read.
pub(super) fn inspect(clinic: &ClinicConfig, users: &[User], out: &mut Complaints) {
    let Some(known) = &clinic.knowledge else { return };
    let folder = &known.path;
    let read = read(folder);
    if read.as_ref().is_err_and(|error| known.may_lack(error)) {
        return;
    }
    let place = |path: &PathBuf| Some(Place { file: path.as_path().into(), line: None });
    if clinic.data.is_none() {
        out.advise(place(folder), KEY, "is not used", "write a clinic.toml: without it nothing is looked up");
        return;
    }
    let texts = match read {
        Ok(texts) => texts,
        Err(error) => {
            let found = format!("cannot be read ({error})");
            return out.advise(place(folder), KEY, found, "let the user that the daemon runs as read it");
        }
    };
    if texts.files.is_empty() && texts.left_out.is_empty() {
        out.advise(place(folder), KEY, "has no texts", "write some: files in Markdown whose names end in .md");
    }
    for text in &texts.left_out {
        out.advise(place(&text.path), "", text.found.clone(), text.remedy);
    }
    for path in std::iter::once(folder).chain(&texts.files) {
        if let Some(user) = unreadable_for(path, users) {
            let mode = if path == folder { "755" } else { "644" };
            let remedy = format!("let them read it: chmod {mode} {}", path.display());
            out.advise(place(path), "", format!("cannot be read by {user}"), &remedy);
            if path == folder {
                break;
            }
        }
    }
    out.files.extend(texts.files);
}
