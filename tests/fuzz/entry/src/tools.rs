//! What reaches us through the model: calls of functions, and the caller's words as they are written down.

use frontdesk_core::redflag::{Phrases, Watch, lists};
use frontdesk_core::tools::decl;
use frontdesk_core::tools::request::{ReadError, Request};
use serde_json::Value;

use crate::is_short;

/// The arguments of a call, read for every function.
pub fn tool_call(data: &[u8]) {
    let Ok(args) = serde_json::from_slice::<Value>(data) else { return };
    for name in decl::ALL {
        match Request::read(name, &args) {
            Ok(Request::Book(booking)) => {
                assert!((1..=120).contains(&booking.name.chars().count()));
                assert!(!booking.name.chars().chain(booking.note.chars()).any(char::is_control));
                assert!(booking.email.is_none_or(|email| email.bytes().all(|b| b.is_ascii_graphic())));
            }
            Ok(_) => {}
            Err(ReadError::UnknownFunction) => assert_eq!(name, decl::END_CALL),
            Err(ReadError::Argument(error)) => {
                is_short(&error);
                let _ = error.refusal().code();
            }
        }
    }
}

/// Words in pieces of a few bytes; and the same as a list of phrases.
pub fn caller_words(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut watch = Watch::new(lists(&["de-DE".to_owned()]).into());
    let mut alarms = 0;
    for piece in text.split_inclusive(|c: char| c.is_ascii_punctuation()) {
        alarms += usize::from(watch.hear(piece));
        if piece.ends_with('\'') {
            watch.pause();
        }
    }
    assert!(alarms <= 1, "it tells once");
    if let Err(error) = Phrases::parse(text) {
        is_short(&error);
    }
}
