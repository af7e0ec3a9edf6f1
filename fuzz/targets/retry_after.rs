//! See `bellwether_notify::fuzzing::retry_after`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwether_notify::fuzzing::retry_after(data));
