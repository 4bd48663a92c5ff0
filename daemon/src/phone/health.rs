//! Whether Gemini is known to be down, so that the next caller is not made to find out.
//!
//! Nothing is probed while nobody calls: a failure is remembered for a while, then the next call tries again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use frontdesk_core::gemini::live::Fault;

/// What is known of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveState {
    /// Nobody has called yet.
    Unknown,
    /// The last conversation could be opened.
    Up,
    /// It could not; not tried again before then.
    Down {
        /// Whose fault.
        fault: Fault,
        /// The next call after this tries again.
        until: Instant,
    },
}

/// The memory of the service's state. Cheap to ask.
#[derive(Debug)]
pub struct LiveHealth {
    state: Mutex<(LiveState, Instant)>,
}

impl LiveHealth {
    /// Nothing is known.
    pub fn new(now: Instant) -> Self {
        Self { state: Mutex::new((LiveState::Unknown, now)) }
    }

    /// A conversation was opened.
    pub fn up(&self, now: Instant) {
        *self.lock() = (LiveState::Up, now);
    }

    /// A conversation was lost.
    pub fn down(&self, now: Instant, fault: Fault) {
        let rest = match fault {
            // Somebody may be renewing a key just now.
            Fault::Configuration => Duration::from_mins(1),
            Fault::Quota => Duration::from_secs(65),
            Fault::Unreachable => Duration::from_secs(20),
        };
        *self.lock() = (LiveState::Down { fault, until: now + rest }, now);
    }

    /// Whether the next call should not even try.
    pub fn is_down(&self, now: Instant) -> bool {
        matches!(self.lock().0, LiveState::Down { until, .. } if now < until)
    }

    /// What is known, and since when.
    pub fn state(&self) -> (LiveState, Instant) {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, (LiveState, Instant)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The word for logs and metrics.
pub fn fault_word(fault: Fault) -> &'static str {
    match fault {
        Fault::Configuration => "configuration",
        Fault::Quota => "quota",
        Fault::Unreachable => "unreachable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_remembered_for_a_while() {
        let now = Instant::now();
        let health = LiveHealth::new(now);
        assert!(!health.is_down(now));
        health.down(now, Fault::Unreachable);
        assert!(health.is_down(now + Duration::from_secs(19)));
        assert!(!health.is_down(now + Duration::from_secs(20)), "the next call tries again");
        health.up(now);
        assert!(!health.is_down(now));
    }
}
