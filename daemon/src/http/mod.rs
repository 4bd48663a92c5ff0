//! Everything that is asked over HTTP.
//!
//! Two listeners that share nothing but the code that accepts connections: the public one, which knows Twilio's paths
//! and no others, and the one for people.

pub mod admin;
pub mod auth;
mod book;
pub mod control;
mod google;
pub mod hook;
pub mod media;
mod neighbours;
pub mod outside;
pub mod public;
pub mod reply;
pub mod serve;

/// A header's text, if it has any.
fn header_text<'a>(headers: &'a http::HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
