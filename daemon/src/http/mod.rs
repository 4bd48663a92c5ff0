//! Everything that is asked over HTTP.
//!
//! Two listeners that share nothing but the code that accepts connections: the public one, which knows Twilio's paths
//! and no others, and the one for people.

pub mod admin;
pub mod auth;
pub mod control;
pub mod hook;
pub mod media;
pub mod public;
pub mod reply;
pub mod serve;
