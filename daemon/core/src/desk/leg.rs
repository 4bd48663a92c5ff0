//! The speakerphone as a party of a conversation: blocks of 10 ms both ways.
//!
//! The device's clock paces everything: speech is handed out as far as the worker in front of the device has room, and
//! how far it has been heard comes back with every captured block. What a barge-in must drop waits here or carries an
//! epoch that the worker and the device's thread look at, so it is dropped at once wherever it is.
//!
//! While the agent is heard, the model gets what the microphone has only from a voice on that the local detector has
//! found: what a canceller leaves of an echo is enough to make the service interrupt itself. What came just before the
//! detector was sure is kept, and goes ahead of the rest.
//!
//! Two scales count samples of agent speech (24 kHz). The *device's* never goes back: it numbers what was handed out.
//! The conversation's goes back to what was heard when the rest is dropped. [`DeskLeg`] alone knows both.

use crate::audio::level;
use crate::audio::pace::Position;
use crate::audio::vad::VoiceEvent;
use crate::source::{Source, SourceEvent};
use crate::units::{Dbfs, SampleRate};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Samples of one block of the agent's speech: 10 ms.
pub const BLOCK: usize = 240;
const RATE: SampleRate = SampleRate::SPEAKING;
/// Positions of a conversation count at telephony's rate.
const PER_POSITION: u64 = 3;
/// A block below this level is silence to a listener.
const AUDIBLE: Dbfs = Dbfs(-50.0);
/// The echo of the agent's last sound comes that much behind it: the device's own delay and the room's tail.
const ECHO_TAIL: Duration = Duration::from_millis(250);
/// What is kept of the microphone while the agent is heard, samples of 16 kHz: 300 ms. A voice over the agent's is found
/// 60 to 150 ms after it began.
const KEPT: usize = 4_800;
/// Of that, so much goes ahead when the echo's time is over: a quick answer may have begun before, and the detector was
/// not sure of it yet. What is older may still be echo.
const UNSURE: usize = 2_400;
/// A device that reports nothing for that long has stopped: what is heard no longer moves by the clock.
const STALE: Duration = Duration::from_millis(200);

/// What the shell is to do at the device, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeskOrder {
    /// Whatever was handed out and has not been heard is dropped: a new epoch begins.
    Flush,
    /// The agent's voice is lowered, or comes back.
    Duck(bool),
}

/// One block for the loudspeaker.
#[derive(Debug, Clone, Copy)]
pub struct SpeechBlock<'a> {
    /// At most [`BLOCK`] samples; fewer only at the end of a reply.
    pub pcm: &'a [i16],
    /// The device's scale behind it.
    pub end: u64,
    /// Nothing follows for now.
    pub last: bool,
}

/// The desk in one conversation.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each with a comment")]
pub struct DeskLeg {
    heard_audio: Vec<i16>,
    events: VecDeque<SourceEvent>,
    orders: VecDeque<DeskOrder>,
    /// Speech that has not been handed out.
    speech: VecDeque<i16>,
    block: Vec<i16>,
    /// The reply in `speech` is complete: a remainder below a block goes too.
    complete: bool,
    /// The last block that was handed out was told to be the last.
    closed: bool,
    /// The device's scale: handed out so far, and the newest report.
    handed: u64,
    played: u64,
    reported: Instant,
    /// What was dropped unheard: the device's scale less the conversation's.
    dropped: u64,
    /// How far the ear came before the last flush; nothing goes back behind it.
    floor: u64,
    audible_to: u64,
    audible_until: Option<Instant>,
    ducked: bool,
    /// A voice is under way, as the local detector hears it.
    in_voice: bool,
    kept: VecDeque<i16>,
}

impl DeskLeg {
    /// A desk that listens from now on, whose device stands at `played`.
    pub fn new(now: Instant, played: u64) -> Self {
        Self {
            heard_audio: Vec::with_capacity(4_096),
            events: VecDeque::from([SourceEvent::Started]),
            orders: VecDeque::with_capacity(4),
            speech: VecDeque::with_capacity(4 * RATE.hz() as usize),
            block: Vec::with_capacity(BLOCK),
            complete: true,
            closed: true,
            handed: played,
            played,
            reported: now,
            dropped: played,
            floor: 0,
            audible_to: 0,
            audible_until: None,
            ducked: false,
            in_voice: false,
            kept: VecDeque::with_capacity(KEPT),
        }
    }

    /// Takes one captured block (16 kHz) that arrived at `now`, what the talker did in it, and how far the device's
    /// scale had come.
    pub fn hear(&mut self, now: Instant, pcm: &[i16], voice: Option<VoiceEvent>, played: u64) {
        // A late report must not take the ear back, and none can be ahead of what was handed out.
        self.played = played.clamp(self.played, self.handed.max(self.played));
        self.reported = now;
        self.in_voice = match voice {
            Some(VoiceEvent::Onset | VoiceEvent::Sustained) => true,
            Some(VoiceEvent::End { .. }) => false,
            None => self.in_voice,
        };
        self.pass(now, pcm);
        self.events.extend(voice.map(SourceEvent::Voice));
        if self.audible_to > self.played {
            self.audible_until = Some(now + RATE.duration_of((self.audible_to - self.played) as usize));
        }
    }

    /// Passes on what the microphone had, or silence in its place.
    fn pass(&mut self, now: Instant, pcm: &[i16]) {
        let agent_heard = self.audible_until.is_some_and(|until| now < until + ECHO_TAIL);
        if agent_heard && !self.in_voice {
            let surplus = (self.kept.len() + pcm.len()).saturating_sub(KEPT);
            self.kept.drain(..surplus.min(self.kept.len()));
            self.kept.extend(pcm);
            self.heard_audio.resize(self.heard_audio.len() + pcm.len(), 0);
            return;
        }
        let surplus = if self.in_voice { 0 } else { self.kept.len().saturating_sub(UNSURE) };
        self.heard_audio.extend(self.kept.drain(..).skip(surplus));
        self.heard_audio.extend_from_slice(pcm);
    }

    /// The next block for the loudspeaker, if there is a whole one or the end of a reply. Whoever has no room for it
    /// does not ask.
    pub fn next_block(&mut self, now: Instant) -> Option<SpeechBlock<'_>> {
        let whole = self.speech.len() >= BLOCK;
        let ends = self.complete && !self.closed;
        if !whole && !ends {
            return None;
        }
        let take = self.speech.len().min(BLOCK);
        self.block.clear();
        self.block.extend(self.speech.drain(..take));
        self.handed += take as u64;
        self.closed = self.complete && self.speech.is_empty();
        if level::dbfs(&self.block) > AUDIBLE {
            self.audible_to = self.handed;
            let ahead = self.handed - self.played_by(now);
            self.audible_until = Some(now + RATE.duration_of(ahead as usize));
        }
        Some(SpeechBlock { pcm: &self.block, end: self.handed, last: self.closed })
    }

    /// The next thing to be done at the device. Taken before [`next_block`](Self::next_block).
    pub fn next_order(&mut self) -> Option<DeskOrder> {
        self.orders.pop_front()
    }

    /// The person has gone, or ends the conversation.
    pub fn leave(&mut self) {
        self.events.push_back(SourceEvent::Ended);
    }

    /// Samples (24 kHz) that wait here.
    pub fn backlog(&self) -> usize {
        self.speech.len()
    }

    /// The device's scale at `now`: the newest report and the time since, as far as was handed out.
    fn played_by(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.reported).min(STALE);
        (self.played + RATE.samples_in(since) as u64).min(self.handed)
    }

    /// The conversation's scale at `now`, in samples.
    fn ear(&self, now: Instant) -> u64 {
        self.conversations(self.played_by(now))
    }

    /// The conversation's scale where the device's is at `played`. What it plays behind a flush is not counted.
    fn conversations(&self, played: u64) -> u64 {
        played.saturating_sub(self.dropped).max(self.floor)
    }
}

impl Source for DeskLeg {
    fn next_event(&mut self) -> Option<SourceEvent> {
        self.events.pop_front()
    }

    fn heard_audio(&self) -> &[i16] {
        &self.heard_audio
    }

    fn audio_taken(&mut self) {
        self.heard_audio.clear();
    }

    fn play(&mut self, speech: &[i16]) {
        self.complete = false;
        self.closed = false;
        self.speech.extend(speech);
    }

    fn complete_reply(&mut self) {
        self.complete = true;
    }

    fn duck(&mut self, _now: Instant) {
        if !std::mem::replace(&mut self.ducked, true) {
            self.orders.push_back(DeskOrder::Duck(true));
        }
    }

    fn unduck(&mut self) {
        if std::mem::replace(&mut self.ducked, false) {
            self.orders.push_back(DeskOrder::Duck(false));
        }
    }

    fn flush(&mut self, now: Instant) -> Position {
        let ear = self.ear(now);
        self.dropped = self.handed - ear;
        self.floor = ear;
        self.speech.clear();
        self.complete = true;
        self.closed = true;
        self.audible_to = 0;
        self.audible_until = self.audible_until.map(|until| until.min(now));
        self.orders.push_back(DeskOrder::Flush);
        self.unduck();
        Position(ear / PER_POSITION)
    }

    fn end(&self) -> Position {
        Position((self.handed - self.dropped + self.speech.len() as u64) / PER_POSITION)
    }

    fn heard(&self, now: Instant) -> Position {
        Position(self.ear(now) / PER_POSITION)
    }

    fn is_confirmed(&self) -> bool {
        self.speech.is_empty() && self.conversations(self.played) + self.dropped >= self.handed
    }

    fn audible_until(&self) -> Option<Instant> {
        self.audible_until
    }
}

#[cfg(test)]
#[path = "leg_tests.rs"]
mod tests;
