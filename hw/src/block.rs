//! What the rings carry: 10 ms of one direction, `Copy`, in fixed arrays, so that no thread ever frees another's memory.

use frontdesk_core::audio::vad::VoiceEvent;
use std::time::Duration;

/// What one block lasts, on every ring.
pub const PERIOD: Duration = Duration::from_millis(10);
/// Samples of a block at 48 kHz, the highest rate at which a device is opened.
pub const MOST: usize = 480;
/// Samples of a block towards the model, 16 kHz.
pub const LISTENING: usize = 160;
/// Samples of a block of the agent's speech, 24 kHz.
pub const SPEAKING: usize = 240;

/// Nanoseconds of `CLOCK_MONOTONIC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Nanos(pub u64);

/// The number that each barge-in raises: what carries an older one must not be heard any more. Wraps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Epoch(pub u32);

/// The number that each start of the device raises, after an xrun as well: across two of them nothing lines up, and an
/// echo canceller begins anew. Wraps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Run(pub u32);

/// Captured by the real-time thread: one period, mixed down to mono, at the device's capture rate.
#[derive(Debug, Clone, Copy)]
pub struct Captured {
    /// The run it belongs to.
    pub run: Run,
    /// Its number in the run; blocks that found no room in the ring are counted too.
    pub seq: u64,
    /// When its last sample was at the converter, the device's own processing apart.
    pub at: Nanos,
    /// Whether the privacy mute has replaced it by silence.
    pub muted: bool,
    /// Samples in `pcm`, [`MOST`] at most: 10 ms at the device's rate.
    pub len: u16,
    /// The samples.
    pub pcm: [i16; MOST],
}

/// For the real-time thread to play: one period, mono, at the device's playout rate.
#[derive(Debug, Clone, Copy)]
pub struct Playout {
    /// Dropped unheard by the real-time thread when an epoch has begun since; earcons and silence carry none.
    pub epoch: Option<Epoch>,
    /// Where the agent's speech stands behind this block, in samples of 24 kHz since the desk was opened; see
    /// [`Speech::end`]. Unchanged by blocks without speech.
    pub end: u64,
    /// Samples in `pcm`, [`MOST`] at most.
    pub len: u16,
    /// The samples.
    pub pcm: [i16; MOST],
}

/// Played by the real-time thread: the very samples that it gave to the device, silence included, for the echo
/// canceller, and how far the agent's speech has come.
#[derive(Debug, Clone, Copy)]
pub struct Played {
    /// The run it belongs to.
    pub run: Run,
    /// Its number in the run; blocks that found no room in the ring are counted too.
    pub seq: u64,
    /// When its last sample will be at the converter, the device's own processing apart.
    pub at: Nanos,
    /// The newest [`Playout::end`] that was given to the device.
    pub end: u64,
    /// Samples in `pcm`, [`MOST`] at most.
    pub len: u16,
    /// The samples.
    pub pcm: [i16; MOST],
}

/// What the worker heard at the desk: 10 ms at 16 kHz, without the agent's echo.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// When its last sample was captured.
    pub at: Nanos,
    /// What the talker did in it.
    pub voice: Option<VoiceEvent>,
    /// How far the agent's speech had come to the loudspeaker at [`at`](Self::at); see [`Speech::end`].
    pub played: u64,
    /// The samples.
    pub pcm: [i16; LISTENING],
}

/// A voice that the worker noticed while the ear was only [watching](crate::knobs::Ear::Watching): that there was one,
/// and none of its sound. What was kept of the sound tells the same events again when the ear opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noticed {
    /// When the sound that decided it was captured.
    pub at: Nanos,
    /// What the talker did.
    pub voice: VoiceEvent,
}

/// The agent's speech: 10 ms at 24 kHz, or the remainder of a reply.
#[derive(Debug, Clone, Copy)]
pub struct Speech {
    /// Dropped unheard when another epoch has begun.
    pub epoch: Epoch,
    /// Where the speech stands behind this block: samples of 24 kHz since the desk was opened, silence between replies
    /// not counted.
    pub end: u64,
    /// Nothing follows for now: what a resampler holds back is to be flushed.
    pub last: bool,
    /// Samples in `pcm`.
    pub len: u16,
    /// The samples.
    pub pcm: [i16; SPEAKING],
}

const fn moves_no_heap<T: Copy>() {}
const _: () = {
    moves_no_heap::<Captured>();
    moves_no_heap::<Playout>();
    moves_no_heap::<Played>();
    moves_no_heap::<Heard>();
    moves_no_heap::<Noticed>();
    moves_no_heap::<Speech>();
};
