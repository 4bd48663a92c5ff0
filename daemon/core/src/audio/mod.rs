//! Sound as numbers: codec, rates, levels, voice activity. Nothing here knows where the sound comes from.

pub mod g711;
pub mod level;
pub mod pace;
mod polyphase;
pub mod resample;
pub mod vad;
