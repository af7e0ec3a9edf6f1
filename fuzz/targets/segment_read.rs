//! See `bellwether_store::segment::fuzzing::segment_read`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwether_store::segment::fuzzing::segment_read(data));
