//! The real-time loop allocates and frees nothing: 10,000 periods, xruns, a suspend and starvation among them.
//!
//! Counted on the thread of the loop alone: the test harness has threads of its own.

#![allow(clippy::unwrap_used, reason = "outside of test functions as well: a test that cannot go on has failed")]
#![allow(unsafe_code, reason = "an allocator is unsafe by its nature; this one only counts and passes on")]

mod sim;

use frontdesk_hw::bell::Bell;
use frontdesk_hw::block::{MOST, Playout};
use frontdesk_hw::figures::Figures;
use frontdesk_hw::knobs::{Ear, Knobs};
use frontdesk_hw::pcm::port::Direction;
use frontdesk_hw::rings;
use frontdesk_hw::rt::cycle::Cycle;
use frontdesk_hw::rt::ports::Ports;
use frontdesk_hw::rt::trace;
use sim::{Fault, Plan, Sim};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

struct Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

fn calls() -> usize {
    CALLS.with(Cell::get)
}

fn count() {
    // Fails only on a thread that is going away.
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: every call is passed on to the system's allocator unchanged, which keeps the contract; counting touches no memory
// but a number of the thread's own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: `pointer` came from `System` through `alloc` or `realloc`, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as for `dealloc`; the caller answers for `size`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn ten_thousand_periods_touch_no_heap() {
    let script = [
        (1_000, Fault::Xrun(Direction::Capture)),
        (2_000, Fault::Xrun(Direction::Playout)),
        (3_000, Fault::Late(Duration::from_millis(400))),
        (4_000, Fault::Sleep { refusals: 10 }),
        (5_000, Fault::SleepForGood),
        (6_000, Fault::Lose(16)),
        (7_000, Fault::Spin(100)),
    ];
    let sim = Sim::new(&Plan::of(&script));
    let (rt, mut dsp, _net) = rings::make();
    let figures: &'static Figures = Box::leak(Box::default());
    let knobs: &'static Knobs = Box::leak(Box::default());
    let (trace, mut events) = trace::ring();
    let bell = Bell::new().unwrap();
    let worker = Bell::new().unwrap();
    let cycle = Cycle::new(Ports::new(rt, knobs, figures), sim.duplex(), trace, worker, false);
    let mut cycle = cycle.standing_by_after(Duration::from_secs(10));

    let before = calls();
    assert!(before > 0, "the allocator counts");
    cycle.start().unwrap();
    knobs.set_ear(Ear::Open);
    for turn in 0..10_000u32 {
        knobs.set_muted(turn % 100 < 10);
        if turn % 50 == 0 {
            knobs.begin_epoch();
        }
        // The worker takes what was captured, except now and then, and falls short of playing something every so often.
        if turn % 300 > 40 {
            while dsp.captured.dequeue().is_some() {}
            while dsp.played.dequeue().is_some() {}
        }
        if turn % 20 != 0 {
            let _ = dsp.playout.enqueue(Playout { epoch: Some(knobs.epoch()), end: 0, len: 480, pcm: [1; MOST] });
        }
        cycle.turn(&bell).unwrap();
    }
    let during = calls() - before;

    knobs.set_ear(Ear::Closed);
    // And so do streams that stand by, are looked after, and start again.
    let before_rest = calls();
    for round in 0..5u32 {
        for _ in 0..1_100u32 {
            while dsp.captured.dequeue().is_some() {}
            while dsp.played.dequeue().is_some() {}
            cycle.turn(&bell).unwrap();
        }
        assert!(figures.standing_by.is_set(), "round {round}");
        knobs.set_ear(Ear::Open);
        while figures.standing_by.is_set() {
            cycle.turn(&bell).unwrap();
        }
        knobs.set_ear(Ear::Closed);
    }
    let resting = calls() - before_rest;

    assert_eq!(during, 0, "calls to the allocator in the loop");
    assert_eq!(resting, 0, "calls to the allocator on standby and at its end");
    assert!(figures.overruns.read() >= 2 && figures.underruns.read() >= 2 && figures.starved.read() > 100);
    assert!(figures.capture_dropped.read() > 0 && events.dequeue().is_some());
}
