//! The device's clock: when an isochronous transfer is over, and how many samples a packet of the microphone holds.
//!
//! A full-speed bus carries one packet of each stream in each frame of 1 ms. A transfer of n packets occupies the next n
//! frames of its stream and is complete when the last of them ends; frame times are counted from an anchor, so that no
//! rounding adds up. Two things may be off, each by a factor: the bus (both streams run fast or slow against the computer's
//! clock) and the microphone alone, which is asynchronous: its packets then hold a sample more or less now and then.

use crate::Time;
use std::time::Duration;

/// Nanoseconds of a frame.
const FRAME: f64 = 1e6;
/// A transfer that comes up to this late still finds its frame.
const GRACE: Duration = Duration::from_millis(1);

/// What happened to the transfers of a stream since it was counted anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Transfers.
    pub transfers: u64,
    /// Those that the host took back before they were over.
    pub taken_back: u64,
    /// How often the stream ran dry: the host came too late with its next transfer.
    pub starved: u64,
    /// The longest time that it was dry.
    pub longest_gap: Duration,
    /// The longest time by which we were late with a completion.
    pub latest: Duration,
}

/// The frames of one stream.
#[derive(Debug)]
pub struct FrameClock {
    /// Frames a millisecond of the computer's clock.
    factor: f64,
    /// A time, and how many frames have been given away since.
    anchor: Option<(Time, u64)>,
    /// The bus's number of the next frame.
    number: u32,
    /// Counted since the last reset.
    pub counts: Counts,
}

/// The frames of one transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// When the first begins.
    pub begins: Time,
    /// When the last is over.
    pub due: Time,
    /// The bus's number of the first, 11 bits.
    pub number: u32,
}

impl FrameClock {
    /// A stream that has not begun.
    pub fn new(factor: f64) -> Self {
        Self { factor, anchor: None, number: 0, counts: Counts::default() }
    }

    /// The stream stops; the next transfer begins it anew.
    pub fn stop(&mut self) {
        self.anchor = None;
    }

    /// Changes the bus's speed from the next transfer on.
    pub fn set_factor(&mut self, factor: f64) {
        self.anchor = self.next().map(|next| (next, 0));
        self.factor = factor;
    }

    fn next(&self) -> Option<Time> {
        self.anchor.map(|(anchor, frames)| anchor + Duration::from_nanos((frames as f64 * FRAME / self.factor) as u64))
    }

    /// Gives the next `frames` to a transfer that arrives at `now`.
    ///
    /// When the host comes late, a real controller loses the frames between. Here, for up to `patience`, they are not
    /// lost: the transfer is due at once and the stream catches up, so that a stall of the computer that runs the tests is
    /// not heard. `Duration::ZERO` is as strict as a real bus.
    pub fn take(&mut self, now: Time, frames: u32, patience: Duration) -> Slot {
        let begins = match self.next() {
            Some(next) if next + GRACE >= now => next,
            Some(next) => {
                let gap = now.saturating_sub(next);
                self.counts.starved += 1;
                self.counts.longest_gap = self.counts.longest_gap.max(gap);
                if gap <= patience { next } else { self.begin(now) }
            }
            None => self.begin(now),
        };
        if let Some((_, given)) = &mut self.anchor {
            *given += u64::from(frames);
        }
        let number = self.number;
        self.number = self.number.wrapping_add(frames) & 0x7FF;
        self.counts.transfers += 1;
        Slot { begins, due: self.next().unwrap_or(begins), number }
    }

    fn begin(&mut self, now: Time) -> Time {
        self.anchor = Some((now, 0));
        now
    }
}

/// How many samples the microphone has for each frame.
#[derive(Debug)]
pub struct SampleClock {
    /// Millionths of a sample that are left over.
    rest: u64,
    /// Its speed against the bus.
    factor: f64,
}

impl SampleClock {
    /// A clock that runs `factor` times as fast as the bus.
    pub fn new(factor: f64) -> Self {
        Self { rest: 0, factor }
    }

    /// Changes its speed.
    pub fn set_factor(&mut self, factor: f64) {
        self.factor = factor;
    }

    /// Samples of the next frame, `room` at most; what does not fit is in the next one.
    pub fn frame(&mut self, rate: u32, room: usize) -> usize {
        self.rest += (f64::from(rate) * self.factor * 1000.0).round() as u64;
        let samples = ((self.rest / 1_000_000) as usize).min(room);
        self.rest -= samples as u64 * 1_000_000;
        // A packet that is always too small would otherwise owe more and more.
        self.rest = self.rest.min(2_000_000);
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LONG: Duration = Duration::from_secs(1);

    fn ms(ms: u64) -> Time {
        Duration::from_millis(ms)
    }

    #[test]
    fn transfers_are_over_when_their_last_frame_is() {
        let mut clock = FrameClock::new(1.0);
        assert_eq!(clock.take(ms(100), 5, LONG), Slot { begins: ms(100), due: ms(105), number: 0 });
        assert_eq!(clock.take(ms(100), 1, LONG), Slot { begins: ms(105), due: ms(106), number: 5 });
        assert_eq!(clock.take(ms(107), 1, LONG).due, ms(107), "1 ms late is in time");
        assert_eq!(clock.counts, Counts { transfers: 3, ..Counts::default() });
    }

    #[test]
    fn a_late_host_catches_up_within_the_patience_and_loses_frames_beyond_it() {
        let mut clock = FrameClock::new(1.0);
        clock.take(ms(0), 2, ms(50));
        assert_eq!(clock.take(ms(40), 1, ms(50)).due, ms(3));
        assert_eq!(clock.take(ms(100), 1, ms(50)).due, ms(101));
        assert_eq!((clock.counts.starved, clock.counts.longest_gap), (2, ms(97)));
    }

    #[test]
    fn a_stream_that_stopped_was_not_late() {
        let mut clock = FrameClock::new(1.0);
        clock.take(ms(0), 1, LONG);
        clock.stop();
        assert_eq!(clock.take(ms(5000), 1, LONG).due, ms(5001));
        assert_eq!(clock.counts.starved, 0);
    }

    proptest! {
        /// However a stream is cut into transfers: after a minute it is where the factor says, to the microsecond.
        #[test]
        fn no_rounding_adds_up(factor in 0.99_f64..1.01, sizes in prop::collection::vec(1_u32..9, 1..20)) {
            let mut clock = FrameClock::new(factor);
            let (mut frames, mut due) = (0, ms(0));
            for size in sizes.iter().cycle() {
                due = clock.take(due, *size, LONG).due;
                frames += size;
                if frames >= 60_000 { break }
            }
            let expected = f64::from(frames) / 1000.0 / factor;
            prop_assert!((due.as_secs_f64() - expected).abs() < 2e-6, "{due:?} for {frames} frames");
        }

        #[test]
        fn a_changed_bus_leaves_no_gap(factor in 0.9_f64..1.1) {
            let mut clock = FrameClock::new(1.0);
            let first = clock.take(ms(7), 6, LONG);
            clock.set_factor(factor);
            prop_assert_eq!(clock.take(ms(8), 1, LONG).begins, first.due);
        }

        #[test]
        fn a_microphone_gives_its_rate_and_packets_differ_by_one_sample(ppm in -5000_i32..5000) {
            let factor = 1.0 + f64::from(ppm) / 1e6;
            for rate in crate::descriptors::RATES {
                let mut clock = SampleClock::new(factor);
                let packets: Vec<usize> = (0..10_000).map(|_| clock.frame(rate, 49)).collect();
                let total: usize = packets.iter().sum();
                let expected = f64::from(rate) * 10.0 * factor;
                prop_assert!((total as f64 - expected).abs() <= 1.0, "{total} of {expected}");
                let (least, most) = (packets.iter().min().unwrap(), packets.iter().max().unwrap());
                prop_assert!(most - least <= 1, "{least} to {most}");
            }
        }
    }
}
