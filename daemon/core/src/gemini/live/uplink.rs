//! What goes up: the caller's audio, held and said again around a reconnect, and what a resumed session must be told.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::wire;
use super::LiveSession;

/// Audio of one message, when it had to queue: 100 ms.
pub(super) const MOST_AT_ONCE: usize = 1_600;
/// Audio that waits for a slow uplink; older audio is dropped.
pub(super) const MOST_WAITING: usize = 3 * 16_000;

/// What was said since the handle was given: a resumed session does not know it.
#[derive(Default)]
pub(super) struct Unknown {
    pub(super) caller: String,
    pub(super) agent: String,
    /// The model had finished that answer.
    pub(super) answered: bool,
}

/// Why and since when caller audio is kept instead of sent.
#[derive(Clone, Copy)]
pub(super) struct Hold {
    pub(super) since: Instant,
    /// What was sent this long before may not have been understood and is sent again.
    pub(super) reach_back: Duration,
}

impl LiveSession {
    /// Sends caller audio (16 kHz), or keeps it until there is somebody to send it to.
    pub fn send_audio(&mut self, now: Instant, pcm: &[i16]) {
        self.replay.push(now, pcm);
        if self.hold.is_some() {
            return;
        }
        if self.ledger.running() > 0 && self.setup.capabilities().hold_audio_during_tools {
            self.hold = Some(Hold { since: now, reach_back: Duration::ZERO });
            return;
        }
        self.uplink.extend_from_slice(pcm);
        if self.uplink.len() > MOST_WAITING {
            let surplus = self.uplink.len() - MOST_WAITING;
            self.uplink.drain(..surplus);
            self.dropped += surplus as u64;
        }
    }

    pub(super) fn hold(&mut self, now: Instant, reach_back: Duration) {
        self.hold = Some(match self.hold {
            // A dial that fails takes nothing back of what was wanted before it.
            Some(held) => Hold { since: held.since, reach_back: held.reach_back.max(reach_back) },
            None => Hold { since: now, reach_back },
        });
        // An answer that had begun is told in words afterwards; saying the question again would have it twice. Without
        // its words it cannot be told: then the question is what is said again.
        if let Some(first) = self.turn.first_speech.filter(|_| self.turn.worded) {
            self.answered_until = Some(first);
        }
        self.uplink.clear();
        self.control.clear();
        self.silent_after_tool = None;
        self.quiet_since = None;
        self.next_ping = None;
    }

    /// Lets audio flow again, beginning with what was held and what the service had not answered.
    pub(super) fn release(&mut self) {
        let Some(hold) = self.hold.take() else { return };
        let reach = hold.since.checked_sub(hold.reach_back).unwrap_or(hold.since);
        let known = self.handle.as_ref().filter(|_| self.resuming).map(|handle| handle.knows_until);
        let from = [known, self.answered_until].into_iter().flatten().fold(reach, Instant::max);
        self.replay.since(from, &mut self.uplink);
        // What was not answered may have to be said once more.
        self.replay.forget_before(self.answered_until.unwrap_or(reach));
    }

    /// Tells a resumed session what was said behind its handle, and what functions answered meanwhile.
    pub(super) fn catch_up(&mut self) {
        let Unknown { caller, agent, answered } = std::mem::take(&mut self.unknown);
        if !agent.is_empty() {
            let text = format!(
                "[The connection was interrupted. Before that the caller said: \"{}\" and you were answering: \"{}\". \
                 If that answer was not finished, finish it; do not repeat it and do not greet.]",
                caller.trim(),
                agent.trim()
            );
            self.tell(&text, !answered);
        }
        self.tell_late_answers();
    }

    /// Tells what functions answered while nobody listened.
    pub(super) fn tell_late_answers(&mut self) {
        for (name, response) in std::mem::take(&mut self.late_answers) {
            self.tell_result(&name, &response);
        }
    }

    pub(super) fn tell(&mut self, text: &str, answer: bool) {
        // Models that take history only at the start take typed text instead, which they always answer.
        let message =
            if self.setup.capabilities().client_content { wire::context(text, answer) } else { wire::text(text) };
        self.control.push_back(message);
    }

    pub(super) fn tell_result(&mut self, name: &str, response: &Value) {
        self.tell(&format!("[The function {name} has answered: {response}. Go on with that.]"), true);
    }
}
