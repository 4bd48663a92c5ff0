//! What happened in the real-time thread, as values: it has no log. Counted in [`Figures`](crate::figures::Figures) as
//! well, so an event that does not fit into the ring is no loss of truth.

use super::ladder::End;
use crate::block::{Nanos, Run};
use crate::pcm::port::{Direction, Errno};
use heapless::spsc::{Consumer, Producer, Queue};

/// Events that may wait for the keeper.
const WAITING: usize = 64;

/// One event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RtEvent {
    /// When.
    pub at: Nanos,
    /// In which run of the device.
    pub run: Run,
    /// What.
    pub what: RtNews,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RtNews {
    /// Sound flows, both ways.
    Started,
    /// Nobody needs sound: the streams stand by.
    StandsBy,
    /// Somebody does: they run again.
    Roused,
    /// Captured sound was lost, or the playout ran dry; the stream was started again.
    Xrun(Direction),
    /// The system slept; the stream goes on, or was started again.
    Resumed(Direction),
    /// An error for which the stream was started again.
    Recovered(Direction, Errno),
    /// So many samples of captured sound never arrived, and no error said so.
    Gap {
        /// Samples, estimated.
        samples: u32,
    },
    /// The true rate, Hz, the first time that it is known.
    Rate(Direction, f32),
    /// The device said ready and brought nothing, over and over; the loop was slowed down.
    Spinning,
    /// The thread ends.
    Ended(End),
}

/// Makes the ring; its memory lasts as long as the process.
pub fn ring() -> (Producer<'static, RtEvent>, Consumer<'static, RtEvent>) {
    let queue: &'static mut Queue<RtEvent, WAITING> = Box::leak(Box::new(Queue::new()));
    queue.split()
}

const fn moves_no_heap<T: Copy>() {}
const _: () = moves_no_heap::<RtEvent>();
