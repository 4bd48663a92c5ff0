//! A scripted Gemini Live that speaks the wire's JSON, in virtual time.

use super::{FRAME_SPAN, ms};
use crate::audio::level;
use crate::gemini::live::Action;
use crate::units::Dbfs;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What the service does when the caller has finished speaking.
#[derive(Debug, Clone)]
pub(in crate::session::conversation::tests) enum Move {
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
pub(in crate::session::conversation::tests) struct Faults {
    /// Goes on speaking, whatever the caller does.
    pub(in crate::session::conversation::tests) never_yields: bool,
    /// Speaks at that amplitude instead of a voice's.
    pub(in crate::session::conversation::tests) amplitude: Option<i16>,
    /// Accepts connections and takes everything, but says nothing any more.
    pub(in crate::session::conversation::tests) stalled: bool,
    /// Says nothing, and does not even answer a close or a new connection.
    pub(in crate::session::conversation::tests) half_open: bool,
}

pub(in crate::session::conversation::tests) enum Due {
    Opened,
    Say(Value),
    Closed(u16, &'static str),
}

/// A scripted Gemini Live.
pub(in crate::session::conversation::tests) struct Service {
    pub(in crate::session::conversation::tests) due: Vec<(Instant, u64, Due)>,
    order: u64,
    /// A socket is open, and that many were.
    open: bool,
    pub(in crate::session::conversation::tests) connections: usize,
    pub(in crate::session::conversation::tests) setups: Vec<Value>,
    /// All caller audio that was ever received, 16 kHz.
    pub(in crate::session::conversation::tests) heard: Vec<i16>,
    part: Vec<i16>,
    voice: Duration,
    silence: Duration,
    speaking_until: Option<Instant>,
    pub(in crate::session::conversation::tests) script: VecDeque<Move>,
    pending_call: Option<(usize, &'static str)>,
    pub(in crate::session::conversation::tests) texts: Vec<String>,
    pub(in crate::session::conversation::tests) answers: Vec<Value>,
    pub(in crate::session::conversation::tests) greetings: usize,
    handles: usize,
    turns: usize,
    pub(in crate::session::conversation::tests) faults: Faults,
    pub(in crate::session::conversation::tests) closes: usize,
    /// Connections that were opened while the one before was still there: the service refuses their handles.
    pub(in crate::session::conversation::tests) overlaps: usize,
    pub(in crate::session::conversation::tests) interruptions: Vec<Instant>,
}

impl Service {
    pub(in crate::session::conversation::tests) fn new() -> Self {
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

    pub(in crate::session::conversation::tests) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, ..)| *at)
    }

    pub(in crate::session::conversation::tests) fn act(&mut self, now: Instant, action: Action) {
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

    pub(in crate::session::conversation::tests) fn is_mute(&self, message: &Value) -> bool {
        self.faults.half_open || self.faults.stalled && message["setupComplete"].is_null()
    }

    pub(in crate::session::conversation::tests) fn disconnect(&mut self) {
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
    pub(in crate::session::conversation::tests) fn heard_tone(&self, hz: u32) -> Duration {
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
