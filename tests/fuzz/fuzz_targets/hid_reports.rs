//! What happens at a USB device's buttons and lamps.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| frontdesk_fuzz::hid_reports(data));
