//! The phone calls that are running, who may start one, and which stream belongs to which.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use frontdesk_core::session::effect::EndReason;
use frontdesk_core::twilio::number::CallerId;
use frontdesk_core::twilio::sid::CallSid;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;

use super::ended::{Ended, Memory};
use super::token::Tokens;
use crate::conversation::running::{Busy, Conversations, Party, Running, View};
use crate::net::Stream;
use crate::store::EndedCall;

/// Commands that may wait for a call: a stream, and somebody who ends it. Full: the asker is told.
pub const COMMANDS: usize = 4;

/// Why a call is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No conversation begins now.
    Busy(Busy),
    /// The call has ended: a request that is repeated, or late.
    Ended(Ended),
    /// No token could be made.
    NoToken,
}

impl Refusal {
    /// The word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Busy(busy) => busy.as_str(),
            Self::Ended(_) => "ended",
            Self::NoToken => "no-token",
        }
    }
}

/// What others may ask of a running call.
pub enum Command {
    /// Twilio has connected the media stream that belongs to `token`.
    Attach {
        /// The socket, its upgrade done and its signature checked.
        socket: Box<WebSocketStream<Stream>>,
        /// The token of its path, used up.
        token: String,
    },
    /// End it.
    Stop(EndReason),
}

/// A webhook's outcome.
pub enum Admission {
    /// A new call: start its task with these commands.
    New {
        /// For its stream.
        token: String,
        /// What others will ask of it.
        commands: mpsc::Receiver<Command>,
        /// Where it shows how it is.
        view: Arc<View>,
    },
    /// The webhook was repeated: the same call, a fresh token.
    Again {
        /// For its stream.
        token: String,
    },
}

struct Entry {
    /// The line is being given back: no stream has any business here.
    leaving: bool,
    commands: mpsc::Sender<Command>,
}

#[derive(Default)]
struct State {
    running: HashMap<CallSid, Entry>,
    tokens: Tokens,
    /// Also of calls that still run: the conversation is over, and Twilio is being asked to hang up.
    ended: Memory,
}

/// The calls that are running, and those that have ended. Shared by the webhook, the stream upgrade and the calls' tasks;
/// the lock is held for a look only.
pub struct Calls {
    conversations: Arc<Conversations>,
    state: Mutex<State>,
}

impl Calls {
    /// Calls that take their place among `conversations`.
    pub fn new(conversations: Arc<Conversations>) -> Arc<Self> {
        Arc::new(Self { conversations, state: Mutex::default() })
    }

    /// All running conversations.
    pub fn conversations(&self) -> &Arc<Conversations> {
        &self.conversations
    }

    /// Admits `call`, or says why not: up to `most` conversations run at a time. `live_id` names its conversation if it is
    /// new. A call that is not taken counts as left to the fallback from then on.
    pub fn admit(
        &self,
        now: Instant,
        call: CallSid,
        caller: &CallerId,
        live_id: &str,
        most: usize,
    ) -> Result<Admission, Refusal> {
        let mut state = self.lock();
        if let Some(ended) = state.ended.of(&call) {
            return Err(Refusal::Ended(ended));
        }
        if state.running.contains_key(&call) {
            let token = state.tokens.mint(now, call).ok_or(Refusal::NoToken)?;
            return Ok(Admission::Again { token });
        }
        // A smaller number than run is no reason to end any.
        let full = self.conversations.active() >= most && !self.conversations.is_draining();
        let granted =
            if full { Err(Refusal::Busy(Busy::Full)) } else { self.grant(&mut state, now, call, caller, live_id) };
        granted.inspect_err(|_| state.ended.keep(call, Ended::Left))
    }

    fn grant(
        &self,
        state: &mut State,
        now: Instant,
        call: CallSid,
        caller: &CallerId,
        live_id: &str,
    ) -> Result<Admission, Refusal> {
        let (sender, commands) = mpsc::channel(COMMANDS);
        let view = Arc::<View>::default();
        let running = Running {
            id: call.into(),
            live_id: live_id.to_owned(),
            party: Party::Caller(caller.clone()),
            since: now,
            view: Arc::clone(&view),
        };
        let asked = sender.clone();
        let stop = Arc::new(move |reason| asked.try_send(Command::Stop(reason)).is_ok());
        self.conversations.admit(running, stop).map_err(Refusal::Busy)?;
        let Some(token) = state.tokens.mint(now, call) else {
            self.conversations.remove(&call.into());
            return Err(Refusal::NoToken);
        };
        state.running.insert(call, Entry { leaving: false, commands: sender });
        Ok(Admission::New { token, commands, view })
    }

    /// Uses a media token up and says whom its stream belongs to.
    pub fn redeem(&self, now: Instant, token: &str) -> Option<CallSid> {
        let mut state = self.lock();
        let call = state.tokens.redeem(now, token)?;
        state.running.get(&call).is_some_and(|entry| !entry.leaving).then_some(call)
    }

    /// The conversation of `call` has ended: its webhook is not answered with a stream any more. A stream that is under
    /// way is still taken, to hold the line until Twilio has hung up.
    pub fn over(&self, call: &CallSid, ended: Ended) {
        self.lock().ended.keep(*call, ended);
    }

    /// The line of `call` is being given back: not even a stream under way is taken any more.
    pub fn leaving(&self, call: &CallSid) {
        if let Some(entry) = self.lock().running.get_mut(call) {
            entry.leaving = true;
        }
    }

    /// Remembers the calls of an earlier life, the oldest first, so that no webhook has to wait for the disk.
    pub fn recall(&self, ended: &[EndedCall]) {
        let mut state = self.lock();
        for of_the_past in ended {
            state.ended.keep(of_the_past.call, Ended::on_record(of_the_past));
        }
    }

    /// Whether `call` has come to us, so that there is a record of it. A call that ended long ago is forgotten.
    pub fn has_come(&self, call: &CallSid) -> bool {
        let state = self.lock();
        state.running.contains_key(call) || matches!(state.ended.of(call), Some(Ended::Left | Ended::Over))
    }

    /// Asks something of a running call; `false` if there is no such call, or it is not listening any more.
    pub fn ask(&self, call: &CallSid, command: Command) -> bool {
        let sender = self.lock().running.get(call).map(|entry| entry.commands.clone());
        sender.is_some_and(|commands| commands.try_send(command).is_ok())
    }

    /// The task of `call` has ended. If it did not say how, the caller may still be on the line.
    pub fn remove(&self, call: &CallSid) {
        let mut state = self.lock();
        if state.running.remove(call).is_some() {
            self.conversations.remove(&(*call).into());
            state.ended.keep(*call, Ended::Left);
        }
    }

    /// Twilio says that `call` is over. Its webhook may still come: requests overtake one another.
    pub fn ended_at_twilio(&self, call: CallSid) {
        let mut state = self.lock();
        let seen = state.running.contains_key(&call) || state.ended.of(&call).is_some();
        state.ended.keep(call, if seen { Ended::Over } else { Ended::Unseen });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use frontdesk_core::gemini::live::Fault;

    fn calls(most: usize) -> Arc<Calls> {
        Calls::new(Conversations::new(most, Metrics::new()))
    }

    fn sid(number: u32) -> CallSid {
        CallSid::parse(&format!("CA{number:032x}")).unwrap()
    }

    fn ask(calls: &Calls, number: u32) -> Result<Admission, Refusal> {
        calls.admit(Instant::now(), sid(number), &CallerId::parse("+15550100200"), "L1", usize::MAX)
    }

    /// The call's token, and the end of its commands that its task would hold.
    fn taken(calls: &Calls, number: u32) -> (String, mpsc::Receiver<Command>) {
        match ask(calls, number) {
            Ok(Admission::New { token, commands, .. }) => (token, commands),
            Ok(Admission::Again { .. }) => panic!("the call is new"),
            Err(refusal) => panic!("{refusal:?}"),
        }
    }

    fn refused(calls: &Calls, number: u32) -> Option<Refusal> {
        ask(calls, number).err()
    }

    #[test]
    fn there_is_room_for_as_many_calls_as_configured() {
        let calls = calls(2);
        let (_one, _two) = (taken(&calls, 1), taken(&calls, 2));
        assert_eq!(refused(&calls, 3), Some(Refusal::Busy(Busy::Full)));
        calls.remove(&sid(1));
        let _four = taken(&calls, 4);
        assert_eq!(calls.conversations().active(), 2);
    }

    #[test]
    fn a_running_call_is_answered_even_when_new_ones_are_not() {
        let calls = calls(1);
        let (first, _commands) = taken(&calls, 1);
        calls.conversations().health().down(Instant::now(), Fault::Quota);
        calls.conversations().drain();
        let Ok(Admission::Again { token }) = ask(&calls, 1) else { panic!("the same call") };
        assert_ne!(token, first);
        assert_eq!(refused(&calls, 2), Some(Refusal::Busy(Busy::Draining)));
        assert_eq!(calls.redeem(Instant::now(), &first), Some(sid(1)), "either answer may have reached Twilio");
        assert_eq!(calls.redeem(Instant::now(), &token), Some(sid(1)));
    }

    #[test]
    fn a_call_that_ends_takes_no_webhook_and_then_no_stream() {
        let calls = calls(1);
        let (token, _commands) = taken(&calls, 1);
        let Ok(Admission::Again { token: another }) = ask(&calls, 1) else { panic!("the same call") };
        calls.over(&sid(1), Ended::Over);
        assert_eq!(refused(&calls, 1), Some(Refusal::Ended(Ended::Over)));
        assert_eq!(calls.redeem(Instant::now(), &token), Some(sid(1)), "its stream may hold the line");
        calls.leaving(&sid(1));
        assert_eq!(calls.redeem(Instant::now(), &another), None);
        calls.remove(&sid(1));
        assert_eq!(refused(&calls, 1), Some(Refusal::Ended(Ended::Over)), "and is remembered");
        assert_eq!(calls.redeem(Instant::now(), &token), None);
    }

    #[test]
    fn a_caller_who_was_left_to_the_fallback_stays_so_until_twilio_says_that_the_call_is_over() {
        let calls = calls(1);
        let (_token, _commands) = taken(&calls, 1);
        assert_eq!(refused(&calls, 2), Some(Refusal::Busy(Busy::Full)));
        calls.over(&sid(1), Ended::Left);
        calls.remove(&sid(1));
        for number in [1, 2] {
            assert_eq!(refused(&calls, number), Some(Refusal::Ended(Ended::Left)), "there is room, but it was told");
            calls.ended_at_twilio(sid(number));
            assert_eq!(refused(&calls, number), Some(Refusal::Ended(Ended::Over)));
        }
    }

    #[test]
    fn twilios_word_holds_even_if_the_task_ends_in_another_way() {
        let calls = calls(1);
        let (_token, _commands) = taken(&calls, 1);
        calls.ended_at_twilio(sid(1));
        assert_eq!(refused(&calls, 1), Some(Refusal::Ended(Ended::Over)), "its task has not even heard of it");
        calls.over(&sid(1), Ended::Left);
        calls.remove(&sid(1));
        assert_eq!(refused(&calls, 1), Some(Refusal::Ended(Ended::Over)));
    }

    #[test]
    fn a_call_that_ended_before_it_came_has_no_record_and_starts_nothing() {
        let calls = calls(1);
        for _ in 0..2 {
            calls.ended_at_twilio(sid(1));
            assert!(!calls.has_come(&sid(1)));
        }
        assert_eq!(refused(&calls, 1), Some(Refusal::Ended(Ended::Unseen)));
        let (_token, _commands) = taken(&calls, 2);
        calls.ended_at_twilio(sid(2));
        assert!(calls.has_come(&sid(2)));
    }

    #[test]
    fn who_asks_a_call_is_told_when_it_does_not_listen() {
        let calls = calls(1);
        let stop = || Command::Stop(EndReason::Staff);
        assert!(!calls.ask(&sid(1), stop()), "there is no such call");
        let (_token, commands) = taken(&calls, 1);
        for _ in 0..COMMANDS {
            assert!(calls.ask(&sid(1), stop()));
        }
        assert!(!calls.ask(&sid(1), stop()), "full");
        drop(commands);
        assert!(!calls.ask(&sid(1), stop()), "its task has gone");
    }
}
