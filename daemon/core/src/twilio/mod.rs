//! Twilio.
pub mod leg;
pub mod message;
