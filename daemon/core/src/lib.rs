//! What Frontdesk decides.
pub mod audio;
pub mod backoff;
pub mod gemini;
pub mod twilio;
pub mod units;
