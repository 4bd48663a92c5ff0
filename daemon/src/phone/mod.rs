//! The phone: who may call, one task a call, its record, and Twilio's REST API.

pub mod calls;
pub mod ended;
pub mod fallback;
pub mod journal;
pub mod line;
pub mod paths;
pub mod rest;
pub mod settings;
pub mod sms;
pub mod task;
pub mod token;
