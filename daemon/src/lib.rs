//! What Frontdesk does.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a task of a test ends with the test's runtime"))]

pub mod config;
pub mod logging;
pub mod metrics;
pub mod notify;
pub mod store;
pub mod supervise;
