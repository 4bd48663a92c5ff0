//! The end of a call: Twilio is asked to hang up or to ring somebody, and the sockets are closed.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use frontdesk_core::session::effect::EndReason;
use frontdesk_core::twilio::leg::CallLeg;

use super::{CLOSE_WITHIN, HANG_UP_WITHIN, Phase, Task};
use crate::conversation::driver::Parting;

impl Task {
    pub(super) fn part(&mut self, now: Instant, parting: Parting) {
        match parting {
            Parting::HangUp(reason) => {
                self.journal.ended(now, &reason);
                let rest = Arc::clone(&self.rest);
                let sid = self.sid;
                self.phase = Phase::HangingUp(Box::pin(async move { rest.hang_up(sid).await }), now);
            }
            Parting::FallBack(EndReason::Emergency) => {
                self.journal.ended(now, &EndReason::Emergency);
                match (self.on_call)(now) {
                    Some(document) => self.put_through(document),
                    None => self.leave(now),
                }
            }
            Parting::FallBack(reason) | Parting::Gone(reason) => {
                self.journal.ended(now, &reason);
                self.leave(now);
            }
        }
    }

    /// Closing the stream would ring the fallback number: Twilio is told beforehand whom to ring.
    fn put_through(&mut self, document: String) {
        let (rest, sid) = (Arc::clone(&self.rest), self.sid);
        self.phase = Phase::PuttingThrough(Box::pin(async move { rest.go_on_with(sid, &document).await }));
        // The request is still to be begun.
        self.fresh = true;
    }

    pub(super) fn leave(&mut self, now: Instant) {
        self.close_line(1000, "");
        self.journal.leaving();
        self.phase = Phase::Leaving(now);
        // The close is still to be written.
        self.fresh = true;
    }

    /// Whether the task is done.
    pub(super) fn poll_phase(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        match &mut self.phase {
            Phase::Talking => false,
            Phase::HangingUp(asking, since) => {
                let held = asking.as_mut().poll(cx).is_ready();
                let given_up = now >= *since + HANG_UP_WITHIN;
                // A stream that only breaks off says nothing about the call: Twilio would go on to the fallback.
                let stopped = self.driver.conversation.source().is_some_and(CallLeg::is_over);
                if given_up && !held {
                    self.journal.hang_up_given_up(HANG_UP_WITHIN);
                }
                if held || stopped || given_up {
                    self.leave(now);
                    return self.poll_phase(cx, now);
                }
                false
            }
            Phase::PuttingThrough(asking) => {
                let asked = asking.as_mut().poll(cx);
                if let Poll::Ready(Err(why)) = &asked {
                    self.journal.not_put_through(why);
                }
                // Twilio ends the stream when it goes on with something else.
                let stopped = self.driver.conversation.source().is_some_and(CallLeg::is_over);
                if asked.is_ready() || stopped {
                    self.leave(now);
                    return self.poll_phase(cx, now);
                }
                false
            }
            Phase::Leaving(since) => {
                let closed = self.line.is_none() && !self.driver.is_open();
                // What the caller has asked for is done, though they have gone.
                (closed || now >= *since + CLOSE_WITHIN) && !self.driver.is_working()
            }
        }
    }
}
