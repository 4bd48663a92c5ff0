//! One live session: anything from Gemini and its network, in virtual time.

use crate::far_gemini::{self as far, Said, Wire};
use crate::is_short;
use crate::script::{self, Sound, acts, letter};
use arbitrary::{Arbitrary, Unstructured};
use frontdesk_core::gemini::calls::CallKey;
use frontdesk_core::gemini::close::{Close, ConnectFailure};
use frontdesk_core::gemini::live::{Action, LiveEvent, LiveSession, Opening};
use frontdesk_core::gemini::wire::Scheduling;
use serde_json::json;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What the network and the service do. The letter of each act is in front of it.
#[derive(Debug)]
pub(crate) enum NetAct<'a> {
    /// `O` the socket opens.
    Opened,
    /// `N` why: it does not.
    Refused(u8),
    /// `G` a message.
    Says(Said<'a>),
    /// `Z` how: the socket closes.
    Closed(u8),
    /// `V` a pong.
    Alive,
    /// `Y` the socket takes nothing more, or takes messages again.
    Stuck,
}

impl<'a> NetAct<'a> {
    /// The act that `letter` stands for, if it is one of the network's.
    pub(crate) fn read(letter: u8, bytes: &mut Unstructured<'a>) -> arbitrary::Result<Option<Self>> {
        Ok(Some(match letter {
            b'O' => Self::Opened,
            b'N' => Self::Refused(bytes.arbitrary()?),
            b'G' => Self::Says(bytes.arbitrary()?),
            b'Z' => Self::Closed(bytes.arbitrary()?),
            b'V' => Self::Alive,
            b'Y' => Self::Stuck,
            _ => return Ok(None),
        }))
    }
}

/// What the conversation does with the session, beside what the network does.
#[derive(Debug)]
enum Act<'a> {
    Net(NetAct<'a>),
    /// `B` how, length, text.
    Begin(u8, String),
    /// `M` sound, blocks of 20 ms: the caller speaks.
    Audio(Sound, u8),
    /// `T` length, text.
    Text(String),
    /// `A` which, scheduling.
    Answer(u8, u8),
    /// `Q` nobody would notice a new connection, or somebody would.
    Quiet(bool),
    /// `R`
    Resume,
    /// `F`
    StartAfresh,
    /// `X`
    Finish,
    /// `L` seconds.
    WaitLong(Duration),
    /// `W` tens of milliseconds.
    Wait(Duration),
}

impl<'a> Arbitrary<'a> for Act<'a> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let letter = letter(bytes)?;
        if let Some(act) = NetAct::read(letter, bytes)? {
            return Ok(Self::Net(act));
        }
        Ok(match letter {
            b'B' => Self::Begin(bytes.arbitrary()?, script::text(bytes)?),
            b'M' => Self::Audio(bytes.arbitrary()?, bytes.arbitrary()?),
            b'T' => Self::Text(script::text(bytes)?),
            b'A' => Self::Answer(bytes.arbitrary()?, bytes.arbitrary()?),
            b'Q' => Self::Quiet(bytes.arbitrary()?),
            b'R' => Self::Resume,
            b'F' => Self::StartAfresh,
            b'X' => Self::Finish,
            b'L' => Self::WaitLong(script::span(bytes, 1_000)?),
            _ => Self::Wait(script::span(bytes, 10)?),
        })
    }
}

/// The model (one byte), then acts. In the end the network goes away for good, and the session has to notice.
pub fn live_session(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let Ok(model) = bytes.arbitrary::<u8>() else { return };
    let mut run = Run::new(model);
    for act in acts(&mut bytes) {
        run.act(&act);
    }
    run.the_network_goes_away();
}

/// The socket that a session asked for, as the shell holds it.
#[derive(Default)]
pub(crate) enum Link {
    /// None is wanted.
    #[default]
    None,
    /// Being opened.
    Connecting,
    /// Open.
    Open(Wire),
    /// Closed by us, the far end's answer still to come.
    Closing,
}

/// New connections within a second that nobody asked for but the session itself.
const HASTE: usize = 8;

/// The shell's side of a session: its socket, and what it keeps an eye on.
pub(crate) struct Shell {
    pub(crate) link: Link,
    model: u8,
    /// The socket cannot take a message.
    stuck: bool,
    connects: VecDeque<Instant>,
}

impl Shell {
    pub(crate) fn new(model: u8) -> Self {
        Self { link: Link::None, model, stuck: false, connects: VecDeque::new() }
    }

    /// New connections from here on are somebody's wish.
    pub(crate) fn asked(&mut self) {
        self.connects.clear();
    }

    /// Hands the session what the network did, if its socket is where that can happen.
    pub(crate) fn net(&mut self, now: Instant, live: &mut LiveSession, act: &NetAct<'_>) {
        match (act, &self.link) {
            (NetAct::Opened, Link::Connecting) => {
                self.link = Link::Open(Wire::new(far::setup(self.model).capabilities()));
                live.opened(now);
            }
            (NetAct::Refused(why), Link::Connecting) => self.refuse(now, live, &far::failure(*why)),
            (NetAct::Says(said), Link::Open(_) | Link::Closing) => live.frame(now, &said.frame()),
            (NetAct::Alive, Link::Open(_) | Link::Closing) => live.alive(now),
            (NetAct::Closed(how), Link::Open(_) | Link::Closing) => self.close(now, live, &far::close(*how)),
            (NetAct::Stuck, Link::Open(_)) => self.stuck = !self.stuck,
            _ => {}
        }
    }

    pub(crate) fn refuse(&mut self, now: Instant, live: &mut LiveSession, failure: &ConnectFailure) {
        self.link = Link::None;
        live.refused(now, failure);
    }

    pub(crate) fn close(&mut self, now: Instant, live: &mut LiveSession, close: &Close) {
        self.link = Link::None;
        live.closed(now, close);
    }

    /// Performs what the session asks for.
    pub(crate) fn perform(&mut self, now: Instant, live: &mut LiveSession) {
        let mut actions = 0;
        // A socket that is stuck can still be closed; the next one is not stuck for it.
        while let Some(action) = live.next_action(!self.stuck) {
            actions += 1;
            assert!(actions < 1_000, "actions without an end, now {action:?}");
            match (action, &mut self.link) {
                (Action::Connect, link) => {
                    *link = Link::Connecting;
                    self.stuck = false;
                    self.connected(now);
                }
                (Action::Send(_), _) if self.stuck => panic!("sent where nothing is taken"),
                (Action::Send(message), Link::Open(wire)) => wire.take(&message),
                (Action::Send(_) | Action::Ping, Link::None | Link::Connecting | Link::Closing) => {
                    panic!("sent where nothing is open");
                }
                (Action::Ping, Link::Open(_)) => {}
                (Action::Close, link @ Link::Open(_)) => *link = Link::Closing,
                (Action::Close | Action::Drop, link) => *link = Link::None,
            }
        }
    }

    fn connected(&mut self, now: Instant) {
        self.connects.push_back(now);
        self.connects.retain(|at| now < *at + Duration::from_secs(1));
        assert!(self.connects.len() <= HASTE, "{} connections within a second: a loop", self.connects.len());
    }
}

struct Run {
    now: Instant,
    live: LiveSession,
    shell: Shell,
    running: Vec<CallKey>,
    newest: Option<CallKey>,
    lost: bool,
    finished: bool,
}

impl Run {
    fn new(model: u8) -> Self {
        let now = Instant::now();
        let mut live = LiveSession::new(far::setup(model), Duration::from_secs(30), u64::from(model));
        live.connect(now);
        let shell = Shell::new(model);
        let mut run = Self { now, live, shell, running: Vec::new(), newest: None, lost: false, finished: false };
        run.settle();
        run
    }

    fn act(&mut self, act: &Act<'_>) {
        let now = self.now;
        match act {
            Act::Net(act) => self.shell.net(now, &mut self.live, act),
            Act::Begin(how, text) => self.live.begin(&opening(*how, text)),
            Act::Audio(sound, blocks) => {
                self.live.send_audio(now, &sound.pcm(usize::from(*blocks) * 320));
                let (waiting, _) = self.live.uplink_backlog();
                assert!(waiting <= 7 * 16_000, "{waiting} samples wait for the uplink");
            }
            Act::Text(text) => self.live.send_text(text),
            Act::Answer(which, when) => self.answer(*which, *when),
            Act::Quiet(quiet) => self.live.set_quiet(now, *quiet),
            Act::Resume => {
                self.shell.asked();
                self.live.resume(now, "a wish");
            }
            Act::StartAfresh => {
                self.shell.asked();
                self.live.start_afresh(now, "a wish");
            }
            Act::Finish => {
                self.live.finish();
                self.finished = true;
            }
            Act::WaitLong(span) | Act::Wait(span) => self.wait(*span),
        }
        self.settle();
    }

    fn answer(&mut self, which: u8, when: u8) {
        if self.running.is_empty() {
            return;
        }
        let key = self.running.remove(usize::from(which) % self.running.len());
        let scheduling = [None, Some(Scheduling::WhenIdle), Some(Scheduling::Silent)][usize::from(when) % 3];
        self.live.answer_tool(self.now, key, &json!({ "output": which }), scheduling);
    }

    fn settle(&mut self) {
        while let Some(event) = self.live.next_event() {
            self.on_event(event);
        }
        self.shell.perform(self.now, &mut self.live);
        if self.lost || self.finished {
            assert_eq!(self.live.deadline(), None, "a session that is over wants to be polled");
            assert!(
                !matches!(self.shell.link, Link::Connecting | Link::Open(_)),
                "a session that is over is connected"
            );
        }
    }

    fn on_event(&mut self, event: LiveEvent) {
        match event {
            LiveEvent::Ready { resumed } => {
                // The shell has sent the setup before the service could accept it.
                if let Link::Open(wire) = &mut self.shell.link {
                    wire.ready();
                }
                assert!(!resumed || self.live.is_open(), "a resumed session listens at once");
            }
            LiveEvent::Speech(range) => {
                let _ = self.live.speech(&range);
            }
            LiveEvent::ToolCall(call) => {
                assert!(self.newest.replace(call.key).is_none_or(|before| before < call.key), "a call runs twice");
                self.running.push(call.key);
            }
            LiveEvent::ToolCancelled(key) => {
                let known = self.running.iter().position(|running| *running == key);
                self.running.remove(known.expect("only what runs is cancelled"));
            }
            LiveEvent::Lost { why, .. } => {
                is_short(&why);
                assert!(!std::mem::replace(&mut self.lost, true), "lost twice");
            }
            LiveEvent::Reconnecting { why } => is_short(&why),
            LiveEvent::TurnComplete { reason } => is_short(&reason.unwrap_or_default()),
            LiveEvent::CallerSaid(_)
            | LiveEvent::AgentSaid(_)
            | LiveEvent::Interrupted
            | LiveEvent::GenerationComplete
            | LiveEvent::WaitingForInput
            | LiveEvent::Usage(_)
            | LiveEvent::NudgedAfterTool
            | LiveEvent::Garbage => {}
        }
    }

    fn wait(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(due) = self.live.deadline().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            self.live.poll(self.now);
            self.settle();
            let next = self.live.deadline();
            assert!(next.is_none_or(|next| next > self.now), "still due after the poll");
        }
        self.now = until;
        self.live.poll(until);
    }

    /// Whatever happened before: a session that nobody answers any more says so within a minute.
    fn the_network_goes_away(&mut self) {
        if matches!(self.shell.link, Link::Open(_) | Link::Closing) {
            self.shell.close(self.now, &mut self.live, &Close::broken("pulled"));
            self.settle();
        }
        let until = self.now + Duration::from_mins(1);
        while self.now < until && !self.lost && !self.finished {
            if matches!(self.shell.link, Link::Connecting) {
                self.shell.refuse(self.now, &mut self.live, &ConnectFailure::Network("no route".into()));
                self.settle();
            } else {
                self.wait(Duration::from_millis(250));
                self.settle();
            }
        }
        assert!(self.lost || self.finished, "nobody was told that the model cannot be reached");
    }
}

fn opening(how: u8, text: &str) -> Opening {
    match how % 3 {
        0 => Opening::Greet,
        1 => Opening::Answer,
        _ => Opening::Summary { text: text.to_owned(), answer: how >= 128 },
    }
}
