//! See `bellwether_notify::fuzzing::notice_rows`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwether_notify::fuzzing::notice_rows(data));
