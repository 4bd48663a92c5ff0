//! Tool calls: one message for all calls of an exchange, and what becomes of them.

use std::time::Instant;

use serde_json::Value;

use super::{Conversation, Output, Prompt};
use crate::{
    fault::Fault,
    report::ToolCall,
    scenario::CallTime,
    wire::{
        client::{FunctionResponse, Scheduling},
        server::{self, FunctionCall},
    },
};

/// Calls that were made together and are not all answered.
pub(super) struct Pending {
    exchange: usize,
    when: CallTime,
    calls: Vec<PendingCall>,
    /// The model is silent and deaf meanwhile.
    pub(super) is_blocking: bool,
}

struct PendingCall {
    id: String,
    name: String,
    response: Option<Value>,
    /// The same call under a second id: answered or not, nothing depends on it.
    twin: Option<String>,
    scheduling: Scheduling,
}

/// Calls that were forgotten because the caller spoke, and come again.
pub(super) struct Reissue {
    pub(super) exchange: usize,
    pub(super) when: CallTime,
    pub(super) at: Instant,
}

impl Conversation {
    /// Makes the calls of an exchange that belong `when`, if it has any.
    pub(super) fn call_tools(&mut self, now: Instant, exchange: usize, when: CallTime) {
        let world = std::sync::Arc::clone(&self.world);
        let scripted: Vec<_> = world.scenario.exchanges[exchange].calls().filter(|call| call.when == when).collect();
        if scripted.is_empty() {
            return;
        }
        let mut is_blocking = false;
        let mut calls = Vec::new();
        for call in scripted {
            let declared = self.setup.functions.get(&call.name).copied();
            if declared.is_none() {
                log::warn!("the scenario calls {}, which the client did not declare", call.name);
            }
            is_blocking |= call.blocking.or(declared).unwrap_or_default();
            let args = call.filled(&self.memory.answers);
            calls.push(FunctionCall { id: self.new_call_id(), name: call.name.clone(), args });
        }
        if self.setup.resumable {
            self.send(server::resumption(None));
        }
        self.send_calls(now, &calls);
        let doubled = self.switches.hit(&Fault::DuplicateToolCall);
        let twins: Vec<FunctionCall> = if doubled {
            calls.iter().map(|call| FunctionCall { id: self.new_call_id(), ..call.clone() }).collect()
        } else {
            Vec::new()
        };
        if doubled {
            self.send_calls(now, &twins);
        }
        let mut twins = twins.into_iter().map(|twin| twin.id);
        let calls = calls.into_iter().map(|call| PendingCall {
            id: call.id,
            name: call.name,
            response: None,
            twin: twins.next(),
            scheduling: Scheduling::default(),
        });
        self.pending = Some(Pending { exchange, when, calls: calls.collect(), is_blocking });
        if self.switches.hit(&Fault::DropAfterToolCall) {
            self.out.push_back(Output::Drop);
        }
    }

    /// The caller speaks while tools are at work: the calls are cancelled, or forgotten and made again later.
    pub(super) fn abandon_calls(&mut self, now: Instant) {
        let Some(pending) = self.pending.take_if(|pending| pending.when == CallTime::Before) else {
            return;
        };
        let ids: Vec<String> = pending.calls.iter().map(|call| call.id.clone()).collect();
        self.note(|report| {
            let abandoned = report.tool_calls.iter_mut().filter(|call| ids.contains(&call.id));
            abandoned.for_each(|call| call.abandoned = true);
        });
        self.memory.unfinished = None;
        if self.switches.hit(&Fault::CancelToolOnInterrupt) {
            self.send(server::tool_call_cancellation(&ids));
        } else {
            let at = now + self.world.timing.reissue_after;
            self.reissue = Some(Reissue { exchange: pending.exchange, when: pending.when, at });
        }
    }

    pub(super) fn tool_responses(&mut self, now: Instant, responses: Vec<FunctionResponse>) {
        for response in responses {
            if response.is_scheduled
                && let Some(refusal) = self.setup.profile.refuses_scheduling()
            {
                return self.refuse(refusal);
            }
            self.tool_response(now, response);
        }
        if let Some(pending) = self.pending.take_if(|pending| pending.calls.iter().all(|call| call.response.is_some()))
        {
            self.all_answered(pending);
        }
    }

    fn tool_response(&mut self, now: Instant, response: FunctionResponse) {
        let by_name = response.id.is_empty();
        if by_name && !self.vertex {
            self.complain(format!("a response of {:?} without the call's id", response.name));
        }
        let calls = self.pending.iter_mut().flat_map(|pending| &mut pending.calls);
        let is_meant = |call: &PendingCall| {
            if by_name { call.name == response.name && call.response.is_none() } else { call.id == response.id }
        };
        let mut is_twin = false;
        let mut found = None;
        for call in calls {
            is_twin |= call.twin.as_ref() == Some(&response.id);
            if is_meant(call) {
                found = Some(call);
                break;
            }
        }
        let Some(call) = found else {
            let FunctionResponse { id, response, .. } = response;
            return self.note(|report| {
                match report.tool_calls.iter_mut().find(|call| call.id == id) {
                    // A second id for the same call, or one answered before: noted, and no more.
                    Some(call) if is_twin || !call.abandoned => call.answer(now, response),
                    _ => report.ignored_responses.push(response),
                }
            });
        };
        let (id, name_differs) = (call.id.clone(), call.name != response.name);
        call.scheduling = response.scheduling;
        if !response.will_continue {
            call.response = Some(response.response.clone());
        }
        if name_differs {
            self.complain(format!("a response of {:?} to a call of another function", response.name));
        }
        self.note(|report| {
            if let Some(call) = report.tool_calls.iter_mut().find(|call| call.id == id) {
                call.answer(now, response.response);
            }
        });
    }

    fn all_answered(&mut self, pending: Pending) {
        let answers = pending.calls.iter().filter_map(|call| Some((call.name.clone(), call.response.clone()?)));
        self.memory.answers.extend(answers);
        let silent = pending.calls.iter().all(|call| call.scheduling == Scheduling::Silent);
        let at_once = pending.calls.iter().any(|call| call.scheduling == Scheduling::Interrupt);
        if pending.when == CallTime::After || silent || self.switches.hit(&Fault::SilentAfterTool) {
            self.memory.unfinished = None;
            return;
        }
        let caller_speaks = self.ear.as_ref().is_some_and(crate::ear::Ear::is_speech);
        if at_once && !caller_speaks && self.floor.is_speaking() {
            self.interrupt();
        }
        let responses = pending.calls.into_iter().filter_map(|call| Some((call.name, call.response?))).collect();
        self.agenda.push_front(Prompt::Results { exchange: pending.exchange, responses });
    }

    fn send_calls(&mut self, now: Instant, calls: &[FunctionCall]) {
        for call in calls {
            log::info!("session {}: calls {} {}", self.session, call.name, call.args);
        }
        self.note(|report| {
            report.tool_calls.extend(calls.iter().map(|call| ToolCall {
                id: call.id.clone(),
                name: call.name.clone(),
                args: call.args.clone(),
                sent_at: now,
                response: None,
                answered_at: None,
                abandoned: false,
            }));
        });
        self.send(server::tool_call(calls));
    }

    fn new_call_id(&mut self) -> String {
        self.memory.calls += 1;
        format!("function-call-{}{:04}", 1_000_000 + self.session, self.memory.calls)
    }
}

impl ToolCall {
    fn answer(&mut self, now: Instant, response: Value) {
        self.response = Some(response);
        self.answered_at.get_or_insert(now);
    }
}
