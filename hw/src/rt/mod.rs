//! The real-time thread: copies PCM between the device and the rings, and nothing else. In its loop it does not allocate,
//! free, lock, log, or wait for anyone but the device.
//!
//! ```text
//!              ┌── ladder: what to do about an error
//!   thread ────┼── cycle: one turn: read what is there, keep the playout filled
//!              │     └── ports: one block, between the device's frames and the rings
//!              ├── standby: whether anybody needs the streams
//!              ├── rate: what the clocks of the device really do
//!              └── trace: what happened, typed
//! ```

mod clock;
pub mod cycle;
pub mod ladder;
pub mod ports;
pub mod priority;
pub mod rate;
pub mod standby;
pub mod thread;
pub mod trace;
