//! A store's file that was there and is not any more: a new one is begun, and a note beside it says so until somebody moves
//! that away. The copies are left for a person: whoever removed the file may have meant it.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::Salvage;
use crate::store::backup;
use crate::store::lock::private;

const NOTE: &str = "The store beside this note was begun anew, because its file was gone.\n";

/// The note of a store.
pub(in crate::store) fn path_of_note(path: &Path) -> PathBuf {
    path.with_added_extension("gone")
}

/// Leaves the note, before a new file is begun.
pub(in crate::store) fn note(path: &Path) -> io::Result<()> {
    let mut note = private(&path_of_note(path))?;
    note.write_all(NOTE.as_bytes())?;
    note.sync_all()?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// What the note means; nothing if there is none.
pub(in crate::store) fn noted(path: &Path) -> Option<Salvage> {
    let note = path_of_note(path);
    let at = note.metadata().ok()?.modified().ok().and_then(|at| Timestamp::try_from(at).ok()).unwrap_or_default();
    let saved = match backup::copies(path).unwrap_or_default().first() {
        Some(copy) => {
            format!("nothing; to have what was copied, stop the daemon and put {} in its place", copy.display())
        }
        None => format!("nothing; there are no copies in {}", backup::folder(path).display()),
    };
    Some(Salvage { at, aside: note, found: "its file is gone".to_owned(), saved })
}
