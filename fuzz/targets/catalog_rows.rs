//! See `bellwether_store::fuzzing::catalog_rows`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwether_store::fuzzing::catalog_rows(data));
