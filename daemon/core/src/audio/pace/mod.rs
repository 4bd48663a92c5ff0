//! Playout towards a phone: when each byte leaves us, and what the ear has had.
//!
//! The model speaks about three times faster than real time. The backlog stays here and leaves with a short lead, so
//! that what a barge-in must drop is ours to drop. What has left but not been heard is kept too: ducking takes it back
//! (`clear`) and sends it again, quieter, with a shorter lead.
//!
//! ```text
//!  push ──► queue ──due──► sent, unheard ──clock, marks──► heard
//!             ▲                 │
//!             └──── duck ───────┘          flush drops both
//! ```
//!
//! Positions count samples of agent speech since the call began; silence between replies does not count.

mod duck;
mod mark;
mod reel;
#[cfg(test)]
mod tests;

pub use self::mark::{MarkName, NotOurMark, Position};

use self::reel::Reel;
use super::g711;
use crate::units::{Gain, SampleRate};
use std::time::{Duration, Instant};

/// Bytes of one 20 ms frame of telephony.
pub const FRAME: usize = 160;
const RATE: SampleRate = SampleRate::TELEPHONY;
/// Sent at once when that much is due: fewer, larger messages; the lead pays for it with two fifths of itself.
const QUANTUM: usize = 4 * FRAME;
/// A mark at least every that many samples while talking.
const MARK_EVERY: u64 = 8 * 400;
/// Lead while ducked: what a following flush may at most take back. No lead is shorter: it must hold more than one
/// quantum, or nothing would ever be due.
const DUCKED_LEAD: Duration = Duration::from_millis(60);
/// Sent bytes kept for ducking: the longest lead (400 ms) and what the network may hold beyond it.
const KEPT: usize = 8 * 600;

/// What the playout wants said to the far end, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum PlayoutItem<'a> {
    /// Mu-law, a multiple of [`FRAME`] bytes.
    Media(&'a [u8]),
    /// A mark to be echoed when everything before it has been played.
    Mark(MarkName),
}

/// One party's playout. Holds what it was given and has not been heard, 8 kB a second of speech.
pub struct Playout {
    lead: Duration,
    speech: Reel,
    out: Vec<u8>,
    generation: u32,
    /// Samples sent since the call began; what is unsent follows this position.
    position: Position,
    run: Option<Run>,
    marked: Position,
    acknowledged: Position,
    latency: Duration,
    /// The reply in the queue is complete: a remainder below a frame is padded and goes too.
    complete: bool,
    gain: Gain,
    target: Gain,
    /// Frames until `gain` has become `target`.
    fade_left: u32,
    ducked: bool,
    audible_until: Option<Instant>,
}

/// A stretch of gapless playing.
#[derive(Debug, Clone, Copy)]
struct Run {
    started: Instant,
    from: Position,
}

impl Playout {
    /// A playout that keeps `lead` of audio at the far end, 60 ms at least.
    pub fn new(lead: Duration) -> Self {
        Self {
            lead: lead.max(DUCKED_LEAD),
            speech: Reel::default(),
            out: Vec::with_capacity(QUANTUM),
            generation: 0,
            position: Position(0),
            run: None,
            marked: Position(0),
            acknowledged: Position(0),
            latency: Duration::ZERO,
            complete: true,
            gain: Gain::UNITY,
            target: Gain::UNITY,
            fade_left: 0,
            ducked: false,
            audible_until: None,
        }
    }

    /// Appends speech at 8 kHz.
    pub fn push(&mut self, pcm: &[i16]) {
        self.complete = false;
        self.speech.push(pcm.iter().map(|&sample| g711::encode(sample)));
    }

    /// The reply is complete: its remainder goes out padded to a whole frame, followed by a mark.
    pub fn complete(&mut self) {
        self.complete = true;
    }

    /// Where the next pushed sample will stand.
    pub fn end(&self) -> Position {
        Position(self.position.0 + self.speech.unsent() as u64)
    }

    /// Samples that wait here, unsent.
    pub fn backlog(&self) -> usize {
        self.speech.unsent()
    }

    /// How far the ear has come by `now`: within one mark interval of the truth.
    ///
    /// The clock says how much can have been played since the run began, half the marks' measured round trip later;
    /// an echoed mark is proof and lifts the figure.
    pub fn heard(&self, now: Instant) -> Position {
        self.heard_behind(now, self.latency / 2)
    }

    /// How far the ear will have come when a `clear` sent at `now` gets there: it travels as long as the media did.
    fn heard_at_clear(&self, now: Instant) -> Position {
        self.heard_behind(now, Duration::ZERO)
    }

    fn heard_behind(&self, now: Instant, way: Duration) -> Position {
        let Some(run) = self.run else { return self.position };
        let played = now.saturating_duration_since(run.started + way);
        let by_clock = run.from.0 + RATE.samples_in(played) as u64;
        Position(by_clock.max(self.acknowledged.0).min(self.position.0))
    }

    /// Whether everything pushed has been heard by `now`.
    pub fn is_finished(&self, now: Instant) -> bool {
        self.speech.unsent() == 0 && self.heard(now) >= self.position
    }

    /// Whether the far end has echoed the mark behind everything that was pushed.
    pub fn is_confirmed(&self) -> bool {
        self.speech.unsent() == 0 && self.acknowledged >= self.position
    }

    /// Until when audible sound reaches the ear, as far as it has been sent; in the past when the agent is silent.
    pub fn audible_until(&self) -> Option<Instant> {
        self.audible_until
    }

    /// Whether a listener hears the agent at `now`.
    pub fn is_audible(&self, now: Instant) -> bool {
        self.audible_until.is_some_and(|until| now < until + self.latency)
    }

    /// Until when the far end has sound, if nothing more is sent; `None` when it is silent at `now`.
    fn runs_until(&self, now: Instant) -> Option<Instant> {
        let run = self.run?;
        let until = run.started + RATE.duration_of((self.position.0 - run.from.0) as usize);
        (until > now).then_some(until)
    }

    /// Hands what is due at `now` to `sink`.
    pub fn poll(&mut self, now: Instant, mut sink: impl FnMut(PlayoutItem<'_>)) {
        let due = self.due(now);
        if due == 0 {
            return;
        }
        self.take(now, due);
        sink(PlayoutItem::Media(&self.out));
        let last = self.speech.unsent() == 0 && self.complete;
        if last || self.position.0 - self.marked.0 >= MARK_EVERY {
            self.marked = self.position;
            sink(PlayoutItem::Mark(MarkName { generation: self.generation, position: self.position }));
        }
    }

    /// When [`poll`](Self::poll) will have something to do, if nothing is pushed until then.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        if self.sendable() == 0 {
            return None;
        }
        let Some(until) = self.runs_until(now) else { return Some(now) };
        let ahead = self.current_lead().saturating_sub(RATE.duration_of(self.quantum()));
        Some(until.checked_sub(ahead).unwrap_or(now).max(now))
    }

    /// A mark came back.
    pub fn acknowledge(&mut self, now: Instant, mark: MarkName) {
        if mark.generation != self.generation || mark.position > self.position {
            return;
        }
        self.acknowledged = self.acknowledged.max(mark.position);
        if let Some(run) = self.run
            && mark.position >= run.from
        {
            let due = run.started + RATE.duration_of((mark.position.0 - run.from.0) as usize);
            let late = now.saturating_duration_since(due);
            self.latency = (self.latency * 7 + late) / 8;
        }
    }

    fn current_lead(&self) -> Duration {
        if self.ducked { DUCKED_LEAD } else { self.lead }
    }

    /// What a message waits for: whole frames that leave most of the lead at the far end.
    fn quantum(&self) -> usize {
        let share = RATE.samples_in(self.current_lead()) * 2 / 5;
        (share / FRAME * FRAME).clamp(FRAME, QUANTUM)
    }

    /// Bytes that could go in whole frames.
    fn sendable(&self) -> usize {
        let whole = self.speech.unsent() / FRAME * FRAME;
        if self.complete { self.speech.unsent().next_multiple_of(FRAME) } else { whole }
    }

    fn due(&self, now: Instant) -> usize {
        let sendable = self.sendable();
        let lead = RATE.samples_in(self.current_lead());
        let ahead = self.runs_until(now).map_or(0, |until| RATE.samples_in(until - now));
        // A message waits until a quantum is due; whoever comes late catches up in one message.
        let room = lead.saturating_sub(ahead) / FRAME * FRAME;
        let quantum = self.quantum().min(sendable);
        if sendable == 0 || room < quantum { 0 } else { room.min(sendable) }
    }

    fn take(&mut self, now: Instant, due: usize) {
        if self.runs_until(now).is_none() {
            self.run = Some(Run { started: now, from: self.position });
            if !self.ducked {
                // The end of an earlier fade is not owed to a reply that begins from silence.
                self.gain = Gain::UNITY;
                self.fade_left = 0;
            }
        }
        self.out.clear();
        // A remainder is filled up to a whole frame.
        self.speech.push(std::iter::repeat_n(g711::SILENCE, due.saturating_sub(self.speech.unsent())));
        // Kept at full level: a duck or a fade is applied to what goes out, not to what may go out again.
        self.speech.take(due, KEPT, &mut self.out);
        let starts = self.position;
        self.position.0 += due as u64;
        self.fade_and_measure(starts);
    }
}
