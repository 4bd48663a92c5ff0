//! Holds everything that needs the right time until the clock shows it.
//!
//! ```text
//!  machine's clock ──┐
//!  …/synchronized  ──┼─► Look::can_be_right ─┬─ no:  no conversations (as with Gemini down), no errands, no copies
//!  last-known-time ──┘      every second     └─ yes: the gate opens, once and for all; the time is kept every hour
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use log::{debug, info, warn};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::clock::sanity::{Look, MADE};
use crate::clock::{Clock, shown};
use crate::conversation::running::Conversations;
use crate::logging::Event;

/// There when systemd's time service has set the clock since the machine came up (systemd-timesyncd.service(8)).
pub const SYNCHRONIZED: &str = "/run/systemd/timesync/synchronized";
/// Beside the store: the time when it was last looked at.
const KNOWN: &str = "last-known-time";
/// How long the gate waits for the disk before it opens.
const DISK_PATIENCE: Duration = Duration::from_secs(2);
/// A clock that is set is noticed within that.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A card wears out by writing, and an hour does not matter.
const KEEP_EVERY: Duration = Duration::from_hours(1);

/// Whether the time is right; clones share it.
#[derive(Debug, Clone)]
pub struct Gate(watch::Receiver<bool>);

impl Gate {
    /// Whether it is.
    pub fn is_open(&self) -> bool {
        *self.0.borrow()
    }

    /// Runs `task` once the time is right, unless `stop` comes first.
    pub async fn then<O>(mut self, stop: CancellationToken, task: impl Future<Output = O>) {
        // Who opens it is gone: the daemon is being stopped.
        let opened = async { self.0.wait_for(|open| *open).await.is_ok() };
        if stop.run_until_cancelled(opened).await == Some(true) {
            task.await;
        }
    }
}

/// Where the time is looked for.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The machine's clocks.
    pub machine: fn() -> Clock,
    /// The file that says that the time service has set it.
    pub synchronized: PathBuf,
}

impl Default for Sources {
    fn default() -> Self {
        Self { machine: Clock::machine, synchronized: SYNCHRONIZED.into() }
    }
}

/// Opens the gate.
pub struct Keeper {
    found: Found,
    conversations: Arc<Conversations>,
    open: watch::Sender<bool>,
}

/// The clock as it was found.
pub struct Found {
    sources: Sources,
    /// Where the time is kept, and what was kept there.
    file: PathBuf,
    known: Option<Timestamp>,
    since: Instant,
    is_right: bool,
}

/// Looks at the clock, before anything is written or judged by it. `beside` is the store's file. If the time is not right,
/// the times of records go on from the last that was known. Blocks on the disk for an instant.
pub fn look(sources: Sources, beside: &Path) -> Found {
    let file = beside.with_file_name(KNOWN);
    let known = read(&file);
    let mut found = Found { sources, file, known, since: Instant::now(), is_right: false };
    found.is_right = found.can_be_right();
    if !found.is_right {
        let now = (found.sources.machine)();
        Clock::go_on_from(Some(Clock::at(now.instant(), known.unwrap_or(MADE).max(MADE))));
    }
    found
}

impl Found {
    fn can_be_right(&self) -> bool {
        let now = (self.sources.machine)();
        let is_set = self.sources.synchronized.exists();
        let look = Look { shows: now.civil(now.instant()), is_set, waited: self.since.elapsed() };
        look.can_be_right(self.known)
    }
}

/// The gate, and who opens it. It is open at once if the time was found right. Until then no conversation begins.
pub fn open(found: Found, conversations: Arc<Conversations>) -> (Gate, Keeper) {
    let (open, gate) = watch::channel(found.is_right);
    let keeper = Keeper { found, conversations, open };
    let found = &keeper.found;
    if !found.is_right {
        let now = (found.sources.machine)();
        keeper.conversations.health().wait_for_clock(now.instant());
        let last = found.known.filter(|known| *known > MADE);
        let last = last.map_or_else(
            || "when this version did not exist".to_owned(),
            |last| format!("but it was {} already", shown(last)),
        );
        warn!(
            event:% = Event::ClockWrong;
            "waiting for the clock: it shows {}, {last}; until it is set, callers go to the fallback (timedatectl says what the \
             time service does)",
            shown(now.civil(now.instant()))
        );
    }
    (Gate(gate), keeper)
}

impl Keeper {
    /// Looks every second until the time is right, then keeps it every hour and at the end.
    pub async fn run(self, stop: CancellationToken) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*self.open.borrow() {
            if stop.run_until_cancelled(ticks.tick()).await.is_none() {
                return;
            }
            if self.found.can_be_right() {
                // Before anybody relies on it: a power cut may come at any time. A disk that hangs keeps no caller out.
                let _ = tokio::time::timeout(DISK_PATIENCE, self.keep()).await;
                self.let_go();
            }
        }
        let mut ticks = interval(KEEP_EVERY);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.keep().await;
        }
        self.keep().await;
    }

    fn let_go(&self) {
        let now = (self.found.sources.machine)();
        Clock::go_on_from(None);
        self.conversations.health().clock_is_right(now.instant());
        self.open.send_replace(true);
        info!(event:% = Event::ClockRight; "the clock is right: it shows {}", shown(now.civil(now.instant())));
    }

    async fn keep(&self) {
        let now = (self.found.sources.machine)();
        let (file, at) = (self.found.file.clone(), now.civil(now.instant()));
        let written = tokio::task::spawn_blocking(move || write(&file, at)).await;
        if let Ok(Err(error)) = written {
            // The store says what is wrong with the disk.
            debug!("the time could not be kept in {}: {error}", self.found.file.display());
        }
    }
}

/// The time that was kept; nothing if none can be read.
fn read(file: &Path) -> Option<Timestamp> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// As a whole or not at all.
fn write(file: &Path, at: Timestamp) -> io::Result<()> {
    let new = file.with_extension("new");
    fs::write(&new, format!("{at}\n"))?;
    fs::rename(new, file)
}

#[cfg(test)]
mod tests;
