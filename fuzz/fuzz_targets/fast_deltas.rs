//! Deltas of the packed codec, against a world that is known: see `laws`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tickwire_fuzz_laws::fast_deltas(bytes));
