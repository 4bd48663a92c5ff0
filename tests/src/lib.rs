//! The rehearsal world: the real daemon as a process of its own, between a simulated Twilio and a simulated Gemini.
//!
//! ```text
//!  caller (espeak-ng) ─► TwilioSim ──https, wss──► frontdeskd ──wss──► GeminiSim ─► receptionist (espeak-ng)
//!                            └── what was heard ──► voice: correlation, recognition ◄── what was heard ──┘
//! ```

pub mod clinic_data;
pub mod daemon;
pub mod practice;
pub mod script;
pub mod world;
