//! Functions that the model calls: one is ours, the others are the shell's, and none is waited for without an end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Bridge, Facts, Running};
use crate::gemini::calls::{CallKey, ToolCall};
use crate::gemini::wire::Scheduling;
use crate::session::effect::{Effect, EndReason};
use crate::session::turn::{Turn, TurnEvent};
use crate::tools::decl;

/// A function that has not answered by then has failed, as far as the caller is concerned.
const TOOL_WITHIN: Duration = Duration::from_secs(15);
/// Functions that may be answered without a word to the caller; more do not put the watchdog off.
const MOST_UNHEARD_ANSWERS: u32 = 3;

impl Bridge {
    /// A function has been carried out.
    pub fn on_tool(&mut self, now: Instant, key: CallKey, response: Value, facts: &Facts) {
        if !self.over && self.running.iter().any(|running| running.key == key) {
            self.answer_tool(now, key, response, Scheduling::WhenIdle, facts);
        }
    }

    pub(super) fn on_tool_call(&mut self, now: Instant, call: ToolCall, facts: &Facts) {
        self.note("tool-call", &call.name);
        if call.name != decl::END_CALL {
            self.running.push(Running { key: call.key, since: now });
            self.effects.push_back(Effect::RunTool(call));
            return;
        }
        if self.turn == Turn::CallerSpeaking {
            let response =
                json!({ "output": { "status": "not ended", "why": "The caller is speaking. Listen first." } });
            return self.answer_tool(now, call.key, response, Scheduling::Silent, facts);
        }
        let spoken = matches!(self.turn, Turn::Replying { .. });
        let scheduling = if spoken { Scheduling::Silent } else { Scheduling::WhenIdle };
        let response =
            json!({ "output": { "status": "ending", "say": "If you have not said goodbye yet, do so now." } });
        self.answer_tool(now, call.key, response, scheduling, facts);
        self.part(now, EndReason::AgentEnded, spoken);
    }

    pub(super) fn answer_tool(&mut self, now: Instant, key: CallKey, response: Value, when: Scheduling, facts: &Facts) {
        self.running.retain(|running| running.key != key);
        self.effects.push_back(Effect::AnswerTool { key, response, scheduling: when });
        if when != Scheduling::Silent {
            // The caller waits for what comes of it; not for ever, of a model that only calls and never speaks.
            self.unheard_answers += 1;
            if self.unheard_answers <= MOST_UNHEARD_ANSWERS {
                self.tool_answered = Some(now);
            }
            self.move_floor(now, TurnEvent::Prompted, facts);
        }
    }

    pub(super) fn tools_deadline(&self) -> Option<Instant> {
        self.running.iter().map(|running| running.since + TOOL_WITHIN).min()
    }

    pub(super) fn watch_tools(&mut self, now: Instant, facts: &Facts) {
        while let Some(late) = self.running.iter().find(|running| now >= running.since + TOOL_WITHIN) {
            let key = late.key;
            self.note("tool-timeout", "");
            let error =
                json!({ "error": "This takes too long just now. Say so and offer to take a message.", "retry": false });
            self.effects.push_back(Effect::CancelTool(key));
            self.answer_tool(now, key, error, Scheduling::WhenIdle, facts);
        }
    }
}
