//! Everything in the product that reads bytes of others, each as a function of bytes that panics when a promise is broken.
//!
//! ```text
//!  bytes ─┬─ text as it comes ────────────► twilio_message, webhook, signature, identifiers, gemini_message, config,
//!         │                               tool_call, caller_words, calendar_answer, calendar_object, google_answer
//!         ├─ bytes as they come ──────────► hid_descriptor
//!         └─ a script (see [`script`]) ──► call_leg, live_session, conversation, twiml, audio, hid_reports
//! ```
//!
//! The fuzz targets below `fuzz_targets/` and the ordinary test `tests/corpus.rs`, which runs what is kept below
//! `corpus/`, call the same functions. An input with a name was written by hand or once broke a promise; those called
//! `found_…` are the ones of long runs that add most to what the others reach. State machines run in virtual time;
//! nothing here opens a socket.

mod audio;
mod caldav;
mod config;
mod conversation;
mod far_gemini;
mod far_twilio;
mod gemini;
mod google;
mod hid;
mod leg;
mod live;
pub mod script;
mod tools;
mod twilio;
mod twiml;

pub use audio::audio;
pub use caldav::{calendar_answer, calendar_object};
pub use config::config;
pub use conversation::conversation;
pub use gemini::gemini_message;
pub use google::google_answer;
pub use hid::{hid_descriptor, hid_reports};
pub use leg::call_leg;
pub use live::live_session;
pub use tools::{caller_words, tool_call};
pub use twilio::{identifiers, signature, twilio_message, webhook};
pub use twiml::twiml;

/// A target's name and its entry function.
pub type Target = (&'static str, fn(&[u8]));

/// Every entry function with the name of its target and of its folder below `corpus/`.
pub const TARGETS: [Target; 18] = [
    ("audio", audio),
    ("calendar_answer", calendar_answer),
    ("calendar_object", calendar_object),
    ("call_leg", call_leg),
    ("caller_words", caller_words),
    ("config", config),
    ("conversation", conversation),
    ("gemini_message", gemini_message),
    ("google_answer", google_answer),
    ("hid_descriptor", hid_descriptor),
    ("hid_reports", hid_reports),
    ("identifiers", identifiers),
    ("live_session", live_session),
    ("signature", signature),
    ("tool_call", tool_call),
    ("twilio_message", twilio_message),
    ("twiml", twiml),
    ("webhook", webhook),
];

/// Errors are logged: their length must not be the peer's to choose. Forty characters that are shown escaped fit.
const SHORT: usize = 600;

/// Checks that what an error says fits a log line.
fn is_short(error: &impl std::fmt::Display) {
    let text = error.to_string();
    assert!(text.len() <= SHORT, "an error of {} bytes: {}…", text.len(), text.chars().take(80).collect::<String>());
}
