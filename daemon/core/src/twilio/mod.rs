//! Twilio: its requests and their signatures, TwiML, and the media stream of a call.

mod form;
pub mod leg;
pub mod message;
pub mod number;
pub mod sid;
pub mod signature;
pub mod twiml;
pub mod webhook;
