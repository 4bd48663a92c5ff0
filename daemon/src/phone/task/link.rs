//! The model's end of a call: the link's news for the live session, and what the session asks of the link.

use std::task::Poll;
use std::time::Instant;

use frontdesk_core::gemini::close::Close;
use frontdesk_core::gemini::live::Action;
use frontdesk_core::twilio::leg::CallLeg;

use super::{FAIR, Task};
use crate::live::link::LinkEvent;
use crate::net::bell::Bell;

impl Task {
    /// Takes what happened on the link. Returns whether there may be more.
    pub(super) fn poll_link(&mut self, bell: &Bell) -> bool {
        if !bell.answer() {
            return false;
        }
        let (before, began) = (self.clears(), Instant::now());
        let more = self.read_link(bell);
        if self.clears() != before {
            self.cleared = Some(began);
        }
        more
    }

    fn clears(&self) -> u32 {
        self.conversation.source().map_or(0, CallLeg::clears)
    }

    fn read_link(&mut self, bell: &Bell) -> bool {
        let cx = &mut bell.context();
        for _ in 0..FAIR {
            let Poll::Ready(event) = self.link.poll_event(cx) else { return false };
            let now = Instant::now();
            self.on_link_event(now, event);
            self.conversation.live_fed(now);
            self.perform(now);
        }
        bell.keep_ringing();
        true
    }

    fn on_link_event(&mut self, now: Instant, event: LinkEvent) {
        let over = self.conversation.is_over();
        let live = self.conversation.live_mut();
        match event {
            LinkEvent::Opened(took) => {
                self.journal.live_connected(took);
                live.opened(now);
            }
            LinkEvent::Refused(failure) => {
                self.journal.live_refused(now);
                live.refused(now, &failure);
            }
            // Only its close is waited for.
            LinkEvent::Message(_) if over => {}
            LinkEvent::Message(message) => live.frame(now, &message),
            LinkEvent::Alive => live.alive(now),
            LinkEvent::Closed(close) => self.on_closed(now, &close),
        }
    }

    /// Carries out what the live session asks for.
    pub(super) fn perform_live(&mut self, now: Instant) {
        loop {
            let live = self.conversation.live_mut();
            let Some(action) = live.next_action(self.link.can_send()) else { return };
            if action == Action::Connect {
                // The new connection has not been asked for anything yet.
                self.bells.link.keep_ringing();
                self.fresh = true;
            }
            if let Err(close) = self.link.carry_out(now, action, || live.setup().path()) {
                self.on_link_broken(now, &close);
            }
        }
    }

    /// Writes what is queued, as far as the service takes it.
    pub(super) fn flush_link(&mut self, bell: &Bell, now: Instant) {
        if let Err(close) = self.link.flush(&mut bell.context()) {
            self.on_link_broken(now, &close);
        }
    }

    fn on_closed(&mut self, now: Instant, close: &Close) {
        // A close of ours says nothing about the service.
        if !self.conversation.is_over() {
            self.journal.live_refused(now);
        }
        self.conversation.live_mut().closed(now, close);
    }

    fn on_link_broken(&mut self, now: Instant, close: &Close) {
        self.on_closed(now, close);
        self.conversation.live_fed(now);
        // What follows from it is still to be carried out.
        self.fresh = true;
    }
}
