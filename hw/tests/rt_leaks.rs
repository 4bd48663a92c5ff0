//! Ten thousand times plugged in and pulled out: no descriptor, thread or memory stays behind.
//!
//! One test alone in this program, because the allocator counts for the whole of it.

#![allow(clippy::unwrap_used, reason = "outside of test functions as well: a test that cannot go on has failed")]
#![allow(unsafe_code, reason = "an allocator is unsafe by its nature; this one only counts and passes on")]

mod sim;

use frontdesk_hw::bell::Bell;
use frontdesk_hw::device::DeviceSpec;
use frontdesk_hw::figures::Figures;
use frontdesk_hw::keeper::{Keeper, Pace, Settings, Stopped, news};
use frontdesk_hw::knobs::Knobs;
use frontdesk_hw::rings;
use sim::{Desk, Fault, Plan};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};
use std::time::Duration;

struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged, which keeps the contract; counting touches no memory
// but an atomic.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: `pointer` came from `System` through `alloc` or `realloc`, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CYCLES: u64 = 10_000;

fn held(folder: &str) -> usize {
    std::fs::read_dir(format!("/proc/self/{folder}")).unwrap().count()
}

#[test]
fn ten_thousand_plug_cycles_leave_nothing_behind() {
    let (ends, _dsp, _net) = rings::make();
    let knobs: &'static Knobs = Box::leak(Box::default());
    let figures: &'static Figures = Box::leak(Box::default());
    let bell = Bell::new().unwrap();
    let (outlet, news) = news::channel(bell.clone());
    let mut desk = Desk::new(&[]);
    desk.forever = Some(Plan::of(&[(3, Fault::Unplug)]));
    let now = Duration::ZERO;
    let pace = Pace { first: now, most: now, blind: now, settle: now };
    let settings = Settings { pace, ..Settings::of(DeviceSpec::Auto) };
    let keeper = Keeper::start_with(desk, settings, ends, knobs, figures, bell.clone(), outlet, Box::new(())).unwrap();

    let wait_until = |cycles| {
        while figures.opened.read() < cycles {
            sim::wait_for(&bell);
            bell.answer();
            while news.try_recv().is_ok() {}
        }
    };
    wait_until(CYCLES / 10);
    let before = (held("fd"), held("task"), LIVE.load(Ordering::Relaxed));
    wait_until(CYCLES + CYCLES / 10);
    let after = (held("fd"), held("task"), LIVE.load(Ordering::Relaxed));
    assert!(matches!(keeper.stop(), Stopped::Clean(_)));

    // At either moment a device may be open (a bell, a thread, 40 KiB) or not. Ten bytes a cycle would be found.
    let one_device = 100_000;
    assert!(after.0.abs_diff(before.0) <= 2, "descriptors: {before:?}, then {after:?}");
    assert!(after.1.abs_diff(before.1) <= 1, "threads: {before:?}, then {after:?}");
    assert!(after.2.abs_diff(before.2) <= one_device, "memory: {before:?}, then {after:?}");
}
