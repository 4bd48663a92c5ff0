//! The simulator over real sockets.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

mod calendar;
mod common;
mod faults;
mod lists;
mod mail;
mod tokens;
