//! What Frontdesk does.

pub mod config;
