//! See `bellwether_import::fuzzing::import_any`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwether_import::fuzzing::import_any(data));
