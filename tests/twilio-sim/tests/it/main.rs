//! The simulator against small bridges over real sockets on loopback.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
mod faults;
mod streams;
mod tls;
mod webhooks;
