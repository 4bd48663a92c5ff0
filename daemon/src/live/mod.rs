//! The way to Gemini Live: credential, TLS, WebSocket. What is said there is decided in the core.

pub mod connect;
pub mod health;
pub mod link;
pub mod prompt;

pub use connect::{Connector, LiveSocket};
