//! What the command `tickwire` does: builds browser clients. Other tools may call it, as this repository's do.

#![forbid(unsafe_code)]

pub mod build;
pub mod pack;
