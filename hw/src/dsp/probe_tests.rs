//! Self-tests at a worker whose device is a loop: what is played comes back some periods later.

use super::*;
use crate::block::{Captured, Nanos, Played, Run, SPEAKING, Speech};
use crate::dsp::Worker;
use crate::figures::Figures;
use crate::knobs::EchoMode;
use crate::rings::{self, NetEnds, RtEnds};
use crate::selftest::{BLOCKS, stimulus};
use frontdesk_core::audio::level;
use frontdesk_core::units::Dbfs;
use std::collections::VecDeque;

const LEN: usize = 480;
/// Periods from the loudspeaker to the microphone.
const LOOP: usize = 7;

struct Bench {
    rt: RtEnds,
    net: NetEnds,
    worker: Worker,
    prober: Prober,
    knobs: &'static Knobs,
    news: Bell,
    air: VecDeque<[i16; MOST]>,
    period: u64,
}

impl Bench {
    fn new() -> Self {
        let (rt, ends, net) = rings::make();
        let knobs: &'static Knobs = Box::leak(Box::new(Knobs::new()));
        knobs.set_echo(EchoMode::Software);
        let news = Bell::new().unwrap();
        let worker = Worker::new(ends, knobs, Box::leak(Box::new(Figures::new())), news.clone());
        let prober = worker.prober();
        let air = VecDeque::from([[0; MOST]; LOOP]);
        let mut bench = Self { rt, net, worker, prober, knobs, news, air, period: 10 };
        bench.run(5);
        bench
    }

    fn begin(&self) -> Probing {
        self.prober.begin(stimulus::render(), Recording::with_room()).unwrap()
    }

    /// Periods of the device; returns how loud the loudspeaker was in the last of them.
    fn run(&mut self, periods: usize) -> Dbfs {
        let mut loud = Dbfs::SILENCE;
        for _ in 0..periods {
            let epoch = self.knobs.epoch();
            let fresh =
                std::iter::from_fn(|| self.rt.playout.dequeue()).find(|it| it.epoch.is_none_or(|it| it == epoch));
            let pcm = fresh.map_or([0; MOST], |block| block.pcm);
            loud = level::dbfs(&pcm[..LEN]);
            self.air.push_back(pcm.map(|sample| sample / 2));
            let mic = self.air.pop_front().unwrap();
            let (run, at, len) = (Run(1), Nanos(self.period * 10_000_000), LEN as u16);
            self.rt.played.enqueue(Played { run, seq: self.period, at, end: 0, len, pcm }).ok().unwrap();
            self.rt.captured.enqueue(Captured { run, seq: self.period, at, muted: false, len, pcm: mic }).ok().unwrap();
            self.period += 1;
            self.worker.turn();
        }
        loud
    }
}

#[test]
fn a_test_is_played_and_recorded_as_it_comes_back_and_nothing_is_passed_on() {
    let mut bench = Bench::new();
    let probing = bench.begin();
    bench.run(BLOCKS - 20);
    assert!(probing.result().is_none());
    bench.news.answer();
    bench.run(40);
    assert!(bench.news.answer(), "whoever asked is woken");
    let recording = probing.result().unwrap().unwrap();
    assert_eq!(recording.blocks().len(), BLOCKS);
    let at = |signal: fn(&Compared) -> &[i16; LISTENING]| {
        let loud = |block: &Compared| level::dbfs(signal(block)) > Dbfs(-50.0);
        recording.blocks().iter().position(loud).unwrap()
    };
    let late = at(|block| &block.raw) - at(|block| &block.played);
    assert!(late.abs_diff(LOOP) <= 1, "{late} blocks");
    assert!(bench.net.heard.dequeue().is_none(), "no sound leaves the worker");
    assert_eq!(bench.run(10), Dbfs::SILENCE);
}

#[test]
fn a_conversation_that_begins_silences_the_test_at_once() {
    for begin in [
        (|bench: &mut Bench| bench.knobs.set_ear(Ear::Open)) as fn(&mut Bench),
        |bench| {
            bench.knobs.begin_epoch();
        },
        |bench| {
            let epoch = bench.knobs.epoch();
            let speech = Speech { epoch, end: 240, last: true, len: SPEAKING as u16, pcm: [0; SPEAKING] };
            bench.net.speech.enqueue(speech).ok().unwrap();
        },
    ] {
        let mut bench = Bench::new();
        let probing = bench.begin();
        assert!(bench.run(200) > Dbfs(-30.0), "in the middle of the sweep");
        begin(&mut bench);
        bench.run(3);
        assert_eq!(probing.result().map(Result::err), Some(Some(Aborted::Conversation)));
        assert_eq!(bench.run(5), Dbfs::SILENCE);
        let next = bench.begin();
        bench.run(2);
        bench.knobs.set_ear(Ear::Closed);
        drop(next);
    }
}

#[test]
fn a_test_that_nobody_waits_for_ends_and_makes_room_for_the_next() {
    let mut bench = Bench::new();
    drop(bench.begin());
    assert!(bench.prober.begin(Vec::new(), Recording::default()).is_none(), "no device has moved the worker since");
    bench.run(1);
    let probing = bench.begin();
    bench.run(200);
    drop(probing);
    bench.run(3);
    assert_eq!(bench.run(5), Dbfs::SILENCE);
    let probing = bench.begin();
    drop(bench.worker);
    assert_eq!(probing.result().map(Result::err), Some(Some(Aborted::Failed)));
}
