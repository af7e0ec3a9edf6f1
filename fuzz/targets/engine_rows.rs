//! See `bellwether_engine::fuzzing::engine_rows`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwether_engine::fuzzing::engine_rows(data));
