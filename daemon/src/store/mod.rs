//! The record of calls: what was heard, what happened, what it cost; and the appointment book with its outbox. One SQLite
//! file, owned by one thread.
//!
//! ```text
//! bridge, webhooks ──record()──► bounded queue ──► worker thread ──► frontdesk.db (WAL)
//! REST, metrics ──calls().await──►     "                 └─ oneshot ──► answer
//! tools, outbox ──transact().await──►  "                 └─ oneshot ──► committed, or not done
//! ```
//!
//! Nobody who carries audio waits for the disk: [`Store::record`] never blocks, and what does not fit is counted. A
//! question sees everything that was recorded before it, unless the disk takes nothing: then records wait in memory and
//! questions see what is on the disk. A record counts as kept once its transaction is committed, and then survives a
//! power loss; [`Store::flush`] waits for that. What is done with the book by [`Store::transact`] is on the disk when it
//! returns, or was not done: it waits for no disk.

pub mod backup;
mod book;
mod damage;
mod error;
mod identity;
mod lock;
mod open;
mod query;
mod record;
mod retention;
mod salvage;
mod worker;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use frontdesk_core::session::id::ConversationId;
use rusqlite::Connection;
use tokio::sync::{Notify, oneshot};

use crate::config::StoreConfig;
use crate::logging;

pub use book::{
    AuditEntry, CalendarLink, Claimed, Due, Errands, ListedAppointment, ListedErrand, ListedMessage, ListedPatient,
    MAX_SPAN, OpenBook, Room, Settlement, Staff,
};
pub use error::StoreError;
pub use open::{Keeping, POWER_LOSS};
pub use query::{CallFilter, CallSummary, CallWithTurns, EndedCall, MAX_LISTED};
pub use record::{Event, Record, Tokens, Turn, Who};
pub use salvage::Salvage;

use damage::Damage;
use worker::{Command, Counters};

/// Records that may wait. Five hundred calls make some hundred records a second: this is half a minute of a disk that
/// takes nothing, and a clinic's whole morning of one.
const QUEUE: usize = 4096;
/// Questions that may wait, beside any number of records: who asks whether the thread moves is not kept out by a disk
/// that does not.
const QUESTIONS: usize = 64;

/// A handle to the store; clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: SyncSender<Command>,
    counters: Arc<Counters>,
    keeping: Keeping,
    recovered: usize,
    salvage: Option<Salvage>,
    damage: Arc<Damage>,
    /// Told when errands were added.
    errands: Arc<Notify>,
    /// How often they were.
    changes: Arc<AtomicU64>,
    outbox: Arc<book::Figures>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens the store, creating or migrating its file, closes calls that a power loss left open, and starts the
    /// thread. Blocks on the disk: call it before serving.
    ///
    /// A file that cannot be opened or is damaged is logged and done without, as [`keeping`](Self::keeping) tells. It is
    /// an error if another daemon uses it, or if it belongs to another program or a later version.
    pub fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let opened = open::open(&config.path, open::STEPS)?;
        let outbox = Arc::new(book::Figures::default());
        outbox.read(&opened.db);
        let (keeping, recovered, salvage) = (opened.keeping, opened.recovered, opened.salvage.clone());
        let damage = Arc::new(Damage::of((keeping != Keeping::Memory).then_some(config.path.as_path())));
        let (queue, commands) = sync_channel(QUEUE + QUESTIONS);
        let counters = Arc::new(Counters::default());
        let (counting, looking, keep_days) = (Arc::clone(&counters), Arc::clone(&damage), config.keep_days);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || worker::run(opened, keep_days, &commands, &counting, &looking))
            .map_err(StoreError::Thread)?;
        let thread = Mutex::new(Some(thread));
        let (errands, changes) = (Arc::new(Notify::new()), Arc::default());
        let shared = Shared { queue, counters, keeping, recovered, salvage, damage, errands, changes, outbox, thread };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Where calls are kept, as it turned out at the start. [`Keeping::Afresh`] until the damaged file is moved away, which
    /// is looked at now.
    pub fn keeping(&self) -> Keeping {
        match self.shared.keeping {
            Keeping::Afresh if self.salvage().is_none() => Keeping::File,
            keeping => keeping,
        }
    }

    /// What became of a damaged file, until somebody moves that away; it is looked for now.
    pub fn salvage(&self) -> Option<&Salvage> {
        self.shared.salvage.as_ref().filter(|salvage| salvage.is_open())
    }

    /// Whether the file was found to be damaged since the start: what can be read goes on, and the next start carries it
    /// over into a new file.
    pub fn is_damaged(&self) -> bool {
        self.shared.damage.is_seen()
    }

    /// Calls that were found open at the start and closed with the reason `power-loss`.
    pub fn recovered(&self) -> usize {
        self.shared.recovered
    }

    /// Hands a record over, in any thread, without waiting. `false` if 4,096 are waiting already or the store is closed:
    /// the record is lost, counted and logged, and the call goes on.
    pub fn record(&self, record: Record) -> bool {
        let Err(reason) = self.queue(record) else { return true };
        if let Some(dropped) = Counters::add(&self.shared.counters.dropped, 1) {
            log::error!(event:% = logging::Event::RecordsLost, dropped; "a record was dropped: {reason}");
        }
        false
    }

    fn queue(&self, record: Record) -> Result<(), &'static str> {
        let Shared { queue, counters, .. } = &*self.shared;
        if !counters.take_place(QUEUE) {
            return Err("the disk does not keep up");
        }
        queue.try_send(Command::Write(Box::new(record))).map_err(|refused| {
            counters.give_back(1);
            match refused {
                TrySendError::Full(_) => "the disk does not keep up",
                TrySendError::Disconnected(_) => "the store is closed",
            }
        })
    }

    /// Records that were handed over and are not on the disk yet.
    pub fn waiting_records(&self) -> usize {
        self.shared.counters.waiting.load(Ordering::Relaxed)
    }

    /// Whether the disk takes nothing at the moment, so that records wait in memory.
    pub fn is_behind(&self) -> bool {
        self.shared.counters.behind.load(Ordering::Relaxed)
    }

    /// Records that found too many waiting, or the store closed.
    pub fn dropped_records(&self) -> u64 {
        self.shared.counters.dropped.load(Ordering::Relaxed)
    }

    /// Records that were taken but never written: the database refused them, their call was never started, or the disk
    /// took nothing until the store was closed.
    pub fn failed_records(&self) -> u64 {
        self.shared.counters.failed.load(Ordering::Relaxed)
    }

    /// Lists calls, the newest first.
    pub async fn calls(&self, filter: CallFilter) -> Result<Vec<CallSummary>, StoreError> {
        self.ask("listing calls", move |db| query::calls(db, filter)).await
    }

    /// One call with its transcript; `None` if it is not on record. While records wait for the disk, a call that is not
    /// found may be among them: [`StoreError::Behind`].
    pub async fn call(&self, id: ConversationId) -> Result<Option<CallWithTurns>, StoreError> {
        let counters = Arc::clone(&self.shared.counters);
        // Both on the store's thread: whoever looks later does not know of what moment the answer was.
        let look = move |db: &Connection| Ok((query::call(db, &id)?, counters.behind.load(Ordering::Relaxed)));
        let (found, behind) = self.ask("reading a call", look).await?;
        if found.is_none() && behind { Err(StoreError::Behind) } else { Ok(found) }
    }

    /// How the last `most` calls ended, the oldest first.
    pub async fn ended(&self, most: usize) -> Result<Vec<EndedCall>, StoreError> {
        self.ask("reading ended calls", move |db| query::ended(db, most)).await
    }

    /// Waits until everything that was recorded before is committed, has failed and is counted, or is known to wait for
    /// a disk that takes nothing. It is a proof that the store's thread moves, not that the disk has room: a daemon that
    /// were killed over a full disk would lose its calls and what waits, and find the same disk again.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.ask("flushing", |_| Ok(())).await
    }

    /// Writes what has queued, closes the file and waits for the thread. What a disk that takes nothing refuses once more
    /// is lost and counted. Later records are dropped and counted; a second call finds nothing to do.
    pub async fn close(&self) {
        let shared = Arc::clone(&self.shared);
        let closing = tokio::task::spawn_blocking(move || {
            let thread = shared.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(thread) = thread {
                // Waits for room if the queue is full; an error means that the thread has ended already.
                let _ = shared.queue.send(Command::Close);
                if thread.join().is_err() {
                    log::error!("the store's thread ended in a panic");
                }
            }
        });
        if closing.await.is_err() {
            log::error!("the store could not be closed in order");
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        doing: &'static str,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        // Who asked may have gone away meanwhile: then nobody misses the answer.
        let damage = Arc::clone(&self.shared.damage);
        let ask = Command::Ask(Box::new(move |db| {
            let result = question(db);
            if let Err(error) = &result {
                damage.look(error);
            }
            drop(answer.send(result));
        }));
        self.shared.queue.try_send(ask).map_err(|error| refused(&error))?;
        answered.await.map_err(|_| StoreError::Closed)?.map_err(|source| StoreError::Sqlite { doing, source })
    }
}

/// Why the thread was not asked.
fn refused(error: &TrySendError<Command>) -> StoreError {
    match error {
        TrySendError::Full(_) => StoreError::Busy,
        TrySendError::Disconnected(_) => StoreError::Closed,
    }
}

#[cfg(test)]
impl Store {
    /// Behaves from now on as a disk that takes nothing, or as one that does again.
    pub(crate) async fn refuse_writes(&self, refuse: bool) {
        let sql = format!("PRAGMA query_only = {}", i32::from(refuse));
        self.ask("limiting", move |db| db.execute_batch(&sql)).await.expect("a pragma does not fail");
    }
}

#[cfg(test)]
mod tests;
