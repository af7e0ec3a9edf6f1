//! See `bellwether_wire::fuzzing::remote_read_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwether_wire::fuzzing::remote_read_answer(data));
