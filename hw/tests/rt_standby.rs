//! Streams that nobody needs stand by, and start when somebody does: in virtual time, with a simulated device.

#![allow(clippy::unwrap_used, reason = "outside of test functions as well: a test that cannot go on has failed")]

mod sim;

use frontdesk_hw::bell::Bell;
use frontdesk_hw::block::Nanos;
use frontdesk_hw::dsp::Worker;
use frontdesk_hw::figures::{Count, Figures};
use frontdesk_hw::knobs::{Ear, Earcon, EchoMode, Knobs};
use frontdesk_hw::pcm::port::{Direction, Errno};
use frontdesk_hw::rings::{self, NetEnds};
use frontdesk_hw::rt::cycle::Cycle;
use frontdesk_hw::rt::ladder::End;
use frontdesk_hw::rt::ports::Ports;
use frontdesk_hw::rt::standby::{HEARTBEAT, LEAD};
use frontdesk_hw::rt::trace::{self, RtEvent, RtNews};
use heapless::spsc::Consumer;
use sim::{Fault, Plan, Sim};
use std::time::Duration;

const LINGER: Duration = Duration::from_secs(10);
/// Turns of a thread whose streams run, in ten seconds and a little more.
const TEN_SECONDS: u64 = 1_005;

/// The real-time loop and the worker at one device.
struct Rig {
    sim: Sim,
    cycle: Cycle,
    worker: Worker,
    net: NetEnds,
    events: Consumer<'static, RtEvent>,
    figures: &'static Figures,
    knobs: &'static Knobs,
    bell: Bell,
    /// Rung for the worker.
    rung: Bell,
}

impl Rig {
    fn new(script: &[(u64, Fault)]) -> Self {
        let sim = Sim::new(&Plan { keep: 3_000_000, ..Plan::of(script) });
        let (rt, dsp, net) = rings::make();
        let figures: &'static Figures = Box::leak(Box::default());
        let knobs: &'static Knobs = Box::leak(Box::default());
        knobs.set_echo(EchoMode::Device);
        let (trace, events) = trace::ring();
        let worker = Worker::new(dsp, knobs, figures, Bell::new().unwrap());
        let rung = Bell::new().unwrap();
        let cycle = Cycle::new(Ports::new(rt, knobs, figures), sim.duplex(), trace, rung.clone(), true);
        let mut cycle = cycle.standing_by_after(LINGER);
        cycle.start().unwrap();
        Self { sim, cycle, worker, net, events, figures, knobs, bell: knobs.audio_bell().unwrap(), rung }
    }

    fn turn(&mut self) -> Result<(), End> {
        self.cycle.turn(&self.bell)?;
        if self.rung.answer() {
            self.worker.turn();
        }
        Ok(())
    }

    /// Turns until the streams stand by.
    fn rest(&mut self) {
        for _ in 0..=TEN_SECONDS + 5 {
            if self.figures.standing_by.is_set() {
                return;
            }
            self.turn().unwrap();
        }
        panic!("they still run");
    }

    /// Turns until they run again; returns how long that took.
    fn wake(&mut self) -> Duration {
        let from = self.now();
        while self.figures.standing_by.is_set() {
            self.turn().unwrap();
        }
        self.now().saturating_sub(from)
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.sim.world().now)
    }

    /// So much of the device's time passes.
    fn pass(&mut self, span: Duration) {
        let until = self.now() + span;
        while self.now() < until {
            self.turn().unwrap();
        }
    }

    fn faults(&self) -> [u64; 6] {
        let Figures { overruns, underruns, gaps, stalls, starved, capture_dropped, .. } = self.figures;
        [overruns, underruns, gaps, stalls, starved, capture_dropped].map(Count::read)
    }

    fn news(&mut self) -> Vec<RtNews> {
        let told = std::iter::from_fn(|| self.events.dequeue()).map(|event| event.what);
        told.filter(|what| !matches!(what, RtNews::Rate(..))).collect()
    }
}

#[test]
fn a_desk_at_which_nobody_talks_costs_a_wake_up_a_second_and_listens_to_nothing() {
    let mut rig = Rig::new(&[]);
    rig.rest();
    let (began, blocks, turns) = (rig.now(), rig.figures.dsp_blocks.read(), rig.figures.rt_turns.read());
    let pulses = rig.figures.dsp_turns.read();
    rig.pass(Duration::from_hours(1));
    assert_eq!(rig.figures.dsp_blocks.read(), blocks, "nothing is captured");
    let beats = rig.now().saturating_sub(began).as_secs() / HEARTBEAT.as_secs();
    assert_eq!(rig.figures.rt_turns.read() - turns, beats, "and yet the threads are seen to live");
    assert_eq!(rig.figures.dsp_turns.read() - pulses, beats);
    assert_eq!(rig.news(), [RtNews::Started, RtNews::StandsBy]);
}

/// What is pressed for is heard: the note that says "speak" whole, and the first word.
#[test]
fn the_button_wakes_it_within_milliseconds_and_neither_the_note_nor_the_first_word_is_cut() {
    let mut rig = Rig::new(&[]);
    rig.rest();
    let at_rest = rig.faults();
    rig.pass(Duration::from_mins(20));
    rig.sim.world().played.clear();
    rig.knobs.play(Earcon::Begin);
    rig.knobs.set_ear(Ear::Open);
    let took = rig.wake();
    assert!((LEAD..LEAD + Duration::from_millis(5)).contains(&took), "{took:?}");
    rig.pass(Duration::from_secs(1));
    let heard: Vec<_> = std::iter::from_fn(|| rig.net.heard.dequeue()).collect();
    assert!(heard.len() >= 98, "{} blocks of the first second", heard.len());
    let gaps = heard.windows(2).filter(|pair| pair[1].at.0 - pair[0].at.0 > 11_000_000).count();
    assert_eq!(gaps, 0);

    let played = rig.sim.world().played.clone();
    let first = played.iter().position(|sample| sample.unsigned_abs() > 200).expect("a note");
    assert!(first < 48 * 50, "the note begins within 50 ms of sound, not {} ms", first / 48);
    let mut other = Rig::new(&[]);
    other.pass(Duration::from_secs(1));
    let behind = other.sim.world().played.len();
    other.knobs.play(Earcon::Begin);
    other.pass(Duration::from_secs(1));
    let note = |pcm: &[i16]| pcm.iter().filter(|sample| sample.unsigned_abs() > 200).count();
    let whole = note(&other.sim.world().played[behind..]);
    // Behind silence that nobody intended the first 5 ms are faded in.
    assert!(note(&played) * 100 >= whole * 99, "{} of {whole} samples of it", note(&played));

    assert_eq!(rig.faults(), at_rest, "a start is no fault");
    let most = rig.figures.rousing.most();
    assert!(most >= LEAD && most < Duration::from_millis(150), "{most:?}");
}

#[test]
fn what_runs_goes_on_for_a_while_behind_the_end_and_then_stands_by_again() {
    let mut rig = Rig::new(&[]);
    rig.rest();
    let at_first = rig.faults();
    for _ in 0..5 {
        rig.rest();
        rig.knobs.set_ear(Ear::Open);
        rig.wake();
        rig.pass(Duration::from_secs(30));
        assert!(!rig.figures.standing_by.is_set(), "as long as somebody talks");
        rig.knobs.set_ear(Ear::Closed);
        rig.pass(LINGER.saturating_sub(Duration::from_millis(100)));
        assert!(!rig.figures.standing_by.is_set(), "who comes back at once finds it running");
    }
    rig.rest();
    assert_eq!(rig.figures.standbys.read(), 6);
    assert_eq!(rig.faults(), at_first);
}

#[test]
fn a_desk_that_waits_for_a_voice_never_stands_by() {
    let mut rig = Rig::new(&[]);
    rig.knobs.set_ear(Ear::Watching);
    rig.pass(Duration::from_mins(1));
    assert_eq!(rig.figures.standbys.read(), 0);
}

#[test]
fn meters_and_tests_keep_it_awake_as_long_as_they_want() {
    let mut rig = Rig::new(&[]);
    rig.rest();
    let until = rig.now() + Duration::from_secs(25);
    rig.knobs.want_until(Nanos(until.as_nanos() as u64));
    rig.wake();
    while rig.now() < (until + LINGER).saturating_sub(Duration::from_millis(50)) {
        assert!(!rig.figures.standing_by.is_set());
        rig.turn().unwrap();
    }
    rig.pass(Duration::from_secs(1));
    assert!(rig.figures.standing_by.is_set());
}

/// Nothing is read from it, and yet it is seen to have gone: at once where its stream tells, else within a heartbeat.
#[test]
fn a_device_that_is_unplugged_while_it_stands_by_is_given_back() {
    for fault in [Fault::Unplug, Fault::Say(Direction::Capture, Errno::NODEV)] {
        let mut rig = Rig::new(&[(TEN_SECONDS + 100, fault)]);
        rig.rest();
        let began = rig.now();
        let end = (0..200).find_map(|_| rig.turn().err());
        let Some(end) = end else {
            // An error that only a call would show, and none of the heartbeat's does: found at the next start.
            assert!(matches!(fault, Fault::Say(..)));
            rig.knobs.set_ear(Ear::Open);
            let end = (0..10).find_map(|_| rig.turn().err()).expect("it is gone");
            assert_eq!(end, End::Unplugged);
            continue;
        };
        assert_eq!(end, End::Unplugged);
        assert!(rig.now().saturating_sub(began) < Duration::from_mins(2));
    }
}

#[test]
fn a_system_that_slept_meanwhile_is_no_fault() {
    let mut rig = Rig::new(&[(TEN_SECONDS + 20, Fault::SleepForGood)]);
    rig.rest();
    let before = rig.faults();
    rig.pass(Duration::from_mins(5));
    rig.knobs.set_ear(Ear::Open);
    rig.wake();
    rig.pass(Duration::from_secs(2));
    assert!(std::iter::from_fn(|| rig.net.heard.dequeue()).count() >= 190);
    assert_eq!(rig.faults(), before);
}

/// What was learnt of the device while it ran stays known, and what it does while it runs again is judged.
#[test]
fn the_rate_that_was_measured_stays_known() {
    let mut rig = Rig::new(&[]);
    rig.rest();
    let (capture, playout) = (rig.figures.capture_rate.read(), rig.figures.playout_rate.read());
    assert!((capture - 16_000.0).abs() < 50.0 && (playout - 48_000.0).abs() < 150.0, "{capture} {playout}");
    rig.pass(Duration::from_mins(5));
    rig.knobs.set_ear(Ear::Open);
    rig.wake();
    rig.pass(Duration::from_secs(20));
    assert!((rig.figures.capture_rate.read() - 16_000.0).abs() < 50.0);
    assert!(rig.turn().is_ok(), "a pause is no lie");
}
