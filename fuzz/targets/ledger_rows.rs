//! See `bellwether_ledger::fuzzing::ledger_rows`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwether_ledger::fuzzing::ledger_rows(data));
