//! What one direction of a device needs from turn to turn.

use crate::block::Nanos;
use crate::pcm::port::Pcm;
use crate::rt::clock::{Steady, since};
use crate::rt::ladder::{Ladder, STALL};
use crate::rt::rate::Meter;
use std::time::Duration;

/// How long a stream may take to bring its first frame.
const STARTING: Duration = Duration::from_secs(1);
/// A stream has to be found still so often: when the whole machine stood still, everything looks stalled at first.
const LOOKS: u32 = 5;

/// One direction.
pub(super) struct Side {
    pub(super) ladder: Ladder,
    pub(super) meter: Meter,
    pub(super) steady: Steady,
    /// Frames since the start: read, or written.
    pub(super) total: u64,
    /// Bytes of the present block that were read, or are still to be written.
    pub(super) partial: usize,
    /// The last position, when it changed, and how often it was seen not to have changed since.
    pub(super) position: u64,
    pub(super) moved: Nanos,
    pub(super) seen_still: u32,
    pub(super) started: Nanos,
}

impl Side {
    pub(super) fn new(pcm: &dyn Pcm) -> Self {
        let setting = pcm.setting();
        Self {
            ladder: Ladder::new(setting.direction),
            meter: Meter::new(setting.rate.hz()),
            steady: Steady::default(),
            total: 0,
            partial: 0,
            position: 0,
            moved: Nanos(0),
            seen_still: 0,
            started: Nanos(0),
        }
    }

    pub(super) fn restart(&mut self, now: Nanos) {
        (self.total, self.partial, self.position, self.seen_still) = (0, 0, 0, 0);
        (self.moved, self.started) = (now, now);
        self.meter.restart();
        self.steady.restart();
    }

    /// Takes note of a position; says how long it has not moved when that is too long.
    pub(super) fn still(&mut self, now: Nanos, position: u64) -> Option<Duration> {
        if position != self.position {
            // What we put into a buffer ourselves is no such sign: the device has to have taken some of it.
            self.ladder.moved();
            (self.position, self.moved, self.seen_still) = (position, now, 0);
            return None;
        }
        self.seen_still = self.seen_still.saturating_add(1);
        let patience = if self.moved == self.started { STARTING } else { STALL };
        let span = since(self.moved, now);
        (span >= patience && self.seen_still >= LOOKS).then_some(span)
    }
}
