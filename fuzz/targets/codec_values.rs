//! See `bellwether_store::codec::fuzzing::codec_values`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwether_store::codec::fuzzing::codec_values(data));
