//! The clinic's appointments as a file that calendar programs subscribe to.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use frontdesk_core::booking::appointment::Appointment;
use frontdesk_core::clinic::Clinic;
use frontdesk_core::letter::ics::{Names, feed};
use jiff::Timestamp;

/// Appointments are nobody else's business: whoever is to subscribe is given the file by something that asks who they are.
const MODE: u32 = 0o600;

/// The feed could not be written; the one before it is still there, whole.
#[derive(Debug, thiserror::Error)]
#[error(
    "the calendar feed {path} cannot be written: let the daemon write into that folder, or name another [calendar] feed"
)]
pub struct FeedError {
    path: String,
    #[source]
    source: io::Error,
}

/// The file, to be rewritten after each change of an appointment, whatever the backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    path: PathBuf,
    names: Names,
}

impl Feed {
    /// A feed at `path`; nothing is written yet.
    pub fn new(path: PathBuf, names: Names) -> Self {
        Self { path, names }
    }

    /// Writes what is booked and not over at `now` in place of what the file held. Whoever reads it sees the old or the
    /// new, never a part, also after a power cut. Blocks on the disk: not for the network's threads.
    ///
    /// One at a time: two would write the same temporary file.
    pub fn rewrite<'a>(
        &self,
        appointments: impl IntoIterator<Item = &'a Appointment>,
        clinic: &Clinic,
        now: Timestamp,
    ) -> Result<(), FeedError> {
        let text = feed(appointments, clinic, self.names, now);
        replace(&self.path, text.as_bytes())
            .map_err(|source| FeedError { path: self.path.display().to_string(), source })
    }
}

/// Writes beside the file and renames over it, each step on the disk before the next.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_added_extension("new");
    let written = write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // Half a file is of no use; it may not even be there.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("calendar.ics");
        for text in ["first, and longer", "second"] {
            replace(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_replaced_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("calendar.ics");
        fs::create_dir(&path).unwrap();
        assert!(replace(&path, b"text").is_err());
        assert!(path.is_dir());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no half file either");
        assert!(replace(&directory.path().join("missing/calendar.ics"), b"text").is_err());
    }
}
