//! The one thread that owns the database: takes what has queued, writes it in one transaction, answers questions in
//! between, and now and then erases what is too old.
//!
//! A disk that takes nothing for a while, because it is full or fails or another program has locked the file, is tried
//! again every second. The records wait in memory meanwhile, and the thread goes on answering: who asks whether it moves
//! is told so, and a call is not given up because its record must wait.

use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::damage::Damage;
use super::open::Opened;
use super::record::Record;
use super::retention::Retention;
use crate::clock::Clock;
use crate::logging::Event;

/// Records in one transaction, at most: a question behind them waits no longer than their writing takes.
const BATCH: usize = 256;
/// A record waits that long for others to be written with it: every transaction is a wait for the disk, and a card wears
/// out by them. A power loss costs that much more of what was said last; whoever asks something does not wait.
const GATHER: Duration = Duration::from_millis(200);
/// Transactions between two checkpoints. A booking writes about a dozen pages, and SQLite waits for a thousand.
const CHECKPOINT_AFTER: u32 = 64;
/// When a disk that took nothing is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// What the thread is asked to do, in order.
pub(super) enum Command {
    /// Boxed, so that a full queue is thousands of pointers and not a megabyte.
    Write(Box<Record>),
    /// Sees every record that was queued before it and does not wait for the disk.
    Ask(Box<dyn FnOnce(&Connection) + Send>),
    /// Writes by itself, before records that were queued earlier: somebody waits for it, and they are no part of it.
    Change(Box<dyn FnOnce(&mut Connection) + Send>),
    /// Stop after what was queued before it.
    Close,
}

/// Records that are not on the disk.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Taken, and not written yet.
    pub(super) waiting: AtomicUsize,
    /// Those that wait do so because the disk takes nothing.
    pub(super) behind: AtomicBool,
    /// Too many were waiting, or the store was closed.
    pub(super) dropped: AtomicU64,
    /// The database refused them, their call was not known, or they waited in vain.
    pub(super) failed: AtomicU64,
}

impl Counters {
    /// Counts `n` and says whether to log it: at 1, 2, 4, 8, …, so that a lasting fault does not fill the log.
    pub(super) fn add(counter: &AtomicU64, n: u64) -> Option<u64> {
        let before = counter.fetch_add(n, Ordering::Relaxed);
        let now = before + n;
        (now.ilog2() != before.checked_ilog2().unwrap_or(u32::MAX)).then_some(now)
    }

    /// Takes a place for one more record, if fewer than `most` are waiting.
    pub(super) fn take_place(&self, most: usize) -> bool {
        let more = |waiting| (waiting < most).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Gives the places of `n` records back.
    pub(super) fn give_back(&self, n: usize) {
        self.waiting.fetch_sub(n, Ordering::Relaxed);
    }
}

/// Runs until it is told to close, or until nobody is left who could.
pub(super) fn run(
    opened: Opened,
    keep_days: u32,
    queue: &Receiver<Command>,
    counters: &Arc<Counters>,
    damage: &Damage,
) {
    // The lock stays behind in `opened`, which outlives the connection.
    let Opened { db, keeping, .. } = opened;
    let retention = Retention::new(keep_days, keeping, Clock::read());
    let mut worker = Worker { db, counters, damage, pending: Vec::new(), outage: None, retention, commits: 0 };
    while worker.serve(queue) {}
    worker.close();
}

struct Worker<'a> {
    db: Connection,
    counters: &'a Counters,
    damage: &'a Damage,
    /// Not written yet, in order. Every one of them holds a place, so there is an end to them.
    pending: Vec<Record>,
    outage: Option<Outage>,
    retention: Retention,
    /// Transactions since the last checkpoint.
    commits: u32,
}

/// The disk takes nothing.
struct Outage {
    since: Instant,
    again: Instant,
    /// Records that had to wait and were written since.
    written: usize,
}

impl Worker<'_> {
    /// Waits for something to do and does it. Returns whether to go on.
    fn serve(&mut self, queue: &Receiver<Command>) -> bool {
        let now = Instant::now();
        let wake_at = self.outage.as_ref().map_or(self.retention.due(), |outage| outage.again);
        let mut next = match queue.recv_timeout(wake_at.saturating_duration_since(now)) {
            Ok(command) => Some(command),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return false,
        };
        let gathered = Instant::now() + GATHER;
        while let Some(Command::Write(record)) = next {
            self.pending.push(*record);
            let left = gathered.saturating_duration_since(Instant::now());
            next = if self.pending.len() < BATCH { queue.recv_timeout(left).ok() } else { None };
        }
        if let Some(Command::Change(change)) = next {
            change(&mut self.db);
            self.commits += 1;
            next = None;
        }
        self.write_pending();
        self.erase_old();
        match next {
            Some(Command::Ask(question)) => question(&self.db),
            Some(Command::Close) => return false,
            Some(Command::Write(_) | Command::Change(_)) | None => {}
        }
        self.checkpoint();
        true
    }

    /// Moves what was committed into the database itself while nobody waits; SQLite would do it in the middle of some
    /// caller's commit. Failing loses nothing.
    fn checkpoint(&mut self) {
        if self.commits >= CHECKPOINT_AFTER {
            self.commits = 0;
            let _ = self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        }
    }

    fn write_pending(&mut self) {
        if self.outage.as_ref().is_some_and(|outage| Instant::now() < outage.again) {
            return;
        }
        while !self.pending.is_empty() {
            let batch = &self.pending[..self.pending.len().min(BATCH)];
            let mut refused = Refused::default();
            let (done, fault) = write(&mut self.db, batch, &mut refused);
            self.commits += 1;
            if let Some(error) = &refused.reason {
                self.damage.look(error);
            }
            refused.tell(self.counters);
            self.pending.drain(..done);
            self.counters.give_back(done);
            if let Some(outage) = &mut self.outage {
                outage.written += done;
            }
            if let Some(fault) = fault {
                return self.wait_for_disk(&fault);
            }
        }
        self.disk_is_back();
    }

    fn wait_for_disk(&mut self, fault: &rusqlite::Error) {
        let now = Instant::now();
        let again = now + TRY_AGAIN;
        if let Some(outage) = &mut self.outage {
            outage.again = again;
            return;
        }
        self.outage = Some(Outage { since: now, again, written: 0 });
        self.counters.behind.store(true, Ordering::Relaxed);
        log::error!(
            event:% = Event::StoreBehind;
            "the store's disk takes nothing: {fault}. Records wait in memory and are tried again every second; calls go \
             on. Make room on the disk, or end the program that has locked the file"
        );
    }

    fn disk_is_back(&mut self) {
        if let Some(Outage { since, written, .. }) = self.outage.take() {
            self.counters.behind.store(false, Ordering::Relaxed);
            let seconds = since.elapsed().as_secs();
            log::info!(event:% = Event::StoreCaughtUp; "the store's disk takes records again: {written} had waited, for {seconds} s at most");
        }
    }

    fn erase_old(&mut self) {
        if self.outage.is_some() || Instant::now() < self.retention.due() {
            return;
        }
        match self.retention.look(&self.db, Clock::read()) {
            Ok(0) => {}
            Ok(erased) => log::info!(erased; "old calls were erased"),
            Err(error) => {
                self.damage.look(&error);
                log::error!("old calls could not be erased: {error}");
            }
        }
    }

    /// Tries what is pending one last time and leaves one file, with statistics for the next start's plans.
    fn close(mut self) {
        if let Some(outage) = &mut self.outage {
            outage.again = Instant::now();
        }
        self.write_pending();
        let lost = self.pending.len();
        if lost > 0 {
            self.counters.give_back(lost);
            Counters::add(&self.counters.failed, lost as u64);
            log::error!(event:% = Event::RecordsLost; "{lost} records are lost: the store's disk did not take them before the end");
        }
        // Failing loses nothing.
        if let Err(error) = self.db.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);") {
            log::warn!("the store was closed without tidying up: {error}");
        }
    }
}

/// Records that the database will never take.
#[derive(Default)]
struct Refused {
    count: usize,
    /// The last one's fault, unless its call was not known.
    reason: Option<rusqlite::Error>,
}

impl Refused {
    fn tell(self, counters: &Counters) {
        if self.count > 0
            && let Some(total) = Counters::add(&counters.failed, self.count as u64)
        {
            let reason = self.reason.map_or_else(|| "their call is not known".to_owned(), |error| error.to_string());
            log::error!(event:% = Event::RecordsLost, failed = total; "records were not written: {reason}");
        }
    }
}

/// Writes `batch` from its beginning. Returns how many records are done with, written or refused, and what keeps the
/// others for now.
fn write(db: &mut Connection, batch: &[Record], refused: &mut Refused) -> (usize, Option<rusqlite::Error>) {
    match write_together(db, batch) {
        Ok(among_them) => {
            refused.count += among_them.count;
            refused.reason = among_them.reason.or(refused.reason.take());
            (batch.len(), None)
        }
        Err(fault) if may_pass(&fault) => (0, Some(fault)),
        Err(error) if batch.len() == 1 => {
            *refused = Refused { count: refused.count + 1, reason: Some(error) };
            (1, None)
        }
        Err(_) => write_singly(db, batch, refused),
    }
}

/// One of the batch breaks the transaction of all: alone, it breaks only its own.
fn write_singly(db: &mut Connection, batch: &[Record], refused: &mut Refused) -> (usize, Option<rusqlite::Error>) {
    for (done, record) in batch.iter().enumerate() {
        if let (_, Some(fault)) = write(db, slice::from_ref(record), refused) {
            return (done, Some(fault));
        }
    }
    (batch.len(), None)
}

/// Writes the batch in one transaction, all or nothing but for records that are refused by themselves.
fn write_together(db: &mut Connection, batch: &[Record]) -> rusqlite::Result<Refused> {
    // A transaction that begins by reading cannot wait for a lock: SQLite refuses its first write at once.
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut refused = Refused::default();
    for record in batch {
        match record.write(&transaction) {
            Ok(true) => {}
            Ok(false) => refused.count += 1,
            // In autocommit again: SQLite has rolled everything back.
            Err(error) if may_pass(&error) || transaction.is_autocommit() => return Err(error),
            Err(error) => refused = Refused { count: refused.count + 1, reason: Some(error) },
        }
    }
    transaction.commit()?;
    Ok(refused)
}

/// It is the disk's fault or another program's, and no record's: the same write may succeed later.
fn may_pass(error: &rusqlite::Error) -> bool {
    use ErrorCode::{CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, ReadOnly, SystemIoFailure};
    let passing = [DatabaseBusy, DatabaseLocked, DiskFull, SystemIoFailure, ReadOnly, CannotOpen];
    error.sqlite_error_code().is_some_and(|code| passing.contains(&code))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::store::open::{Keeping, STEPS, open_memory};

    #[test]
    fn damage_that_is_met_when_old_calls_are_erased_is_told() {
        let db = open_memory(STEPS).unwrap().db;
        // An index that is said to be where the file has ended.
        let harm = "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 9999 WHERE name = 'calls_kept';
                    PRAGMA writable_schema = OFF; PRAGMA schema_version = 999";
        db.execute_batch(harm).unwrap();
        let (counters, damage) = (Counters::default(), Damage::of(None));
        let ago = Duration::from_mins(61);
        let begun = Clock::at(Instant::now().checked_sub(ago).unwrap(), Timestamp::now() - ago);
        let retention = Retention::new(1, Keeping::File, begun);
        let (counters, damage, pending) = (&counters, &damage, Vec::new());
        Worker { db, counters, damage, pending, outage: None, retention, commits: 0 }.erase_old();
        assert!(damage.is_seen());
    }
}
