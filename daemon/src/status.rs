//! How the daemon is, for whoever asks: the admin listener, the control socket, `systemctl status`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use frontdesk_core::session::effect::EndReason;
use frontdesk_core::session::id::ConversationId;

use crate::clock::Clock;
use crate::conversation::running::{Conversations, Running};
use crate::desk;
use crate::desk::state::{DeskState, DeviceState};
use crate::http::admin::{CallControl, DeskView, HealthSource};
use crate::http::reply::{
    ActiveCall, DeskDevices, DeskLevels, DeskReport, DeskSound, DeskWord, GeminiHealth, Health, HealthStatus,
    StoreHealth, StoreState,
};
use crate::live::health::{LiveState, fault_word};
use crate::store::{Keeping, Store};

/// A lost record makes the daemon's health degraded for that long.
const ALARMED: Duration = Duration::from_mins(10);

/// How the daemon is.
pub struct Status {
    conversations: Arc<Conversations>,
    store: Store,
    clock: fn() -> Clock,
    started: Instant,
    /// Records known to be lost, and when that was noticed.
    lost: Mutex<(u64, Option<Instant>)>,
}

impl Status {
    /// Looks at `conversations` and `store`; `clock` is read for every answer, because it may have been set meanwhile.
    pub fn new(conversations: Arc<Conversations>, store: Store, clock: fn() -> Clock) -> Self {
        Self { conversations, store, clock, started: Instant::now(), lost: Mutex::default() }
    }

    /// One line for `systemctl status`.
    pub fn line(&self) -> String {
        let calls = match self.conversations.active_calls() {
            0 => "no calls".to_owned(),
            1 => "1 call".to_owned(),
            many => format!("{many} calls"),
        };
        let gemini = match self.conversations.health().state(Instant::now()).0 {
            LiveState::Unknown => "Gemini not known".to_owned(),
            LiveState::Up => "Gemini ok".to_owned(),
            LiveState::Suspect { .. } => "Gemini slow to answer".to_owned(),
            LiveState::Down { fault, .. } => format!("Gemini down ({})", fault_word(fault)),
        };
        let store = match self.store_health().state {
            StoreState::Ok => "",
            StoreState::Behind => " · disk takes no records",
            StoreState::Afresh => " · records in a new file",
            StoreState::Memory => " · records in memory only",
        };
        let draining = if self.conversations.is_draining() { " · draining" } else { "" };
        format!("{calls} · {gemini}{store}{draining}")
    }

    /// Whether a record was lost lately; one lost last week is no reason to stay alarmed.
    fn loses_records(&self, lost: u64) -> bool {
        let mut seen = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        if lost > seen.0 {
            *seen = (lost, Some(Instant::now()));
        }
        seen.1.is_some_and(|at| at.elapsed() < ALARMED)
    }

    fn store_health(&self) -> StoreHealth {
        let state = match self.store.keeping() {
            Keeping::Memory => StoreState::Memory,
            _ if self.store.is_behind() => StoreState::Behind,
            Keeping::Afresh => StoreState::Afresh,
            Keeping::File => StoreState::Ok,
        };
        let (dropped, failed) = (self.store.dropped_records(), self.store.failed_records());
        StoreHealth { state, waiting: self.store.waiting_records(), dropped, failed }
    }

    fn gemini(&self) -> GeminiHealth {
        let (state, since) = self.conversations.health().state(Instant::now());
        let (state, why) = state.words();
        GeminiHealth { state: state.to_owned(), since: (self.clock)().civil(since), why: why.map(str::to_owned) }
    }
}

impl HealthSource for Status {
    fn health(&self) -> Health {
        let store = self.store_health();
        let gemini = self.gemini();
        let loses_records = self.loses_records(store.dropped + store.failed);
        // Suspect or down: new calls go to the fallback.
        let reached = !self.conversations.health().is_down(Instant::now()) && gemini.state != "down";
        let well = reached && store.state == StoreState::Ok && !loses_records;
        let status = match (self.conversations.is_draining(), well) {
            (true, _) => HealthStatus::Draining,
            (false, true) => HealthStatus::Ok,
            (false, false) => HealthStatus::Degraded,
        };
        Health {
            status,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: self.started.elapsed().as_secs(),
            active_calls: self.conversations.active_calls(),
            max_calls: self.conversations.most(),
            gemini,
            store,
        }
    }
}

impl CallControl for Status {
    fn active(&self) -> Vec<ActiveCall> {
        let clock = (self.clock)();
        let describe = |running: Running| ActiveCall {
            call_sid: running.id,
            live_id: Some(running.live_id),
            caller: running.party.to_string(),
            since: clock.civil(running.since),
            turn: running.view.turn().to_owned(),
            connection: running.view.connection(),
        };
        self.conversations.running().into_iter().map(describe).collect()
    }

    fn end(&self, id: &ConversationId) -> bool {
        self.conversations.stop(id, EndReason::Staff)
    }

    fn drain(&self) {
        self.conversations.drain();
    }
}
