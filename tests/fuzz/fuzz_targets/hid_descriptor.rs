//! A USB device's report descriptor.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| frontdesk_fuzz::hid_descriptor(data));
