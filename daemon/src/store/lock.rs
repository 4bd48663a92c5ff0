//! Whose a store's file is: one daemon's at a time, and surely ours only where we have had one before.
//!
//! Nothing here, and nothing else in this process, may open the database's own file while SQLite has it open: closing it
//! again gives up every lock that the process holds on it (POSIX `fcntl`; SQLite, "How To Corrupt An SQLite Database File",
//! 2.2). Another program that reads the store would then take itself for its last user, and remove the log that we go on
//! writing to.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rusqlite::Connection;

use super::error::StoreError;
use super::identity::Identity;

/// Says that a database is ours: `FDsk` in ASCII.
pub(super) const APPLICATION_ID: i64 = 0x4644_736b;
/// How every SQLite file begins (file format, 1.3); the application id is at offset 68.
const HEADER: &[u8] = b"SQLite format 3\0";
/// How the lock's file begins once the file beside it was a store of ours; then comes that one's name.
const MARK: &[u8] = b"A store of Frontdesk is beside this file.\n";

/// The lock of a store's file, held as long as this lives: it keeps a second daemon from taking our running calls for lost
/// ones.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    /// A store of ours was there before.
    is_marked: bool,
    /// Which, if it had a name.
    identity: Option<Identity>,
}

impl Lock {
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let io = |source| StoreError::File { path: path.to_owned(), source };
        let mut file = private(&path.with_added_extension("lock")).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let mut mark = Vec::new();
        file.read_to_end(&mut mark).map_err(io)?;
        let name = mark.strip_prefix(MARK);
        let identity = name.and_then(|name| Identity::parse(str::from_utf8(name).ok()?.trim_end()));
        Ok(Self { file, is_marked: name.is_some(), identity })
    }

    /// Keeps that the file beside it is a store of ours, which `db` was admitted as, once its beginning is no longer in its
    /// log alone. Without the mark, a file whose beginning is lost is left alone.
    pub(super) fn mark(&mut self, db: &Connection) {
        let identity = Identity::of(db);
        if self.is_marked && self.identity == identity || !is_in_its_file(db) {
            return;
        }
        let name = identity.as_ref().map_or_else(String::new, |identity| format!("{}\n", identity.as_str()));
        if self.write(&[MARK, name.as_bytes()].concat()).is_ok() {
            (self.is_marked, self.identity) = (true, identity);
        }
    }

    /// What is there may be a mark that a power loss has torn.
    fn write(&mut self, mark: &[u8]) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(mark)?;
        self.file.sync_all()
    }

    /// Whether a store of ours was there before.
    pub(super) fn is_marked(&self) -> bool {
        self.is_marked
    }

    /// Which, if it had a name.
    pub(super) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Whether the file is certain to be ours, whatever it holds now: it begins as one of ours, or we have had one there.
    /// It must not be open.
    pub(super) fn is_ours(&self, path: &Path) -> bool {
        self.is_marked || begins_as_ours(path)
    }

    /// What is wrong with a file that is there where a store of ours was, and is no database any more; nothing if it begins
    /// as one, or there is none. It must not be open.
    pub(super) fn misses(&self, path: &Path) -> Option<&'static str> {
        let length = path.metadata().ok().filter(|_| self.is_marked && !begins_with(path, HEADER))?.len();
        Some(if length == 0 { "it is empty" } else { "its beginning is lost" })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone would not do while a program is being started: until it runs, it has our files open too.
        let _ = self.file.unlock();
    }
}

/// Calls are nobody else's business: a file is made before SQLite would make it for all to read.
pub(super) fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Whether all of the log has been moved into the database itself, which is tried now.
fn is_in_its_file(db: &Connection) -> bool {
    let figures = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
    db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], figures).is_ok_and(|(logged, moved)| logged == moved)
}

fn begins_with(path: &Path, beginning: &[u8]) -> bool {
    let mut found = vec![0; beginning.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut found)).is_ok() && found == beginning
}

fn begins_as_ours(path: &Path) -> bool {
    let mut header = [0; 72];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header.starts_with(HEADER) && header[68..] == (APPLICATION_ID as u32).to_be_bytes()
}
