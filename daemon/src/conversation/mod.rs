//! What every conversation is made of, wherever it takes place: its place among the running ones, its way to the model,
//! what it leaves behind.
//!
//! ```text
//!  phone::task ─┐
//!               ├─► driver ─► live::link ─► Gemini
//!  desk::task ──┘      │
//!                      ├─► tools ─► store (the appointment book), outside calendar
//!                      ├─► journal ─► store, metrics, log
//!  http, status ──► running
//! ```

pub mod driver;
pub mod journal;
pub mod running;
pub mod tools;
