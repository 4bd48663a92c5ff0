//! Functions that the model calls, and their answers.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::calls::{Arrival, Asked, CallKey};
use super::super::wire::{self, FunctionResponse, Scheduling};
use super::LiveSession;
use super::event::LiveEvent;

/// No output that long after a function's answer: the model is asked to go on.
pub(super) const SILENT_AFTER_TOOL: Duration = Duration::from_secs(5);

impl LiveSession {
    /// Answers a function. `scheduling` is left out for models that refuse it. After a reconnect the model is told in
    /// words, because the new connection does not know the call's id.
    pub fn answer_tool(&mut self, now: Instant, key: CallKey, response: &Value, scheduling: Option<Scheduling>) {
        let Some((name, asked)) = self.ledger.answer(now, key, response) else { return };
        self.reply_to_tool(now, &name, &asked, response, scheduling);
        self.release_after_tools();
    }

    pub(super) fn release_after_tools(&mut self) {
        if self.ledger.running() == 0 && self.is_open() {
            self.release();
        }
    }

    pub(super) fn on_tool_call(&mut self, now: Instant, id: Option<&str>, name: &str, args: &Value) {
        self.silent_after_tool = None;
        self.quiet_since = None;
        match self.ledger.arrive(now, self.connection, id, name, args) {
            Arrival::Run(call) => self.events.push_back(LiveEvent::ToolCall(call)),
            Arrival::Joined => {}
            Arrival::Again(answer) => {
                let asked = [Asked { connection: self.connection, id: id.map(str::to_owned) }];
                self.reply_to_tool(now, name, &asked, &answer, None);
            }
        }
    }

    pub(super) fn reply_to_tool(
        &mut self,
        now: Instant,
        name: &str,
        asked: &[Asked],
        response: &Value,
        when: Option<Scheduling>,
    ) {
        if !self.is_open() {
            self.late_answers.push((name.to_owned(), response.clone()));
            return;
        }
        let scheduling = when.filter(|_| self.setup.capabilities().scheduling);
        let answers: Vec<FunctionResponse<'_>> = asked
            .iter()
            .filter(|asked| asked.connection == self.connection)
            .map(|asked| FunctionResponse {
                id: asked.id.as_deref().map(Cow::Borrowed),
                name: Cow::Borrowed(name),
                response: Cow::Borrowed(response),
                scheduling,
            })
            .collect();
        if answers.is_empty() {
            self.tell_result(name, response);
        } else {
            self.control.push_back(wire::tool_response(&answers));
        }
        if when != Some(Scheduling::Silent) {
            self.silent_after_tool = Some(now + SILENT_AFTER_TOOL);
        }
    }
}
