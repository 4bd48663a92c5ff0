//! How the daemon is, for whoever asks: the admin listener, `systemctl status`, the watchdog.

use std::sync::Arc;
use std::time::Instant;

use crate::clock::Clock;
use crate::phone::calls::Calls;
use crate::phone::health::{LiveState, fault_word};
use crate::store::Store;

/// How the daemon is.
pub struct Status {
    calls: Arc<Calls>,
    store: Store,
    clock: Clock,
    started: Instant,
}

impl Status {
    /// Looks at `calls` and `store`.
    pub fn new(calls: Arc<Calls>, store: Store, clock: Clock) -> Self {
        Self { calls, store, clock, started: Instant::now() }
    }

    /// One line for `systemctl status`.
    pub fn line(&self) -> String {
        let calls = match self.calls.active() {
            0 => "no calls".to_owned(),
            1 => "1 call".to_owned(),
            many => format!("{many} calls"),
        };
        let gemini = match self.calls.health().state().0 {
            LiveState::Unknown => "Gemini not asked yet".to_owned(),
            LiveState::Up => "Gemini ok".to_owned(),
            LiveState::Down { fault, .. } => format!("Gemini down ({})", fault_word(fault)),
        };
        let draining = if self.calls.is_draining() { " · draining" } else { "" };
        format!("{calls} · {gemini}{draining}")
    }
}
