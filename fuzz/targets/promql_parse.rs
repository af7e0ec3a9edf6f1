//! See `bellwether_lang::promql::fuzzing::promql_parse`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwether_lang::promql::fuzzing::promql_parse(data));
