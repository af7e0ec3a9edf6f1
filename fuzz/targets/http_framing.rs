//! See `bellwether_server::fuzzing::http_framing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwether_server::fuzzing::http_framing(data));
