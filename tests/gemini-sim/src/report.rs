//! What the simulator saw, for tests and benches to judge a client by.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use serde_json::Value;
use tokio::sync::Notify;

/// Everything about one session: one conversation, over all its connections.
#[derive(Debug, Clone, Default)]
pub struct SessionReport {
    /// Its number, in order of arrival.
    pub id: usize,
    /// The content of each connection's `setup`, keys in camelCase whatever the client wrote.
    pub setups: Vec<Value>,
    /// How many connections it had.
    pub connections: u32,
    /// Whether one is open.
    pub open: bool,
    /// Handles that it was resumed with.
    pub resumed_with: Vec<String>,
    /// Handles given out, oldest first.
    pub handles: Vec<String>,
    /// How many times the greeting was said.
    pub greeted: u32,
    /// Rate of the audio received, once there was some.
    pub input_rate_hz: u32,
    /// Samples received, over all connections.
    pub samples_received: u64,
    /// All of them, when [`crate::Settings::keep_audio`] is on.
    pub audio: Vec<i16>,
    /// What the caller said.
    pub utterances: Vec<Utterance>,
    /// What the receptionist said.
    pub replies: Vec<Reply>,
    /// Tools called.
    pub tool_calls: Vec<ToolCall>,
    /// Tool responses that answered no pending call: late, doubled or invented.
    pub ignored_responses: Vec<Value>,
    /// Texts received.
    pub texts: Vec<TextReceived>,
    /// How the connections ended, in order.
    pub closes: Vec<Closed>,
    /// What a careful client does not do. Empty after a good run.
    pub protocol_errors: Vec<String>,
    /// Pings received.
    pub pings: u32,
}

/// Something that the caller said.
#[derive(Debug, Clone, Default)]
pub struct Utterance {
    /// First sample of it, on the clock of all samples received in the connection.
    pub start_sample: u64,
    /// One past its last sample.
    pub end_sample: u64,
    /// Its sound with a little margin, when [`crate::Settings::keep_audio`] is on.
    pub pcm: Option<Vec<i16>>,
    /// The exchange's line that was recognised; `None` for anything else, and when recognition is off.
    pub recognised: Option<String>,
    /// How like that line it was, 0 to 1.
    pub correlation: f32,
    /// It was spoken over a reply and [`crate::Fault::MissBargeIn`] was in force.
    pub missed: bool,
}

/// Something that the receptionist said.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Its words.
    pub text: String,
    /// When its first frame was sent.
    pub first_audio_at: Instant,
    /// How many samples (24 kHz) it has.
    pub samples: usize,
    /// How many were sent.
    pub sent_samples: usize,
    /// The caller cut it short.
    pub interrupted: bool,
    /// `turnComplete` was sent at its natural end.
    pub complete: bool,
}

/// A tool called.
#[derive(Debug, Clone)]
pub struct ToolCall {
    /// Its id.
    pub id: String,
    /// The function.
    pub name: String,
    /// The arguments.
    pub args: Value,
    /// When it was sent.
    pub sent_at: Instant,
    /// The response, once it came; the last one when there are several.
    pub response: Option<Value>,
    /// When that was.
    pub answered_at: Option<Instant>,
    /// It was cancelled or forgotten before it was answered.
    pub abandoned: bool,
}

/// A text that the client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextReceived {
    /// By which message.
    pub source: TextSource,
    /// The words; several parts are separated by line ends. Empty for a greeting's `clientContent`.
    pub text: String,
}

/// Which message carried a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextSource {
    /// `realtimeInput.text`.
    Realtime,
    /// `clientContent`.
    Content {
        /// Whether an answer was asked for.
        turn_complete: bool,
    },
    /// `contextUpdate`.
    ContextUpdate,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Who ended it.
    pub by: ClosedBy,
    /// The close code; `None` without a close frame or with an empty one.
    pub code: Option<u16>,
    /// The close frame's text.
    pub reason: String,
}

/// Who ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClosedBy {
    /// The client, with a close frame.
    Client,
    /// The simulator.
    Simulator,
    /// Nobody said goodbye: the transport broke or ended.
    Lost,
}

/// All reports, and the bell that rings when one changes.
#[derive(Default)]
pub(crate) struct Ledger {
    reports: Mutex<Vec<SessionReport>>,
    refusals: Mutex<Vec<Closed>>,
    changed: Notify,
}

impl Ledger {
    /// Opens a report for a new session; its number.
    pub(crate) fn open(&self) -> usize {
        let mut reports = self.lock();
        let id = reports.len();
        reports.push(SessionReport { id, ..SessionReport::default() });
        id
    }

    /// Writes to a session's report.
    pub(crate) fn note<T>(&self, session: usize, write: impl FnOnce(&mut SessionReport) -> T) -> T {
        let result = write(&mut self.lock()[session]);
        self.changed.notify_waiters();
        result
    }

    /// The session whose report is like this.
    pub(crate) fn find(&self, is_it: impl Fn(&SessionReport) -> bool) -> Option<usize> {
        self.lock().iter().find(|report| is_it(report)).map(|report| report.id)
    }

    /// Notes a setup that was refused.
    pub(crate) fn refused(&self, closed: Closed) {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).push(closed);
        self.changed.notify_waiters();
    }

    pub(crate) fn refusals(&self) -> Vec<Closed> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn snapshot(&self) -> Vec<SessionReport> {
        self.lock().clone()
    }

    /// Returns as soon as `condition` holds; looked at after every change.
    pub(crate) async fn until(&self, mut condition: impl FnMut(&[SessionReport]) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Registered before looking, or a change in between would be missed.
            changed.as_mut().enable();
            if condition(&self.lock()) {
                return;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<SessionReport>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn waiting_ends_with_the_change_waited_for() {
        let ledger = Arc::new(Ledger::default());
        let session = ledger.open();
        let waiting = {
            let ledger = Arc::clone(&ledger);
            tokio::spawn(async move { ledger.until(|reports| reports[0].greeted == 2).await })
        };
        for _ in 0..2 {
            ledger.note(session, |report| report.greeted += 1);
            tokio::task::yield_now().await;
        }
        waiting.await.unwrap();
        assert_eq!(ledger.snapshot()[0].greeted, 2);
    }
}
