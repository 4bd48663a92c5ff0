//! A conversation and its connection to the model: the link's news for the live session, and what the session asks of
//! the link. The other end, a phone's stream or the desk, belongs to the task that owns the driver.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use frontdesk_core::clerk::Deed;
use frontdesk_core::gemini::calls::ToolCall;
use frontdesk_core::gemini::close::Close;
use frontdesk_core::gemini::live::{Action, LiveSession};
use frontdesk_core::session::bridge::{Guard, Patience};
use frontdesk_core::session::conversation::{Conversation, Outward};
use frontdesk_core::session::effect::{EndReason, Record};
use frontdesk_core::source::Source;
use frontdesk_core::tools::decl;

use super::journal::Journal;
use super::tools::{Done, Tools};
use crate::live::Connector;
use crate::live::link::{Link, LinkEvent};

/// How the Bridge calls danger to life in the record.
const EMERGENCY: &str = "emergency";

/// What only the task that owns the other end can do.
#[derive(Debug, PartialEq)]
pub enum Parting {
    /// End the party's line; nothing more will be said.
    HangUp(EndReason),
    /// Leave the party to a human.
    FallBack(EndReason),
    /// The party has gone.
    Gone(EndReason),
}

/// A conversation whose model's end is driven.
pub struct Driver<S> {
    /// The conversation, to feed its source.
    pub conversation: Conversation<S>,
    link: Link,
    /// What the model may call beside the end of the conversation; nothing without the clinic's data.
    tools: Option<Box<Tools>>,
    /// Something was started or broke off that has not been polled yet.
    fresh: bool,
}

impl<S: Source> Driver<S> {
    /// A conversation that begins to connect.
    pub fn new(now: Instant, live: LiveSession, patience: Patience, connector: Arc<Connector>) -> Self {
        Self {
            conversation: Conversation::new(now, live, patience),
            link: Link::new(connector),
            tools: None,
            fresh: false,
        }
    }

    /// Lets the model call functions, and listens for danger to life.
    pub fn equip(&mut self, tools: Tools, guard: Guard) {
        self.tools = Some(Box::new(tools));
        self.conversation.guard(guard);
    }

    /// Takes one thing that happened on the link, or one function that has been carried out.
    pub fn poll_link(&mut self, cx: &mut Context<'_>, journal: &mut Journal) -> Poll<()> {
        if let Some(tools) = &mut self.tools
            && let Poll::Ready(done) = tools.poll(cx, self.conversation.caller_spoke())
        {
            self.on_tool_done(Instant::now(), done, journal);
            return Poll::Ready(());
        }
        self.link.poll_event(cx).map(|event| {
            let now = Instant::now();
            self.on_link_event(now, event, journal);
            self.conversation.live_fed(now);
        })
    }

    /// Carries out what the conversation asks for, until it asks for something that only the owner can do.
    pub fn perform(&mut self, now: Instant, journal: &mut Journal) -> Option<Parting> {
        while let Some(outward) = self.conversation.next_outward() {
            match outward {
                Outward::RunTool(call) => self.run_tool(now, call),
                Outward::CancelTool(key) => {
                    let over = self.conversation.is_over();
                    if let Some(tools) = &mut self.tools {
                        if over { tools.leave(key) } else { tools.cancel(key) }
                    }
                }
                Outward::LiveReady => journal.live_ready(),
                Outward::LiveLost(fault) => journal.live_lost(now, fault),
                // What happened is told in the service's own words, and it was seen to quote our key.
                Outward::Record(Record::Event { kind, detail }) => {
                    if let (EMERGENCY, Some(tools)) = (kind, &mut self.tools) {
                        tools.alert_staff();
                        self.fresh = true;
                    }
                    let detail = self.link.redact(&detail);
                    journal.record(now, Record::Event { kind, detail });
                }
                Outward::Record(record) => journal.record(now, record),
                Outward::Measure(measure) => journal.measure(measure),
                Outward::HangUp(reason) => return Some(Parting::HangUp(reason)),
                Outward::FallBack(reason) => return Some(Parting::FallBack(reason)),
                Outward::Gone(reason) => return Some(Parting::Gone(reason)),
            }
        }
        None
    }

    /// Carries out what the live session asks of the link.
    pub fn perform_live(&mut self, now: Instant, journal: &mut Journal) {
        loop {
            let live = self.conversation.live_mut();
            let Some(action) = live.next_action(self.link.can_send()) else { return };
            // A new connection has not been asked for anything yet.
            self.fresh |= action == Action::Connect;
            if let Err(close) = self.link.carry_out(now, action, || live.setup().path()) {
                self.on_link_broken(now, &close, journal);
            }
        }
    }

    /// Writes what is queued, as far as the service takes it.
    pub fn flush_link(&mut self, cx: &mut Context<'_>, now: Instant, journal: &mut Journal) {
        if let Err(close) = self.link.flush(cx) {
            self.on_link_broken(now, &close, journal);
        }
    }

    /// Whether something was started or broke off since the last time: the link is to be polled, and what follows from
    /// it carried out.
    pub fn take_fresh(&mut self) -> bool {
        std::mem::take(&mut self.fresh)
    }

    /// Whether there is a connection.
    pub fn is_open(&self) -> bool {
        self.link.is_open()
    }

    /// Whether a function is still being carried out, which may outlast the conversation: the link is to be polled until
    /// there is none.
    pub fn is_working(&self) -> bool {
        self.tools.as_ref().is_some_and(|tools| tools.is_working())
    }

    fn run_tool(&mut self, now: Instant, call: ToolCall) {
        match &mut self.tools {
            Some(tools) => {
                tools.start(call);
                self.fresh = true;
            }
            // The one function there is belongs to the Bridge; whatever else the model invents is answered at once.
            None => self.conversation.tool_done(now, call.key, decl::unknown(&call.name, &[decl::END_CALL])),
        }
    }

    fn on_tool_done(&mut self, now: Instant, done: Done, journal: &mut Journal) {
        journal.record(now, Record::Event { kind: "tool-answer", detail: done.told });
        self.conversation.tool_done(now, done.key, done.response);
        match done.deed {
            Some(Deed::Transfer) => self.conversation.transfer(now),
            Some(Deed::Emergency) => self.conversation.emergency(now),
            None => {}
        }
        self.conversation.live_fed(now);
        // Another may be waiting.
        self.fresh = true;
    }

    fn on_link_event(&mut self, now: Instant, event: LinkEvent, journal: &mut Journal) {
        let over = self.conversation.is_over();
        let live = self.conversation.live_mut();
        match event {
            LinkEvent::Opened(took) => {
                journal.live_connected(took);
                live.opened(now);
            }
            LinkEvent::Refused(failure) => {
                journal.live_refused(now);
                live.refused(now, &failure);
            }
            // Only its close is waited for.
            LinkEvent::Message(_) if over => {}
            LinkEvent::Message(message) => live.frame(now, &message),
            LinkEvent::Alive => live.alive(now),
            LinkEvent::Closed(close) => self.on_closed(now, &close, journal),
        }
    }

    fn on_closed(&mut self, now: Instant, close: &Close, journal: &mut Journal) {
        // A close of ours says nothing about the service.
        if !self.conversation.is_over() {
            journal.live_refused(now);
        }
        self.conversation.live_mut().closed(now, close);
    }

    fn on_link_broken(&mut self, now: Instant, close: &Close, journal: &mut Journal) {
        self.on_closed(now, close, journal);
        self.conversation.live_fed(now);
        self.fresh = true;
    }
}
