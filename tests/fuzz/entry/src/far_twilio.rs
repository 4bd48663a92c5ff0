//! The far end of a call leg: writes what Twilio sends, and hears what it is sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frontdesk_core::audio::g711;
use frontdesk_core::audio::pace::FRAME;
use frontdesk_core::twilio::leg::Expected;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use crate::script::Sound;

/// What the stream must introduce itself with.
pub(crate) fn expected() -> Expected {
    Expected { account_sid: "AC1".into(), call_sid: "CA1".into(), token: "6f1c".into() }
}

/// The stream introduces itself.
pub(crate) fn start() -> String {
    json!({ "event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": {
        "accountSid": "AC1", "streamSid": "MZ1", "callSid": "CA1", "tracks": ["inbound"],
        "mediaFormat": { "encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1 },
        "customParameters": { "token": "6f1c" },
    } })
    .to_string()
}

/// The caller makes `sound` for `frames` times 20 ms.
pub(crate) fn media(sound: Sound, frames: u8) -> String {
    let mulaw: Vec<u8> = sound.pcm(usize::from(frames) * FRAME).into_iter().map(g711::encode).collect();
    json!({ "event": "media", "sequenceNumber": "2", "streamSid": "MZ1",
        "media": { "track": "inbound", "chunk": "1", "timestamp": "140", "payload": STANDARD.encode(mulaw) } })
    .to_string()
}

/// A mark comes back.
pub(crate) fn mark(name: &str) -> String {
    json!({ "event": "mark", "sequenceNumber": "3", "streamSid": "MZ1", "mark": { "name": name } }).to_string()
}

/// A key is pressed.
pub(crate) fn digit(digit: char) -> String {
    json!({ "event": "dtmf", "streamSid": "MZ1", "dtmf": { "track": "inbound_track", "digit": digit.to_string() } })
        .to_string()
}

/// The stream is over.
pub(crate) fn stop() -> String {
    json!({ "event": "stop", "sequenceNumber": "4", "streamSid": "MZ1", "stop": {} }).to_string()
}

/// Twilio's playback queue: how long it would sound if nothing more came, and the marks that it owes.
pub(crate) struct Queue {
    sounds_until: Instant,
    marks: Vec<String>,
}

impl Queue {
    pub(crate) fn new(now: Instant) -> Self {
        Self { sounds_until: now, marks: Vec::new() }
    }

    /// A message of ours arrives; anything that is not of the protocol is our fault.
    pub(crate) fn take(&mut self, now: Instant, message: &[u8]) {
        let message: Value = serde_json::from_slice(message).expect("we send JSON");
        assert_eq!(message["streamSid"], "MZ1");
        match message["event"].as_str() {
            Some("media") => {
                let payload = message["media"]["payload"].as_str().expect("media has a payload");
                let mulaw = STANDARD.decode(payload).expect("a payload is base64");
                assert!(!mulaw.is_empty() && mulaw.len().is_multiple_of(FRAME), "{} bytes of media", mulaw.len());
                self.sounds_until = self.sounds_until.max(now) + Duration::from_micros(125 * mulaw.len() as u64);
            }
            Some("mark") => {
                let name = message["mark"]["name"].as_str().expect("a mark has a name");
                self.marks.push(name.to_owned());
            }
            Some("clear") => self.sounds_until = now,
            other => panic!("we sent {other:?}"),
        }
    }

    /// The caller would hear that much more if the box died now: what a barge-in has to call back.
    pub(crate) fn ahead(&self, now: Instant) -> Duration {
        self.sounds_until.saturating_duration_since(now)
    }

    /// The last mark, given back: all before it has been played.
    pub(crate) fn newest_mark(&self) -> Option<String> {
        self.marks.last().map(|name| mark(name))
    }

    /// One of the marks, given back at whatever time.
    pub(crate) fn echo(&self, which: u8) -> Option<String> {
        self.marks.get(usize::from(which) % self.marks.len().max(1)).map(|name| mark(name))
    }
}
