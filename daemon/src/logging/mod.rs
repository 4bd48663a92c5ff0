//! Where log records go: to the journal under systemd, to standard error otherwise.
//!
//! ```text
//! log::info!(call_sid:% = …; "…") ──try_send──► bounded queue ──► one thread ──► journald, or standard error
//! ```
//!
//! Both sinks can block, on an SD card or on whoever reads the pipe, and audio must not wait for either. So a record
//! that finds the queue full is dropped and counted, and the next that gets through tells how many were.
//!
//! In the journal a record's key-values are fields in capitals (`call_sid` is `CALL_SID`, `live_id` is `LIVE_ID`), so
//! `journalctl -u frontdeskd CALL_SID=CA…` shows one call. A record of an [`Event`] (`event:% = Event::Ready`) has a
//! `MESSAGE_ID` besides, by which `journalctl -x` finds its explanation. `log`'s levels arrive as the syslog priorities
//! of the same names: error 3, warning 4, info 6, debug 7; trace is 7, too. Records of other people's libraries are kept
//! from warning on only: below that some of them print headers, keys and frames of speech.

mod entry;
pub mod event;
pub mod limit;
mod panic;
mod queue;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use log::{LevelFilter, Log, Metadata, Record};
use systemd_journal_logger::{JournalLog, connected_to_journal};

use event::Numbered;
use queue::Queue;

pub use event::Event;
pub use limit::Limit;

/// The daemon's name in the journal: `journalctl -t frontdeskd`.
const IDENTIFIER: &str = "frontdeskd";
/// Where our own records come from.
const OWN: &str = "frontdesk";
/// The least severe level at which libraries are heard.
const FOREIGN: LevelFilter = LevelFilter::Warn;

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The thread could not be started: the system is out of memory or threads.
    #[error("the log's thread cannot be started")]
    Thread(#[source] std::io::Error),
    /// Somebody was faster.
    #[error("a logger is installed already")]
    Installed(#[from] log::SetLoggerError),
}

/// Starts logging records of ours from `level` on, for the whole process. Panics become records without their text,
/// unless it is a literal: a formatted one may quote what somebody said.
///
/// Before the process ends, `log::logger().flush()` writes what has queued.
pub fn init(level: LevelFilter) -> Result<(), LoggingError> {
    let queue = Queue::start(sink()).map_err(LoggingError::Thread)?;
    log::set_boxed_logger(Box::new(Logger { level: &LEVEL, queue }))?;
    set_level(level);
    panic::log_panics();
    Ok(())
}

/// Keeps records of ours from `level` on from now on.
pub fn set_level(level: LevelFilter) {
    LEVEL.store(level as usize, Ordering::Relaxed);
    log::set_max_level(level.max(FOREIGN));
}

/// The journal if standard error is connected to it, else standard error.
fn sink() -> Box<dyn Log> {
    if connected_to_journal()
        && let Ok(journal) = JournalLog::empty()
    {
        return Box::new(Journal(journal.with_syslog_identifier(IDENTIFIER.to_owned())));
    }
    // The filter has been passed already.
    Box::new(env_logger::Builder::new().filter_level(LevelFilter::Trace).format_timestamp_millis().build())
}

/// The level of the process's logger, of which there is one: a number of `LevelFilter`.
static LEVEL: AtomicUsize = AtomicUsize::new(LevelFilter::Info as usize);

/// The process's logger: filters, and hands over to the thread.
struct Logger {
    level: &'static AtomicUsize,
    queue: Queue,
}

impl Logger {
    /// From which level on we are heard.
    fn own_level(&self) -> LevelFilter {
        let number = self.level.load(Ordering::Relaxed);
        LevelFilter::iter().find(|level| *level as usize == number).unwrap_or(LevelFilter::Info)
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let own = self.own_level();
        let least = if metadata.target().starts_with(OWN) { own } else { own.min(FOREIGN) };
        metadata.level() <= least
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.queue.send(record);
        }
    }

    fn flush(&self) {
        self.queue.flush();
    }
}

/// Writes to the journal under the priorities that people expect. The library reserves syslog's debug for trace: it
/// maps info to notice and debug to info, so `journalctl -p info` would show every detail.
struct Journal(JournalLog);

impl Log for Journal {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // An error would have to be logged.
        let level = shifted(record.level());
        let _ =
            self.0.journal_send(&record.to_builder().level(level).key_values(&Numbered(record.key_values())).build());
    }

    fn flush(&self) {}
}

/// The level that the library maps to the priority of `level`'s name.
fn shifted(level: log::Level) -> log::Level {
    use log::Level;
    match level {
        Level::Error => Level::Error,
        Level::Warn => Level::Warn,
        Level::Info => Level::Debug,
        Level::Debug | Level::Trace => Level::Trace,
    }
}

/// An error with all its causes, for a log line: `the outer: the inner: the innermost`.
pub fn chain<'a>(error: &'a (dyn std::error::Error + 'a)) -> impl fmt::Display + 'a {
    fmt::from_fn(move |f| {
        write!(f, "{error}")?;
        let mut next = error.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests;
