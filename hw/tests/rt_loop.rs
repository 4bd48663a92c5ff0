//! The real-time loop with a simulated device, in virtual time: sound both ways, and every rung of the error ladder.

#![allow(clippy::unwrap_used, reason = "outside of test functions as well: a test that cannot go on has failed")]

mod sim;

use frontdesk_hw::bell::Bell;
use frontdesk_hw::block::{Captured, MOST, Played, Playout};
use frontdesk_hw::figures::Figures;
use frontdesk_hw::knobs::Knobs;
use frontdesk_hw::pcm::negotiate::Setting;
use frontdesk_hw::pcm::port::{Direction, Errno, POLLED, Pcm, Ready, Standing, State};
use frontdesk_hw::rings::{self, DspEnds};
use frontdesk_hw::rt::cycle::Cycle;
use frontdesk_hw::rt::ladder::{End, MANY};
use frontdesk_hw::rt::ports::Ports;
use frontdesk_hw::rt::trace::{self, RtEvent, RtNews};
use heapless::spsc::Consumer;
use proptest::prelude::*;
use sim::{Fault, Plan, Sim};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

struct Rig {
    sim: Sim,
    cycle: Cycle,
    dsp: DspEnds,
    events: Consumer<'static, RtEvent>,
    figures: &'static Figures,
    bell: Bell,
    captured: Vec<Captured>,
    played: Vec<Played>,
}

impl Rig {
    fn new(plan: &Plan) -> Self {
        let sim = Sim::new(plan);
        let (rt, dsp, _net) = rings::make();
        let figures: &'static Figures = Box::leak(Box::default());
        let knobs: &'static Knobs = Box::leak(Box::default());
        let (trace, events) = trace::ring();
        let bell = Bell::new().unwrap();
        let cycle = Cycle::new(Ports::new(rt, knobs, figures), sim.duplex(), trace, bell.clone(), true);
        let (captured, played) = (Vec::new(), Vec::new());
        Self { sim, cycle, dsp, events, figures, bell: Bell::new().unwrap(), captured, played }
    }

    fn with(script: &[(u64, Fault)]) -> Self {
        Self::new(&Plan::of(script))
    }

    /// Runs so many turns with a worker that takes everything and keeps two blocks ready, unless it is told to stall.
    fn run(&mut self, turns: u64, stall: std::ops::Range<u64>) -> Result<(), End> {
        self.cycle.start()?;
        for turn in 0..turns {
            if !stall.contains(&turn) {
                self.work();
            }
            self.cycle.turn(&self.bell)?;
        }
        Ok(())
    }

    fn work(&mut self) {
        self.captured.extend(std::iter::from_fn(|| self.dsp.captured.dequeue()));
        self.played.extend(std::iter::from_fn(|| self.dsp.played.dequeue()));
        while self.dsp.playout.len() < 3 {
            let block = Playout { epoch: None, end: 0, len: 480, pcm: [700; MOST] };
            assert!(self.dsp.playout.enqueue(block).is_ok());
        }
    }

    fn end(&mut self, turns: u64) -> End {
        self.run(turns, 0..0).expect_err("it goes on")
    }

    fn news(&mut self) -> Vec<RtNews> {
        std::iter::from_fn(|| self.events.dequeue()).map(|event| event.what).collect()
    }

    fn xruns(&self) -> (u64, u64) {
        (self.figures.overruns.read(), self.figures.underruns.read())
    }
}

#[test]
fn sound_flows_both_ways_whole_and_in_step() {
    let mut rig = Rig::new(&Plan { keep: 500_000, ..Plan::of(&[]) });
    rig.run(1_000, 0..0).unwrap();
    rig.work();
    assert_eq!((rig.xruns(), rig.figures.starved.read()), ((0, 0), 3), "the first fill precedes the worker");
    let samples: Vec<i16> =
        rig.captured.iter().flat_map(|block| block.pcm[..usize::from(block.len)].to_vec()).collect();
    assert_eq!(samples.len(), 160_000);
    assert!(samples.iter().enumerate().all(|(n, sample)| *sample == n as i16), "every captured sample, once");
    let steps = rig.captured.windows(2).map(|pair| pair[1].at.0 - pair[0].at.0);
    assert!(steps.skip(1).all(|step| step == 10_000_000), "10 ms from block to block");
    let heard = rig.sim.world().played.clone();
    let told: Vec<i16> = rig.played.iter().flat_map(|block| block.pcm[..usize::from(block.len)].to_vec()).collect();
    assert_eq!(heard[..told.len()], told[..], "the reference is what was played");
    assert!(heard.len() >= 48_000 * 999 / 100 && heard[48_000..].iter().all(|sample| *sample == 700));
    // What is written is heard behind what is in the buffer, 30 ms at most.
    let lead = rig.played.last().unwrap().at.0 as i64 - rig.captured.last().unwrap().at.0 as i64;
    assert!((20_000_000..=31_000_000).contains(&lead), "{lead} ns");
    assert!(rig.figures.rt_lateness.most() <= Duration::from_millis(1));
}

#[test]
fn a_worker_that_stalls_for_50_ms_causes_no_xrun_and_loses_nothing_captured() {
    let mut rig = Rig::with(&[]);
    rig.run(500, 200..205).unwrap();
    rig.work();
    assert_eq!(rig.xruns(), (0, 0));
    assert_eq!(rig.figures.capture_dropped.read(), 0);
    let starved = rig.figures.starved.read() - 3;
    assert!((1..=5).contains(&starved), "it had three blocks ready: {starved}");
    assert_eq!(rig.captured.len(), 500);
}

#[test]
fn a_thread_that_is_20_ms_late_plays_on_and_one_that_is_100_ms_late_starts_again() {
    let mut rig = Rig::with(&[(100, Fault::Late(Duration::from_millis(20)))]);
    rig.run(200, 0..0).unwrap();
    assert_eq!(rig.xruns(), (0, 0));
    assert!(rig.figures.rt_lateness.most() >= Duration::from_millis(10));
    let mut rig = Rig::with(&[(100, Fault::Late(Duration::from_millis(100)))]);
    rig.run(200, 0..0).unwrap();
    rig.work();
    assert_eq!(rig.xruns(), (0, 1), "the capture's buffer is longer than that");
    assert_eq!(rig.captured.len(), 209, "nothing captured is lost");
}

#[test]
fn an_overrun_is_counted_and_begins_a_run() {
    let mut rig = Rig::with(&[(100, Fault::Late(Duration::from_millis(300)))]);
    rig.run(200, 0..0).unwrap();
    rig.work();
    assert_eq!(rig.xruns(), (1, 1));
    let (first, last) = (rig.captured[0].run, rig.captured.last().unwrap().run);
    assert_ne!(first, last);
    assert_eq!(rig.played.last().unwrap().run, last, "both directions agree on the run");
    assert!(rig.news().contains(&RtNews::Xrun(Direction::Capture)));
}

#[test]
fn each_direction_recovers_from_an_xrun_alone() {
    for direction in [Direction::Capture, Direction::Playout] {
        let mut rig = Rig::with(&[(50, Fault::Xrun(direction)), (90, Fault::Xrun(direction))]);
        rig.run(200, 0..0).unwrap();
        let (over, under) = rig.xruns();
        let expected = if direction == Direction::Capture { (2, 0) } else { (0, 2) };
        assert_eq!((over, under), expected);
        assert_eq!(rig.sim.world().starts, 4, "two to begin with, one for each");
    }
}

#[test]
fn after_a_sleep_it_resumes_or_starts_anew() {
    let mut rig = Rig::with(&[(50, Fault::Sleep { refusals: 5 })]);
    rig.run(300, 0..0).unwrap();
    assert!(rig.news().contains(&RtNews::Resumed(Direction::Capture)));
    assert_eq!(rig.sim.world().starts, 2, "resumed, not started");
    let mut rig = Rig::with(&[(50, Fault::SleepForGood)]);
    rig.run(300, 0..0).unwrap();
    assert_eq!(rig.sim.world().starts, 4);
    // The device never wakes: after a second it is started anew instead.
    let mut rig = Rig::with(&[(50, Fault::Sleep { refusals: u32::MAX })]);
    rig.run(2_000, 0..0).unwrap();
    assert_eq!(rig.sim.world().starts, 4);
    assert!(rig.sim.world().pauses > 100, "it did not spin meanwhile");
}

#[test]
fn an_unplugged_device_is_let_go_at_once() {
    let mut rig = Rig::with(&[(50, Fault::Unplug)]);
    assert_eq!(rig.end(100), End::Unplugged);
    assert_eq!(rig.sim.world().turns, 50);
}

#[test]
fn a_failed_transfer_gives_the_device_back() {
    let mut rig = Rig::with(&[(50, Fault::Transfer)]);
    assert_eq!(rig.end(100), End::Transfer(Direction::Capture));
}

#[test]
fn an_endpoint_that_stands_still_is_noticed_within_a_quarter_of_a_second() {
    for direction in [Direction::Capture, Direction::Playout] {
        let mut rig = Rig::with(&[(50, Fault::Stall(direction))]);
        assert_eq!(rig.end(200), End::Stalled(direction));
        let stalled = rig.sim.world().now - 1_000_000_000 - 490_000_000;
        assert!((200_000_000..260_000_000).contains(&stalled), "{direction}: {stalled} ns");
    }
}

#[test]
fn a_device_that_never_starts_gets_a_second() {
    let mut rig = Rig::with(&[(1, Fault::Stall(Direction::Capture))]);
    assert_eq!(rig.end(200), End::Stalled(Direction::Capture));
}

#[test]
fn odd_errors_are_survived() {
    let odd = Errno::of(libc::EINVAL);
    let mut rig =
        Rig::with(&[(50, Fault::Say(Direction::Playout, odd)), (60, Fault::Say(Direction::Capture, Errno::INTR))]);
    rig.run(100, 0..0).unwrap();
    assert!(rig.news().contains(&RtNews::Recovered(Direction::Playout, odd)));
}

#[test]
fn a_device_that_lies_about_its_rate_is_found_out_and_an_honest_one_is_not() {
    let mut rig = Rig::new(&Plan { playout: 16_000, clock: [1.0, 1.103], ..Plan::of(&[]) });
    let end = rig.run(800, 0..800).expect_err("it lies");
    let End::Lying { direction: Direction::Playout, claimed: 16_000, measured } = end else { panic!("{end:?}") };
    assert!((measured - 17_648.0).abs() < 100.0, "{measured}");
    let mut rig = Rig::new(&Plan { clock: [1.000_3, 0.999_7], ..Plan::of(&[]) });
    rig.run(2_000, 0..0).unwrap();
    assert!((rig.figures.capture_rate.read() - 16_004.8).abs() < 20.0);
    assert!((rig.figures.playout_rate.read() - 47_985.6).abs() < 60.0);
    assert_eq!(rig.figures.gaps.read(), 0);
}

#[test]
fn a_millisecond_that_is_lost_without_an_error_is_counted() {
    let mut rig = Rig::with(&[(1_550, Fault::Lose(16))]);
    rig.run(2_500, 0..0).unwrap();
    assert_eq!(rig.figures.gaps.read(), 1);
    assert!(rig.news().iter().any(|it| matches!(it, RtNews::Gap { samples: 8..=24 })));
}

#[test]
fn a_stream_that_cries_wolf_is_slowed_down() {
    let mut rig = Rig::with(&[(50, Fault::Spin(100))]);
    rig.run(300, 0..0).unwrap();
    assert!(rig.sim.world().pauses > 10);
    assert_eq!(rig.xruns(), (0, 0));
}

fn any_fault() -> impl Strategy<Value = Fault> {
    let way = || prop::sample::select(vec![Direction::Capture, Direction::Playout]);
    prop_oneof![
        way().prop_map(Fault::Xrun),
        (0u32..400).prop_map(|refusals| Fault::Sleep { refusals }),
        Just(Fault::SleepForGood),
        Just(Fault::Transfer),
        way().prop_map(Fault::Stall),
        Just(Fault::Unplug),
        (0u64..500).prop_map(|ms| Fault::Late(Duration::from_millis(ms))),
        (0u64..200).prop_map(Fault::Lose),
        (0u32..50).prop_map(Fault::Spin),
        (way(), 1i32..134).prop_map(|(way, errno)| Fault::Say(way, Errno::of(errno))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    /// Whatever happens, the loop lets time pass and either goes on with sound or gives the device back.
    #[test]
    fn no_row_of_faults_hangs_or_spins_the_loop(
        mut script in prop::collection::vec((1u64..400, any_fault()), 0..12),
    ) {
        script.sort_by_key(|(turn, _)| *turn);
        let mut rig = Rig::with(&script);
        if rig.run(800, 0..0).is_ok() {
            rig.work();
            let world = rig.sim.world();
            prop_assert!(world.now - 1_000_000_000 > 2_000_000_000, "{} ns", world.now);
            drop(world);
            prop_assert!(rig.captured.len() > 200, "{}", rig.captured.len());
        }
    }
}

#[test]
fn a_playout_that_runs_dry_again_and_again_is_given_back() {
    for every in [1, 3] {
        let script: Vec<(u64, Fault)> =
            (50..2_000).step_by(every).map(|n| (n, Fault::Xrun(Direction::Playout))).collect();
        let mut rig = Rig::with(&script);
        assert_eq!(rig.end(1_900), End::Failing(Direction::Playout, Errno::PIPE));
        assert!(rig.xruns().1 <= MANY as u64, "{:?}", rig.xruns());
    }
}

/// Looks, whenever something is played, whether the worker has been rung already.
#[allow(clippy::struct_field_names, reason = "what it looks for is what it is called after")]
struct Early {
    playout: Box<dyn Pcm>,
    worker: Bell,
    writes: Arc<AtomicU32>,
    rung: Arc<AtomicU32>,
}

impl Pcm for Early {
    fn setting(&self) -> &Setting {
        self.playout.setting()
    }
    fn prepare(&mut self) -> Result<(), Errno> {
        self.playout.prepare()
    }
    fn start(&mut self) -> Result<(), Errno> {
        self.playout.start()
    }
    fn resume(&mut self) -> Result<(), Errno> {
        self.playout.resume()
    }
    fn halt(&mut self) {
        self.playout.halt();
    }
    fn state(&mut self) -> State {
        self.playout.state()
    }
    fn standing(&mut self) -> Result<Standing, Errno> {
        self.playout.standing()
    }
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Errno> {
        self.playout.read(into)
    }
    fn write(&mut self, from: &[u8]) -> Result<usize, Errno> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        if self.worker.answer() {
            self.rung.fetch_add(1, Ordering::Relaxed);
        }
        self.playout.write(from)
    }
    fn descriptors(&mut self, into: &mut [libc::pollfd; POLLED]) -> Result<usize, Errno> {
        self.playout.descriptors(into)
    }
    fn ready(&mut self, polled: &mut [libc::pollfd]) -> Result<Ready, Errno> {
        self.playout.ready(polled)
    }
}

#[test]
fn the_worker_is_rung_behind_what_was_played() {
    let (rt, _dsp, _net) = rings::make();
    let (trace, _events) = trace::ring();
    let (worker, bell) = (Bell::new().unwrap(), Bell::new().unwrap());
    let (writes, early) = (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
    let mut duplex = Sim::new(&Plan::of(&[])).duplex();
    let (playout, its) = (duplex.playout, worker.clone());
    duplex.playout = Box::new(Early { playout, worker: its, writes: Arc::clone(&writes), rung: Arc::clone(&early) });
    let (knobs, figures) = (Box::leak(Box::default()), Box::leak(Box::default()));
    let mut cycle = Cycle::new(Ports::new(rt, knobs, figures), duplex, trace, worker.clone(), true);
    cycle.start().unwrap();
    let mut rung = 0;
    for _ in 0..100 {
        cycle.turn(&bell).unwrap();
        rung += u32::from(worker.answer());
    }
    assert!(writes.load(Ordering::Relaxed) > 90 && rung > 90, "{rung}");
    assert_eq!(early.load(Ordering::Relaxed), 0, "rung before the block of its period was there");
}
