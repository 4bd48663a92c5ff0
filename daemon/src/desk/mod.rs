//! The front desk: one task that owns the network side of the sound card, and at most one conversation there.
//!
//! ```text
//!  hw ──heard, news──► task ──► Reception     when a conversation begins and ends
//!     ◄─speech, knobs──  │
//!                        ├────► invite      somebody elsewhere begins one
//!                        ├────► selftest    a sound is played, and what comes back is judged
//!                        └────► talk: Driver<DeskLeg> ──► Gemini
//! ```

pub mod devices;
pub mod hardware;
pub mod invite;
mod lines;
pub mod port;
pub mod selftest;
pub mod state;
mod talk;
pub mod task;
