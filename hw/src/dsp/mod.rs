//! The worker between the rings: the only thread that turns the device's sound into the model's and back.
//!
//! ```text
//!  Captured ─► 16 kHz ─► echo, noise, gain ─► voice ─► Heard      (listen)
//!  Played ───► 16 kHz ──────┘ reference                           (reference, echo)
//!  Playout ◄── volume ◄── earcon + duck ◄── device rate ◄─ Speech (speak, earcon)
//! ```
//!
//! [`probe`] plays and records for the self-test. [`Worker::turn`] does all the work that is there and waits for nothing; [`start`] is the thread around it.

mod convert;
mod earcon;
mod echo;
mod listen;
pub mod probe;
mod reference;
mod speak;
mod thread;
mod worker;

pub use thread::{Handle, start};
pub use worker::Worker;

/// Our echo canceller by itself, for tests of what else uses its sound.
#[cfg(test)]
pub(crate) fn probe_canceller() -> impl FnMut(&[i16; crate::block::LISTENING], &mut [i16; crate::block::LISTENING]) {
    let mut canceller = echo::Canceller::new();
    move |far, near| assert!(canceller.process(far, near, 20))
}
