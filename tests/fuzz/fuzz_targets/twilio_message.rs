//! One message of the media stream.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| frontdesk_fuzz::twilio_message(data));
