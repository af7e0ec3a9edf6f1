//! See `bellwether_wire::fuzzing::remote_read`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwether_wire::fuzzing::remote_read(data));
