//! The one thread that owns the database: takes what has queued, writes it in one transaction, answers questions in
//! between, and now and then erases what is too old.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

use rusqlite::Connection;

use super::open::Opened;
use super::record::Record;
use super::retention::Retention;
use crate::clock::Clock;

/// Records in one transaction, at most: a question behind them waits no longer than their writing takes.
const BATCH: usize = 256;

/// What the thread is asked to do, in order.
pub(super) enum Command {
    /// Boxed, so that a full queue is thousands of pointers and not a megabyte.
    Write(Box<Record>),
    /// Sees every record that was queued before it.
    Ask(Box<dyn FnOnce(&Connection) + Send>),
    /// Stop after what was queued before it.
    Close,
}

/// Records that did not reach the disk.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// The queue was full, or the store closed.
    pub(super) dropped: AtomicU64,
    /// The disk refused them, or their call was not known.
    pub(super) failed: AtomicU64,
}

impl Counters {
    /// Counts `n` and says whether to log it: at 1, 2, 4, 8, …, so that a lasting fault does not fill the log.
    pub(super) fn add(counter: &AtomicU64, n: u64) -> Option<u64> {
        let before = counter.fetch_add(n, Ordering::Relaxed);
        let now = before + n;
        (now.ilog2() != before.checked_ilog2().unwrap_or(u32::MAX)).then_some(now)
    }
}

/// Runs until it is told to close, or until nobody is left who could.
pub(super) fn run(opened: Opened, keep_days: u32, queue: &Receiver<Command>, counters: &Arc<Counters>) {
    // The lock stays behind in `opened`, which outlives the connection.
    let Opened { mut db, .. } = opened;
    let mut batch = Vec::<Record>::new();
    let mut retention = Retention::new(keep_days, Clock::read());
    loop {
        let now = Instant::now();
        if now >= retention.due() {
            erase(&db, &mut retention);
        }
        let mut next = match queue.recv_timeout(retention.due().saturating_duration_since(now)) {
            Ok(command) => Some(command),
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        while let Some(Command::Write(record)) = next {
            batch.push(*record);
            next = if batch.len() < BATCH { queue.try_recv().ok() } else { None };
        }
        write(&mut db, &mut batch, counters);
        match next {
            Some(Command::Ask(question)) => question(&db),
            Some(Command::Close) => break,
            Some(Command::Write(_)) | None => {}
        }
    }
    // Leaves one file, and statistics for the next start's plans. Either failing loses nothing.
    if let Err(error) = db.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);") {
        log::warn!("the store was closed without tidying up: {error}");
    }
}

fn write(db: &mut Connection, batch: &mut Vec<Record>, counters: &Counters) {
    if batch.is_empty() {
        return;
    }
    let (failed, error) = match write_all(db, batch) {
        Ok(outcome) => outcome,
        // Nothing of the transaction remains.
        Err(error) => (batch.len(), Some(error)),
    };
    batch.clear();
    if failed > 0
        && let Some(total) = Counters::add(&counters.failed, failed as u64)
    {
        let reason = error.map_or_else(|| "their call is not known".to_owned(), |error| error.to_string());
        log::error!(failed = total; "records were not written: {reason}");
    }
}

/// Writes the batch in one transaction. A record that is refused by itself does not take the others with it; how
/// many were, and the last reason that was not an unknown call.
fn write_all(db: &mut Connection, batch: &[Record]) -> rusqlite::Result<(usize, Option<rusqlite::Error>)> {
    let transaction = db.transaction()?;
    let (mut failed, mut last) = (0, None);
    for record in batch {
        match record.write(&transaction) {
            Ok(true) => {}
            Ok(false) => failed += 1,
            // A full disk, for one, makes SQLite roll back everything.
            Err(error) if transaction.is_autocommit() => return Err(error),
            Err(error) => {
                failed += 1;
                last = Some(error);
            }
        }
    }
    transaction.commit()?;
    Ok((failed, last))
}

fn erase(db: &Connection, retention: &mut Retention) {
    match retention.look(db, Clock::read()) {
        Ok(0) => {}
        Ok(erased) => log::info!(erased; "old calls were erased"),
        Err(error) => log::error!("old calls could not be erased: {error}"),
    }
}
