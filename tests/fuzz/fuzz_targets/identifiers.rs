//! Phone numbers, SIDs, names of marks.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| frontdesk_fuzz::identifiers(data));
