//! What Frontdesk does.

pub mod config;
pub mod metrics;
pub mod store;
