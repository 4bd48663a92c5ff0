//! What the daemon logged, of all tests of this program together: look for words that only one test uses.

use std::sync::{Mutex, Once, PoisonError};

use log::{LevelFilter, Log, Metadata, Record};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Keep;

impl Log for Keep {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("frontdesk")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            LINES.lock().unwrap_or_else(PoisonError::into_inner).push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// Keeps lines from now on.
pub(crate) fn keep() {
    static START: Once = Once::new();
    START.call_once(|| {
        log::set_boxed_logger(Box::new(Keep)).unwrap();
        log::set_max_level(LevelFilter::Trace);
    });
}

/// The lines with `part` in them.
pub(crate) fn lines_with(part: &str) -> Vec<String> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner).iter().filter(|line| line.contains(part)).cloned().collect()
}
