//! Opening the file: whose it is, which version it has, what a power loss left in it, and what to do without it.
//!
//! A file that cannot be opened is no reason not to answer the phone. One of ours that is damaged is set aside for
//! recovery and a new one takes its place; where there can be no file, calls are kept in memory, and the daemon's health
//! says so. What another daemon, program or version has a claim to is left alone, and the start refused.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};

use super::book::recover;
use super::error::StoreError;
use crate::logging::chain;

/// The endings of the files that make up a database in WAL mode, the file itself last.
const PARTS: [&str; 3] = ["-wal", "-shm", ""];
/// Says that a database is ours: `FDsk` in ASCII.
pub(super) const APPLICATION_ID: i64 = 0x4644_736b;
/// The steps from an empty file to the newest version; a file's version is the number of steps it has taken.
pub(super) const STEPS: &[&str] =
    &[include_str!("schema.sql"), COUNT_THE_DAYS, TOKENS_OF_ALL_KINDS, include_str!("book.sql")];
/// The second step: how long a call was kept is no longer told by its own times, which a clock that was wrong may have
/// put anywhere.
const COUNT_THE_DAYS: &str = "
    ALTER TABLE calls ADD COLUMN kept_since INTEGER; -- when the days for which it is kept began; null until then
    UPDATE calls SET kept_since = ended_at;
    DROP INDEX calls_started;
    CREATE INDEX calls_kept ON calls (kept_since);";
/// The third step: nothing was ever written there but zeros.
const TOKENS_OF_ALL_KINDS: &str = "
    ALTER TABLE usage DROP COLUMN audio_in;
    ALTER TABLE usage DROP COLUMN audio_out;";
/// What is written as the reason when the daemon was not there to see a call's end.
pub const POWER_LOSS: &str = "power-loss";

/// How long the start waits for a program that has locked the file.
const OPENING_WAITS: Duration = Duration::from_secs(5);
/// How long a write does, which is then tried again; so long nobody is answered.
const WRITING_WAITS: Duration = Duration::from_secs(1);

/// The settings of our one connection.
///
/// `synchronous = FULL`: in WAL mode `NORMAL` never corrupts, but a power cut takes the last transactions with it,
/// and a commit here promises that the record stays. It costs one sync per batch, on a thread that nobody waits for.
/// The page cache is small because the daemon is resident for weeks and reads little; erased speech is overwritten.
const SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA secure_delete = ON;
    PRAGMA cache_size = -512;
    PRAGMA mmap_size = 0;
    PRAGMA temp_store = MEMORY;
    PRAGMA journal_size_limit = 4194304;";

/// Where calls are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// In the file of the configuration.
    File,
    /// There too, but in a new one: the old one was damaged and lies beside it.
    Afresh,
    /// In memory only, the newest of them, until the daemon stops: the file cannot be used.
    Memory,
}

/// The store while it is ours. The lock of its file is held as long as this lives.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) db: Connection,
    pub(super) keeping: Keeping,
    /// Calls that a power loss had left open.
    pub(super) recovered: usize,
    /// Keeps a second daemon from taking our running calls for lost ones. Dropped last.
    _lock: Option<File>,
}

/// Opens `path` as [`open_file`] does, or does without it as far as no harm is done; what was wrong is logged.
pub(super) fn open(path: &Path, steps: &[&str]) -> Result<Opened, StoreError> {
    let mut fault = match open_file(path, steps) {
        Err(fault) if fault.can_be_done_without() => fault,
        opened_or_refused => return opened_or_refused,
    };
    if matches!(fault, StoreError::Corrupt { .. })
        && let Some(aside) = set_aside(path)?
    {
        log::error!("{}. It was set aside as {}, and calls are kept in a new file", chain(&fault), aside.display());
        match open_file(path, steps) {
            Ok(opened) => return Ok(Opened { keeping: Keeping::Afresh, ..opened }),
            Err(again) if again.can_be_done_without() => fault = again,
            Err(refused) => return Err(refused),
        }
    }
    log::error!(
        "{}. The phone is answered all the same, but calls are kept in memory only and are lost when the daemon stops: \
         mend this and restart the daemon",
        chain(&fault)
    );
    open_memory(steps)
}

/// Opens `path`, creating it if need be, brings it to the newest of `steps` and closes calls that were left open.
pub(super) fn open_file(path: &Path, steps: &[&str]) -> Result<Opened, StoreError> {
    let lock = lock(path)?;
    private(path).map_err(|source| StoreError::File { path: path.to_owned(), source })?;
    let failed = |doing| move |source| sort_error(path, doing, source);
    let mut db = Connection::open(path).map_err(failed("opening"))?;
    db.busy_timeout(OPENING_WAITS).map_err(failed("opening"))?;
    admit(&db, path, steps)?;
    db.execute_batch(SETTINGS).map_err(failed("opening"))?;
    migrate(&mut db, steps).map_err(failed("bringing the schema up to date"))?;
    let recovered = close_lost_calls(&db).map_err(failed("closing calls that a power loss left open"))?;
    recover(&db).map_err(failed("taking up again what a power loss cut off"))?;
    db.busy_timeout(WRITING_WAITS).map_err(failed("opening"))?;
    Ok(Opened { db, keeping: Keeping::File, recovered, _lock: Some(lock) })
}

/// A store without a file.
pub(super) fn open_memory(steps: &[&str]) -> Result<Opened, StoreError> {
    let failed = |source| StoreError::Sqlite { doing: "keeping calls in memory", source };
    let mut db = Connection::open_in_memory().map_err(failed)?;
    db.execute_batch(SETTINGS).map_err(failed)?;
    migrate(&mut db, steps).map_err(failed)?;
    Ok(Opened { db, keeping: Keeping::Memory, recovered: 0, _lock: None })
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let io = |source| StoreError::File { path: path.to_owned(), source };
    let lock = private(&path.with_added_extension("lock")).map_err(io)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

/// Calls are nobody else's business: a file is made before SQLite would make it for all to read.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Renames a damaged file with what belongs to it, so that `sqlite3 FILE .recover` finds all of it. `None` if it is not
/// certain to be ours or cannot be renamed: then it is left where it is.
fn set_aside(path: &Path) -> Result<Option<PathBuf>, StoreError> {
    let _lock = lock(path)?;
    let aside = path.with_added_extension(format!("corrupt-{}", Timestamp::now().strftime("%Y%m%dT%H%M%SZ")));
    if !is_ours(path) || aside.exists() {
        return Ok(None);
    }
    // The write-ahead log goes first: beside a new file, SQLite would take it for that one's.
    for suffix in PARTS {
        let renamed = fs::rename(with_suffix(path, suffix), with_suffix(&aside, suffix));
        if renamed.is_err_and(|error| error.kind() != ErrorKind::NotFound) {
            return Ok(None);
        }
    }
    Ok(Some(aside))
}

/// Whether the file begins as one of ours, whatever comes behind (SQLite's file format, 1.3: the header string, and the
/// application id at offset 68).
fn is_ours(path: &Path) -> bool {
    let mut header = [0; 72];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header.starts_with(b"SQLite format 3\0") && header[68..] == (APPLICATION_ID as u32).to_be_bytes()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Refuses what is not ours or not of our time, before anything is written to it.
fn admit(db: &Connection, path: &Path, steps: &[&str]) -> Result<(), StoreError> {
    let number = |sql: &str| -> Result<i64, StoreError> {
        db.query_row(sql, [], |row| row.get(0)).map_err(|source| sort_error(path, "opening", source))
    };
    let (id, found) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    let empty = number("SELECT COUNT(*) FROM sqlite_schema")? == 0;
    if id != APPLICATION_ID && !(empty && id == 0) {
        return Err(StoreError::NotOurs { path: path.to_owned() });
    }
    let known = steps.len() as i64;
    if found > known { Err(StoreError::Newer { path: path.to_owned(), found, known }) } else { Ok(()) }
}

/// Takes the steps that are missing, all or none.
fn migrate(db: &mut Connection, steps: &[&str]) -> rusqlite::Result<()> {
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let missing = &steps[usize::try_from(version).unwrap_or(0).min(steps.len())..];
    if missing.is_empty() {
        return Ok(());
    }
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in missing {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", steps.len() as i64)?;
    transaction.commit()
}

/// Ends every running call at the last thing that is known of it.
fn close_lost_calls(db: &Connection) -> rusqlite::Result<usize> {
    db.execute(
        "UPDATE calls SET
             end_reason = ?1,
             ended_at = MAX(
                 started_at,
                 COALESCE(answered_at, started_at),
                 COALESCE((SELECT MAX(ended_at) FROM turns WHERE call = calls.id), started_at),
                 COALESCE((SELECT MAX(at) FROM events WHERE call = calls.id), started_at),
                 COALESCE((SELECT MAX(at) FROM usage WHERE call = calls.id), started_at))
         WHERE ended_at IS NULL",
        [POWER_LOSS],
    )
}

/// A damaged file is told apart from everything else: only for that the remedy is to move it away.
fn sort_error(path: &Path, doing: &'static str, source: rusqlite::Error) -> StoreError {
    match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
            StoreError::Corrupt { path: path.to_owned(), source }
        }
        _ => StoreError::Sqlite { doing, source },
    }
}
