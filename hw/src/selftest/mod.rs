//! The self-test of a desk: a sound is played, and what comes back tells what is wrong. No device, thread or clock here.
//!
//! ```text
//!  stimulus ──► worker ──► loudspeaker
//!                  │           ╎ air, the device's own processing
//!  Recording ◄─────┴────── microphone          analyse: measure ─► Report ─► verdict: what to do
//! ```
//!
//! The worker's part is [`dsp::probe`](crate::dsp::probe).

pub mod facts;
mod measure;
pub mod stimulus;
mod verdict;

use crate::block::{LISTENING, Run};
use crate::knobs::EchoMode;
use facts::Facts;
use frontdesk_core::units::Dbfs;

pub use measure::Delay;
pub use verdict::{Code, Severity, Verdict};

/// So long after the stimulus is over the recording goes on: what was prepared, what the device holds, and the room.
const TAIL: usize = 60;
/// Blocks of one recording.
pub const BLOCKS: usize = stimulus::BLOCKS + TAIL;

/// 10 ms of all three signals at 16 kHz, as the echo canceller was given them.
#[derive(Debug, Clone, Copy)]
pub struct Compared {
    /// The run of the device they belong to.
    pub run: Run,
    /// How long before it is heard `played` is given, as far as the driver tells, in nanoseconds; may be negative. `None`:
    /// nothing was played at that time, and `played` is silence.
    pub lead: Option<i64>,
    /// What goes to the loudspeaker.
    pub played: [i16; LISTENING],
    /// What the microphone gave.
    pub raw: [i16; LISTENING],
    /// What is left of it: behind our own canceller, the same as `raw` when another one is responsible.
    pub clean: [i16; LISTENING],
}

/// What was recorded, in order.
#[derive(Debug, Default)]
pub struct Recording {
    blocks: Vec<Compared>,
}

impl Recording {
    /// Room for a whole one: the worker allocates none.
    pub fn with_room() -> Self {
        Self { blocks: Vec::with_capacity(BLOCKS) }
    }

    /// Takes one more block; whether it is complete.
    pub fn push(&mut self, block: &Compared) -> bool {
        if self.blocks.len() < BLOCKS {
            self.blocks.push(*block);
        }
        self.blocks.len() == BLOCKS
    }

    /// The blocks so far.
    pub fn blocks(&self) -> &[Compared] {
        &self.blocks
    }
}

/// What was measured, and what that means.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// From the loudspeaker to the microphone. `None`: nothing of what was played was found again.
    pub delay: Option<Delay>,
    /// The microphone before anything was played.
    pub noise: Dbfs,
    /// What was given to the loudspeaker.
    pub played: Dbfs,
    /// The microphone meanwhile.
    pub microphone: Dbfs,
    /// How much quieter the loudspeaker is in the microphone than it was played, dB. Without a [`delay`](Self::delay) it
    /// is at least that much.
    pub return_loss: f32,
    /// What our canceller takes away of the echo, dB, once it knows the room; `None` when it is not used, or when there is
    /// too little to take away.
    pub reduction: Option<f32>,
    /// What is left for the model, while the agent speaks and nobody else.
    pub residual: Dbfs,
    /// The share of the microphone's samples that are at full scale.
    pub clipped: f32,
    /// Times that the streams were started anew meanwhile.
    pub restarts: u32,
    /// What that means, the most important first. Never empty.
    pub verdicts: Vec<Verdict>,
}

impl Report {
    /// Whether nothing needs a person's attention.
    pub fn is_well(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.severity != Severity::Fault)
    }
}

/// Compares what was played with what came back. Takes some 100 ms: not for a thread that others wait for.
pub fn analyse(recording: &Recording, facts: &Facts) -> Report {
    let mut report = measure::measure(recording.blocks());
    if facts.echo != EchoMode::Software {
        report.reduction = None;
    }
    report.verdicts = verdict::judge(&report, measure::signal(recording.blocks()), facts);
    report
}

#[cfg(test)]
mod tests;
