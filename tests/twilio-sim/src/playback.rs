//! Twilio's playback queue of one stream: what the server sent, when the caller hears it, which marks come back.
//!
//! ```text
//! media ──►┌───────────────┐ 8000 bytes/s
//! mark  ──►│ FIFO of bytes │──────────────► heard (one µ-law byte per sample of the stream's clock)
//!          │ and marks     │──────────────► echoes
//! clear ──►└───────────────┘ drops the bytes, echoes every mark in order
//! ```
//!
//! No clock and no socket inside. Time is a count of samples at 8 kHz since the stream began, and every operation says
//! at which time it happens, so what the caller heard is exact to the sample whatever the machine was doing meanwhile.

use std::collections::VecDeque;

/// Samples per second of the telephone network, which are also bytes per second in mu-law.
pub const RATE: u64 = 8_000;

/// The mu-law byte that sounds like nothing.
pub const SILENCE: u8 = 0xFF;

/// More queued audio than this is refused: ten minutes.
pub const CAPACITY: usize = 600 * RATE as usize;

/// A mark that goes back to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Echo {
    /// The name the server gave it.
    pub name: String,
    /// When it reached the head of the queue, in samples since the stream began.
    pub at: u64,
    /// Whether a `clear` pushed it out; on the wire nobody can tell.
    pub cleared: bool,
}

/// A stretch during which the queue was never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// First sample played.
    pub from: u64,
    /// One past the last sample played.
    pub to: u64,
    /// Whether a `clear` ended it; otherwise the queue ran dry (or it still plays).
    pub cleared: bool,
}

/// The queue and the clock that empties it.
#[derive(Debug, Default)]
pub struct Playback {
    bytes: VecDeque<u8>,
    marks: VecDeque<QueuedMark>,
    /// Bytes ever accepted.
    accepted: u64,
    /// Bytes ever played or cleared.
    gone: u64,
    now: u64,
    heard: Vec<u8>,
    echoes: Vec<Echo>,
    runs: Vec<Run>,
    playing: bool,
    largest_backlog: usize,
}

#[derive(Debug)]
struct QueuedMark {
    name: String,
    /// Reached once this many bytes are gone.
    after: u64,
}

impl Playback {
    /// An empty queue at time 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Plays up to `now`. A time that has already passed changes nothing.
    pub fn advance(&mut self, now: u64) {
        let due = now.saturating_sub(self.now);
        let played = due.min(self.bytes.len() as u64);
        if played > 0 {
            self.play(played);
        }
        if played < due {
            // The queue is empty: the caller hears silence until more arrives.
            self.playing = false;
            let silence = (due - played) as usize;
            self.heard.resize(self.heard.len() + silence, SILENCE);
            self.now = now;
        }
    }

    fn play(&mut self, count: u64) {
        if self.playing {
            if let Some(run) = self.runs.last_mut() {
                run.to += count;
            }
        } else {
            self.runs.push(Run { from: self.now, to: self.now + count, cleared: false });
            self.playing = true;
        }
        let (head, tail) = self.bytes.as_slices();
        let from_head = head.len().min(count as usize);
        self.heard.extend_from_slice(&head[..from_head]);
        self.heard.extend_from_slice(&tail[..count as usize - from_head]);
        self.bytes.drain(..count as usize);
        let began = self.now;
        let gone_before = self.gone;
        self.now += count;
        self.gone += count;
        while let Some(mark) = self.marks.pop_front_if(|mark| mark.after <= self.gone) {
            self.echoes.push(Echo { at: began + (mark.after - gone_before), name: mark.name, cleared: false });
        }
    }

    /// Audio arrives at `now`. Returns how many of its bytes found room; the rest is lost, as with Twilio.
    pub fn push(&mut self, now: u64, audio: &[u8]) -> usize {
        self.advance(now);
        let room = CAPACITY - self.bytes.len();
        let taken = audio.len().min(room);
        self.bytes.extend(&audio[..taken]);
        self.accepted += taken as u64;
        self.largest_backlog = self.largest_backlog.max(self.bytes.len());
        taken
    }

    /// A mark arrives at `now`: echoed when everything before it has been played, at once when nothing is queued.
    pub fn mark(&mut self, now: u64, name: String) {
        self.advance(now);
        if self.bytes.is_empty() {
            self.echoes.push(Echo { name, at: self.now, cleared: false });
        } else {
            self.marks.push_back(QueuedMark { name, after: self.accepted });
        }
    }

    /// A `clear` arrives at `now`: everything queued is dropped and every pending mark echoed, in order.
    ///
    /// Returns how many samples the caller will not hear.
    pub fn clear(&mut self, now: u64) -> usize {
        self.advance(now);
        let dropped = self.bytes.len();
        if dropped > 0
            && self.playing
            && let Some(run) = self.runs.last_mut()
        {
            run.cleared = true;
        }
        self.bytes.clear();
        self.gone += dropped as u64;
        self.playing = false;
        let at = self.now;
        self.echoes.extend(self.marks.drain(..).map(|mark| Echo { name: mark.name, at, cleared: true }));
        dropped
    }

    /// When the next mark will be reached if nothing else happens.
    pub fn next_mark(&self) -> Option<u64> {
        let mark = self.marks.front()?;
        Some(self.now + (mark.after - self.gone))
    }

    /// The samples heard since the last call, the next one always following the last of the previous call.
    pub fn take_heard(&mut self) -> std::vec::Drain<'_, u8> {
        self.heard.drain(..)
    }

    /// The marks reached since the last call, in the order in which the server sent them.
    pub fn take_echoes(&mut self) -> std::vec::Drain<'_, Echo> {
        self.echoes.drain(..)
    }

    /// Time up to which the queue has been played.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Samples waiting to be heard.
    pub fn backlog(&self) -> usize {
        self.bytes.len()
    }

    /// The most samples that ever waited: the largest lead of sent over played audio.
    pub fn largest_backlog(&self) -> usize {
        self.largest_backlog
    }

    /// The stretches played so far, in order.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(echoes: impl Iterator<Item = Echo>) -> Vec<(String, u64, bool)> {
        echoes.map(|e| (e.name, e.at, e.cleared)).collect()
    }

    #[test]
    fn audio_is_heard_from_the_moment_it_arrives() {
        let mut queue = Playback::new();
        queue.push(40, &[1, 2, 3]);
        queue.advance(50);
        let heard: Vec<u8> = queue.take_heard().collect();
        assert_eq!(heard.len(), 50);
        assert_eq!(&heard[38..45], &[SILENCE, SILENCE, 1, 2, 3, SILENCE, SILENCE]);
        assert_eq!(queue.runs(), &[Run { from: 40, to: 43, cleared: false }]);
    }

    #[test]
    fn a_mark_comes_back_when_the_audio_before_it_was_played_and_not_a_sample_later() {
        let mut queue = Playback::new();
        queue.push(0, &[0; 160]);
        queue.mark(0, "a".into());
        queue.push(0, &[0; 160]);
        queue.mark(0, "b".into());
        assert_eq!(queue.next_mark(), Some(160));
        queue.advance(159);
        assert_eq!(queue.take_echoes().count(), 0);
        queue.advance(1_000);
        assert_eq!(names(queue.take_echoes()), [("a".into(), 160, false), ("b".into(), 320, false)]);
    }

    #[test]
    fn a_mark_on_an_empty_queue_comes_back_at_once() {
        let mut queue = Playback::new();
        queue.mark(77, "now".into());
        assert_eq!(names(queue.take_echoes()), [("now".into(), 77, false)]);
    }

    #[test]
    fn clear_silences_at_once_and_returns_every_mark() {
        let mut queue = Playback::new();
        queue.push(0, &[9; 800]);
        queue.mark(0, "a".into());
        queue.mark(0, "b".into());
        assert_eq!(queue.clear(100), 700);
        assert_eq!(names(queue.take_echoes()), [("a".into(), 100, true), ("b".into(), 100, true)]);
        queue.advance(200);
        let heard: Vec<u8> = queue.take_heard().collect();
        assert!(heard[..100].iter().all(|&b| b == 9));
        assert!(heard[100..].iter().all(|&b| b == SILENCE));
        assert!(queue.runs()[0].cleared);
    }

    #[test]
    fn a_late_frame_leaves_a_gap_between_two_runs() {
        let mut queue = Playback::new();
        queue.push(0, &[5; 160]);
        queue.push(200, &[5; 160]);
        queue.advance(400);
        let spans: Vec<_> = queue.runs().iter().map(|run| (run.from, run.to)).collect();
        assert_eq!(spans, [(0, 160), (200, 360)]);
    }

    #[test]
    fn audio_that_arrives_in_the_last_moment_continues_the_run() {
        let mut queue = Playback::new();
        queue.push(0, &[5; 160]);
        queue.push(160, &[5; 160]);
        queue.advance(400);
        assert_eq!(queue.runs(), &[Run { from: 0, to: 320, cleared: false }]);
    }

    #[test]
    fn more_than_ten_minutes_do_not_fit() {
        let mut queue = Playback::new();
        assert_eq!(queue.push(0, &vec![0; CAPACITY]), CAPACITY);
        assert_eq!(queue.push(0, &[0; 160]), 0);
        assert_eq!(queue.push(100, &[0; 160]), 100);
        assert_eq!(queue.largest_backlog(), CAPACITY);
    }

    #[derive(Debug, Clone)]
    enum Op {
        Wait(u64),
        Audio(usize),
        Mark,
        Clear,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            (0_u64..400).prop_map(Op::Wait),
            (0_usize..700).prop_map(Op::Audio),
            Just(Op::Mark),
            Just(Op::Clear),
        ]
    }

    proptest! {
        #[test]
        fn marks_return_once_each_in_order_and_time_never_goes_back(ops in prop::collection::vec(op(), 0..60)) {
            let mut queue = Playback::new();
            let (mut now, mut sent, mut echoed) = (0, 0, Vec::new());
            for op in ops {
                match op {
                    Op::Wait(span) => { now += span; queue.advance(now); }
                    Op::Audio(len) => { queue.push(now, &vec![1; len]); }
                    Op::Mark => { queue.mark(now, sent.to_string()); sent += 1; }
                    Op::Clear => { queue.clear(now); }
                }
                echoed.extend(queue.take_echoes());
            }
            queue.advance(now + 100_000);
            echoed.extend(queue.take_echoes());
            let order: Vec<String> = echoed.iter().map(|e| e.name.clone()).collect();
            prop_assert_eq!(order, (0..sent).map(|n| n.to_string()).collect::<Vec<_>>());
            prop_assert!(echoed.is_sorted_by_key(|e| e.at));
        }

        #[test]
        fn the_heard_timeline_is_gapless_and_holds_what_was_sent(ops in prop::collection::vec(op(), 0..60)) {
            let mut queue = Playback::new();
            let (mut now, mut accepted, mut dropped) = (0, 0, 0);
            for op in ops {
                match op {
                    Op::Wait(span) => { now += span; queue.advance(now); }
                    Op::Audio(len) => accepted += queue.push(now, &vec![1; len]),
                    Op::Mark => queue.mark(now, "m".into()),
                    Op::Clear => dropped += queue.clear(now),
                }
            }
            queue.advance(now + 100_000);
            let heard: Vec<u8> = queue.take_heard().collect();
            prop_assert_eq!(heard.len() as u64, now + 100_000);
            let audible: usize = heard.iter().map(|&b| usize::from(b == 1)).sum();
            prop_assert_eq!(audible, accepted - dropped);
            let in_runs: u64 = queue.runs().iter().map(|run| run.to - run.from).sum();
            prop_assert_eq!(in_runs as usize, accepted - dropped);
        }

        #[test]
        fn a_queue_that_never_starves_plays_exactly_what_was_sent(frames in 1_usize..80, lead in 1_usize..10) {
            let mut queue = Playback::new();
            let sent: Vec<u8> = (0..frames * 160).map(|n| (n % 251) as u8).collect();
            let mut frames_of = sent.chunks(160);
            for frame in frames_of.by_ref().take(lead) { queue.push(0, frame); }
            for (n, frame) in frames_of.enumerate() { queue.push(n as u64 * 160 + 80, frame); }
            queue.advance(sent.len() as u64);
            prop_assert_eq!(queue.take_heard().collect::<Vec<_>>(), sent);
            prop_assert_eq!(queue.runs().len(), 1);
        }
    }
}
