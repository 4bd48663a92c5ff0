//! Opening the file: whose it is, which version it has, what a power loss left in it, and what to do without it.
//!
//! A file that cannot be opened is no reason not to answer the phone. One of ours that is damaged is kept beside a new one,
//! into which is carried over what can be had of it; where there can be no file, calls are kept in memory, and the daemon's
//! health says so. What another daemon, program or version has a claim to is left alone, and the start refused.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior, ffi};

use super::book::recover;
use super::damage::{check, clear, is_damage};
use super::error::StoreError;
use super::identity;
use super::lock::{APPLICATION_ID, Lock, private};
use super::salvage::{self, Salvage, gone};
use crate::logging::{Event, chain};

/// The endings of the files that make up a database in WAL mode, the file itself last.
pub(super) const PARTS: [&str; 3] = ["-wal", "-shm", ""];
/// The steps from an empty file to the newest version; a file's version is the number of steps it has taken.
pub(super) const STEPS: &[&str] = &[
    include_str!("schema.sql"),
    COUNT_THE_DAYS,
    TOKENS_OF_ALL_KINDS,
    include_str!("book.sql"),
    WHAT_IS_BUSY,
    salvage::SCHEMA,
    identity::SCHEMA,
];
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
/// The fifth step: thousands of rows are read for one caller's question, and none of them is looked up. Holds are few, and
/// are. The guard has an index of its own.
const WHAT_IS_BUSY: &str = "
    DROP INDEX appointments_busy;
    CREATE INDEX appointments_busy ON appointments (practitioner, busy_from, busy_to, kind) WHERE state = 'booked';
    CREATE INDEX appointments_guard ON appointments (practitioner, busy_from, busy_to)
        WHERE state IN ('held', 'booked');";
/// What is written as the reason when the daemon was not there to see a call's end.
pub const POWER_LOSS: &str = "power-loss";

/// The start waits no longer for what can be read of a damaged file and its copies: systemd waits thirty seconds for the
/// daemon. The book comes first; what is left of the calls is in the damaged file.
const PATIENCE: Duration = Duration::from_secs(12);
/// Of that, looking whether the file is damaged takes no more: the rest is for saving what is not.
const LOOKING_TAKES: Duration = Duration::from_secs(4);
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
    /// There too, but in a new one: the old one was damaged and lies beside it until somebody moves it away.
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
    /// If the file took the place of a damaged one.
    pub(super) salvage: Option<Salvage>,
    /// Dropped last.
    _lock: Option<Lock>,
}

/// Opens `path` as [`open_file`] does, or does without it as far as no harm is done; what was wrong is logged.
pub(super) fn open(path: &Path, steps: &[&str]) -> Result<Opened, StoreError> {
    let until = Instant::now() + PATIENCE;
    let opened = Lock::take(path).and_then(|lock| match open_locked(path, steps, lock, until) {
        Err((fault @ StoreError::Corrupt { .. }, lock)) if lock.is_ours(path) => {
            log::error!(event:% = Event::StoreDamaged; "{}. What can be read of it is carried over into a new file", chain(&fault));
            salvage::replace(path, steps, (&fault, lock.identity()), until)?;
            open_locked(path, steps, lock, until).map_err(|(fault, _)| fault)
        }
        opened => opened.map_err(|(fault, _)| fault),
    });
    let fault = match opened {
        Err(fault) if fault.can_be_done_without() => fault,
        opened_or_refused => return opened_or_refused,
    };
    log::error!(
        event:% = Event::StoreInMemory;
        "{}. The phone is answered all the same, but calls are kept in memory only and are lost when the daemon stops, and \
         no appointments are made: mend this and restart the daemon",
        chain(&fault)
    );
    open_memory(steps)
}

/// Opens `path`, creating it if need be, brings it to the newest of `steps` and closes calls that were left open.
#[cfg(test)]
pub(super) fn open_file(path: &Path, steps: &[&str]) -> Result<Opened, StoreError> {
    open_locked(path, steps, Lock::take(path)?, Instant::now() + PATIENCE).map_err(|(fault, _)| fault)
}

/// Opens it once it is ours. An error gives the lock back.
fn open_locked(path: &Path, steps: &[&str], mut lock: Lock, until: Instant) -> Result<Opened, (StoreError, Lock)> {
    match opened(path, steps, &lock, until) {
        Ok((db, recovered, salvage)) => {
            lock.mark(&db);
            let keeping = match &salvage {
                Some(salvage) => {
                    log::error!(event:% = Event::StoreSalvaged; "{salvage}");
                    Keeping::Afresh
                }
                None => Keeping::File,
            };
            Ok(Opened { db, keeping, recovered, salvage, _lock: Some(lock) })
        }
        Err(fault) => Err((fault, lock)),
    }
}

fn opened(
    path: &Path,
    steps: &[&str],
    lock: &Lock,
    until: Instant,
) -> Result<(Connection, usize, Option<Salvage>), StoreError> {
    let failed = |doing| move |source| sort_error(path, doing, source);
    salvage::finish(path)?;
    if let Some(found) = lock.misses(path) {
        let code = ffi::Error::new(ffi::SQLITE_NOTADB);
        let source = rusqlite::Error::SqliteFailure(code, Some(found.to_owned()));
        return Err(StoreError::Corrupt { path: path.to_owned(), source });
    }
    let file = |source| StoreError::File { path: path.to_owned(), source };
    if lock.is_marked() && matches!(path.try_exists(), Ok(false)) {
        gone::note(path).map_err(file)?;
    }
    private(path).map_err(file)?;
    let mut db = Connection::open(path).map_err(failed("opening"))?;
    db.busy_timeout(OPENING_WAITS).map_err(failed("opening"))?;
    admit(&db, path, steps)?;
    db.execute_batch(SETTINGS).map_err(failed("opening"))?;
    let is_whole = check(&db, path, until.min(Instant::now() + LOOKING_TAKES))?;
    migrate(&mut db, steps).map_err(failed("bringing the schema up to date"))?;
    let recovered = close_lost_calls(&db).map_err(failed("closing calls that a power loss left open"))?;
    recover(&db).map_err(failed("taking up again what a power loss cut off"))?;
    let salvage = salvage::last(&db, path).map_err(failed("reading how it came about"))?;
    let salvage = salvage.filter(Salvage::is_open).or_else(|| gone::noted(path));
    db.busy_timeout(WRITING_WAITS).map_err(failed("opening"))?;
    if is_whole {
        clear(path);
    }
    Ok((db, recovered, salvage))
}

/// A new file, with the newest of `steps`.
pub(super) fn create(path: &Path, steps: &[&str]) -> rusqlite::Result<Connection> {
    let mut db = Connection::open(path)?;
    db.execute_batch(SETTINGS)?;
    migrate(&mut db, steps)?;
    Ok(db)
}

/// A store without a file.
pub(super) fn open_memory(steps: &[&str]) -> Result<Opened, StoreError> {
    let failed = |source| StoreError::Sqlite { doing: "keeping calls in memory", source };
    let mut db = Connection::open_in_memory().map_err(failed)?;
    db.execute_batch(SETTINGS).map_err(failed)?;
    migrate(&mut db, steps).map_err(failed)?;
    Ok(Opened { db, keeping: Keeping::Memory, recovered: 0, salvage: None, _lock: None })
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
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
    transaction.commit()?;
    // From the log into the file itself, which then says whose it is.
    db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
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
    if is_damage(&source) {
        StoreError::Corrupt { path: path.to_owned(), source }
    } else {
        StoreError::Sqlite { doing, source }
    }
}
