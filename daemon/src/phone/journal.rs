//! What a call leaves behind beside what every conversation does: the end of its line, and how its stream misbehaved.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use frontdesk_core::session::effect::EndReason;
use frontdesk_core::twilio::leg::LegFault;
use frontdesk_core::twilio::message::MessageError;
use frontdesk_core::twilio::sid::CallSid;
use log::Level;

use super::calls::Calls;
use super::ended::Ended;
use crate::clock::Clock;
use crate::conversation::journal::Journal as Common;
use crate::metrics::Metrics;
use crate::store::Store;

/// One call's journal.
pub struct Journal {
    common: Common,
    call: CallSid,
    calls: Arc<Calls>,
}

impl Deref for Journal {
    type Target = Common;

    fn deref(&self) -> &Common {
        &self.common
    }
}

impl DerefMut for Journal {
    fn deref_mut(&mut self) -> &mut Common {
        &mut self.common
    }
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
        let common = Common::new(call.into(), live_id, store, metrics, clock, Arc::clone(calls.conversations()));
        Self { common, call, calls }
    }

    /// The conversation has ended.
    pub fn ended(&mut self, now: Instant, reason: &EndReason) {
        if !self.common.ended(now, reason) {
            return;
        }
        let ended = Ended::by(reason);
        self.calls.over(&self.call, ended);
        if ended == Ended::Left {
            self.tell(Level::Warn, format_args!("call left to the fallback: {reason}"));
        } else {
            self.tell(Level::Info, format_args!("call ended: {reason}"));
        }
    }

    /// A barge-in by the model's word has been written to Twilio.
    pub fn clear_written(&self, took: Duration) {
        self.metrics().clear_written(took);
    }

    /// How full the call's queues are: messages for Twilio, samples (16 kHz) for Gemini, samples (8 kHz) of the agent's
    /// backlog; and samples of the caller's that were lost since the last look.
    pub fn queues(&self, line: usize, uplink: usize, backlog: usize, lost: u64) {
        let metrics = self.metrics();
        metrics.queue_depth("line", line);
        metrics.queue_depth("uplink", uplink);
        metrics.queue_depth("playout", backlog);
        metrics.uplink_dropped(lost);
    }

    /// The media stream does not keep to its protocol.
    pub fn leg_fault(&self, fault: &LegFault) {
        self.metrics().leg_fault(fault.close_code());
        match fault {
            // The parser's own words may quote audio or digits.
            LegFault::Message(MessageError::Malformed(error)) => {
                let (line, column) = (error.line(), error.column());
                let place = format_args!("line {line} column {column}");
                self.tell(Level::Warn, format_args!("media stream closed: a message is not of its protocol ({place})"));
            }
            fault => self.tell(Level::Warn, format_args!("media stream closed: {fault}")),
        }
    }

    /// The media stream's socket failed.
    pub fn line_error(&self, close_code: u16, error: &dyn std::fmt::Display) {
        self.metrics().leg_fault(close_code);
        self.tell(Level::Warn, format_args!("media stream failed: {error}"));
    }

    /// A second stream was turned away.
    pub fn refused_stream(&self) {
        self.metrics().upgrade_refused("second-stream");
        self.tell(Level::Warn, format_args!("a second media stream was turned away"));
    }

    /// Twilio could not be made to hang up.
    pub fn hang_up_given_up(&self, tried_for: Duration) {
        let line =
            format_args!("the line could not be hung up within {tried_for:?}; the caller is left to the fallback");
        self.tell(Level::Warn, line);
    }

    /// Twilio could not be made to ring whoever is on call for danger to life.
    pub fn not_put_through(&self, why: &str) {
        let line = format_args!("whoever is on call could not be rung, and the caller is left to the fallback: {why}");
        self.tell(Level::Warn, line);
    }

    /// The line is given back.
    pub fn leaving(&self) {
        self.calls.leaving(&self.call);
    }

    /// The call's task has ended, in whatever way.
    pub fn task_ended(&mut self) {
        self.ended(Instant::now(), &EndReason::CallerLeft);
    }
}

impl Drop for Journal {
    /// A task that panics leaves a record too, and its place to the next caller.
    fn drop(&mut self) {
        if !self.has_ended() {
            self.ended(Instant::now(), &EndReason::Failed("the call's task broke"));
        }
        self.calls.remove(&self.call);
    }
}
