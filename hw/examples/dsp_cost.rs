//! What the worker costs per 10 ms, beside the goal, and what it allocates: `cargo run --release -p frontdesk-hw --example
//! dsp_cost`. A device at 48 kHz; the rings' other ends are played by this program, which is not counted.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use frontdesk_hw::bell::Bell;
use frontdesk_hw::block::{Captured, MOST, Nanos, Played, Run, SPEAKING, Speech};
use frontdesk_hw::dsp::Worker;
use frontdesk_hw::figures::Figures;
use frontdesk_hw::knobs::{Ear, EchoMode, Knobs};
use frontdesk_hw::rings::{self, NetEnds, RtEnds};
use std::alloc::{GlobalAlloc, Layout, System};
use std::f32::consts::TAU;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Microseconds of one core per 10 ms that the design allows with echo cancellation: 4 %.
const GOAL: f64 = 400.0;
/// Periods until everything has settled, and those that are measured: several rounds, the best of which counts, because
/// others share this machine.
const SETTLE: usize = 500;
const ROUNDS: usize = 20;
const PERIODS: usize = 200;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

struct Counting;

#[expect(unsafe_code, reason = "an allocator that counts cannot be written without")]
// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the rules of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the rules of `dealloc`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Desk {
    rt: RtEnds,
    net: NetEnds,
    worker: Worker,
    speaking: bool,
    period: u64,
    said: u64,
    seed: u32,
    last: [i16; MOST],
}

impl Desk {
    fn new(ear: Ear, echo: EchoMode, speaking: bool) -> Self {
        let (rt, ends, net) = rings::make();
        let (knobs, figures) = (&*Box::leak(Box::new(Knobs::new())), &*Box::leak(Box::new(Figures::new())));
        knobs.set_ear(ear);
        knobs.set_echo(echo);
        let worker = Worker::new(ends, knobs, figures, Bell::new().expect("an eventfd"));
        Self { rt, net, worker, speaking, period: 10, said: 0, seed: 1, last: [0; MOST] }
    }

    /// One period; returns how long the worker was at work, and how often it allocated.
    fn period(&mut self) -> (Duration, u64) {
        while self.speaking && self.net.speech.ready() {
            let speech = self.speech();
            assert!(self.net.speech.enqueue(speech).is_ok());
        }
        let block = self.rt.playout.dequeue();
        let (pcm, end) = block.map_or(([0; MOST], 0), |it| (it.pcm, it.end));
        let mut mic = [0; MOST];
        for (sample, echo) in mic.iter_mut().zip(&self.last) {
            self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *sample = echo / 4 + ((self.seed >> 16) as i16 >> 8);
        }
        self.last = pcm;
        let (run, len, at) = (Run(1), MOST as u16, |periods| Nanos(periods * 10_000_000));
        let _ = self.rt.captured.enqueue(Captured {
            run,
            seq: self.period,
            at: at(self.period),
            muted: false,
            len,
            pcm: mic,
        });
        let _ = self.rt.played.enqueue(Played { run, seq: self.period, at: at(self.period + 2), end, len, pcm });
        self.period += 1;
        let (before, began) = (ALLOCATIONS.load(Ordering::Relaxed), Instant::now());
        self.worker.turn();
        let cost = (began.elapsed(), ALLOCATIONS.load(Ordering::Relaxed) - before);
        while self.net.heard.dequeue().is_some() {}
        while self.net.noticed.dequeue().is_some() {}
        cost
    }

    /// Something like a voice: a buzz that comes and goes.
    fn speech(&mut self) -> Speech {
        let mut pcm = [0; SPEAKING];
        for (n, sample) in (self.said..).zip(&mut pcm) {
            let t = (n % 2_400_000) as f32 / 24_000.0;
            let buzz: f32 = (1..12u8).map(|h| (TAU * 140.0 * f32::from(h) * t).sin() / f32::from(h)).sum();
            *sample = (4_000.0 * buzz * (0.6 + 0.4 * (TAU * 3.0 * t).sin())) as i16;
        }
        self.said += SPEAKING as u64;
        let epoch = frontdesk_hw::block::Epoch(0);
        Speech { epoch, end: self.said, last: false, len: SPEAKING as u16, pcm }
    }

    /// Microseconds and allocations a period.
    fn measure(mut self) -> (f64, f64) {
        for _ in 0..SETTLE {
            self.period();
        }
        let (mut best, mut allocations) = (Duration::MAX, 0);
        for _ in 0..ROUNDS {
            let mut sum = Duration::ZERO;
            for _ in 0..PERIODS {
                let (took, count) = self.period();
                sum += took;
                allocations += count;
            }
            best = best.min(sum);
        }
        (best.as_secs_f64() * 1e6 / PERIODS as f64, allocations as f64 / (ROUNDS * PERIODS) as f64)
    }
}

fn main() {
    let cases = [
        ("idle: ear closed, silence", Ear::Closed, EchoMode::Software, false),
        ("watching, silence", Ear::Watching, EchoMode::Software, false),
        ("watching, device cancels", Ear::Watching, EchoMode::Device, false),
        ("talking, device cancels", Ear::Open, EchoMode::Device, true),
        ("talking, half duplex", Ear::Open, EchoMode::HalfDuplex, true),
        ("talking, echo cancelled", Ear::Open, EchoMode::Software, true),
    ];
    let mut worst = 0f64;
    for (name, ear, echo, speaking) in cases {
        let (micros, allocations) = Desk::new(ear, echo, speaking).measure();
        println!("{name:28} {micros:7.1} µs  {:5.2} %  {allocations:5.1} allocations", micros / 100.0);
        worst = worst.max(micros);
    }
    let verdict = if worst <= GOAL { "met" } else { "missed" };
    println!("{:28} {worst:7.1} µs per 10 ms; goal {GOAL} µs: {verdict}", "the dearest");
}
