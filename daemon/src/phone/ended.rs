//! The memory of calls that have ended: what a webhook that is repeated, or comes late, is answered with.

use std::collections::{HashMap, VecDeque};

use frontdesk_core::session::effect::EndReason;
use frontdesk_core::twilio::sid::CallSid;

use crate::store::{self, EndedCall};

/// Ended calls that are remembered; the oldest falls.
pub const REMEMBERED: usize = 1_000;
/// How the record of a call begins that was sent to the fallback at once.
pub const NOT_TAKEN: &str = "not taken";

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Its caller was left to the fallback, and may well be waiting for the answer to this very webhook.
    Left,
    /// It is over: we hung up, the caller has gone, or Twilio says so. Whoever asks again is a replay.
    Over,
    /// It is over, and its webhook never came: there is no record of it.
    Unseen,
}

impl Ended {
    /// What a conversation's end means for its caller.
    pub fn by(reason: &EndReason) -> Self {
        match reason {
            // A stream that breaks off says nothing about the call: Twilio goes on to the fallback.
            EndReason::LineLost
            | EndReason::Draining
            | EndReason::Failed(_)
            | EndReason::Transferred
            | EndReason::Emergency => Self::Left,
            EndReason::CallerLeft
            | EndReason::AgentEnded
            | EndReason::NoInput
            | EndReason::TooLong
            | EndReason::Staff => Self::Over,
        }
    }

    /// The same from the record of a call.
    pub fn on_record(ended: &EndedCall) -> Self {
        let word = ended.reason.split(':').next().unwrap_or_default();
        let left = [NOT_TAKEN, store::POWER_LOSS, "line-lost", "draining", "failed", "transferred", "emergency"]
            .contains(&word);
        if left && !ended.over_at_twilio { Self::Left } else { Self::Over }
    }
}

/// The last calls that have ended.
#[derive(Debug, Default)]
pub(super) struct Memory {
    calls: HashMap<CallSid, Ended>,
    oldest_first: VecDeque<CallSid>,
}

impl Memory {
    /// Keeps how `call` ended. What is over stays over, whatever is told later.
    pub(super) fn keep(&mut self, call: CallSid, ended: Ended) {
        if let Some(known) = self.calls.get_mut(&call) {
            if *known == Ended::Left {
                *known = ended;
            }
            return;
        }
        if self.oldest_first.len() == REMEMBERED
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.calls.remove(&oldest);
        }
        self.oldest_first.push_back(call);
        self.calls.insert(call, ended);
    }

    /// How `call` ended, if it has and is remembered.
    pub(super) fn of(&self, call: &CallSid) -> Option<Ended> {
        self.calls.get(call).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sid(number: usize) -> CallSid {
        CallSid::parse(&format!("CA{number:032x}")).unwrap()
    }

    #[test]
    fn a_record_says_the_same_as_the_end_that_it_is_of() {
        let all = [
            EndReason::CallerLeft,
            EndReason::LineLost,
            EndReason::AgentEnded,
            EndReason::NoInput,
            EndReason::TooLong,
            EndReason::Staff,
            EndReason::Draining,
            EndReason::Failed("the model is silent"),
            EndReason::Transferred,
            EndReason::Emergency,
        ];
        let on_record = |reason: &str, over_at_twilio| {
            Ended::on_record(&EndedCall { call: sid(1), reason: reason.to_owned(), over_at_twilio })
        };
        for reason in all {
            assert_eq!(on_record(&reason.to_string(), false), Ended::by(&reason), "{reason}");
            assert_eq!(on_record(&reason.to_string(), true), Ended::Over, "{reason}");
        }
        for (reason, ended) in [("not taken: full", Ended::Left), ("power-loss", Ended::Left), ("", Ended::Over)] {
            assert_eq!(on_record(reason, false), ended, "{reason:?}");
        }
    }

    #[test]
    fn who_was_left_may_be_over_later_and_never_the_other_way() {
        let mut memory = Memory::default();
        memory.keep(sid(1), Ended::Left);
        memory.keep(sid(1), Ended::Over);
        memory.keep(sid(1), Ended::Left);
        assert_eq!(memory.of(&sid(1)), Some(Ended::Over));
    }

    #[test]
    fn the_memory_is_bounded_and_the_oldest_falls() {
        let mut memory = Memory::default();
        for number in 0..=REMEMBERED {
            memory.keep(sid(number), Ended::Over);
        }
        assert_eq!(memory.of(&sid(0)), None);
        assert_eq!(memory.of(&sid(1)), Some(Ended::Over));
        assert_eq!(memory.calls.len(), REMEMBERED);
    }
}
