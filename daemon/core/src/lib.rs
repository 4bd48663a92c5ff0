//! What Frontdesk decides: audio, protocols, turn-taking. No tokio, ALSA, files, environment or clock.
//!
//! ```text
//!  Twilio ──► twilio::leg ──16 kHz──► session::conversation ──► gemini::live ──► Gemini Live
//!         ◄──  (CallLeg) ◄──24 kHz───  (Bridge, Turn, Effect) ◄── (LiveSession) ◄──
//! ```
//!
//! - [`units`]: sample rates, levels, gains.
//! - [`audio`]: mu-law, resampling, voice activity, paced playout.
//! - [`twilio`]: signatures, webhooks, TwiML, and one call's media stream as a state machine.
//! - [`gemini`]: one Live conversation as a state machine, reconnects included.
//! - [`desk`]: the speakerphone as a party of a conversation, and when one begins there.
//! - [`backoff`]: delays between attempts.

pub mod audio;
pub mod backoff;
pub mod desk;
pub mod gemini;
pub mod session;
pub mod source;
pub mod tools;
pub mod twilio;
pub mod units;
