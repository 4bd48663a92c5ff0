//! One message of the Live API, and the words of a close.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| frontdesk_fuzz::gemini_message(data));
