//! Buttons and lamps of a USB speakerphone over hidraw: hook switch, ring and off-hook lamp never reach evdev (Linux maps
//! only phone mute and the mute lamp).
//!
//! ```text
//!  sysfs ──► hidraw: find, open ──► descriptor: Layout ──► telephony: a machine without fd or clock
//!                        └────────────── fd ─────────────► handset: the thread that feeds it
//! ```
//!
//! [`search`]: when a node is looked for again.

pub mod descriptor;
pub mod handset;
pub mod hidraw;
pub mod search;
pub mod telephony;

mod bits;
mod items;
mod parser;
#[cfg(test)]
mod samples;
