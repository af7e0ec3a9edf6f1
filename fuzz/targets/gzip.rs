//! See `bellwether_wire::fuzzing::gzip`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwether_wire::fuzzing::gzip(data));
