//! Both codecs against a reference, over a world that the bytes make: see `laws`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tickwire_fuzz_laws::codecs(bytes));
