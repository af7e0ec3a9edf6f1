//! See `bellwether_lang::promql::fuzzing::promql_pieces`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwether_lang::promql::fuzzing::promql_pieces(data));
