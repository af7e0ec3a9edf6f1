//! See `bellwether_lang::rules::fuzzing::rule_json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwether_lang::rules::fuzzing::rule_json(data));
