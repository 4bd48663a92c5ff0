//! What Frontdesk does.

pub mod config;
pub mod store;
