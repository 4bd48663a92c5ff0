//! Why the store cannot be used, and what would help.

use std::path::PathBuf;

/// Why the store cannot be opened or asked. Nothing is ever deleted to get past an error.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file or its directory cannot be used.
    #[error("{path} cannot be opened: its directory must exist and belong to the daemon's user", path = .path.display())]
    File {
        /// The store.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// Another daemon has the store open.
    #[error("{path} is in use by another frontdeskd: stop that one, or give this one a [store] path of its own", path = .path.display())]
    InUse {
        /// The store.
        path: PathBuf,
    },
    /// The file is a database, but some other program's.
    #[error("{path} is not a Frontdesk store: name another [store] path", path = .path.display())]
    NotOurs {
        /// The store.
        path: PathBuf,
    },
    /// A later version of the daemon has written the file.
    #[error("{path} was written by a later version (schema {found}, this one knows {known}): install that version again, \
             or name another [store] path", path = .path.display())]
    Newer {
        /// The store.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The last version that is known here.
        known: i64,
    },
    /// The file is damaged, or no database at all.
    #[error("{path} is damaged or no database", path = .path.display())]
    Corrupt {
        /// The store.
        path: PathBuf,
        /// SQLite's finding.
        #[source]
        source: rusqlite::Error,
    },
    /// SQLite failed otherwise, for example on a full disk.
    #[error("the store failed while {doing}")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// SQLite's reason.
        #[source]
        source: rusqlite::Error,
    },
    /// The appointment book failed while it was carried over.
    #[error("the appointment book could not be carried over from a damaged store")]
    Book(#[source] frontdesk_core::booking::book::BookError),
    /// The store's thread could not be started: the system is out of memory or threads.
    #[error("the store's thread cannot be started")]
    Thread(#[source] std::io::Error),
    /// The disk takes nothing at the moment, and what was asked for may be what waits. Ask again later.
    #[error("the disk takes no records at the moment, and this may be one that waits; the daemon's log says why")]
    Behind,
    /// There is no file: what is promised to somebody must outlast the daemon.
    #[error(
        "the store's file cannot be used, and memory only is no place for what is promised; the daemon's log says why"
    )]
    InMemory,
    /// The queue is full: the disk does not keep up. Ask again later.
    #[error("the store does not keep up with what it is given")]
    Busy,
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether the phone may be answered without the file. Not if somebody else has a claim to it: two daemons would
    /// answer the same calls, and a file of another program or version is a wrong configuration.
    pub(super) fn can_be_done_without(&self) -> bool {
        matches!(self, Self::File { .. } | Self::Corrupt { .. } | Self::Sqlite { .. } | Self::Book(_))
    }
}
