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
//! - [`clinic`]: the clinic as data. [`booking`]: what is free, and what may be booked.
//! - [`clerk`]: what a conversation may do with the appointment book.
//! - [`knowledge`]: the clinic's own texts, and which of their passages answer a question.
//! - [`redflag`]: danger to life, heard in the caller's words. [`tools`]: what the model may call.
//! - [`letter`]: what patients and staff are told in writing, and what became of it.
//! - [`caldav`]: outside calendars: what is asked of them, and what they say is taken.
//! - [`google`]: the same of Google Calendar.
//! - [`backoff`]: delays between attempts.

pub mod audio;
pub mod backoff;
pub mod booking;
pub mod caldav;
pub mod clerk;
pub mod clinic;
pub mod desk;
pub mod gemini;
pub mod google;
pub mod knowledge;
pub mod letter;
pub mod redflag;
pub mod session;
pub mod source;
pub mod tools;
pub mod twilio;
pub mod units;
