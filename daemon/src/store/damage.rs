//! Damage that shows while the daemon runs: it goes on with what can be read, says so, and looks closely at its next start.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, ffi};

use super::error::StoreError;
use super::lock::private;
use crate::logging::Event;

/// How often is interrupted again what was asked too late.
const AGAIN: Duration = Duration::from_millis(20);
/// What people rely on.
const BOOK: &str = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN
                        ('appointments', 'calendar_links', 'calendar_syncs', 'messages', 'outbox', 'audit', 'salvages',
                         'sqlite_sequence')";

/// Whether the file was found to be damaged since the start.
#[derive(Debug, Default)]
pub(super) struct Damage {
    seen: AtomicBool,
    /// Has the next start look at all of the file; nothing where there is no file.
    marker: Option<PathBuf>,
}

impl Damage {
    pub(super) fn of(path: Option<&Path>) -> Self {
        Self { seen: AtomicBool::new(false), marker: path.map(marker) }
    }

    pub(super) fn is_seen(&self) -> bool {
        self.seen.load(Ordering::Relaxed)
    }

    /// Looks at what the database has answered.
    pub(super) fn look(&self, error: &rusqlite::Error) {
        if !is_damage(error) || self.seen.swap(true, Ordering::Relaxed) {
            return;
        }
        log::error!(
            event:% = Event::StoreDamaged;
            "the store is damaged: {error}. What can be read goes on. Restart the daemon soon (systemctl restart frontdeskd): \
             what can be read is then carried over into a new file, and the damaged one is kept"
        );
        if let Some(marker) = &self.marker
            && let Err(error) = private(marker)
        {
            log::error!("the next start will not look for the damage by itself: {error}");
        }
    }
}

/// The file, and not the disk or another program.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        // A header that is not of this file format has no code of its own (`sqlite3InitOne` of SQLite).
        rusqlite::Error::SqliteFailure(_, Some(word)) if word == "unsupported file format" => true,
        _ => matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)),
    }
}

fn marker(path: &Path) -> PathBuf {
    path.with_added_extension("suspect")
}

/// Reads what people rely on from end to end, and all of the file if it was found to be damaged while it was used: cards
/// lose what was written long ago too, and whoever reads a row by an index does not see the rest. Returns whether it came to
/// an end by `until`, whole as far as it was read. An error is [`StoreError::Corrupt`], or SQLite's own.
pub(super) fn check(db: &Connection, path: &Path, until: Instant) -> Result<bool, StoreError> {
    let failed = |source| StoreError::Sqlite { doing: "looking whether the file is whole", source };
    let limit = Limit::new(db, until);
    let looked = look_through(db, path);
    drop(limit);
    match looked {
        Ok(()) => Ok(true),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            log::warn!("the store is larger than can be looked through at a start: what was not read may be damaged");
            Ok(false)
        }
        Err(source) if is_damage(&source) => Err(StoreError::Corrupt { path: path.to_owned(), source }),
        Err(source) => Err(failed(source)),
    }
}

fn look_through(db: &Connection, path: &Path) -> rusqlite::Result<()> {
    let parts = if marker(path).exists() { vec!["1".to_owned()] } else { tables(db)? };
    for part in parts {
        quick_check(db, &part)?;
    }
    Ok(())
}

/// Reads a table, or with a number all of the file.
pub(super) fn quick_check(db: &Connection, part: &str) -> rusqlite::Result<()> {
    let found: String = db.query_row(&format!("PRAGMA quick_check({part})"), [], |row| row.get(0))?;
    if found == "ok" {
        return Ok(());
    }
    Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(found)))
}

fn tables(db: &Connection) -> rusqlite::Result<Vec<String>> {
    db.prepare(BOOK)?.query_map([], |row| row.get(0))?.collect()
}

/// The suspicion was looked into.
pub(super) fn clear(path: &Path) {
    // It may not be there; if it stays, the next start looks once more.
    let _ = fs::remove_file(marker(path));
}

/// Has everything that a connection is asked fail with `SQLITE_INTERRUPT` once it is late, as long as this lives.
#[derive(Debug)]
pub(super) struct Limit {
    /// Dropped, it ends the thread.
    alive: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Limit {
    /// There is none if the system has no thread for it.
    pub(super) fn new(db: &Connection, until: Instant) -> Self {
        let (interrupt, (alive, ended)) = (db.get_interrupt_handle(), channel());
        let watch = move || {
            let mut wait = until.saturating_duration_since(Instant::now());
            while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                // It ends what is asked just now, and nothing that is asked later.
                interrupt.interrupt();
                wait = AGAIN;
            }
        };
        let thread = Builder::new().name("store-limit".to_owned()).spawn(watch).ok();
        Self { alive: Some(alive), thread }
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        drop(self.alive.take());
        // Nothing may be interrupted once this is gone.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
