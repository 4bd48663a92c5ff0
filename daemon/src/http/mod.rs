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

use std::time::{Duration, Instant};

use http::StatusCode;

use crate::logging::{Event, Limit};

/// Requests in Twilio's name that were not signed by it: anybody can send as many as they like.
static UNSIGNED: Limit = Limit::new(Duration::from_mins(1));

/// Logs that a `kind` of request was not signed with our token, and is the answer to it.
fn unsigned(kind: &str) -> StatusCode {
    if let Some(untold) = UNSIGNED.allow(Instant::now()) {
        let before = if untold > 0 { format!(" ({untold} like it before were not told)") } else { String::new() };
        log::warn!(event:% = Event::SignatureRefused; "a {kind} was refused: it is not signed with our Twilio token for our public_url{before}");
    }
    StatusCode::FORBIDDEN
}

/// A header's text, if it has any.
fn header_text<'a>(headers: &'a http::HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
