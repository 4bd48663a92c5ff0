//! The phone: running calls and their tokens, their records, and Twilio's REST API.

pub mod calls;
pub mod health;
pub mod journal;
pub mod rest;
pub mod token;
