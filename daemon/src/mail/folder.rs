//! Letters as files: whole under `new/`, written under `tmp/` before. The same errand is the same file: a repeat after a
//! crash replaces what is there, so that each letter is there once. Who may look there may also put files of their own beside
//! ours: only what we wrote is ever erased.

use std::fmt::Write as _;
use std::fs::{DirBuilder, DirEntry, File, OpenOptions};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use frontdesk_core::letter::Sent;
use jiff::SignedDuration;

use super::compose::LETTER;

/// Letters name people: nobody but the daemon's user, and whom that user lets in, reads them.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// A letter's headers are shorter.
const LONGEST_HEAD: u64 = 16 << 10;

/// A folder of letters.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`; made when the first letter comes.
    pub fn at(path: &Path) -> Self {
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

    /// Erases our letters that were written before `oldest`; returns how many. One that cannot be erased keeps no other:
    /// the first error is told in the end.
    pub(super) fn erase_before(&self, oldest: SystemTime) -> std::io::Result<usize> {
        let mut erased = 0;
        self.each(
            |written| written < oldest,
            |path, _| {
                std::fs::remove_file(path)?;
                erased += 1;
                Ok(())
            },
        )?;
        Ok(erased)
    }

    /// Dates our letters that were written from `from` to `to` by a clock that has been set since then `by` that much. One
    /// that cannot be dated keeps no other: the first error is told in the end.
    pub(super) fn date_anew(&self, from: SystemTime, to: SystemTime, by: SignedDuration) -> std::io::Result<()> {
        let span = by.unsigned_abs();
        self.each(
            |written| (from..=to).contains(&written),
            |path, written| {
                let anew = if by.is_positive() { written.checked_add(span) } else { written.checked_sub(span) };
                let Some(anew) = anew else { return Ok(()) };
                OpenOptions::new().write(true).open(path)?.set_modified(anew)
            },
        )
    }

    /// Does something with each of our letters, half-written ones included, that was written when it is `wanted`. Goes on
    /// after an error and tells the first in the end; what is gone meanwhile is no error.
    fn each(
        &self,
        wanted: impl Fn(SystemTime) -> bool,
        mut act: impl FnMut(&Path, SystemTime) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let mut first = Ok(());
        let mut note = |done: std::io::Result<()>| match done {
            Err(error) if error.kind() != ErrorKind::NotFound && first.is_ok() => first = Err(error),
            _ => {}
        };
        for folder in ["tmp", "new"] {
            let entries = match std::fs::read_dir(self.0.join(folder)) {
                Ok(entries) => entries,
                Err(error) => {
                    note(Err(error));
                    continue;
                }
            };
            for entry in entries {
                note(entry.and_then(|entry| match ours(&entry, &wanted)? {
                    Some(written) => act(&entry.path(), written),
                    None => Ok(()),
                }));
            }
        }
        first
    }
}

/// When a letter of ours was written, if it is one and that is `wanted`. Only then is it looked into.
fn ours(entry: &DirEntry, wanted: impl Fn(SystemTime) -> bool) -> std::io::Result<Option<SystemTime>> {
    if !is_our_name(&entry.file_name().to_string_lossy()) {
        return Ok(None);
    }
    let about = entry.metadata()?;
    let written = about.modified()?;
    let is_ours = about.is_file() && wanted(written) && has_our_header(&entry.path())?;
    Ok(is_ours.then_some(written))
}

/// Whether [`file_name`] writes such names.
fn is_our_name(name: &str) -> bool {
    let is_written = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte);
    name.strip_suffix(".eml").is_some_and(|key| !key.is_empty() && key.bytes().all(is_written))
}

/// Whether a file's head says that it is a letter of ours.
fn has_our_header(path: &Path) -> std::io::Result<bool> {
    let mut lines = BufReader::new(File::open(path)?.take(LONGEST_HEAD)).split(b'\n');
    let is_head = |line: &Vec<u8>| !line.trim_ascii().is_empty();
    let is_ours = |line: Vec<u8>| line.strip_prefix(LETTER.as_bytes()).is_some_and(|rest| rest.starts_with(b": "));
    Ok(lines.by_ref().map_while(Result::ok).take_while(is_head).any(is_ours))
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

    #[tokio::test]
    async fn a_letter_that_cannot_be_worked_on_keeps_no_other() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::at(home.path());
        for key in ["a", "b", "c"] {
            folder.keep(key, b"X-Frontdesk-Letter: 7\r\n\r\n".to_vec()).await;
        }
        let mut met = 0;
        let done = folder.each(
            |_| true,
            |path, _| {
                met += 1;
                if met == 2 {
                    return std::fs::remove_file(path);
                }
                Err(std::io::Error::new(ErrorKind::PermissionDenied, met.to_string()))
            },
        );
        assert_eq!((met, done.unwrap_err().to_string()), (3, "1".to_owned()), "the first is told");
        let gone = folder.each(|_| true, |_, _| Err(ErrorKind::NotFound.into()));
        assert!(gone.is_ok(), "{gone:?}");
        let young = folder.each(|_| false, |path, _| panic!("{} was not wanted", path.display()));
        assert!(young.is_ok());
    }

    #[test]
    fn a_key_stays_in_its_folder_and_two_keys_are_two_files() {
        assert_eq!(file_name("../x"), "=2E=2E=2Fx");
        assert_ne!(file_name("a:b"), file_name("a=3Ab"));
    }
}
