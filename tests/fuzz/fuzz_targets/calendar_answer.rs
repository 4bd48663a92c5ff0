//! What calendar servers answer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| frontdesk_fuzz::calendar_answer(data));
