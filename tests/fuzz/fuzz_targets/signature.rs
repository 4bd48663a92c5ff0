//! Signatures of Twilio's requests.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| frontdesk_fuzz::signature(data));
