//! One connection's conversation after its setup: what the model would do, without a socket and without a clock.
//!
//! Feed it with [`audio`](Conversation::audio), [`message`](Conversation::message) and the results of work that it asked
//! for, then drain [`poll`](Conversation::poll), and come back at [`wake_at`](Conversation::wake_at) at the latest.
//!
//! ```text
//!        prompt                    delay over             first frame ... last frame, audio played
//! Free ──────────► Thinking ──┬────────────────► Speaking ────────────────────────────────► Free
//!   ▲                 │       └─► tool call, Free; its response is the next prompt            │
//!   └── speech begins ┴─────────────────── speech begins: interrupted ◄───────────────────────┘
//! ```

mod hearing;
mod speaking;
#[cfg(test)]
mod tests;
mod tools;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::Value;

use crate::{
    ear::{Ear, Sound},
    fault::{Ending, Fault, Injection, Switches, protobuf_seconds},
    report::{Ledger, SessionReport, TextReceived, TextSource},
    scenario::Scenario,
    settings::Timing,
    speech::Library,
    wire::{Refusal, client::ClientMessage, server, setup::Setup},
};
use speaking::Floor;
use tools::{Pending, Reissue};

/// What all conversations share.
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) library: Library,
    pub(crate) ledger: Ledger,
    pub(crate) timing: Timing,
    pub(crate) speech_threshold_dbfs: f32,
    pub(crate) recognise: bool,
    pub(crate) keep_audio: bool,
    /// Makes handles of this process unlike any other's.
    pub(crate) nonce: String,
}

/// What a session remembers from one connection to the next.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    pub(crate) greeted: bool,
    /// The next exchange, when callers are not listened to.
    position: usize,
    /// What was being said or done when the connection ended: a nudge makes the model go on with it.
    unfinished: Option<Prompt>,
    /// What tools answered, the latest last: a script quotes it later.
    answers: Vec<(String, Value)>,
    calls: u64,
    handles: u64,
    turns: u64,
    samples_sent: u64,
}

/// Something to react to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Prompt {
    Greet,
    /// The caller said this exchange's line.
    Exchange(usize),
    /// The tools of this exchange answered.
    Results {
        exchange: usize,
        responses: Vec<(String, Value)>,
    },
    /// Say this.
    Line(String),
}

/// What the shell has to do.
#[derive(Debug)]
pub(crate) enum Output {
    Send(Bytes),
    /// A piece of speech: its message, where its samples begin among all that the session sent, and how many.
    Speech {
        message: Bytes,
        offset: u64,
        samples: usize,
    },
    /// Recognise this sound and hand the result to [`Conversation::recognised`].
    Recognise {
        utterance: usize,
        pcm: Vec<i16>,
        rate_hz: u32,
    },
    /// Render this line into the library and call [`Conversation::rendered`].
    Render(String),
    Close(Refusal),
    Drop,
    /// A fault of the transport.
    Transport(Fault),
}

/// See the module.
pub(crate) struct Conversation {
    world: Arc<World>,
    session: usize,
    setup: Setup,
    vertex: bool,
    memory: Memory,
    switches: Switches,
    ear: Option<Ear>,
    floor: Floor,
    agenda: VecDeque<Prompt>,
    pending: Option<Pending>,
    reissue: Option<Reissue>,
    /// A barge-in takes effect.
    interrupt_at: Option<Instant>,
    /// The caller speaks over a reply and goes unnoticed.
    is_missing: bool,
    /// The client is still seeding history.
    is_seeding: bool,
    planned: Vec<(Instant, Injection)>,
    ending: Option<(Instant, Ending)>,
    out: VecDeque<Output>,
    noticed: Vec<Sound>,
}

impl Conversation {
    pub(crate) fn new(world: Arc<World>, session: usize, setup: Setup, vertex: bool) -> Self {
        Self {
            is_seeding: setup.initial_history && setup.handle.is_none(),
            world,
            session,
            setup,
            vertex,
            memory: Memory::default(),
            switches: Switches::default(),
            ear: None,
            floor: Floor::Free,
            agenda: VecDeque::new(),
            pending: None,
            reissue: None,
            interrupt_at: None,
            is_missing: false,
            planned: Vec::new(),
            ending: None,
            out: VecDeque::new(),
            noticed: Vec::new(),
        }
    }

    /// Takes up what an earlier connection of the session left.
    #[must_use]
    pub(crate) fn resuming(mut self, memory: Memory, switches: Switches) -> Self {
        (self.memory, self.switches) = (memory, switches);
        self
    }

    /// What to remember when the connection is gone.
    pub(crate) fn leave(self) -> (Memory, Switches) {
        (self.memory, self.switches)
    }

    /// The same while it goes on.
    pub(crate) fn leave_open(&self) -> (Memory, Switches) {
        (self.memory.clone(), self.switches.clone())
    }

    pub(crate) fn switches(&mut self) -> &mut Switches {
        &mut self.switches
    }

    /// Anything else that the client said.
    pub(crate) fn message(&mut self, now: Instant, message: ClientMessage) {
        match message {
            ClientMessage::Setup(_) => {
                self.refuse(Refusal::new(1007, "setup must be the first message and only the first."));
            }
            ClientMessage::Audio { rate_hz, pcm } => self.audio(now, rate_hz, &pcm),
            ClientMessage::Video => {}
            ClientMessage::Text(text) => self.text(&text),
            ClientMessage::ActivityStart => self.activity_start(now),
            ClientMessage::ActivityEnd => self.activity_end(),
            ClientMessage::AudioStreamEnd => self.audio_stream_end(),
            ClientMessage::Content { text, turn_complete } => self.content(&text, turn_complete),
            ClientMessage::ToolResponse(responses) => self.tool_responses(now, responses),
            ClientMessage::ContextUpdate(update) => self.note(|report| {
                report.texts.push(TextReceived { source: TextSource::ContextUpdate, text: update.to_string() });
            }),
        }
    }

    /// A fault, now.
    pub(crate) fn inject(&mut self, now: Instant, injection: Injection) {
        if !injection.fault.is_event() {
            self.switches.add(injection);
            return;
        }
        match injection.fault {
            Fault::GoAway { time_left, then } => {
                self.send(server::go_away(time_left.map(protobuf_seconds).as_deref()));
                self.ending = Some((now + time_left.unwrap_or(Duration::from_secs(10)), then));
            }
            Fault::Garbage => server::harmless_garbage().into_iter().for_each(|frame| self.send(frame)),
            Fault::Strays => {
                let complete = server::turn_complete(None, false, self.vertex);
                for frame in [server::interrupted(), complete.clone(), complete] {
                    self.send(frame);
                }
            }
            Fault::Drop => self.out.push_back(Output::Drop),
            Fault::Close { code, reason } => self.refuse(Refusal { code, reason }),
            transport => self.out.push_back(Output::Transport(transport)),
        }
    }

    /// A fault, later.
    pub(crate) fn plan(&mut self, at: Instant, injection: Injection) {
        self.planned.push((at, injection));
    }

    /// The next thing to do, once all that is due by `now` has happened.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Output> {
        if self.out.is_empty() {
            self.happen(now);
        }
        self.out.pop_front()
    }

    /// When something will happen by itself.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let planned = self.planned.iter().map(|(at, _)| *at).min();
        let ending = self.ending.as_ref().map(|(at, _)| *at);
        let reissue = self.reissue.as_ref().filter(|_| self.may_speak()).map(|reissue| reissue.at);
        [self.floor.wake_at(&self.world.timing), self.interrupt_at, planned, ending, reissue]
            .into_iter()
            .flatten()
            .min()
    }

    fn happen(&mut self, now: Instant) {
        while let Some(due) = self.planned.iter().position(|(at, _)| *at <= now) {
            let (_, injection) = self.planned.swap_remove(due);
            self.inject(now, injection);
        }
        if let Some((_, ending)) = self.ending.take_if(|(at, _)| *at <= now) {
            match ending {
                Ending::Deadline => {
                    self.refuse(Refusal::new(1011, "Deadline expired before operation could complete."));
                }
                Ending::Close { code, reason } => self.refuse(Refusal { code, reason }),
                Ending::Drop => self.out.push_back(Output::Drop),
                Ending::Never => {}
            }
        }
        if self.interrupt_at.take_if(|at| *at <= now).is_some() {
            self.interrupt();
        }
        self.speak_on(now);
        if let Some(reissue) = self.reissue.take_if(|reissue| reissue.at <= now && !self.floor.is_taken()) {
            self.call_tools(now, reissue.exchange, reissue.when);
        }
        if self.may_speak()
            && let Some(prompt) = self.agenda.pop_front()
        {
            self.floor = Floor::Thinking { prompt, at: now + self.world.timing.reply_delay };
            self.speak_on(now);
        }
    }

    /// Whether the model may take the floor.
    fn may_speak(&self) -> bool {
        let caller_speaks = self.ear.as_ref().is_some_and(Ear::is_speech) && !self.is_missing;
        let waits = self.pending.as_ref().is_some_and(|pending| pending.is_blocking);
        !self.floor.is_taken() && !caller_speaks && !waits
    }

    fn text(&mut self, text: &str) {
        self.note(|report| {
            report.texts.push(TextReceived { source: TextSource::Realtime, text: text.to_owned() });
        });
        if !self.setup.no_interruption {
            self.interrupt();
        }
        let prompt = match self.memory.unfinished.take() {
            Some(unfinished) if self.world.scenario.exchange_for(text).is_none() => unfinished,
            _ if !self.memory.greeted => Prompt::Greet,
            _ => self.prompt_for(text, &self.world.scenario.on_text),
        };
        self.agenda.push_back(prompt);
    }

    fn content(&mut self, text: &str, turn_complete: bool) {
        self.note(|report| {
            let source = TextSource::Content { turn_complete };
            report.texts.push(TextReceived { source, text: text.to_owned() });
        });
        if self.is_seeding {
            self.is_seeding = !turn_complete;
            return;
        }
        if self.memory.turns > 0 && !self.setup.profile.takes_late_content() {
            return self.refuse(Refusal::invalid_argument());
        }
        self.interrupt();
        if !turn_complete {
            return;
        }
        let prompt = match text.trim() {
            "" if !self.memory.greeted => Prompt::Greet,
            "" => self.memory.unfinished.take().unwrap_or_else(|| Prompt::Line(self.world.scenario.on_text.clone())),
            text => self.prompt_for(text, &self.world.scenario.on_content),
        };
        self.agenda.push_back(prompt);
    }

    /// What typed words ask for: a greeting, an exchange, or `otherwise`.
    fn prompt_for(&self, text: &str, otherwise: &str) -> Prompt {
        let lower = text.to_lowercase();
        let asks_to_greet = lower.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == "greet")
            && !["not greet", "n't greet", "never greet"].iter().any(|no| lower.contains(no));
        match self.world.scenario.exchange_for(text) {
            Some(exchange) => Prompt::Exchange(exchange),
            None if asks_to_greet => Prompt::Greet,
            None => Prompt::Line(otherwise.to_owned()),
        }
    }

    /// A fresh handle, if the client wants them and there is something to resume.
    fn offer_handle(&mut self) {
        if !self.setup.resumable || self.switches.look(|fault| (*fault == Fault::NoHandles).then_some(())).is_some() {
            return;
        }
        self.memory.handles += 1;
        let handle = format!("Cih{}-{}-{}", self.world.nonce, self.session, self.memory.handles);
        self.note(|report| report.handles.push(handle.clone()));
        self.send(server::resumption(Some(&handle)));
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.out.push_back(Output::Close(refusal));
    }

    fn send(&mut self, message: Bytes) {
        self.out.push_back(Output::Send(message));
    }

    /// Notes something that a careful client does not do.
    pub(crate) fn complain(&self, what: impl Into<String>) {
        self.note(|report| report.protocol_errors.push(what.into()));
    }

    fn note<T>(&self, write: impl FnOnce(&mut SessionReport) -> T) -> T {
        self.world.ledger.note(self.session, write)
    }
}
