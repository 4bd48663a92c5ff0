//! Sound in pieces through the resampler and the voice detector.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| frontdesk_fuzz::audio(data));
