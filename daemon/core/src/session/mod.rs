//! One conversation: who has the floor, what follows from what happens, and what was said.
//!
//! ```text
//!  Source ──events──► Conversation ──► Bridge ──► Turn        decisions
//!         ◄──audio───      │ ◄────── Effect ◄────┘
//!  LiveSession ◄───────────┤
//!                          └──► Outward: run a tool, record, hang up, fall back
//! ```

pub mod bridge;
pub mod conversation;
pub mod effect;
pub mod id;
pub mod transcript;
pub mod turn;
