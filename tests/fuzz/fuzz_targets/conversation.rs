//! One call from end to end.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| frontdesk_fuzz::conversation(data));
