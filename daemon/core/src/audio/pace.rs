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

use super::{g711, level};
use crate::units::{Dbfs, Gain, SampleRate};
use std::collections::VecDeque;
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
/// How much quieter a ducked reply is.
const DUCK_DB: f32 = -15.0;
/// Frames of 20 ms that a ducked reply takes back to its level, after a false alarm.
const FADE_IN_FRAMES: u32 = 10;
/// A frame below this level is silence to a listener.
const AUDIBLE: Dbfs = Dbfs(-50.0);
/// Sent bytes kept for ducking: the longest lead and what the network may hold beyond it.
const KEPT: usize = 8 * 1_000;

/// A count of samples of agent speech since the call began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Position(pub u64);

impl Position {
    /// Speech between the call's beginning and this position.
    pub fn as_duration(self) -> Duration {
        RATE.duration_of(self.0 as usize)
    }
}

/// What the playout wants said to the far end, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum PlayoutItem<'a> {
    /// Mu-law, a multiple of [`FRAME`] bytes.
    Media(&'a [u8]),
    /// A mark to be echoed when everything before it has been played.
    Mark(MarkName),
}

/// The name of a mark: which generation it belongs to and how far the speech has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkName {
    /// Raised by every clear; echoes of older generations say nothing about the ear.
    pub generation: u32,
    /// What has been heard when it comes back.
    pub position: Position,
}

impl std::fmt::Display for MarkName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "g{}:{}", self.generation, self.position.0)
    }
}

impl std::str::FromStr for MarkName {
    type Err = NotOurMark;

    fn from_str(name: &str) -> Result<Self, NotOurMark> {
        let (generation, position) = name.strip_prefix('g').and_then(|rest| rest.split_once(':')).ok_or(NotOurMark)?;
        Ok(Self {
            generation: generation.parse().map_err(|_| NotOurMark)?,
            position: Position(position.parse().map_err(|_| NotOurMark)?),
        })
    }
}

/// A mark whose name we never gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mark of ours")]
pub struct NotOurMark;

/// One party's playout. Buffers grow with the backlog (8 kB a second of speech) and are reused.
pub struct Playout {
    lead: Duration,
    queue: VecDeque<u8>,
    sent: VecDeque<u8>,
    out: Vec<u8>,
    generation: u32,
    /// Samples sent since the call began; the queue follows this position.
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
            queue: VecDeque::new(),
            sent: VecDeque::with_capacity(KEPT + QUANTUM),
            out: Vec::with_capacity(8 * 500),
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
        self.queue.extend(pcm.iter().map(|&sample| g711::encode(sample)));
    }

    /// The reply is complete: its remainder goes out padded to a whole frame, followed by a mark.
    pub fn complete(&mut self) {
        self.complete = true;
    }

    /// Where the next pushed sample will stand.
    pub fn end(&self) -> Position {
        Position(self.position.0 + self.queue.len() as u64)
    }

    /// Samples that wait here, unsent.
    pub fn backlog(&self) -> usize {
        self.queue.len()
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
        self.queue.is_empty() && self.heard(now) >= self.position
    }

    /// Whether the far end has echoed the mark behind everything that was pushed.
    pub fn is_confirmed(&self) -> bool {
        self.queue.is_empty() && self.acknowledged >= self.position
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
        let last = self.queue.is_empty() && self.complete;
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

    /// Takes back what has not been heard and goes on with it at a lower level and a short lead.
    ///
    /// Returns whether the far end must be told to clear. Nothing happens when nothing is playing.
    #[must_use]
    pub fn duck(&mut self, now: Instant) -> bool {
        if self.ducked || (self.queue.is_empty() && self.runs_until(now).is_none()) {
            return false;
        }
        self.ducked = true;
        self.target = Gain::from_db(DUCK_DB);
        self.fade_left = 1;
        let heard = self.heard_at_clear(now);
        let unheard = ((self.position.0 - heard.0) as usize).min(self.sent.len());
        for _ in 0..unheard {
            if let Some(byte) = self.sent.pop_back() {
                self.queue.push_front(byte);
            }
        }
        self.rewind(now, Position(self.position.0 - unheard as u64));
        unheard > 0
    }

    /// Fades back in, after a false alarm.
    pub fn unduck(&mut self) {
        self.ducked = false;
        self.target = Gain::UNITY;
        self.fade_left = FADE_IN_FRAMES;
    }

    /// Whether the reply is being played at a lower level.
    pub fn is_ducked(&self) -> bool {
        self.ducked
    }

    /// Drops everything that has not been heard. Returns how far the ear came, and whether the far end must clear.
    pub fn flush(&mut self, now: Instant) -> (Position, bool) {
        let playing = self.position > self.heard(now);
        let heard = self.heard_at_clear(now);
        self.queue.clear();
        self.sent.clear();
        self.complete = true;
        self.ducked = false;
        self.gain = Gain::UNITY;
        self.target = Gain::UNITY;
        self.fade_left = 0;
        self.rewind(now, heard);
        (heard, playing)
    }

    fn rewind(&mut self, now: Instant, to: Position) {
        self.position = to;
        self.marked = self.marked.min(to);
        self.acknowledged = self.acknowledged.min(to);
        self.generation += 1;
        self.run = None;
        self.audible_until = self.audible_until.map(|until| until.min(now));
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
        let whole = self.queue.len() / FRAME * FRAME;
        if self.complete { self.queue.len().next_multiple_of(FRAME) } else { whole }
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
        for _ in 0..due {
            self.out.push(self.queue.pop_front().unwrap_or(g711::SILENCE));
        }
        if self.sent.len() + due > KEPT {
            self.sent.drain(..(self.sent.len() + due - KEPT).min(self.sent.len()));
        }
        // Kept at full level: a duck or a fade is applied to what goes out, not to what may go out again.
        self.sent.extend(&self.out);
        let starts = self.position;
        self.position.0 += due as u64;
        self.fade_and_measure(starts);
    }

    fn fade_and_measure(&mut self, starts: Position) {
        let run = self.run.expect("a run was begun before anything was taken");
        let mut pcm = [0; FRAME];
        for (n, frame) in self.out.chunks_mut(FRAME).enumerate() {
            for (sample, &byte) in pcm.iter_mut().zip(frame.iter()) {
                *sample = g711::decode(byte);
            }
            let from = self.gain;
            if self.fade_left > 0 {
                self.gain = from.towards(self.target, 1.0 / self.fade_left as f32);
                self.fade_left -= 1;
            }
            if from != Gain::UNITY || self.gain != Gain::UNITY {
                for (at, (sample, byte)) in pcm.iter_mut().zip(frame.iter_mut()).enumerate() {
                    *sample = from.towards(self.gain, at as f32 / FRAME as f32).apply(*sample);
                    *byte = g711::encode(*sample);
                }
            }
            if Dbfs::of_mean_square(level::mean_square(&pcm)) > AUDIBLE {
                let end = (starts.0 - run.from.0) as usize + (n + 1) * FRAME;
                self.audible_until = Some(run.started + RATE.duration_of(end));
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need some instant to count from")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LEAD: Duration = Duration::from_millis(200);

    /// The far end: plays what it got at 8 bytes a millisecond and echoes marks, in virtual time.
    struct Far {
        start: Instant,
        now: Instant,
        queue: VecDeque<Far1>,
        heard: Vec<u8>,
        echoes: Vec<MarkName>,
        largest_lead: usize,
    }

    enum Far1 {
        Byte(u8),
        Mark(MarkName),
    }

    impl Far {
        fn new() -> Self {
            let start = Instant::now();
            Self { start, now: start, queue: VecDeque::new(), heard: Vec::new(), echoes: Vec::new(), largest_lead: 0 }
        }

        fn pull(&mut self, playout: &mut Playout) {
            let queue = &mut self.queue;
            playout.poll(self.now, |item| match item {
                PlayoutItem::Media(bytes) => queue.extend(bytes.iter().map(|&b| Far1::Byte(b))),
                PlayoutItem::Mark(mark) => queue.push_back(Far1::Mark(mark)),
            });
            self.largest_lead = self.largest_lead.max(self.queue.len());
            self.echo();
        }

        fn echo(&mut self) {
            while let Some(Far1::Mark(mark)) = self.queue.front() {
                self.echoes.push(*mark);
                self.queue.pop_front();
            }
        }

        /// One millisecond: the loop polls every `every` ms.
        fn run(&mut self, playout: &mut Playout, ms: u64, every: u64) {
            for _ in 0..ms {
                if ((self.now - self.start).as_millis() as u64).is_multiple_of(every) {
                    self.pull(playout);
                }
                for _ in 0..8 {
                    if let Some(Far1::Byte(byte)) = self.queue.front() {
                        self.heard.push(*byte);
                        self.queue.pop_front();
                    }
                    self.echo();
                }
                self.now += Duration::from_millis(1);
                for mark in self.echoes.drain(..) {
                    playout.acknowledge(self.now, mark);
                }
            }
        }
    }

    fn speech(ms: usize) -> Vec<i16> {
        (0..ms * 8).map(|n| ((n * 7_919) % 16_001) as i16 - 8_000).collect()
    }

    fn playing(ms: usize) -> (Playout, Far) {
        let mut playout = Playout::new(LEAD);
        playout.push(&speech(ms));
        playout.complete();
        (playout, Far::new())
    }

    #[test]
    fn a_reply_is_heard_whole_without_a_gap_and_never_more_than_the_lead_ahead() {
        let (mut playout, mut far) = playing(2_000);
        far.run(&mut playout, 2_001, 20);
        let sent: Vec<u8> = speech(2_000).iter().map(|&s| g711::encode(s)).collect();
        assert_eq!(far.heard, sent);
        assert!(far.largest_lead <= 1_600 + 8, "{} bytes ahead", far.largest_lead);
        assert!(playout.is_finished(far.now));
        assert!(!playout.is_audible(far.now + Duration::from_millis(20)));
    }

    #[test]
    fn the_last_frame_is_padded_with_silence_and_marked() {
        let mut playout = Playout::new(LEAD);
        playout.push(&speech(20)[..100]);
        let mut items = Vec::new();
        let now = Instant::now();
        playout.poll(now, |item| items.push(format!("{item:?}")));
        assert!(items.is_empty(), "a part of a frame waits for the rest of the reply");
        playout.complete();
        playout.poll(now, |item| match item {
            PlayoutItem::Media(bytes) => {
                assert_eq!(bytes.len(), FRAME);
                assert!(bytes[100..].iter().all(|&b| b == g711::SILENCE));
            }
            PlayoutItem::Mark(mark) => items.push(mark.to_string()),
        });
        assert_eq!(items, ["g0:160"]);
    }

    #[test]
    fn a_flush_says_what_was_heard_to_the_mark() {
        let (mut playout, mut far) = playing(5_000);
        far.run(&mut playout, 1_300, 20);
        let (heard, clear) = playout.flush(far.now);
        assert!(clear);
        assert!(heard.0.abs_diff(far.heard.len() as u64) <= 160, "{heard:?} but {}", far.heard.len());
        assert_eq!(playout.end(), heard);
        assert_eq!(playout.deadline(far.now), None);
        assert!(!playout.is_audible(far.now));
    }

    #[test]
    fn a_duck_repeats_and_skips_nothing_and_leaves_a_short_lead() {
        let (mut playout, mut far) = playing(3_000);
        far.run(&mut playout, 1_000, 20);
        assert!(playout.duck(far.now));
        far.queue.clear();
        let before = far.heard.len();
        far.run(&mut playout, 400, 20);
        let sent = speech(3_000);
        let ducked = &far.heard[before..];
        assert_eq!(ducked.len(), 3_200);
        // Behind the 20 ms of the fade, every sample is the next one of the reply, 15 dB down.
        for (at, &byte) in ducked.iter().enumerate().skip(160) {
            let expected = f32::from(g711::decode(g711::encode(sent[before + at]))) * 0.178;
            let got = f32::from(g711::decode(byte));
            assert!((got - expected).abs() <= expected.abs() * 0.04 + 8.0, "{at}: {got} for {expected}");
        }
        assert!(far.queue.len() <= 480 + 1, "{} bytes ahead while ducked", far.queue.len());
        playout.unduck();
        far.run(&mut playout, 1_601, 20);
        assert_eq!(far.heard.len(), 24_000);
        assert_eq!(far.heard[23_000], g711::encode(sent[23_000]), "back at full level");
    }

    #[test]
    fn a_duck_through_a_slow_network_repeats_nothing() {
        let (mut playout, mut far) = playing(3_000);
        far.run(&mut playout, 1_000, 20);
        playout.latency = Duration::from_millis(120);
        assert_eq!(playout.heard(far.now), Position(8_000 - 480), "what sounds now left us 60 ms ago");
        // The clear takes as long to get there: by then, the far end has come as far as our clock says now.
        assert!(playout.duck(far.now));
        assert_eq!((playout.position, playout.end()), (Position(8_000), Position(24_000)));
    }

    #[test]
    fn a_reply_that_begins_from_silence_begins_at_full_level() {
        let (mut playout, mut far) = playing(400);
        far.run(&mut playout, 100, 20);
        assert!(playout.duck(far.now));
        far.queue.clear();
        far.run(&mut playout, 500, 20);
        playout.unduck();
        let before = far.heard.len();
        playout.push(&speech(100));
        playout.complete();
        far.run(&mut playout, 100, 20);
        assert_eq!(far.heard[before], g711::encode(speech(1)[0]));
    }

    #[test]
    fn marks_come_at_least_every_400_ms_and_older_generations_are_ignored() {
        let (mut playout, mut far) = playing(2_000);
        let mut marks = Vec::new();
        let mut now = far.now;
        while let Some(at) = playout.deadline(now) {
            now = at;
            playout.poll(now, |item| {
                if let PlayoutItem::Mark(mark) = item {
                    marks.push(mark);
                }
            });
        }
        let mut last = 0;
        for mark in &marks {
            assert!(mark.position.0 - last <= 3_200 + 320);
            last = mark.position.0;
        }
        assert_eq!(last, 16_000);
        let _ = playout.flush(far.start);
        playout.acknowledge(far.start, marks[3]);
        assert_eq!(playout.heard(far.start), Position(0));
        far.now = now;
    }

    #[test]
    fn names_of_marks_survive_the_round_trip() {
        let mark = MarkName { generation: 7, position: Position(12_345) };
        assert_eq!(mark.to_string().parse(), Ok(mark));
        for foreign in ["", "g", "g1", "x1:2", "g-1:2", "g1:2:3", "g99999999999:1"] {
            assert_eq!(foreign.parse::<MarkName>(), Err(NotOurMark), "{foreign}");
        }
    }

    #[test]
    fn silence_is_not_audible() {
        let mut playout = Playout::new(LEAD);
        playout.push(&[1; 8_000]);
        playout.complete();
        let now = Instant::now();
        playout.poll(now, |_| {});
        assert_eq!(playout.audible_until(), None);
    }

    proptest! {
        #[test]
        fn polling_at_the_deadline_always_gets_on(
            lead in 0u64..400,
            steps in proptest::collection::vec((0usize..4_000, 0u8..5, 0u64..300), 1..20),
        ) {
            let mut playout = Playout::new(Duration::from_millis(lead));
            let mut now = Instant::now();
            for (len, act, gap) in steps {
                match act {
                    0 => playout.complete(),
                    1 => { let _ = playout.duck(now); }
                    2 => playout.unduck(),
                    3 => { let _ = playout.flush(now); }
                    _ => playout.push(&speech(500)[..len]),
                }
                let until = now + Duration::from_millis(gap);
                let mut polls = 0;
                while let Some(at) = playout.deadline(now).filter(|at| *at <= until) {
                    now = at.max(now);
                    let backlog = playout.backlog();
                    playout.poll(now, |_| {});
                    prop_assert!(playout.backlog() < backlog, "nothing was due at its own deadline");
                    polls += 1;
                    prop_assert!(polls < 100);
                }
                now = until;
            }
        }

        #[test]
        fn whatever_the_arrival_and_the_polling_nothing_is_lost_or_reordered(
            pieces in proptest::collection::vec((1usize..4_000, 0u64..400), 1..12),
            every in 1u64..60,
        ) {
            let mut playout = Playout::new(LEAD);
            let mut far = Far::new();
            let total: usize = pieces.iter().map(|(len, _)| len).sum();
            let sent = speech(total / 8 + 1);
            let mut at = 0;
            for (len, gap) in pieces {
                playout.push(&sent[at..at + len]);
                at += len;
                far.run(&mut playout, gap, every);
            }
            playout.complete();
            far.run(&mut playout, total as u64 / 8 + 500, every);
            let expected: Vec<u8> = sent[..total].iter().map(|&s| g711::encode(s)).collect();
            prop_assert_eq!(&far.heard[..total], &expected[..]);
            prop_assert!(far.heard.len() < total + FRAME);
            prop_assert!(playout.is_finished(far.now));
        }
    }
}
