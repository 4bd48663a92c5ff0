//! The worker between the rings: the only thread that turns the device's sound into the model's and back.
//!
//! ```text
//!  Captured ─► 16 kHz ─► echo, noise, gain ─► voice ─► Heard      (listen)
//!  Played ───► 16 kHz ──────┘ reference                           (reference, echo)
//!  Playout ◄── volume ◄── earcon + duck ◄── device rate ◄─ Speech (speak, earcon)
//! ```
//!
//! [`Worker::turn`] does all the work that is there and waits for nothing; [`start`] is the thread around it.

mod convert;
mod earcon;
mod echo;
mod listen;
mod reference;
mod speak;
mod thread;
mod worker;

pub use thread::{Handle, start};
pub use worker::Worker;
