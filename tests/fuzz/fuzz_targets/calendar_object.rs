//! Entries that people make in calendars.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| frontdesk_fuzz::calendar_object(data));
