//! What a conversation leaves behind: its record in the store, its figures, its lines in the log.
//!
//! Log lines carry `call_sid` or `desk_id`, and `live_id`; never speech, keys or whole numbers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use frontdesk_core::gemini::live::Fault;
use frontdesk_core::session::effect::{EndReason, Measure, Record};
use frontdesk_core::session::id::ConversationId;
use frontdesk_core::session::transcript::{Said, Who};
use log::Level;
use serde_json::json;

use super::running::Conversations;
use crate::clock::Clock;
use crate::live::health::fault_word;
use crate::metrics::Metrics;
use crate::store::{self, Store};

/// One conversation's journal. Dropped, it gives the conversation's place away.
pub struct Journal {
    id: ConversationId,
    live_id: String,
    store: Store,
    metrics: Metrics,
    clock: Clock,
    conversations: Arc<Conversations>,
    turns: u32,
    /// Gemini has listened to this conversation.
    listened: bool,
    ended: bool,
}

impl Journal {
    /// The journal of `id`, which is called `live_id` in our logs and whose times are told by `clock`.
    pub fn new(
        id: ConversationId,
        live_id: String,
        store: Store,
        metrics: Metrics,
        clock: Clock,
        conversations: Arc<Conversations>,
    ) -> Self {
        store.record(store::Record::LiveStarted { call: id, live_id: live_id.clone() });
        Self { id, live_id, store, metrics, clock, conversations, turns: 0, listened: false, ended: false }
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Keeps what the conversation wants kept.
    pub fn record(&mut self, now: Instant, record: Record) {
        match record {
            Record::Said(said) => self.said(said),
            Record::Event { kind, detail } => self.event(now, kind, &detail),
            Record::Usage(usage) => {
                self.metrics.tokens(usage.prompt, usage.response);
                let tokens = store::Tokens { prompt: usage.prompt, response: usage.response, total: usage.total };
                self.store.record(store::Record::Usage { call: self.id, at: self.clock.civil(now), tokens });
            }
        }
    }

    /// Counts what the conversation measured.
    pub fn measure(&self, measure: Measure) {
        match measure {
            Measure::TurnGap(gap) => self.metrics.turn_gap(gap),
            Measure::BargeIn(took) => self.metrics.barge_in(took),
            Measure::FalseAlarm => self.metrics.false_alarm(),
            Measure::Watchdog(step) => self.metrics.watchdog(step.as_str()),
        }
    }

    /// The conversation has ended. `false` if that is known already.
    pub fn ended(&mut self, now: Instant, reason: &EndReason) -> bool {
        if std::mem::replace(&mut self.ended, true) {
            return false;
        }
        let reason = reason.to_string();
        match self.id {
            ConversationId::Call(_) => self.metrics.call_ended(&reason),
            ConversationId::Desk(_) => self.metrics.desk_ended(&reason),
        }
        let at = self.clock.civil(now);
        self.store.record(store::Record::CallEnded { call: self.id, at, reason: reason.into() });
        true
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Gemini has accepted the connection.
    pub fn live_connected(&self, took: Duration) {
        self.metrics.live_connected(took);
    }

    /// Gemini listens.
    pub fn live_ready(&mut self) {
        self.listened = true;
        self.conversations.health().up(Instant::now());
    }

    /// An attempt to connect has failed; the conversation may try again. As long as Gemini has never listened to it, its
    /// party hears nothing, and new ones are spared that. A conversation that was interrupted is mended in seconds as a
    /// rule: for others it counts when it is [lost](Self::live_lost).
    pub fn live_refused(&self, now: Instant) {
        if !self.listened {
            self.conversations.health().suspect(now);
        }
    }

    /// Gemini cannot be used.
    pub fn live_lost(&self, now: Instant, fault: Fault) {
        self.metrics.live_lost(fault_word(fault));
        self.conversations.health().down(now, fault);
    }

    /// One line in the log, under the conversation's names.
    pub fn tell(&self, level: Level, line: std::fmt::Arguments<'_>) {
        let (id, live_id) = (self.id.as_str(), self.live_id.as_str());
        match self.id {
            ConversationId::Call(_) => log::log!(level, call_sid = id, live_id; "{line}"),
            ConversationId::Desk(_) => log::log!(level, desk_id = id, live_id; "{line}"),
        }
    }

    fn said(&mut self, said: Said) {
        let turn = store::Turn {
            seq: self.turns,
            who: if said.who == Who::Caller { store::Who::Caller } else { store::Who::Agent },
            text: said.text,
            started_at: self.clock.civil(said.started),
            ended_at: self.clock.civil(said.ended),
            interrupted: said.interrupted,
        };
        self.turns += 1;
        self.store.record(store::Record::Turn { call: self.id, turn });
    }

    fn event(&self, now: Instant, kind: &'static str, detail: &str) {
        let at = self.clock.civil(now);
        match kind {
            "answered" => {
                let what = if self.id.call().is_some() { "call answered" } else { "conversation begun" };
                self.tell(Level::Info, format_args!("{what}"));
                self.store.record(store::Record::CallAnswered { call: self.id, at });
            }
            "watchdog" | "live-lost" | "live-garbage" | "turn-cut-by-service" | "tool-timeout" | "emergency" => {
                self.tell(Level::Warn, format_args!("{kind}: {detail}"));
            }
            "live-reconnecting" => {
                self.metrics.live_reconnecting();
                self.tell(Level::Info, format_args!("{kind}: {detail}"));
            }
            _ => self.tell(Level::Debug, format_args!("{kind}: {detail}")),
        }
        let detail = if detail.is_empty() { json!({}) } else { json!({ "detail": detail }) };
        let event = store::Event { at, kind: kind.into(), detail };
        self.store.record(store::Record::Event { call: self.id, event });
    }
}

impl Drop for Journal {
    /// A task that panics leaves a record too, and its place to the next one.
    fn drop(&mut self) {
        if !self.ended {
            self.ended(Instant::now(), &EndReason::Failed("its task broke"));
        }
        self.store.record(store::Record::CallLeft { call: self.id });
        self.conversations.remove(&self.id);
    }
}
