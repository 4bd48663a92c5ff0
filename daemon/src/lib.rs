//! What Frontdesk does.

pub mod config;
pub mod logging;
pub mod metrics;
pub mod store;
