//! The conversations that are running, and whether another may begin. Phone and desk share the room.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use frontdesk_core::session::effect::EndReason;
use frontdesk_core::session::id::ConversationId;
use frontdesk_core::session::turn::Turn;
use frontdesk_core::twilio::number::CallerId;

use crate::live::health::LiveHealth;
use crate::metrics::Metrics;

/// Why no conversation begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// As many run as may.
    Full,
    /// The daemon is being stopped.
    Draining,
    /// Gemini is known to be down.
    ModelDown,
}

impl Busy {
    /// The word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Draining => "draining",
            Self::ModelDown => "model-down",
        }
    }
}

/// Whom the agent speaks with.
#[derive(Debug, Clone)]
pub enum Party {
    /// Somebody on the phone; prints masked.
    Caller(CallerId),
    /// Somebody at the desk.
    Visitor,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caller(caller) => caller.fmt(f),
            Self::Visitor => f.write_str("at the desk"),
        }
    }
}

/// What can be said of a running conversation.
#[derive(Debug, Clone)]
pub struct Running {
    /// Its name.
    pub id: ConversationId,
    /// Its name towards the model, in our logs.
    pub live_id: String,
    /// With whom.
    pub party: Party,
    /// Since when.
    pub since: Instant,
    /// What changes while it runs.
    pub view: Arc<View>,
}

/// What a running conversation shows of itself. Written by its task, read by whoever asks.
#[derive(Debug, Default)]
pub struct View {
    turn: AtomicU8,
    connection: AtomicU32,
}

const TURNS: [&str; 4] = ["listening", "caller-speaking", "agent-due", "replying"];

impl View {
    /// Who has the floor, and on which connection the model is.
    pub fn show(&self, turn: Turn, connection: u32) {
        let turn = match turn {
            Turn::Listening => 0,
            Turn::CallerSpeaking => 1,
            Turn::AgentDue => 2,
            Turn::Replying { .. } => 3,
        };
        self.turn.store(turn, Ordering::Relaxed);
        self.connection.store(connection, Ordering::Relaxed);
    }

    /// A word for who has the floor.
    pub fn turn(&self) -> &'static str {
        TURNS[usize::from(self.turn.load(Ordering::Relaxed)).min(TURNS.len() - 1)]
    }

    /// The number of the connection to the model, from 1; 0 before the first.
    pub fn connection(&self) -> u32 {
        self.connection.load(Ordering::Relaxed)
    }
}

/// Asks a conversation to end; `false` if it is not listening any more. Called without a lock held.
pub type Stop = Arc<dyn Fn(EndReason) -> bool + Send + Sync>;

struct Entry {
    running: Running,
    stop: Stop,
}

#[derive(Default)]
struct State {
    running: HashMap<ConversationId, Entry>,
    draining: bool,
}

/// The running conversations. Shared by whoever begins, ends or shows one; the lock is held for a look only.
pub struct Conversations {
    most: usize,
    state: Mutex<State>,
    health: LiveHealth,
    metrics: Metrics,
}

impl Conversations {
    /// Room for `most` conversations.
    pub fn new(most: usize, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self { most, state: Mutex::default(), health: LiveHealth::new(Instant::now()), metrics })
    }

    /// Takes a conversation in, or says why none begins now. Whoever is let in leaves by [`remove`](Self::remove).
    pub fn admit(&self, running: Running, stop: Stop) -> Result<(), Busy> {
        let mut state = self.lock();
        if state.draining {
            return Err(Busy::Draining);
        }
        if state.running.len() >= self.most {
            return Err(Busy::Full);
        }
        if self.health.is_down(running.since) {
            return Err(Busy::ModelDown);
        }
        state.running.insert(running.id, Entry { running, stop });
        self.count(&state);
        Ok(())
    }

    /// Asks a running conversation to end; `false` if there is no such, or it is not listening any more.
    pub fn stop(&self, id: &ConversationId, reason: EndReason) -> bool {
        let stop = self.lock().running.get(id).map(|entry| Arc::clone(&entry.stop));
        stop.is_some_and(|stop| stop(reason))
    }

    /// Whether it runs.
    pub fn runs(&self, id: &ConversationId) -> bool {
        self.lock().running.contains_key(id)
    }

    /// It runs no more. Returns whether it did.
    pub fn remove(&self, id: &ConversationId) -> bool {
        let mut state = self.lock();
        let ran = state.running.remove(id).is_some();
        self.count(&state);
        ran
    }

    /// Lets none begin from now on.
    pub fn drain(&self) {
        self.lock().draining = true;
    }

    /// Whether none begins any more.
    pub fn is_draining(&self) -> bool {
        self.lock().draining
    }

    /// The running ones, oldest first.
    pub fn running(&self) -> Vec<Running> {
        let mut running: Vec<_> = self.lock().running.values().map(|entry| entry.running.clone()).collect();
        running.sort_by_key(|running| running.since);
        running
    }

    /// How many run.
    pub fn active(&self) -> usize {
        self.lock().running.len()
    }

    /// How many of them are phone calls.
    pub fn active_calls(&self) -> usize {
        Self::calls(&self.lock())
    }

    /// How many may run.
    pub fn most(&self) -> usize {
        self.most
    }

    /// What is known of Gemini.
    pub fn health(&self) -> &LiveHealth {
        &self.health
    }

    fn calls(state: &State) -> usize {
        state.running.keys().filter(|id| id.call().is_some()).count()
    }

    fn count(&self, state: &State) {
        self.metrics.set_active_calls(Self::calls(state));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frontdesk_core::gemini::live::Fault;
    use frontdesk_core::session::id::DeskId;

    fn visitor(number: u128) -> Running {
        Running {
            id: DeskId::of(number).into(),
            live_id: "L1".into(),
            party: Party::Visitor,
            since: Instant::now(),
            view: Arc::default(),
        }
    }

    fn admit(conversations: &Conversations, number: u128) -> Result<(), Busy> {
        conversations.admit(visitor(number), Arc::new(move |reason| reason == EndReason::Staff && number == 1))
    }

    #[test]
    fn there_is_room_for_as_many_as_configured() {
        let conversations = Conversations::new(1, Metrics::new());
        assert_eq!(admit(&conversations, 1), Ok(()));
        assert_eq!(admit(&conversations, 2), Err(Busy::Full));
        assert!(conversations.remove(&visitor(1).id) && !conversations.remove(&visitor(1).id));
        assert_eq!(admit(&conversations, 2), Ok(()));
        assert_eq!((conversations.active(), conversations.active_calls()), (1, 0));
    }

    #[test]
    fn none_begins_while_draining_or_without_the_model() {
        let conversations = Conversations::new(9, Metrics::new());
        conversations.health().down(Instant::now(), Fault::Quota);
        assert_eq!(admit(&conversations, 1), Err(Busy::ModelDown));
        conversations.drain();
        assert_eq!(admit(&conversations, 1), Err(Busy::Draining));
    }

    #[test]
    fn one_can_be_asked_to_end() {
        let conversations = Conversations::new(9, Metrics::new());
        admit(&conversations, 1).unwrap();
        admit(&conversations, 2).unwrap();
        assert!(conversations.stop(&visitor(1).id, EndReason::Staff));
        assert!(!conversations.stop(&visitor(2).id, EndReason::Staff), "it does not listen");
        assert!(!conversations.stop(&visitor(3).id, EndReason::Staff), "there is none");
    }
}
