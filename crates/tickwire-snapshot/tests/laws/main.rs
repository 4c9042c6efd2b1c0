//! The laws of snapshots, in one binary: each file states those of one part. Unit tests stand beside what they test.

mod areas;
mod books;
mod codec;
mod hostile;
mod quant;
mod schema;
mod world;
