//! What a caller says, and lists of phrases.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| frontdesk_fuzz::caller_words(data));
