//! What benches and the report share: the workload as a Tickwire game, and rows of figures. What is measured stands in `bin/report` and `benches`.
#![allow(missing_docs)]

pub mod game;
pub mod row;
pub mod scenes;
