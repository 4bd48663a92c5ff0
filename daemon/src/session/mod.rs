//! Runs conversations: one task a call, both sockets in it, no channel between them.

pub mod bell;
pub mod prompt;
pub mod socket;
pub mod task;
