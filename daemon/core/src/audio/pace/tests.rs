#![expect(clippy::disallowed_methods, reason = "tests need some instant to count from")]

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

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
fn a_mark_that_comes_back_too_early_leaves_nothing_at_the_far_end() {
    for fall_silent in
        [|playout: &mut Playout, now| playout.flush(now).1, |playout: &mut Playout, now| playout.duck(now)]
    {
        let (mut playout, now) = (Playout::new(LEAD), Instant::now());
        playout.push(&speech(100));
        playout.complete();
        let mut marks = Vec::new();
        playout.poll(now, |item| marks.extend(if let PlayoutItem::Mark(mark) = item { Some(mark) } else { None }));
        playout.acknowledge(now, marks[0]);
        assert!(fall_silent(&mut playout, now + Duration::from_millis(20)), "the far end is told to clear");
    }
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
