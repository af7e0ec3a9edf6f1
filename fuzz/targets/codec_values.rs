//! See `bellwether_store::segment::fuzzing::codec_values`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwether_store::segment::fuzzing::codec_values(data));
