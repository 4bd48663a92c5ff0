//! The real-time loop and the real worker with a simulated device, in virtual time, and a network that stands still.

#![allow(clippy::unwrap_used, reason = "outside of test functions as well: a test that cannot go on has failed")]

mod sim;

use frontdesk_hw::bell::Bell;
use frontdesk_hw::block::{SPEAKING, Speech};
use frontdesk_hw::dsp::Worker;
use frontdesk_hw::figures::Figures;
use frontdesk_hw::knobs::{Ear, EchoMode, Knobs};
use frontdesk_hw::rings::{self, NetEnds};
use frontdesk_hw::rt::cycle::Cycle;
use frontdesk_hw::rt::ports::Ports;
use frontdesk_hw::rt::trace;
use sim::{Plan, Sim};

/// Blocks of a second.
const SECOND: u64 = 100;

struct Rig {
    cycle: Cycle,
    worker: Worker,
    net: NetEnds,
    figures: &'static Figures,
    knobs: &'static Knobs,
    bell: Bell,
}

impl Rig {
    fn new() -> Self {
        let sim = Sim::new(&Plan::of(&[]));
        let (rt, dsp, net) = rings::make();
        let figures: &'static Figures = Box::leak(Box::default());
        let knobs: &'static Knobs = Box::leak(Box::default());
        knobs.set_ear(Ear::Open);
        // The canceller has tests of its own, and a second here should not take one.
        knobs.set_echo(EchoMode::Device);
        let (trace, _) = trace::ring();
        let worker = Worker::new(dsp, knobs, figures, Bell::new().unwrap());
        let mut cycle = Cycle::new(Ports::new(rt, knobs, figures), sim.duplex(), trace, Bell::new().unwrap(), true);
        cycle.start().unwrap();
        Self { cycle, worker, net, figures, knobs, bell: Bell::new().unwrap() }
    }

    /// Lets `blocks` of 10 ms pass; the agent speaks if the network does.
    fn pass(&mut self, blocks: u64, network: bool) -> usize {
        let mut heard = 0;
        for _ in 0..blocks {
            self.worker.turn();
            self.cycle.turn(&self.bell).unwrap();
            if network {
                heard += std::iter::from_fn(|| self.net.heard.dequeue()).count();
                let epoch = self.knobs.epoch();
                let speech = Speech { epoch, end: 0, last: false, len: SPEAKING as u16, pcm: [900; SPEAKING] };
                // Full: it is as far ahead as it may be.
                let _ = self.net.speech.enqueue(speech);
            }
        }
        heard
    }
}

#[test]
fn a_network_that_stands_still_for_a_second_causes_no_xrun_and_misses_nothing_that_was_said() {
    let mut rig = Rig::new();
    let before = rig.pass(2 * SECOND, true);
    let starved = rig.figures.starved.read();
    assert_eq!(rig.pass(SECOND, false), 0);
    let after = rig.pass(2 * SECOND, true);
    assert_eq!((rig.figures.overruns.read(), rig.figures.underruns.read()), (0, 0));
    assert_eq!(rig.figures.heard_dropped.read(), 0, "the ring holds two and a half seconds");
    assert_eq!(rig.figures.capture_dropped.read(), 0);
    assert_eq!(rig.figures.starved.read(), starved, "the worker gives silence, and gives it in time");
    assert!(before + after >= 5 * SECOND as usize - 5, "{before} and {after} blocks were heard");
}
