//! The front desk: when a conversation begins and ends there, and its audio endpoint.
//!
//! ```text
//!  buttons, voice, device ──► reception ──► begin, stop, lamps, ear
//!  blocks of 10 ms ◄──► leg ◄──► Conversation
//! ```

pub mod leg;
pub mod reception;
