//! See `bellwether_store::segment::fuzzing::codec_timestamps`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwether_store::segment::fuzzing::codec_timestamps(data));
