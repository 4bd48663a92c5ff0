//! What becomes of a damaged store: what can be read of it is carried over into a new file, what cannot be is taken from
//! the newest backup, and the damaged file is kept.
//!
//! ```text
//!  frontdesk.db (damaged) ──┐ row by row                     ┌─ 1. frontdesk.db ──► frontdesk.db.corrupt-TIME
//!                           ├──────────► frontdesk.db.new ───┤
//!  backups/….db ────────────┘ what is missing then           └─ 2. frontdesk.db.new ──► frontdesk.db
//! ```
//!
//! The new file is whole, with an account of how it came about, before the first file is renamed: a power loss at any
//! instant leaves either the damaged file where it is, and all begins again, or a new one whose place is then taken at the
//! next start. Nothing is written to the damaged file and its write-ahead log.
//!
//! What may have been done outside is not done again: letters and text messages that waited are given up, for a person
//! to look at, and so are reminders whose time has come. Entries in the outside calendar are looked at there, which harms
//! nobody, and messages for staff are carried to them, twice rather than never.

mod copy;
pub(super) mod gone;
mod tables;

use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use self::copy::{Copied, Source};
use super::error::StoreError;
use super::identity::Identity;
use super::lock::private;
use super::open::{PARTS, create, with_suffix};
use super::{backup, book::salvage as book};

/// How a store came to be what it is: it was damaged, and this is what was carried over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvage {
    /// When.
    pub at: Timestamp,
    /// The damaged file, kept as it was found, or the note that there was none.
    pub aside: PathBuf,
    /// What was wrong with it, in SQLite's words.
    pub found: String,
    /// What was saved, table by table, and what was not.
    pub saved: String,
}

impl Salvage {
    /// Whether nobody has looked yet: whoever has moves the damaged file away.
    pub fn is_open(&self) -> bool {
        self.aside.exists()
    }
}

impl fmt::Display for Salvage {
    /// What was found, what was saved, and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, aside, found, saved } = self;
        if aside.extension().is_some_and(|extension| extension == "gone") {
            return write!(
                f,
                "on {at} the store was begun anew: {found}. Saved was {saved}. Look through the appointments, see to the \
                 disk, and move {} away: health is degraded until then, and no copy is removed",
                aside.display()
            );
        }
        write!(
            f,
            "on {at} the store was found damaged ({found}) and a new file took its place. Saved were: {saved}. The damaged \
             file is kept as {}. Look through the appointments and `frontdeskctl outbox list`, see to the disk, and move that \
             file away: health is degraded until then",
            aside.display()
        )
    }
}

/// The account that the file keeps of itself.
pub(super) const SCHEMA: &str = "
    CREATE TABLE salvages (
        id    INTEGER PRIMARY KEY,
        at    INTEGER NOT NULL,
        aside TEXT NOT NULL,  -- the damaged file's name, in the same folder
        found TEXT NOT NULL,  -- what was wrong with it
        saved TEXT NOT NULL   -- what was carried over, and what was not
    ) STRICT;";

/// The last time that this file took the place of a damaged one; `None` if it never did.
pub(super) fn last(db: &Connection, path: &Path) -> rusqlite::Result<Option<Salvage>> {
    let sql = "SELECT at, aside, found, saved FROM salvages ORDER BY id DESC LIMIT 1";
    let read = |row: &rusqlite::Row<'_>| {
        let aside = path.with_file_name(row.get_ref(1)?.as_str()?);
        Ok(Salvage { at: super::query::time(row, 0)?, aside, found: row.get(2)?, saved: row.get(3)? })
    };
    db.query_row(sql, [], read).optional()
}

/// Puts a new file in the place of the damaged one at `path`, with all that can be had of it. The store's lock is held.
/// `fault` is what was found, with the store's name if that is known. Nothing is read after `until`. An error leaves the
/// damaged file where it is, or the new one beside it for [`finish`].
pub(super) fn replace(
    path: &Path,
    steps: &[&str],
    fault: (&StoreError, Option<&Identity>),
    until: Instant,
) -> Result<(), StoreError> {
    let failed = |source| StoreError::File { path: path.to_owned(), source };
    let fresh = fresh(path);
    remove(&fresh).map_err(failed)?;
    private(&fresh).map_err(failed)?;
    build(path, &fresh, steps, fault, until)?;
    finish(path)
}

/// Takes the last steps of a replacement that was cut off by a power loss; nothing if there was none.
pub(super) fn finish(path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::File { path: path.to_owned(), source };
    let fresh = fresh(path);
    if !fresh.exists() {
        return Ok(());
    }
    match account(&fresh) {
        Some(salvage) => swap(path, &fresh, &salvage.aside).map_err(failed),
        // It was not finished, and everything in it is still where it was taken from.
        None => remove(&fresh).map_err(failed),
    }
}

fn fresh(path: &Path) -> PathBuf {
    path.with_added_extension("new")
}

/// The account of a new file that is whole.
fn account(fresh: &Path) -> Option<Salvage> {
    let db = Connection::open_with_flags(fresh, OpenFlags::SQLITE_OPEN_READ_WRITE).ok()?;
    last(&db, fresh).ok().flatten()
}

fn remove(file: &Path) -> io::Result<()> {
    for suffix in PARTS {
        match fs::remove_file(with_suffix(file, suffix)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The damaged file is renamed with what belongs to it, so that `sqlite3 FILE .recover` finds all of it, and the new one
/// takes its place. Each step may be the last before a power loss, and all may be taken again.
fn swap(path: &Path, fresh: &Path, aside: &Path) -> io::Result<()> {
    // The write-ahead log goes first: beside a new file, SQLite would take it for that one's.
    for suffix in PARTS {
        let (from, to) = (with_suffix(path, suffix), with_suffix(aside, suffix));
        if from.exists() && to.exists() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        match fs::rename(from, to) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(fresh, path)?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Makes the new file and leaves it closed.
fn build(
    path: &Path,
    fresh: &Path,
    steps: &[&str],
    (fault, name): (&StoreError, Option<&Identity>),
    until: Instant,
) -> Result<(), StoreError> {
    let failed = |source| StoreError::Sqlite { doing: "saving what a damaged store still holds", source };
    let mut db = create(fresh, steps).map_err(failed)?;
    let name = name.cloned().or_else(|| reading(path, |damaged| Identity::of(&damaged?)));
    let backup = backup::newest(path, steps.len() as i64, name.as_ref(), until);
    let name = name.or_else(|| Identity::of(&open_backup(backup.as_deref()?).ok()?));
    let now = Timestamp::now();
    let transaction = db.transaction().map_err(failed)?;
    let copied = carry_over(&transaction, path, backup.as_deref(), until).map_err(failed)?;
    name.map_or(Ok(()), |name| name.give(&transaction)).map_err(failed)?;
    let latest = book::latest(&transaction, now).map_err(failed)?;
    book::give_up_what_may_be_done(&transaction, latest).map_err(failed)?;
    book::note_salvage(&transaction, now).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    book::remind_again(&mut db, now, latest).map_err(StoreError::Book)?;
    let aside = path.with_added_extension(format!("corrupt-{}", now.strftime("%Y%m%dT%H%M%SZ")));
    let name = aside.file_name().unwrap_or_default().to_string_lossy();
    let (found, saved) = (crate::logging::chain(fault).to_string(), words(&copied, backup.as_deref()));
    let sql = "INSERT INTO salvages (at, aside, found, saved) VALUES (?1, ?2, ?3, ?4)";
    // The last word: with it, the new file is whole.
    db.execute(sql, params![now.as_millisecond(), name, found, saved]).map_err(failed)?;
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(failed)?;
    db.close().map_err(|(_, source)| failed(source))
}

fn carry_over(db: &Connection, path: &Path, backup: Option<&Path>, until: Instant) -> rusqlite::Result<Vec<Copied>> {
    let backup = backup.and_then(|backup| open_backup(backup).map(|db| Source::new(db, until)).ok());
    reading(path, |damaged| {
        let damaged = damaged.map(|db| Source::new(db, until));
        tables::ALL.iter().map(|table| copy::copy(table, damaged.as_ref(), backup.as_ref(), db)).collect()
    })
}

/// Has the damaged file read, if it can be opened at all. What SQLite makes to read it by is no part of what was found.
fn reading<T>(path: &Path, read: impl FnOnce(Option<Connection>) -> T) -> T {
    let absent = PARTS.map(|suffix| with_suffix(path, suffix)).into_iter().filter(|part| !part.exists());
    let absent: Vec<PathBuf> = absent.collect();
    let read = read(damaged(path).ok());
    for part in absent {
        let _ = fs::remove_file(part);
    }
    read
}

/// Opens the damaged file so that nothing is written to it: SQLite would move what its log holds into it at the end.
fn damaged(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // A file that is shorter than it says, and a schema with a part missing, are read as far as they go.
    db.execute_batch("PRAGMA query_only = ON; PRAGMA writable_schema = ON; PRAGMA cell_size_check = ON")?;
    Ok(db)
}

fn open_backup(path: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// What was saved, for a person: `appointments: 118, of these 2 from the backup; unreadable in 1 place`.
fn words(copied: &[Copied], backup: Option<&Path>) -> String {
    let some = copied.iter().filter(|table| table.is_worth_a_word()).map(ToString::to_string);
    let mut all: Vec<String> = some.collect();
    if all.is_empty() {
        all.push("nothing could be read".to_owned());
    }
    let backup = backup.and_then(Path::file_name).map(|name| name.to_string_lossy());
    all.push(backup.map_or_else(|| "there was no backup".to_owned(), |name| format!("the backup was {name}")));
    all.join("; ")
}
