//! A call and its outside, in virtual time: Twilio's end of the line with a caller at it, and a scripted service.

#[path = "conversation_service.rs"]
mod service;

use crate::audio::{g711, level};
use crate::gemini::close::Close;
use crate::gemini::live::LiveSession;
use crate::gemini::setup::tests::setup;
use crate::session::bridge::Patience;
use crate::session::conversation::{Conversation, Outward};
use crate::session::effect::{EndReason, Measure, Record, WatchdogStep};
use crate::session::transcript::{Said, Who};
use crate::twilio::leg::{CallLeg, Expected};
use crate::units::SampleRate;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use service::Due;
pub(super) use service::{Faults, Move, Service};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub(super) const CALLER: &[u8] = include_bytes!("../../tests/data/voice/caller.ulaw");
pub(super) const STOP: &[u8] = include_bytes!("../../tests/data/voice/stop.ulaw");
pub(super) const QUESTION: &[u8] = include_bytes!("../../tests/data/voice/question.ulaw");
const FRAME: usize = 160;
const FRAME_SPAN: Duration = Duration::from_millis(20);
const ROTATE: Duration = Duration::from_mins(8);

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Mu-law of a tone at -12 dBFS: a "word" that can be recognised among others.
pub(super) fn tone_word(hz: u32, span: Duration) -> Vec<u8> {
    let step = 2.0 * std::f64::consts::PI * f64::from(hz) / 8_000.0;
    let samples = SampleRate::TELEPHONY.samples_in(span);
    (0..samples).map(|n| g711::encode((11_600.0 * (step * n as f64).sin()) as i16)).collect()
}

/// Twilio's end of the media stream: a queue played at 8000 bytes a second, and what the caller says.
pub(super) struct Far {
    began: Instant,
    queue: VecDeque<Queued>,
    /// What the caller hears, from the beginning of the stream; 0xFF where nothing was queued.
    pub(super) heard: Vec<u8>,
    /// How many of these came from us.
    pub(super) spoken: usize,
    mic: VecDeque<u8>,
    next_frame: Instant,
    pub(super) clears: Vec<Instant>,
}

enum Queued {
    Byte(u8),
    Mark(String),
}

impl Far {
    fn new(now: Instant) -> Self {
        Self {
            began: now,
            queue: VecDeque::new(),
            heard: Vec::new(),
            spoken: 0,
            mic: VecDeque::new(),
            next_frame: now,
            clears: Vec::new(),
        }
    }

    /// Plays up to `now` and returns the marks that were reached.
    fn advance(&mut self, now: Instant) -> Vec<String> {
        let mut marks = Vec::new();
        let due = SampleRate::TELEPHONY.samples_in(now - self.began);
        loop {
            while let Some(Queued::Mark(_)) = self.queue.front() {
                let Some(Queued::Mark(name)) = self.queue.pop_front() else { unreachable!() };
                marks.push(name);
            }
            if self.heard.len() >= due {
                return marks;
            }
            match self.queue.pop_front() {
                Some(Queued::Byte(byte)) => {
                    self.spoken += 1;
                    self.heard.push(byte);
                }
                _ => self.heard.push(g711::SILENCE),
            }
        }
    }

    fn receive(&mut self, now: Instant, message: &Value) -> Vec<String> {
        match message["event"].as_str() {
            Some("media") => {
                let payload = STANDARD.decode(message["media"]["payload"].as_str().unwrap()).unwrap();
                self.queue.extend(payload.into_iter().map(Queued::Byte));
                Vec::new()
            }
            Some("mark") => {
                self.queue.push_back(Queued::Mark(message["mark"]["name"].as_str().unwrap().to_owned()));
                Vec::new()
            }
            Some("clear") => {
                self.clears.push(now);
                let cleared = std::mem::take(&mut self.queue).into_iter();
                cleared.filter_map(|item| if let Queued::Mark(name) = item { Some(name) } else { None }).collect()
            }
            other => panic!("{other:?} is not of the protocol"),
        }
    }

    fn next_mark(&self) -> Option<Instant> {
        let at = self.queue.iter().position(|item| matches!(item, Queued::Mark(_)))?;
        // Rounded up, so that the mark is really reached then.
        Some(self.began + SampleRate::TELEPHONY.duration_of(self.heard.len() + at) + Duration::from_micros(1))
    }

    fn frame(&mut self) -> Vec<u8> {
        (0..FRAME).map(|_| self.mic.pop_front().unwrap_or(g711::SILENCE)).collect()
    }
}

/// A conversation, the line and the service, run from deadline to deadline.
pub(super) struct World {
    pub(super) began: Instant,
    pub(super) now: Instant,
    pub(super) conversation: Conversation<CallLeg>,
    pub(super) far: Far,
    pub(super) service: Service,
    pub(super) outward: Vec<(Duration, Outward)>,
    /// What a function answers, by name; `None` never answers.
    pub(super) tools: fn(&str) -> Option<Value>,
    connected: bool,
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "tests need some instant to count from")]
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let patience = Patience { no_input: ms(15_000), goodbye: ms(30_000), longest: Duration::from_mins(30) };
        Self::with(now, patience)
    }

    pub(super) fn with(now: Instant, patience: Patience) -> Self {
        let conversation = Conversation::new(now, LiveSession::new(setup(), ROTATE, 1), patience);
        let mut world = Self {
            began: now,
            now,
            conversation,
            far: Far::new(now),
            service: Service::new(),
            outward: Vec::new(),
            tools: |_| Some(json!({ "output": "done" })),
            connected: false,
        };
        world.settle();
        world
    }

    /// The caller is on the line and has been greeted for 2 s.
    pub(super) fn greeted() -> Self {
        let mut world = Self::new();
        world.service.script.push_back(Move::Say("Good morning, this is the clinic.", ms(2_000)));
        world.run(ms(300));
        world.answer();
        world.run(ms(2_600));
        assert_eq!(world.service.greetings, 1);
        world
    }

    /// The stream begins.
    pub(super) fn answer(&mut self) {
        let expected = Expected { account_sid: "AC1".into(), call_sid: "CA1".into(), token: "6f1c".into() };
        self.conversation.attach(CallLeg::new(self.now, expected, ms(200)));
        self.far.began = self.now;
        self.far.next_frame = self.now;
        self.far.heard.clear();
        self.far.queue.clear();
        self.connected = true;
        self.tell(&json!({ "event": "connected" }));
        self.tell(&json!({ "event": "start", "streamSid": "MZ1", "start": {
            "accountSid": "AC1", "callSid": "CA1", "customParameters": { "token": "6f1c" },
            "mediaFormat": { "encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1 },
        } }));
    }

    /// The stream breaks off without a word.
    pub(super) fn break_line(&mut self) {
        self.connected = false;
        self.conversation.source_lost(self.now);
        self.settle();
    }

    /// Twilio says something.
    pub(super) fn tell(&mut self, message: &Value) {
        if let Some(leg) = self.conversation.source_mut() {
            leg.handle(self.now, &message.to_string()).unwrap();
            self.conversation.source_fed(self.now);
        }
        self.settle();
    }

    /// The caller begins to say `mulaw` with the next frame.
    pub(super) fn say(&mut self, mulaw: &[u8]) {
        self.far.mic.extend(mulaw);
    }

    /// The service says something.
    pub(super) fn serve(&mut self, message: &Value) {
        self.conversation.live_mut().frame(self.now, message.to_string().as_bytes());
        self.conversation.live_fed(self.now);
        self.settle();
    }

    /// The service's connection breaks.
    pub(super) fn drop_connection(&mut self) {
        self.service.disconnect();
        self.conversation.live_mut().closed(self.now, &Close::broken("reset"));
        self.conversation.live_fed(self.now);
        self.settle();
    }

    /// Lets `span` pass.
    pub(super) fn run(&mut self, span: Duration) {
        let until = self.now + span;
        let mut still = 0;
        loop {
            let next = self.next().map_or(until, |next| next.min(until));
            still = if next <= self.now { still + 1 } else { 0 };
            assert!(still < 50, "something is due again and again at {:?}", self.elapsed());
            self.now = self.now.max(next);
            self.step();
            if self.now >= until && self.next().is_none_or(|next| next > self.now) {
                return;
            }
        }
    }

    /// Lets time pass until `wanted`, for `most` at most.
    pub(super) fn run_until(&mut self, most: Duration, wanted: impl Fn(&Self) -> bool) -> bool {
        let until = self.now + most;
        while self.now < until && !wanted(self) {
            self.run(ms(5));
        }
        wanted(self)
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.began
    }

    fn next(&self) -> Option<Instant> {
        let leg = self.conversation.source().and_then(|leg| leg.deadline(self.now));
        let frame = self.connected.then_some(self.far.next_frame);
        let mark = self.far.next_mark().filter(|_| self.connected);
        [self.conversation.deadline(self.now), leg, frame, mark, self.service.next()].into_iter().flatten().min()
    }

    fn step(&mut self) {
        if self.connected {
            let marks = self.far.advance(self.now);
            self.echo(marks);
            while self.now >= self.far.next_frame {
                self.far.next_frame += FRAME_SPAN;
                let payload = STANDARD.encode(self.far.frame());
                self.tell(&json!({ "event": "media", "streamSid": "MZ1", "media": { "payload": payload } }));
            }
        }
        while self.service.next().is_some_and(|at| at <= self.now) {
            match self.service.due.remove(0).2 {
                Due::Opened => self.conversation.live_mut().opened(self.now),
                Due::Say(message) if self.service.is_mute(&message) => {}
                Due::Say(message) => self.serve(&message),
                Due::Closed(code, reason) => {
                    self.conversation.live_mut().closed(self.now, &Close { code, reason: reason.into() });
                    self.conversation.live_fed(self.now);
                }
            }
            self.settle();
        }
        self.conversation.poll(self.now);
        if let Some(leg) = self.conversation.source_mut() {
            leg.poll(self.now).unwrap();
        }
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            let mut idle = true;
            while let Some(action) = self.conversation.live_mut().next_action(true) {
                idle = false;
                self.service.act(self.now, action);
            }
            while let Some(outward) = self.conversation.next_outward() {
                idle = false;
                self.perform(outward);
            }
            while let Some(message) = self.conversation.source_mut().and_then(CallLeg::next_message) {
                idle = false;
                let early = self.far.advance(self.now);
                let cleared = self.far.receive(self.now, &serde_json::from_slice(&message).unwrap());
                self.echo(early);
                self.echo(cleared);
            }
            if idle {
                return;
            }
        }
    }

    fn echo(&mut self, marks: Vec<String>) {
        for name in marks {
            if let Some(leg) = self.conversation.source_mut() {
                let message = json!({ "event": "mark", "streamSid": "MZ1", "mark": { "name": name } });
                leg.handle(self.now, &message.to_string()).unwrap();
                self.conversation.source_fed(self.now);
            }
        }
    }

    fn perform(&mut self, outward: Outward) {
        let answer = if let Outward::RunTool(call) = &outward {
            (self.tools)(&call.name).map(|answer| (call.key, answer))
        } else {
            None
        };
        self.outward.push((self.elapsed(), outward));
        if let Some((key, answer)) = answer {
            self.conversation.tool_done(self.now, key, answer);
        }
    }

    pub(super) fn said(&self) -> Vec<&Said> {
        let said = |(_, outward): &'_ (Duration, Outward)| matches!(outward, Outward::Record(Record::Said(_)));
        let records = self.outward.iter().filter(|outward| said(outward));
        records
            .map(|(_, outward)| if let Outward::Record(Record::Said(said)) = outward { said } else { unreachable!() })
            .collect()
    }

    pub(super) fn said_by(&self, who: Who) -> Vec<&str> {
        self.said().into_iter().filter(|said| said.who == who).map(|said| said.text.as_str()).collect()
    }

    pub(super) fn measures(&self) -> Vec<Measure> {
        let measure = |(_, outward): &(Duration, Outward)| {
            if let Outward::Measure(measure) = outward { Some(*measure) } else { None }
        };
        self.outward.iter().filter_map(measure).collect()
    }

    /// The watchdog's steps and when they were taken.
    pub(super) fn steps(&self) -> Vec<(Duration, WatchdogStep)> {
        let step = |(at, outward): &(Duration, Outward)| {
            if let Outward::Measure(Measure::Watchdog(step)) = outward { Some((*at, *step)) } else { None }
        };
        self.outward.iter().filter_map(step).collect()
    }

    pub(super) fn noted(&self, kind: &str) -> usize {
        let is = |(_, outward): &&(Duration, Outward)| matches!(outward, Outward::Record(Record::Event { kind: noted, .. }) if *noted == kind);
        self.outward.iter().filter(is).count()
    }

    /// How the conversation ended, and when.
    pub(super) fn end(&self) -> Option<(Duration, &Outward)> {
        let ends = |(_, outward): &&(Duration, Outward)| {
            matches!(outward, Outward::HangUp(_) | Outward::FallBack(_) | Outward::Gone(_))
        };
        let mut ends = self.outward.iter().filter(ends);
        let end = ends.next().map(|(at, outward)| (*at, outward));
        assert!(ends.next().is_none(), "a conversation ends once");
        end
    }

    pub(super) fn ended_as(&self, expected: &Outward) -> Duration {
        let (at, outward) = self.end().expect("the conversation has ended");
        assert_eq!(outward, expected);
        at
    }

    /// The level of what the caller heard between two moments, in 20 ms frames.
    pub(super) fn levels(&self, from: Instant, to: Instant) -> Vec<f32> {
        let at = |when: Instant| SampleRate::TELEPHONY.samples_in(when - self.far.began).min(self.far.heard.len());
        let pcm: Vec<i16> = self.far.heard[at(from)..at(to)].iter().map(|&byte| g711::decode(byte)).collect();
        pcm.chunks(FRAME).map(|frame| level::dbfs(frame).0).collect()
    }
}

/// The end that a polite hang-up is.
pub(super) fn hang_up(reason: EndReason) -> Outward {
    Outward::HangUp(reason)
}
