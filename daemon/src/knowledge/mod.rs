//! The clinic's own texts, ready to be searched while a caller waits.
//!
//! ```text
//!  /etc/frontdesk/knowledge/*.md ──► folder ──► index ──watch──► Knowledge::find ◄── conversation::tools
//!            ▲ looked at every minute    └─────── Keeper ──┘
//! ```
//!
//! The index is SQLite's full text in memory, apart from the store: a search waits for no booking and no booking for a
//! search, nothing of it can be damaged by a power loss, and no card wears out by it. When the texts have changed a new one
//! is made beside the old one and takes its place at once. For 1 MB of texts that is a fraction of a second, and a few
//! megabytes.

mod folder;
mod index;

use std::io::{Error, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::knowledge::{Passage, Question};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

pub use folder::{LeftOut, Read, read};
pub use index::Index;

use folder::Seen;

/// How often the folder is looked at: who has saved a text and rings up to hear it waits no longer.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// How long a caller waits at most: for the first index, which is made while the first call may come already.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is there to be searched; nothing until the folder was read for the first time.
type Current = Option<Arc<Index>>;

/// Where a clinic's texts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// The folder.
    pub path: PathBuf,
    /// Somebody has written down that it is there. Else it is where texts are looked for, and need not be there yet.
    pub is_named: bool,
}

impl Folder {
    /// Whether the folder is only not there, which nobody has promised.
    pub fn may_lack(&self, error: &Error) -> bool {
        !self.is_named && error.kind() == ErrorKind::NotFound
    }
}

/// The texts of a folder. Clones share them.
#[derive(Clone)]
pub struct Knowledge {
    index: watch::Receiver<Current>,
}

/// Keeps [`Knowledge`] in step with its folder.
pub struct Keeper {
    folder: Folder,
    index: watch::Sender<Current>,
    seen: Option<Seen>,
    /// What the log was last told of the folder.
    told: Option<String>,
}

/// The texts of `folder` and what keeps them in step with it. Nothing is read before the keeper looks.
pub fn open(folder: Folder) -> (Knowledge, Keeper) {
    let (sender, receiver) = watch::channel(None);
    (Knowledge { index: receiver }, Keeper { folder, index: sender, seen: None, told: None })
}

impl Knowledge {
    /// The passages that answer a question, the best first; none if there are none. Takes a millisecond or two, away from the
    /// threads that carry audio. What goes wrong is logged without the question, and finds nothing.
    pub async fn find(&self, question: Question) -> Vec<Passage> {
        let mut current = self.index.clone();
        let ready = timeout(PATIENCE, current.wait_for(Option::is_some)).await;
        let Some(index) = ready.ok().and_then(Result::ok).and_then(|index| index.clone()) else {
            log::warn!("a caller's question was not searched for: the clinic's texts are not read yet");
            return Vec::new();
        };
        match tokio::task::spawn_blocking(move || index.find(&question)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                // By its code alone: the text may quote what was asked.
                log::error!("the clinic's texts cannot be searched: SQLite says {:?}", error.sqlite_error_code());
                Vec::new()
            }
            // The runtime is going down.
            Err(_) => Vec::new(),
        }
    }
}

impl Keeper {
    /// Looks now and every minute, until it is told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let looked = tokio::task::spawn_blocking(move || {
                self.look();
                self
            });
            match looked.await {
                Ok(keeper) => self = keeper,
                Err(error) => {
                    log::error!("the clinic's texts are looked at no more: {error}");
                    return;
                }
            }
        }
    }

    /// Makes a new index if anything in the folder has changed. Blocks on the disk. While the folder cannot be read, what
    /// was read before stays; a text that can be read no more does not. A folder that nobody named may be made later.
    pub fn look(&mut self) {
        // Looked at before it is read: what changes in between is seen to have changed the next time.
        let read = folder::look(&self.folder.path).and_then(|seen| {
            if self.seen.as_ref() == Some(&seen) {
                Ok(None)
            } else {
                read(&self.folder.path).map(|read| Some((seen, read)))
            }
        });
        match read {
            Ok(None) => {}
            Ok(Some((seen, read))) => {
                self.seen = Some(seen);
                self.replace(read);
            }
            // One that was read and is gone is news.
            Err(error) if self.folder.may_lack(&error) && self.seen.is_none() => {}
            Err(error) => {
                self.seen = None;
                self.tell(format!("the clinic's texts in {} cannot be read: {error}", self.folder.path.display()));
            }
        }
        // Whoever asks is not to wait for what does not come.
        self.index.send_if_modified(|current| {
            let missing = current.is_none();
            if missing {
                *current = Some(Arc::new(Index::default()));
            }
            missing
        });
    }

    fn replace(&mut self, read: Read) {
        for left_out in &read.left_out {
            log::warn!("a text of the clinic's is left out: {left_out}");
        }
        let (texts, passages) = (read.files.len(), read.passages.len());
        match Index::build(read.passages) {
            Ok(index) => {
                self.index.send_replace(Some(Arc::new(index)));
                self.told = None;
                log::info!(texts, passages; "the clinic's texts are read");
            }
            Err(error) => {
                self.seen = None;
                self.tell(format!("the clinic's texts cannot be made ready: {error}"));
            }
        }
    }

    /// Once, and not every minute.
    fn tell(&mut self, what: String) {
        if self.told.as_ref() != Some(&what) {
            log::error!("{what}");
            self.told = Some(what);
        }
    }
}

#[cfg(test)]
#[path = "knowledge_tests.rs"]
mod tests;
