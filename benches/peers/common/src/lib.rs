//! What every peer is measured with: the drive through the arena, the CPU clock, the counting allocator, and the comparison of what clients hold. No peer is set up here.

mod drive;
mod gauge;
mod image;

pub use drive::{Measured, Peer, TICKS, measure};
pub use gauge::{Counting, Section, process_cpu};
pub use image::{Image, Quantised, exact, quantised};
