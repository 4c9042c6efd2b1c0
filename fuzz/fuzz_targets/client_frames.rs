//! Frames of a client: see `laws`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tickwire_fuzz_laws::client_frames(bytes));
