//! A USB speakerphone in software: loudspeaker, microphone, buttons and lamps, plugged into a real kernel over USB/IP.
//!
//! ```text
//!  Linux: snd-usb-audio, usbhid                usb-sim                                       tests
//!         │                       ┌────────────────────────────────────┐
//!     vhci-hcd ◄── USB/IP, TCP ──►│ wire ─► bus ─► device ─► telephone │◄── control, TCP ──► Client
//!                                 │          │ iso ─► sound (the room) │
//!                                 └────────────────────────────────────┘
//! ```
//! - [`descriptors`]: what the device tells of itself; [`device`]: what it answers; [`telephone`]: its buttons and lamps;
//! - [`wire`]: USB/IP as bytes; [`bus`]: transfers that wait for the device's clock; [`iso`]: that clock;
//! - [`sound`]: the room around the device; [`wav`]: its files; [`events`]: what happened when;
//! - [`control`]: the lines that a test sends; [`Client`]: the same as calls; [`server`]: sockets and threads;
//!   [`vhci`]: plugging into this computer's kernel.
//!
//! Decisions are free of sockets and clocks: time is an argument, counted from the start of the program. Nothing here is
//! shipped. How to use it in a virtual machine: `README.md` beside this.

pub mod bus;
pub mod client;
pub mod control;
pub mod descriptors;
pub mod device;
pub mod events;
pub mod iso;
mod perform;
pub mod server;
pub mod sound;
mod status;
pub mod telephone;
pub mod vhci;
pub mod wav;
pub mod wire;

pub use client::{Client, ClientError, Status};
pub use control::{Condition, Fault, Plug};
pub use sound::Side;

/// Time since the program's start.
pub type Time = std::time::Duration;
