//! The simulator's time: the machine's, and what a test lets pass beyond it.

use std::{sync::Mutex, time::Duration};

use jiff::Timestamp;

/// Nobody's token lives longer than a century, and the calendar goes on after it.
const LONGEST: Duration = Duration::from_hours(100 * 366 * 24);

/// Real time with an offset that only grows.
#[derive(Debug, Default)]
pub(crate) struct Clock(Mutex<Duration>);

impl Clock {
    pub(crate) fn now(&self) -> Timestamp {
        let passed = *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Timestamp::now().checked_add(passed).unwrap_or(Timestamp::MAX)
    }

    /// So much later, or the end of time.
    pub(crate) fn after(&self, time: Duration) -> Timestamp {
        self.now().checked_add(time).unwrap_or(Timestamp::MAX)
    }

    pub(crate) fn pass(&self, time: Duration) {
        let mut passed = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *passed = passed.saturating_add(time).min(LONGEST);
    }
}
