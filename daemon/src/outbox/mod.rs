//! What is done outside, later and until it has succeeded: the errands that the appointment book writes with its changes.
//!
//! ```text
//! book's transaction ──errands──► store ──claim──► worker ──► Carriers ─┬─► calendar
//!                                   ▲                 │                 ├─► mail, SMS, reminders
//!                                   └─────settle──────┘                 └─► messages to staff
//! ```
//!
//! An errand is begun on the disk before it is begun outside, and settled there after it: whatever happens in between, it is
//! carried out again, and the carrier is told that it may have been done. So a carrier repeats nothing where a repetition
//! can be told by its key, and otherwise repeats once rather than not at all.
//!
//! - [`plan`]: what follows from an attempt: when it is tried again, and when no more.
//! - [`carrier`]: who carries errands out. [`worker`]: the task that has them carried out.

pub mod carrier;
pub mod plan;
pub mod worker;

pub use carrier::{Carrier, Carriers, Outcome};
pub use worker::start;
