//! See `bellwether_wire::fuzzing::line_protocol`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwether_wire::fuzzing::line_protocol(data));
