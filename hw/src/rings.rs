//! The rings between the three execution domains, made once and never freed: whoever ends last must not be the one who
//! pays for it.
//!
//! ```text
//!  real-time thread ──captured, played──► DSP worker ──heard, noticed──► network
//!                   ◄─────playout──────              ◄─speech──
//! ```
//!
//! Full: the producer keeps what is new and counts it as lost ([`Figures`](crate::figures::Figures)); no producer waits.

use crate::block::{Captured, Heard, Noticed, Played, Playout, Speech};
use heapless::spsc::{Consumer, Producer, Queue};

/// Slots towards the worker: 310 ms, as long as the longest stall of a loaded machine.
const FROM_DEVICE: usize = 32;
/// Slots towards the device: what the worker may prepare, 70 ms; it keeps two or three.
const TO_DEVICE: usize = 8;
/// Slots towards the network: 2.5 s, a stall of the runtime and what was kept of the first word.
const TO_NETWORK: usize = 256;
/// Slots of notices of a voice, while the ear only watches: ten voices that nobody has asked about.
const NOTICES: usize = 32;
/// Slots of speech: 150 ms; the backlog of a reply stays with whoever may drop it.
const FROM_NETWORK: usize = 16;

/// The real-time thread's ends. Given back when it ends, and handed to the next one.
pub struct RtEnds {
    /// What was captured.
    pub captured: Producer<'static, Captured>,
    /// What was played.
    pub played: Producer<'static, Played>,
    /// What is to be played.
    pub playout: Consumer<'static, Playout>,
}

/// The worker's ends.
pub struct DspEnds {
    /// What was captured.
    pub captured: Consumer<'static, Captured>,
    /// What was played.
    pub played: Consumer<'static, Played>,
    /// What is to be played.
    pub playout: Producer<'static, Playout>,
    /// What was heard.
    pub heard: Producer<'static, Heard>,
    /// Which voices were noticed while the ear only watched.
    pub noticed: Producer<'static, Noticed>,
    /// What the agent says.
    pub speech: Consumer<'static, Speech>,
}

/// The network side's ends.
pub struct NetEnds {
    /// What was heard.
    pub heard: Consumer<'static, Heard>,
    /// Which voices were noticed while the ear only watched.
    pub noticed: Consumer<'static, Noticed>,
    /// What the agent says.
    pub speech: Producer<'static, Speech>,
}

/// Makes the rings of one desk; their memory, about 200 KiB, lasts as long as the process.
pub fn make() -> (RtEnds, DspEnds, NetEnds) {
    let (captured_in, captured) = ring::<Captured, FROM_DEVICE>();
    let (played_in, played) = ring::<Played, FROM_DEVICE>();
    let (playout_in, playout) = ring::<Playout, TO_DEVICE>();
    let (heard_in, heard) = ring::<Heard, TO_NETWORK>();
    let (noticed_in, noticed) = ring::<Noticed, NOTICES>();
    let (speech_in, speech) = ring::<Speech, FROM_NETWORK>();
    (
        RtEnds { captured: captured_in, played: played_in, playout },
        DspEnds { captured, played, playout: playout_in, heard: heard_in, noticed: noticed_in, speech },
        NetEnds { heard, noticed, speech: speech_in },
    )
}

fn ring<T: Copy, const N: usize>() -> (Producer<'static, T>, Consumer<'static, T>) {
    let queue: &'static mut Queue<T, N> = Box::leak(Box::new(Queue::new()));
    queue.split()
}
