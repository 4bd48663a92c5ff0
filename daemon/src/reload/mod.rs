//! Settings that change while the daemon runs: read again, checked whole, and taken by conversations that begin then.
//!
//! ```text
//!  SIGHUP ─────────────┐              ┌─ complaints: everything stays as it was, and it is told
//!  POST /v1/reload ────┴► task: read ─┤
//!                           │         └─ plan ─┬► applied: Current<Settings>, Current<Clinic>, volume, log level
//!                           ▼                  └► not applied: named, until a restart
//!                         State ──► status line, /health
//! ```
//!
//! A conversation takes the settings once, when it begins, and keeps them to its end. What differs between two
//! configurations and what of it needs a restart is decided in [`plan`], which touches nothing.

pub mod plan;
pub mod request;
mod state;

pub use request::Reloads;
pub use state::{Refusal, State};
