//! TwiML from texts of any kind.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| frontdesk_fuzz::twiml(data));
