//! Opening the file: whose it is, which version it has, and what a power loss left in it.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::error::StoreError;

/// Says that a database is ours: `FDsk` in ASCII.
const APPLICATION_ID: i64 = 0x4644_736b;
/// The steps from an empty file to the newest version; a file's version is the number of steps it has taken.
pub(super) const STEPS: &[&str] = &[include_str!("schema.sql"), COUNT_THE_DAYS];
/// The second step: how long a call was kept is no longer told by its own times, which a clock that was wrong may have
/// put anywhere.
const COUNT_THE_DAYS: &str = "
    ALTER TABLE calls ADD COLUMN kept_since INTEGER; -- when the days for which it is kept began; null until then
    UPDATE calls SET kept_since = ended_at;
    DROP INDEX calls_started;
    CREATE INDEX calls_kept ON calls (kept_since);";
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

/// The store's file while it is ours. The lock is held as long as this lives.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) db: Connection,
    /// Calls that a power loss had left open.
    pub(super) recovered: usize,
    /// Keeps a second daemon from taking our running calls for lost ones. Dropped last.
    _lock: File,
}

/// Opens `path`, creating it if need be, brings it to the newest of `steps` and closes calls that were left open.
pub(super) fn open(path: &Path, steps: &[&str]) -> Result<Opened, StoreError> {
    let io = |source| StoreError::File { path: path.to_owned(), source };
    // Calls are nobody else's business: the file is made before SQLite would make it for all to read.
    let private =
        |path: &Path| OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let lock = private(&path.with_added_extension("lock")).map_err(io)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => return Err(io(source)),
    }
    private(path).map_err(io)?;

    let failed = |doing| move |source| sort_error(path, doing, source);
    let mut db = Connection::open(path).map_err(failed("opening"))?;
    db.busy_timeout(OPENING_WAITS).map_err(failed("opening"))?;
    admit(&db, path, steps)?;
    db.execute_batch(SETTINGS).map_err(failed("opening"))?;
    migrate(&mut db, steps).map_err(failed("bringing the schema up to date"))?;
    let recovered = close_lost_calls(&db).map_err(failed("closing calls that a power loss left open"))?;
    db.busy_timeout(WRITING_WAITS).map_err(failed("opening"))?;
    Ok(Opened { db, recovered, _lock: lock })
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
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            StoreError::Corrupt { path: path.to_owned(), source }
        }
        _ => StoreError::Sqlite { doing, source },
    }
}
