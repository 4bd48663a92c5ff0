//! The outside of one call, in virtual time: Twilio's end of the line with a caller at it, and a scripted service.

use crate::audio::{g711, level};
use crate::gemini::close::Close;
use crate::gemini::live::{Action, LiveSession};
use crate::gemini::setup::tests::setup;
use crate::session::bridge::Patience;
use crate::session::conversation::{Conversation, Outward};
use crate::session::effect::{EndReason, Measure, Record, WatchdogStep};
use crate::session::transcript::{Said, Who};
use crate::twilio::leg::{CallLeg, Expected};
use crate::units::{Dbfs, SampleRate};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
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

/// What the service does when the caller has finished speaking.
#[derive(Debug, Clone)]
pub(super) enum Move {
    /// Speaks that text for that long.
    Say(&'static str, Duration),
    /// Speaks, and calls `end_call` when it has sent everything.
    SayGoodbye(&'static str, Duration),
    /// Calls a function under these ids, and says that when it is answered.
    Call(&'static [&'static str], &'static str, &'static str),
    /// Nothing at all.
    Nothing,
}

/// What is wrong with the service.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    /// Goes on speaking, whatever the caller does.
    pub(super) never_yields: bool,
    /// Speaks at that amplitude instead of a voice's.
    pub(super) amplitude: Option<i16>,
    /// Accepts connections and takes everything, but says nothing any more.
    pub(super) stalled: bool,
    /// Says nothing, and does not even answer a close or a new connection.
    pub(super) half_open: bool,
}

enum Due {
    Opened,
    Say(Value),
    Closed(u16, &'static str),
}

/// A scripted Gemini Live.
pub(super) struct Service {
    due: Vec<(Instant, u64, Due)>,
    order: u64,
    /// A socket is open, and that many were.
    open: bool,
    pub(super) connections: usize,
    pub(super) setups: Vec<Value>,
    /// All caller audio that was ever received, 16 kHz.
    pub(super) heard: Vec<i16>,
    part: Vec<i16>,
    voice: Duration,
    silence: Duration,
    speaking_until: Option<Instant>,
    pub(super) script: VecDeque<Move>,
    pending_call: Option<(usize, &'static str)>,
    pub(super) texts: Vec<String>,
    pub(super) answers: Vec<Value>,
    pub(super) greetings: usize,
    handles: usize,
    turns: usize,
    pub(super) faults: Faults,
    pub(super) closes: usize,
    /// Connections that were opened while the one before was still there: the service refuses their handles.
    pub(super) overlaps: usize,
    pub(super) interruptions: Vec<Instant>,
}

impl Service {
    fn new() -> Self {
        Self {
            due: Vec::new(),
            order: 0,
            open: false,
            connections: 0,
            setups: Vec::new(),
            heard: Vec::new(),
            part: Vec::new(),
            voice: Duration::ZERO,
            silence: Duration::ZERO,
            speaking_until: None,
            script: VecDeque::new(),
            pending_call: None,
            texts: Vec::new(),
            answers: Vec::new(),
            greetings: 0,
            handles: 0,
            turns: 0,
            faults: Faults::default(),
            closes: 0,
            overlaps: 0,
            interruptions: Vec::new(),
        }
    }

    fn later(&mut self, at: Instant, due: Due) {
        self.order += 1;
        self.due.push((at, self.order, due));
        self.due.sort_by_key(|(at, order, _)| (*at, *order));
    }

    fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, ..)| *at)
    }

    fn act(&mut self, now: Instant, action: Action) {
        match action {
            Action::Connect => {
                self.connections += 1;
                self.overlaps += usize::from(self.open);
                self.due.retain(|(_, _, due)| matches!(due, Due::Closed(..)));
                if !self.faults.half_open {
                    self.later(now + ms(80), Due::Opened);
                }
            }
            Action::Send(message) => self.receive(now, &serde_json::from_slice(&message).unwrap()),
            Action::Ping => {}
            Action::Close => {
                self.closes += 1;
                self.disconnect();
                if !self.faults.half_open {
                    self.later(now + ms(40), Due::Closed(1000, ""));
                }
            }
            Action::Drop => self.disconnect(),
        }
    }

    fn is_mute(&self, message: &Value) -> bool {
        self.faults.half_open || self.faults.stalled && message["setupComplete"].is_null()
    }

    fn disconnect(&mut self) {
        self.open = false;
        self.speaking_until = None;
        self.voice = Duration::ZERO;
        self.due.retain(|(_, _, due)| !matches!(due, Due::Say(_) | Due::Opened));
    }

    fn receive(&mut self, now: Instant, message: &Value) {
        if message["setup"].is_object() {
            self.setups.push(message["setup"].clone());
            self.open = true;
            if !self.faults.half_open {
                self.later(now + ms(60), Due::Say(json!({ "setupComplete": {} })));
            }
            return;
        }
        if self.faults.stalled || self.faults.half_open {
            return;
        }
        if let Some(data) = message["realtimeInput"]["audio"]["data"].as_str() {
            let bytes = STANDARD.decode(data).unwrap();
            let pcm: Vec<i16> = bytes.as_chunks::<2>().0.iter().map(|&pair| i16::from_le_bytes(pair)).collect();
            self.heard.extend_from_slice(&pcm);
            self.part.extend_from_slice(&pcm);
            while self.part.len() >= 320 {
                let frame: Vec<i16> = self.part.drain(..320).collect();
                self.listen(now, &frame);
            }
        } else if let Some(text) = message["realtimeInput"]["text"].as_str() {
            self.texts.push(text.to_owned());
            self.take_turn(now);
        } else if message["clientContent"].is_object() {
            let content = &message["clientContent"];
            if let Some(text) = content["turns"][0]["parts"][0]["text"].as_str() {
                self.texts.push(text.to_owned());
                if content["turnComplete"] == true {
                    self.take_turn(now);
                }
            } else {
                self.greetings += 1;
                self.take_turn(now);
            }
        } else if let Some(answers) = message["toolResponse"]["functionResponses"].as_array() {
            self.answers.extend(answers.iter().cloned());
            if let Some((waiting, then)) = self.pending_call.take() {
                if answers.len() < waiting {
                    self.pending_call = Some((waiting - answers.len(), then));
                } else {
                    self.say(now + ms(300), then, ms(1_500));
                }
            }
        }
    }

    /// The service's own voice activity: its clock is the audio that it receives.
    fn listen(&mut self, now: Instant, frame: &[i16]) {
        if level::dbfs(frame) > Dbfs(-45.0) {
            self.silence = Duration::ZERO;
            self.voice += FRAME_SPAN;
        } else {
            self.silence += FRAME_SPAN;
        }
        let speaking = self.speaking_until.is_some_and(|until| now < until);
        if speaking && self.voice >= ms(400) && !self.faults.never_yields {
            self.interrupt(now);
        }
        if self.silence >= ms(600) {
            let said = std::mem::take(&mut self.voice);
            if said >= ms(300) && !(speaking && self.faults.never_yields) {
                let text = format!(" caller turn {}", self.turns);
                self.later(now, Due::Say(json!({ "serverContent": { "inputTranscription": { "text": text } } })));
                self.take_turn(now);
            }
        }
    }

    fn interrupt(&mut self, now: Instant) {
        self.interruptions.push(now);
        self.speaking_until = None;
        self.due.retain(|(_, _, due)| !matches!(due, Due::Say(_)));
        self.later(now, Due::Say(json!({ "serverContent": { "interrupted": true } })));
        self.later(now, Due::Say(json!({ "serverContent": { "turnComplete": true } })));
        self.hand(now);
    }

    fn hand(&mut self, at: Instant) {
        self.handles += 1;
        let handle = format!("h{}", self.handles);
        self.later(at, Due::Say(json!({ "sessionResumptionUpdate": { "newHandle": handle, "resumable": true } })));
    }

    fn take_turn(&mut self, now: Instant) {
        self.turns += 1;
        match self.script.pop_front().unwrap_or(Move::Say("I see.", ms(800))) {
            Move::Say(text, span) => {
                self.say(now + ms(200), text, span);
            }
            Move::SayGoodbye(text, span) => {
                let sent = self.say(now + ms(200), text, span);
                let call = json!({ "id": format!("end-{}", self.turns), "name": "end_call", "args": {} });
                self.later(sent, Due::Say(json!({ "toolCall": { "functionCalls": [call] } })));
            }
            Move::Call(ids, name, then) => {
                for (n, id) in ids.iter().enumerate() {
                    let call = json!({ "functionCalls": [{ "id": id, "name": name, "args": { "day": 1 } }] });
                    self.later(now + ms(200 + 100 * n as u64), Due::Say(json!({ "toolCall": call })));
                }
                self.pending_call = Some((ids.len(), then));
            }
            Move::Nothing => {}
        }
    }

    /// Speaks from `at`, 3.3 times faster than real time. Returns when everything will have been sent.
    fn say(&mut self, at: Instant, text: &str, span: Duration) -> Instant {
        let words: Vec<&str> = text.split_inclusive(' ').collect();
        let pieces = span.as_millis() as usize / 100;
        let hz = 300.0 + 37.0 * (self.turns % 8) as f64;
        let step = 2.0 * std::f64::consts::PI * hz / 24_000.0;
        let amplitude = f64::from(self.faults.amplitude.unwrap_or(9_000));
        for piece in 0..pieces {
            let sample = |n: usize| ((step * (piece * 2_400 + n) as f64).sin() * amplitude) as i16;
            let bytes: Vec<u8> = (0..2_400).flat_map(|n| sample(n).to_le_bytes()).collect();
            let blob = json!({ "mimeType": "audio/pcm;rate=24000", "data": STANDARD.encode(bytes) });
            let mut content = json!({ "modelTurn": { "parts": [{ "inlineData": blob }] } });
            let begins = |n: &usize| n * pieces / words.len() == piece;
            let begun: String = (0..words.len()).filter(begins).map(|n| words[n]).collect();
            if !begun.is_empty() {
                content["outputTranscription"] = json!({ "text": begun });
            }
            self.later(at + ms(30) * piece as u32, Due::Say(json!({ "serverContent": content })));
        }
        let sent = at + ms(30) * pieces as u32;
        self.later(sent, Due::Say(json!({ "serverContent": { "generationComplete": true } })));
        self.later(at + span, Due::Say(json!({ "serverContent": { "turnComplete": true } })));
        self.hand(at + span);
        self.speaking_until = Some(at + span);
        sent
    }

    /// How long a tone of `hz` was heard, in all.
    pub(super) fn heard_tone(&self, hz: u32) -> Duration {
        let step = 2.0 * std::f64::consts::PI * f64::from(hz) / 16_000.0;
        let frames = self.heard.as_chunks::<320>().0.iter().filter(|frame| {
            let (mut re, mut im) = (0.0, 0.0);
            for (n, &sample) in frame.iter().enumerate() {
                re += f64::from(sample) * (step * n as f64).cos();
                im += f64::from(sample) * (step * n as f64).sin();
            }
            // Loud, and nothing else in it: a voice has many tones.
            let power = (re.hypot(im) * 2.0 / 320.0).powi(2) / 2.0;
            power > 5_000_000.0 && power > 0.7 * f64::from(level::mean_square(*frame))
        });
        FRAME_SPAN * frames.count() as u32
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
            while let Some(action) = self.conversation.live_mut().next_action() {
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
