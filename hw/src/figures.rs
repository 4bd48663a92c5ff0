//! What the audio threads tell of themselves: counters and histograms in atomics. Written by one thread each, read by
//! whoever asks.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Buckets of a [`Spread`]: two an octave, from 1 µs to about 4 s.
pub const BUCKETS: usize = 44;

/// A histogram of durations, two buckets an octave. Nothing is ever lost or reset: a reader takes differences.
#[derive(Debug)]
pub struct Spread {
    buckets: [AtomicU64; BUCKETS],
    most: AtomicU64,
    /// Nanoseconds of everything that was counted: 584 years until it wraps.
    sum: AtomicU64,
}

impl Default for Spread {
    fn default() -> Self {
        Self::new()
    }
}

impl Spread {
    /// Holds nothing.
    pub const fn new() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS], most: AtomicU64::new(0), sum: AtomicU64::new(0) }
    }

    /// Counts one duration. Wait-free.
    pub fn count(&self, span: Duration) {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(Self::bucket_of(micros)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.most.fetch_max(micros, Ordering::Relaxed);
        self.sum.fetch_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many of each bucket were counted, and the upper bound of each.
    pub fn read(&self) -> impl Iterator<Item = (Duration, u64)> {
        self.buckets.iter().enumerate().map(|(n, count)| (Self::bound(n), count.load(Ordering::Relaxed)))
    }

    /// All that was counted, added up.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum.load(Ordering::Relaxed))
    }

    /// The longest ever.
    pub fn most(&self) -> Duration {
        Duration::from_micros(self.most.load(Ordering::Relaxed))
    }

    /// The duration that `share` (0 to 1) of all counted ones do not exceed, to half an octave; zero when nothing was
    /// counted.
    pub fn quantile(&self, share: f64) -> Duration {
        let total: u64 = self.read().map(|(_, count)| count).sum();
        let wanted = (share.clamp(0.0, 1.0) * total as f64).ceil() as u64;
        let mut seen = 0;
        for (bound, count) in self.read() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return bound.min(self.most());
            }
        }
        Duration::ZERO
    }

    fn bucket_of(micros: u64) -> usize {
        let micros = micros.max(1);
        let octave = micros.ilog2() as usize;
        // The upper half of an octave begins at one and a half times its start.
        let upper = octave > 0 && micros >> (octave - 1) & 1 == 1;
        (2 * octave + usize::from(upper)).min(BUCKETS - 1)
    }

    fn bound(bucket: usize) -> Duration {
        let start = 1u64 << (bucket / 2);
        Duration::from_micros(if bucket.is_multiple_of(2) { (start * 3 / 2).max(start + 1) } else { start * 2 })
    }
}

/// A count that one thread raises.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Zero.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// One more. Wait-free.
    pub fn raise(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// So many.
    pub fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A value that one thread sets.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU32);

impl Gauge {
    /// Zero.
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Sets it. Wait-free.
    pub fn set(&self, value: f32) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// As it was set last.
    pub fn read(&self) -> f32 {
        f32::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// A condition that one thread tells of.
#[derive(Debug, Default)]
pub struct Flag(AtomicBool);

impl Flag {
    /// It does not hold.
    pub const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Sets it. Wait-free.
    pub fn set(&self, holds: bool) {
        self.0.store(holds, Ordering::Release);
    }

    /// Whether it holds.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Everything that is counted at one desk, for the life of the process.
#[derive(Debug, Default)]
pub struct Figures {
    /// Turns of the real-time thread's loop, without a device too: it lives.
    pub rt_turns: Count,
    /// From the moment a period was complete to the thread's waking.
    pub rt_lateness: Spread,
    /// One turn's work.
    pub rt_work: Spread,
    /// What was still to be played when the thread woke.
    pub playout_fill: Spread,
    /// Captured sound that the system dropped.
    pub overruns: Count,
    /// Gaps in what was played: the device ran dry.
    pub underruns: Count,
    /// Blocks of silence that were played because the worker had nothing ready.
    pub starved: Count,
    /// Captured blocks that were dropped because the worker did not take them.
    pub capture_dropped: Count,
    /// Stretches of captured sound, 0.5 ms or more, that never arrived.
    pub gaps: Count,
    /// Endpoints that stood still without an error.
    pub stalls: Count,
    /// Times the device was opened.
    pub opened: Count,
    /// The device is open and its streams stand by: nobody needs them.
    pub standing_by: Flag,
    /// Times that they began to.
    pub standbys: Count,
    /// From the moment at which streams that stood by were needed to the first block of the microphone, less the block's
    /// own 10 ms.
    pub rousing: Spread,
    /// Turns of the worker, with or without something to process: it lives.
    pub dsp_turns: Count,
    /// Blocks that the worker has processed.
    pub dsp_blocks: Count,
    /// One block's processing.
    pub dsp_work: Spread,
    /// Heard blocks that were dropped because the network side did not take them.
    pub heard_dropped: Count,
    /// The newest block's level before processing, dBFS.
    pub capture_level: Gauge,
    /// The newest block's level after processing, dBFS; silence while the ear is closed.
    pub heard_level: Gauge,
    /// The newest played block's level, dBFS.
    pub playout_level: Gauge,
    /// Echo return loss enhancement that the canceller reports, dB.
    pub erle: Gauge,
    /// The echo's delay that the canceller reports, ms.
    pub echo_delay: Gauge,
    /// 1 while the echo canceller was measured to let the echo through, so that the microphone is closed whenever the
    /// agent is heard: talker and agent have to take turns. 0 otherwise, and for a canceller that is only new.
    pub taking_turns: Gauge,
    /// Changes of [`taking_turns`](Self::taking_turns), either way.
    pub turns_taken: Count,
    /// The capture rate as measured by the clock, Hz; 0 until it is known.
    pub capture_rate: Gauge,
    /// The playout rate as measured by the clock, Hz; 0 until it is known.
    pub playout_rate: Gauge,
}

impl Figures {
    /// Nothing has happened.
    pub const fn new() -> Self {
        Self {
            rt_turns: Count::new(),
            rt_lateness: Spread::new(),
            rt_work: Spread::new(),
            playout_fill: Spread::new(),
            overruns: Count::new(),
            underruns: Count::new(),
            starved: Count::new(),
            capture_dropped: Count::new(),
            gaps: Count::new(),
            stalls: Count::new(),
            opened: Count::new(),
            standing_by: Flag::new(),
            standbys: Count::new(),
            rousing: Spread::new(),
            dsp_turns: Count::new(),
            dsp_blocks: Count::new(),
            dsp_work: Spread::new(),
            heard_dropped: Count::new(),
            capture_level: Gauge::new(),
            heard_level: Gauge::new(),
            playout_level: Gauge::new(),
            erle: Gauge::new(),
            echo_delay: Gauge::new(),
            taking_turns: Gauge::new(),
            turns_taken: Count::new(),
            capture_rate: Gauge::new(),
            playout_rate: Gauge::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_lies_below_its_buckets_bound_and_not_far() {
        for micros in [1u64, 2, 3, 4, 5, 6, 7, 10, 999, 1_000, 10_000, 123_456, 3_000_000] {
            let bound = Spread::bound(Spread::bucket_of(micros)).as_micros() as u64;
            assert!(micros < bound && bound <= micros * 2, "{micros} us under {bound} us");
        }
    }

    #[test]
    fn quantiles_are_those_of_what_was_counted() {
        let spread = Spread::new();
        assert_eq!(spread.quantile(0.5), Duration::ZERO);
        for _ in 0..99 {
            spread.count(Duration::from_micros(100));
        }
        spread.count(Duration::from_millis(20));
        assert_eq!(spread.quantile(0.5), Duration::from_micros(128));
        assert_eq!(spread.quantile(1.0), Duration::from_millis(20));
        assert_eq!(spread.sum(), Duration::from_micros(99 * 100 + 20_000));
    }
}
