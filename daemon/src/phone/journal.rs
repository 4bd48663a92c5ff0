//! What a call leaves behind: its record in the store, its figures, its lines in the log.
//!
//! Log lines carry `call_sid` and `live_id`, never speech, keys or whole numbers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use frontdesk_core::gemini::live::Fault;
use frontdesk_core::session::effect::{EndReason, Measure, Record};
use frontdesk_core::session::transcript::{Said, Who};
use frontdesk_core::twilio::leg::LegFault;
use frontdesk_core::twilio::message::MessageError;
use frontdesk_core::twilio::sid::CallSid;
use log::{debug, info, warn};
use serde_json::json;

use super::calls::Calls;
use super::ended::Ended;
use super::health::fault_word;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::store::{self, Store};

/// One call's journal.
pub struct Journal {
    call: CallSid,
    live_id: String,
    store: Store,
    metrics: Metrics,
    clock: Clock,
    calls: Arc<Calls>,
    turns: u32,
    /// Gemini has listened to this call.
    listened: bool,
    ended: bool,
}

impl Journal {
    /// The journal of `call`, whose conversation is called `live_id` in our logs and whose times are told by `clock`.
    pub fn new(
        call: CallSid,
        live_id: String,
        store: Store,
        metrics: Metrics,
        clock: Clock,
        calls: Arc<Calls>,
    ) -> Self {
        store.record(store::Record::LiveStarted { call, live_id: live_id.clone() });
        Self { call, live_id, store, metrics, clock, calls, turns: 0, listened: false, ended: false }
    }

    /// Keeps what the conversation wants kept.
    pub fn record(&mut self, now: Instant, record: Record) {
        match record {
            Record::Said(said) => self.said(said),
            Record::Event { kind, detail } => self.event(now, kind, &detail),
            Record::Usage(usage) => {
                self.metrics.tokens(usage.prompt, usage.response);
                let tokens = store::Tokens { prompt: usage.prompt, response: usage.response, total: usage.total };
                self.store.record(store::Record::Usage { call: self.call, at: self.clock.civil(now), tokens });
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

    /// The conversation has ended.
    pub fn ended(&mut self, now: Instant, reason: &EndReason) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.calls.over(&self.call, Ended::by(reason));
        let (call_sid, live_id) = (self.call.as_str(), self.live_id.as_str());
        if Ended::by(reason) == Ended::Left {
            warn!(call_sid, live_id; "call left to the fallback: {reason}");
        } else {
            info!(call_sid, live_id; "call ended: {reason}");
        }
        let reason = reason.to_string();
        self.metrics.call_ended(&reason);
        let at = self.clock.civil(now);
        self.store.record(store::Record::CallEnded { call: self.call, at, reason: reason.into() });
    }

    /// Gemini has accepted the connection.
    pub fn live_connected(&self, took: Duration) {
        self.metrics.live_connected(took);
    }

    /// A barge-in by the model's word has been written to Twilio.
    pub fn clear_written(&self, took: Duration) {
        self.metrics.clear_written(took);
    }

    /// How full the call's queues are: messages for Twilio, samples (16 kHz) for Gemini, samples (8 kHz) of the agent's
    /// backlog; and samples of the caller's that were lost since the last look.
    pub fn queues(&self, line: usize, uplink: usize, backlog: usize, lost: u64) {
        self.metrics.queue_depth("line", line);
        self.metrics.queue_depth("uplink", uplink);
        self.metrics.queue_depth("playout", backlog);
        self.metrics.uplink_dropped(lost);
    }

    /// Gemini listens.
    pub fn live_ready(&mut self) {
        self.listened = true;
        self.calls.health().up(Instant::now());
    }

    /// An attempt to connect has failed; the call may try again. As long as Gemini has never listened to it, its caller
    /// hears nothing, and new ones are spared that. A conversation that was interrupted is mended in seconds as a rule:
    /// for others it counts when it is [lost](Self::live_lost).
    pub fn live_refused(&self, now: Instant) {
        if !self.listened {
            self.calls.health().suspect(now);
        }
    }

    /// Gemini cannot be used.
    pub fn live_lost(&self, now: Instant, fault: Fault) {
        self.metrics.live_lost(fault_word(fault));
        self.calls.health().down(now, fault);
    }

    /// The media stream does not keep to its protocol.
    pub fn leg_fault(&self, fault: &LegFault) {
        self.metrics.leg_fault(fault.close_code());
        let (call_sid, live_id) = (self.call.as_str(), self.live_id.as_str());
        match fault {
            // The parser's own words may quote audio or digits.
            LegFault::Message(MessageError::Malformed(error)) => {
                let (line, column) = (error.line(), error.column());
                warn!(call_sid, live_id; "media stream closed: a message is not of its protocol (line {line} column {column})");
            }
            fault => warn!(call_sid, live_id; "media stream closed: {fault}"),
        }
    }

    /// The media stream's socket failed.
    pub fn line_error(&self, close_code: u16, error: &dyn std::fmt::Display) {
        self.metrics.leg_fault(close_code);
        warn!(call_sid = self.call.as_str(), live_id = self.live_id.as_str(); "media stream failed: {error}");
    }

    /// A second stream was turned away.
    pub fn refused_stream(&self) {
        self.metrics.upgrade_refused("second-stream");
        warn!(call_sid = self.call.as_str(); "a second media stream was turned away");
    }

    /// Twilio could not be made to hang up.
    pub fn hang_up_given_up(&self, tried_for: Duration) {
        let (call_sid, live_id) = (self.call.as_str(), self.live_id.as_str());
        warn!(call_sid, live_id; "the line could not be hung up within {tried_for:?}; the caller is left to the fallback");
    }

    /// The line is given back.
    pub fn leaving(&self) {
        self.calls.leaving(&self.call);
    }

    /// The call's task has ended, in whatever way.
    pub fn task_ended(&mut self) {
        self.ended(Instant::now(), &EndReason::CallerLeft);
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
        self.store.record(store::Record::Turn { call: self.call, turn });
    }

    fn event(&self, now: Instant, kind: &'static str, detail: &str) {
        let (call_sid, live_id) = (self.call.as_str(), self.live_id.as_str());
        let at = self.clock.civil(now);
        match kind {
            "answered" => {
                info!(call_sid, live_id; "call answered");
                self.store.record(store::Record::CallAnswered { call: self.call, at });
            }
            "watchdog" | "live-lost" | "live-garbage" | "turn-cut-by-service" | "tool-timeout" => {
                warn!(call_sid, live_id; "{kind}: {detail}");
            }
            "live-reconnecting" => {
                self.metrics.live_reconnecting();
                info!(call_sid, live_id; "{kind}: {detail}");
            }
            _ => debug!(call_sid, live_id; "{kind}: {detail}"),
        }
        let detail = if detail.is_empty() { json!({}) } else { json!({ "detail": detail }) };
        self.store
            .record(store::Record::Event { call: self.call, event: store::Event { at, kind: kind.into(), detail } });
    }
}

impl Drop for Journal {
    /// A task that panics leaves a record too, and its place to the next caller.
    fn drop(&mut self) {
        if !self.ended {
            self.ended(Instant::now(), &EndReason::Failed("the call's task broke"));
        }
        self.calls.remove(&self.call);
    }
}
