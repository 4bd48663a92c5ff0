//! One call from end to end: Twilio, the conversation and Gemini in any interleaving, in virtual time.
//!
//! Performed as the daemon's call task performs it. In the end the script is over and the world is left to itself, with
//! the network gone or with a model that says nothing: the conversation has to come to an end of its own.

use crate::far_gemini::{self as far, Said};
use crate::far_twilio::{self, Queue};
use crate::live::{Link, NetAct, Shell};
use crate::script::{self, Sound, acts, letter};
use arbitrary::{Arbitrary, Unstructured};
use frontdesk_core::gemini::calls::CallKey;
use frontdesk_core::gemini::close::{Close, ConnectFailure};
use frontdesk_core::gemini::live::LiveSession;
use frontdesk_core::session::bridge::Patience;
use frontdesk_core::session::conversation::{Conversation, Outward};
use frontdesk_core::session::effect::{EndReason, Measure, Record};
use frontdesk_core::session::turn::Turn;
use frontdesk_core::source::Source as _;
use frontdesk_core::twilio::leg::CallLeg;
use serde_json::json;
use std::time::{Duration, Instant};

const LEAD: Duration = Duration::from_millis(200);
const PATIENCE: Patience =
    Patience { no_input: Duration::from_secs(15), goodbye: Duration::from_secs(30), longest: Duration::from_mins(3) };

/// What the world does. The letter of each act is in front of it.
#[derive(Debug)]
enum Act<'a> {
    /// As in [`NetAct`].
    Net(NetAct<'a>),
    /// `A` Twilio connects the stream.
    Attach,
    /// `S`
    Start,
    /// `M` sound, frames.
    Media(Sound, u8),
    /// `E` which.
    Echo(u8),
    /// `D` key.
    Digit(u8),
    /// `Q`
    StopMessage,
    /// `T` length, text.
    Text(&'a [u8]),
    /// `L` the stream breaks off.
    LineLost,
    /// `R` which: a function has been carried out.
    ToolDone(u8),
    /// `X` why: somebody outside ends it.
    Stop(u8),
    /// `C` sound, tenths of a second: time passes on a healthy line while the caller makes that sound.
    Live(Sound, u8),
    /// `J` tenths of a second: the model says something, all of it at once.
    Reply(u8),
    /// `K` the model's turn is over.
    TurnOver,
    /// `H` the caller asks something, and is understood.
    Question,
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
            b'A' => Self::Attach,
            b'S' => Self::Start,
            b'M' => Self::Media(bytes.arbitrary()?, bytes.arbitrary()?),
            b'E' => Self::Echo(bytes.arbitrary()?),
            b'D' => Self::Digit(bytes.arbitrary()?),
            b'Q' => Self::StopMessage,
            b'T' => Self::Text(script::piece(bytes)?),
            b'L' => Self::LineLost,
            b'R' => Self::ToolDone(bytes.arbitrary()?),
            b'X' => Self::Stop(bytes.arbitrary()?),
            b'J' => Self::Reply(bytes.arbitrary()?),
            b'K' => Self::TurnOver,
            b'H' => Self::Question,
            b'C' => Self::Live(bytes.arbitrary()?, bytes.arbitrary()?),
            _ => Self::Wait(script::span(bytes, 10)?),
        })
    }
}

/// The model (one byte); how it begins, ends, and whether connections are renewed often (three bits of another); acts.
pub fn conversation(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let (Ok(model), Ok(frame)) = (bytes.arbitrary::<u8>(), bytes.arbitrary::<u8>()) else { return };
    let mut call = Call::new(model, if frame & 4 == 4 { Duration::from_mins(8) } else { Duration::from_secs(30) });
    if frame & 2 == 2 {
        call.answered();
    }
    for act in acts(&mut bytes) {
        call.act(&act);
        if call.ended.is_some() {
            break;
        }
    }
    call.comes_to_an_end(frame & 1 == 0);
}

struct Call {
    now: Instant,
    conversation: Conversation<CallLeg>,
    shell: Shell,
    queue: Queue,
    attached: bool,
    running: Vec<CallKey>,
    newest: Option<CallKey>,
    ended: Option<Outward>,
}

impl Call {
    fn new(model: u8, rotate_after: Duration) -> Self {
        let now = Instant::now();
        let live = LiveSession::new(far::setup(model), rotate_after, u64::from(model));
        let mut call = Self {
            now,
            conversation: Conversation::new(now, live, PATIENCE),
            shell: Shell::new(model),
            queue: Queue::new(now),
            attached: false,
            running: Vec::new(),
            newest: None,
            ended: None,
        };
        call.settle();
        call
    }

    fn act(&mut self, act: &Act<'_>) {
        let now = self.now;
        match act {
            Act::Net(act) => return self.net(act),
            Act::Attach => self.attach(),
            Act::Start => self.hear(&far_twilio::start()),
            Act::Media(sound, frames) => self.hear(&far_twilio::media(*sound, *frames)),
            Act::Echo(which) => {
                if let Some(mark) = self.queue.echo(*which) {
                    self.hear(&mark);
                }
            }
            Act::Digit(key) => self.hear(&far_twilio::digit(char::from(*key))),
            Act::StopMessage => self.hear(&far_twilio::stop()),
            Act::Text(text) => self.hear(&String::from_utf8_lossy(text)),
            Act::LineLost => {
                if self.conversation.source().is_some() {
                    self.conversation.source_lost(now);
                }
            }
            Act::ToolDone(which) => self.tool_done(*which),
            Act::Stop(why) => self.conversation.stop(
                now,
                match why % 4 {
                    0 => EndReason::Staff,
                    1 => EndReason::Draining,
                    2 => EndReason::CallerLeft,
                    _ => EndReason::LineLost,
                },
            ),
            Act::Live(sound, seconds) => self.live(*sound, Duration::from_millis(u64::from(*seconds) * 100)),
            Act::Reply(tenths) => {
                self.says(Said::Speech(3, Sound::VOICE, tenths.saturating_mul(10)));
                self.says(Said::AgentText("One moment please. ".to_owned()));
                self.says(Said::Flags(0b10));
            }
            Act::TurnOver => self.says(Said::Flags(0b100)),
            Act::Question => {
                self.live(Sound::VOICE, Duration::from_secs(1));
                self.says(Said::CallerText("When are you open?".to_owned()));
                self.live(Sound::SILENCE, Duration::from_millis(600));
            }
            Act::Wait(span) => self.wait(*span),
        }
        self.settle();
    }

    fn says(&mut self, said: Said<'_>) {
        self.net(&NetAct::Says(said));
    }

    /// Both far ends are there and the line is started.
    fn answered(&mut self) {
        self.net(&NetAct::Opened);
        self.says(Said::SetupComplete);
        self.attach();
        self.hear(&far_twilio::start());
        self.settle();
    }

    fn net(&mut self, act: &NetAct<'_>) {
        let replying =
            matches!(self.conversation.turn(), Turn::Replying { .. }) && self.conversation.source().is_some();
        self.shell.net(self.now, self.conversation.live_mut(), act);
        self.conversation.live_fed(self.now);
        self.settle();
        let interrupted = matches!((act, &self.shell.link), (NetAct::Says(said), Link::Open(_)) if said.interrupts());
        if replying && interrupted {
            assert_eq!(self.queue.ahead(self.now), Duration::ZERO, "the agent talks on although it was interrupted");
        }
    }

    fn attach(&mut self) {
        if self.conversation.source().is_none() {
            self.attached = true;
            self.queue = Queue::new(self.now);
            self.conversation.attach(CallLeg::new(self.now, far_twilio::expected(), LEAD));
        }
    }

    fn hear(&mut self, text: &str) {
        let Some(leg) = self.conversation.source_mut() else { return };
        match leg.handle(self.now, text) {
            Ok(()) => self.conversation.source_fed(self.now),
            Err(_) => self.conversation.stop(self.now, EndReason::Failed("the media stream broke its protocol")),
        }
    }

    fn tool_done(&mut self, which: u8) {
        if !self.running.is_empty() {
            let key = self.running.remove(usize::from(which) % self.running.len());
            self.conversation.tool_done(self.now, key, json!({ "output": which }));
        }
    }

    /// Does what is due and performs what came of it, as the call's task does.
    fn settle(&mut self) {
        self.conversation.poll(self.now);
        let fault = self.conversation.source_mut().and_then(|leg| leg.poll(self.now).err());
        if fault.is_some() {
            self.conversation.stop(self.now, EndReason::Failed("the media stream broke its protocol"));
        }
        while let Some(outward) = self.conversation.next_outward() {
            self.on_outward(outward);
        }
        self.shell.perform(self.now, self.conversation.live_mut());
        if let Some(leg) = self.conversation.source_mut() {
            while let Some(message) = leg.next_message() {
                self.queue.take(self.now, &message);
            }
            assert!(leg.heard_audio().is_empty(), "what the caller said was not passed on");
            assert!(leg.heard(self.now) <= leg.end());
        }
        assert_eq!(self.ended.is_some(), self.conversation.is_over(), "over without an end, or the other way round");
        assert!(self.ended.is_none() || self.conversation.deadline(self.now).is_none(), "over, and wants to be polled");
    }

    fn on_outward(&mut self, outward: Outward) {
        match outward {
            Outward::RunTool(call) => {
                assert!(self.newest.replace(call.key).is_none_or(|before| before < call.key), "a call runs twice");
                self.running.push(call.key);
            }
            Outward::CancelTool(key) => self.running.retain(|running| *running != key),
            Outward::Record(Record::Said(said)) => {
                assert!(!said.text.trim().is_empty(), "a say without a word");
                assert!(said.started <= said.ended, "a say that ends before it begins");
            }
            Outward::Measure(Measure::BargeIn(took)) => assert!(took < Duration::from_secs(5), "{took:?}"),
            Outward::HangUp(_) | Outward::FallBack(_) | Outward::Gone(_) => {
                assert_eq!(self.ended, None, "ended twice, now by {outward:?}");
                self.ended = Some(outward);
            }
            Outward::LiveReady => {
                if let Link::Open(wire) = &mut self.shell.link {
                    wire.ready();
                }
            }
            Outward::LiveLost(_) | Outward::Record(_) | Outward::Measure(_) => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let leg = self.conversation.source().and_then(|leg| leg.deadline(self.now));
        // A leg that is at fault is closed with the conversation.
        let leg = leg.filter(|_| self.ended.is_none());
        [self.conversation.deadline(self.now), leg].into_iter().flatten().min()
    }

    fn wait(&mut self, span: Duration) {
        let until = self.now + span;
        let mut polls = 0;
        while let Some(due) = self.deadline().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            self.settle();
            polls += 1;
            assert!(polls <= 40 + span.as_millis() / 4, "{polls} polls within {span:?}: a deadline that spins");
        }
        self.now = until;
    }

    /// Lets `span` pass while the caller makes `sound` and the far end confirms what it plays.
    fn live(&mut self, sound: Sound, span: Duration) {
        let until = self.now + span;
        while self.now < until && self.ended.is_none() {
            self.hear(&far_twilio::media(sound, 10));
            self.settle();
            self.wait(Duration::from_millis(200));
            if let Some(mark) = self.queue.newest_mark().filter(|_| self.queue.ahead(self.now).is_zero()) {
                self.hear(&mark);
            }
            self.settle();
        }
    }

    /// The script is over: with a deaf and mute world around it, the conversation ends by itself.
    fn comes_to_an_end(&mut self, reachable: bool) {
        let until = self.now + PATIENCE.longest + Duration::from_mins(2);
        if self.ended.is_none() && !self.attached {
            // The task waits half a minute for a stream.
            self.conversation.stop(self.now, EndReason::LineLost);
            self.settle();
        }
        if !reachable && matches!(self.shell.link, Link::Open(_) | Link::Closing) {
            self.shell.close(self.now, self.conversation.live_mut(), &Close::broken("pulled"));
            self.conversation.live_fed(self.now);
        }
        while self.ended.is_none() && self.now < until {
            self.world(reachable);
            // A frame now and then shows that the path is not dead.
            if self.conversation.source().is_some_and(CallLeg::is_started) {
                self.hear(&far_twilio::media(Sound::SILENCE, 1));
            }
            self.settle();
            self.wait(Duration::from_secs(2));
            self.settle();
        }
        assert!(self.ended.is_some(), "a conversation without an end; the floor: {:?}", self.conversation.turn());
    }

    /// What is left of the network.
    fn world(&mut self, reachable: bool) {
        let live = self.conversation.live_mut();
        if !matches!(self.shell.link, Link::Connecting) {
            if reachable {
                live.alive(self.now);
            }
            return;
        }
        if reachable {
            self.shell.net(self.now, live, &NetAct::Opened);
            self.conversation.live_fed(self.now);
            self.settle();
            self.shell.net(self.now, self.conversation.live_mut(), &NetAct::Says(Said::SetupComplete));
        } else {
            self.shell.refuse(self.now, live, &ConnectFailure::Network("no route".into()));
        }
        self.conversation.live_fed(self.now);
    }
}
