//! See `bellwether_query::fuzzing::query`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwether_query::fuzzing::query(data));
