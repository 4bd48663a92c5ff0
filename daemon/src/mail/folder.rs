//! Letters as files: whole under `new/`, written under `tmp/` before. The same errand is the same file: a repeat after a
//! crash replaces what is there, so that each letter is there once.

use std::fmt::Write as _;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use frontdesk_core::letter::Sent;

/// Letters name people: nobody but the daemon's user, and whom that user lets in, reads them.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// A folder of letters.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Keeps a letter under its key. It is on the disk when this returns [`Sent::Done`].
    pub(super) async fn keep(&self, key: &str, letter: Vec<u8>) -> Sent {
        let (folder, name) = (self.clone(), format!("{}.eml", file_name(key)));
        let receipt = name.clone();
        let written = tokio::task::spawn_blocking(move || folder.write(&name, &letter)).await;
        match written.unwrap_or_else(|_| Err(std::io::Error::other("the writing thread ended"))) {
            Ok(()) => Sent::Done { receipt },
            Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotADirectory) => {
                Sent::Misconfigured(format!("[mail] outbox_dir cannot be written to ({error})"))
            }
            Err(error) => {
                Sent::Retry { why: format!("the letter cannot be written to [mail] outbox_dir ({error})"), after: None }
            }
        }
    }

    fn write(&self, name: &str, letter: &[u8]) -> std::io::Result<()> {
        let [temporary, new] = ["tmp", "new"].map(|folder| self.0.join(folder));
        for folder in [&temporary, &new] {
            DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
        }
        let part = temporary.join(name);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&part)?;
        file.write_all(letter)?;
        file.sync_all()?;
        std::fs::rename(&part, new.join(name))?;
        // The rename itself must outlast a power loss too.
        File::open(&new)?.sync_all()
    }
}

/// The key as the name of a file: what could leave the folder, or needs quoting in a shell, is written as its code.
fn file_name(key: &str) -> String {
    let mut name = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "={byte:02X}");
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn a_repeat_replaces_the_letter_that_is_there() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::at(&home.path().join("outbox"));
        for letter in ["half a let", "a letter"] {
            let sent = folder.keep("mail/1 2", letter.as_bytes().to_vec()).await;
            assert_eq!(sent, Sent::Done { receipt: "mail=2F1=202.eml".to_owned() });
        }
        let new = home.path().join("outbox/new");
        let files: Vec<_> = std::fs::read_dir(&new).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files, [new.join("mail=2F1=202.eml")]);
        assert_eq!(std::fs::read_to_string(&files[0]).unwrap(), "a letter");
        assert_eq!(std::fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(std::fs::read_dir(home.path().join("outbox/tmp")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_is_the_settings_fault() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("outbox"), "a file").unwrap();
        let sent = Folder::at(&home.path().join("outbox")).keep("1", Vec::new()).await;
        assert!(matches!(&sent, Sent::Misconfigured(why) if why.contains("[mail] outbox_dir")), "{sent:?}");
    }

    #[test]
    fn a_key_stays_in_its_folder_and_two_keys_are_two_files() {
        assert_eq!(file_name("../x"), "=2E=2E=2Fx");
        assert_ne!(file_name("a:b"), file_name("a=3Ab"));
    }
}
