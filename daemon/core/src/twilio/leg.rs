//! One phone call's media stream as a state machine: no socket, no clock.
//!
//! ```text
//!              handle(text) ┌─────────┐ events: caller audio at 16 kHz, voice, digits, the end
//!   Twilio ────────────────►│ CallLeg ├────────────────────────────────────────────► conversation
//!          ◄────────────────┤         │◄──────────────────────────────────────────── play, duck, flush
//!              poll(): text └─────────┘ agent audio at 24 kHz
//! ```
//!
//! A leg knows its codec, its rate and its pacing, and how to fall silent at once. It knows nothing of the model.

use super::message::{self, Envelope, Inbound, MessageError, Writer};
use crate::audio::g711;
use crate::audio::pace::{Playout, PlayoutItem, Position};
use crate::audio::resample::Resampler;
use crate::audio::vad::Vad;
use crate::source::{Source, SourceEvent};
use crate::units::SampleRate;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Without media for that long the path is dead: Twilio sends frames without a pause, silence included.
pub const DEAD_PATH: Duration = Duration::from_secs(4);
/// A stream that has not introduced itself by then is not one.
pub const START_WITHIN: Duration = Duration::from_secs(5);
/// Messages of ours that may wait for a far end that does not read, about ten seconds of speech.
const MAX_WAITING: usize = 150;
/// Base64 of one media message: six seconds of speech; more than 20 ms was never seen.
const MAX_PAYLOAD: usize = 64 * 1_024;

/// Whom a stream must belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Our account.
    pub account_sid: String,
    /// The call whose signed webhook minted the token.
    pub call_sid: String,
    /// The token of the path; the parameter must repeat it.
    pub token: String,
}

/// Why a stream is closed by us. The peer's fault, each.
#[derive(Debug, thiserror::Error)]
pub enum LegFault {
    /// A message that is not of the protocol.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A frame that is not text.
    #[error("a binary frame of {0} bytes: Media Streams sends text")]
    Binary(usize),
    /// It names another stream.
    #[error("a message for stream {0:?}, which is not this one")]
    ForeignStream(String),
    /// It introduced itself as something that our token was not made for.
    #[error("the stream introduces itself with a {0} that its token was not made for")]
    NotExpected(&'static str),
    /// Not mono mu-law at 8 kHz.
    #[error("the stream carries {0}; only audio/x-mulaw at 8000 Hz with 1 channel is supported")]
    Format(String),
    /// Started twice, or media before start.
    #[error("{0} came at a moment when it makes no sense")]
    OutOfOrder(&'static str),
    /// No start in time.
    #[error("no start message within {START_WITHIN:?}")]
    NoStart,
    /// Nothing arrives any more.
    #[error("no media for {DEAD_PATH:?}: the path is dead")]
    DeadPath,
    /// It does not read what we send.
    #[error("{MAX_WAITING} messages wait unread: the far end does not read")]
    NotReading,
}

impl LegFault {
    /// The WebSocket close code that tells the peer.
    pub fn close_code(&self) -> u16 {
        match self {
            Self::Message(_) | Self::ForeignStream(_) | Self::OutOfOrder(_) => 1007,
            Self::Binary(_) | Self::Format(_) => 1003,
            Self::NotExpected(_) | Self::NoStart | Self::NotReading => 1008,
            Self::DeadPath => 1001,
        }
    }
}

enum State {
    Waiting { since: Instant },
    Started { stream: String, writer: Writer, last_media: Instant },
    Over,
}

/// One phone call's media stream.
///
/// After every [`handle`](Self::handle) and whenever [`deadline`](Self::deadline) passes, call [`poll`](Self::poll),
/// then take the messages with [`next_message`](Self::next_message) until there are none. What it hears and says is
/// reached through [`Source`].
pub struct CallLeg {
    expected: Expected,
    state: State,
    playout: Playout,
    down: Resampler,
    up: Resampler,
    vad: Vad,
    mulaw: Vec<u8>,
    narrow: Vec<i16>,
    wide: Vec<i16>,
    outbox: VecDeque<Bytes>,
    events: VecDeque<SourceEvent>,
    clears: u32,
}

impl CallLeg {
    /// A leg that waits for its stream to introduce itself, with `lead` of audio kept at the far end.
    pub fn new(now: Instant, expected: Expected, lead: Duration) -> Self {
        Self {
            expected,
            state: State::Waiting { since: now },
            playout: Playout::new(lead),
            down: Resampler::new(SampleRate::SPEAKING, SampleRate::TELEPHONY),
            up: Resampler::new(SampleRate::TELEPHONY, SampleRate::LISTENING),
            vad: Vad::new(),
            mulaw: Vec::with_capacity(320),
            narrow: Vec::with_capacity(1_024),
            wide: Vec::with_capacity(1_024),
            outbox: VecDeque::with_capacity(8),
            events: VecDeque::with_capacity(8),
            clears: 0,
        }
    }

    /// Takes one text message of Twilio's. A fault means: close the stream with its code. What still comes behind the
    /// end says nothing any more.
    pub fn handle(&mut self, now: Instant, text: &str) -> Result<(), LegFault> {
        if matches!(self.state, State::Over) {
            return Ok(());
        }
        let Envelope { stream_sid, message } = Envelope::parse(text)?;
        if let (State::Started { stream, .. }, Some(named)) = (&self.state, &stream_sid)
            && stream != named
        {
            return Err(LegFault::ForeignStream(named.chars().take(40).collect()));
        }
        match message {
            Inbound::Media { payload } => self.on_media(now, &payload),
            Inbound::Mark { name } => {
                // A mark that is not ours cannot have been sent by us: Twilio's business, and harmless.
                if let Ok(mark) = name.parse() {
                    self.playout.acknowledge(now, mark);
                }
                Ok(())
            }
            Inbound::Start(start) => {
                let sid = stream_sid.ok_or(MessageError::Incomplete { event: "start", part: "streamSid" })?;
                self.on_start(now, &sid, &start)
            }
            Inbound::Dtmf { digit } => {
                self.events.push_back(SourceEvent::Digit(digit));
                Ok(())
            }
            Inbound::Stop => {
                self.end();
                Ok(())
            }
            Inbound::Connected | Inbound::Other => Ok(()),
        }
    }

    /// The socket is gone, with or without a word.
    pub fn lost(&mut self) {
        self.end();
    }

    /// Does what is due at `now`: hands out audio, notices a dead path.
    pub fn poll(&mut self, now: Instant) -> Result<(), LegFault> {
        match &mut self.state {
            State::Waiting { since } if now >= *since + START_WITHIN => Err(LegFault::NoStart),
            State::Waiting { .. } | State::Over => Ok(()),
            State::Started { last_media, .. } if now >= *last_media + DEAD_PATH => Err(LegFault::DeadPath),
            State::Started { writer, .. } => {
                let outbox = &mut self.outbox;
                self.playout.poll(now, |item| {
                    outbox.push_back(match item {
                        PlayoutItem::Media(mulaw) => writer.media(mulaw),
                        PlayoutItem::Mark(mark) => writer.mark(&mark),
                    });
                });
                if outbox.len() > MAX_WAITING { Err(LegFault::NotReading) } else { Ok(()) }
            }
        }
    }

    /// When [`poll`](Self::poll) must be called next, whatever arrives until then.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        match &self.state {
            State::Over => None,
            State::Waiting { since } => Some(*since + START_WITHIN),
            State::Started { last_media, .. } => {
                let dead = *last_media + DEAD_PATH;
                Some(self.playout.deadline(now).map_or(dead, |due| due.min(dead)))
            }
        }
    }

    /// The next message for Twilio. Whoever cannot send now leaves it here: [`LegFault::NotReading`] ends a far end
    /// that never reads.
    pub fn next_message(&mut self) -> Option<Bytes> {
        self.outbox.pop_front()
    }

    /// What the caller hears of the agent, and how far.
    pub fn playout(&self) -> &Playout {
        &self.playout
    }

    /// Whether media can flow.
    pub fn is_started(&self) -> bool {
        matches!(self.state, State::Started { .. })
    }

    /// Whether Twilio has said that the stream is over, or the leg was told so: the call has ended or moved on.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Messages that wait to be taken.
    pub fn waiting(&self) -> usize {
        self.outbox.len()
    }

    fn on_media(&mut self, now: Instant, payload: &str) -> Result<(), LegFault> {
        let State::Started { last_media, .. } = &mut self.state else {
            return Err(LegFault::OutOfOrder("media"));
        };
        if payload.len() > MAX_PAYLOAD {
            return Err(MessageError::Payload.into());
        }
        *last_media = now;
        message::decode_payload(payload, &mut self.mulaw)?;
        self.narrow.clear();
        g711::decode_into(&self.mulaw, &mut self.narrow);
        let fresh = self.wide.len();
        self.up.push(&self.narrow, &mut self.wide);
        let events = &mut self.events;
        self.vad.push(&self.wide[fresh..], self.playout.is_audible(now), |voice| {
            events.push_back(SourceEvent::Voice(voice));
        });
        Ok(())
    }

    fn on_start(&mut self, now: Instant, stream: &str, start: &message::Start<'_>) -> Result<(), LegFault> {
        if !matches!(self.state, State::Waiting { .. }) {
            return Err(LegFault::OutOfOrder("start"));
        }
        if start.call_sid != self.expected.call_sid {
            return Err(LegFault::NotExpected("callSid"));
        }
        if start.account_sid != self.expected.account_sid {
            return Err(LegFault::NotExpected("accountSid"));
        }
        if start.token.as_deref() != Some(&self.expected.token) {
            return Err(LegFault::NotExpected("token parameter"));
        }
        if !start.format.is_telephony() {
            let format = &start.format;
            let found = format!("{:.40} at {} Hz x {}", format.encoding, format.sample_rate, format.channels);
            return Err(LegFault::Format(found));
        }
        let plain = stream.len() <= 64 && stream.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !plain {
            return Err(LegFault::NotExpected("streamSid"));
        }
        self.state = State::Started { stream: stream.to_owned(), writer: Writer::new(stream), last_media: now };
        self.events.push_back(SourceEvent::Started);
        Ok(())
    }

    /// How often the far end was told to clear.
    pub fn clears(&self) -> u32 {
        self.clears
    }

    fn send_clear(&mut self) {
        self.clears += 1;
        // Media that has not even left us must not arrive behind the clear.
        self.outbox.clear();
        if let State::Started { writer, .. } = &mut self.state {
            self.outbox.push_back(writer.clear());
        }
    }

    fn end(&mut self) {
        if !matches!(self.state, State::Over) {
            self.state = State::Over;
            self.outbox.clear();
            self.events.push_back(SourceEvent::Ended);
        }
    }
}

impl Source for CallLeg {
    fn next_event(&mut self) -> Option<SourceEvent> {
        self.events.pop_front()
    }

    fn heard_audio(&self) -> &[i16] {
        &self.wide
    }

    fn audio_taken(&mut self) {
        self.wide.clear();
    }

    fn play(&mut self, speech: &[i16]) {
        self.narrow.clear();
        self.down.push(speech, &mut self.narrow);
        self.playout.push(&self.narrow);
    }

    fn complete_reply(&mut self) {
        self.narrow.clear();
        self.down.flush(&mut self.narrow);
        self.playout.push(&self.narrow);
        self.playout.complete();
    }

    fn duck(&mut self, now: Instant) {
        if self.playout.duck(now) {
            self.send_clear();
        }
    }

    fn unduck(&mut self) {
        self.playout.unduck();
    }

    fn flush(&mut self, now: Instant) -> Position {
        self.down.reset();
        let (heard, clear) = self.playout.flush(now);
        // What a slow far end has left with us has been played by the clock, and would still be heard by the caller.
        if clear || !self.outbox.is_empty() {
            self.send_clear();
        }
        heard
    }

    fn end(&self) -> Position {
        self.playout.end()
    }

    fn heard(&self, now: Instant) -> Position {
        self.playout.heard(now)
    }

    fn is_confirmed(&self) -> bool {
        self.playout.is_confirmed()
    }

    fn audible_until(&self) -> Option<Instant> {
        self.playout.audible_until()
    }
}

#[cfg(test)]
#[path = "leg_tests.rs"]
mod tests;
