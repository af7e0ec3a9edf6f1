//! See `bellwether_store::fuzzing::wal_read`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bellwether_store::fuzzing::wal_read(data));
