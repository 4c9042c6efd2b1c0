//! What goes out of a front and comes in, counted by kind of frame.

use tickwire_proto::Outgoing;
use tickwire_proto::frame::kind_name;

use super::FrontStats;

/// Frames and bytes by the first byte of the frame, so that counting costs no look-up.
#[derive(Debug)]
pub(super) struct Traffic {
    /// Frames and bytes of updates, with their tick frames.
    updates: (u64, u64),
    out: [(u64, u64); 256],
    into: [u64; 256],
}

impl Default for Traffic {
    fn default() -> Traffic {
        Traffic {
            updates: (0, 0),
            out: [(0, 0); 256],
            into: [0; 256],
        }
    }
}

impl Traffic {
    pub fn came(&mut self, frame: &[u8]) {
        self.into[kind(frame)] += frame.len() as u64;
    }

    pub fn goes(&mut self, out: &Outgoing) {
        let count = match out.update {
            Some(_) => &mut self.updates,
            None => &mut self.out[kind(&out.head)],
        };
        count.0 += 1 + u64::from(out.body.is_some());
        count.1 += out.len() as u64;
    }

    /// By name.
    pub fn tell(&self, stats: &mut FrontStats) {
        for kind in 0..=u8::MAX {
            let (name, at) = (kind_name(&[kind]), usize::from(kind));
            let ((frames, bytes), came) = (self.out[at], self.into[at]);
            if frames > 0 {
                *stats.frames_out.entry(name).or_default() += frames;
                *stats.bytes_out.entry(name).or_default() += bytes;
            }
            if came > 0 {
                *stats.bytes_in.entry(name).or_default() += came;
            }
        }
        if self.updates.0 > 0 {
            *stats.frames_out.entry("Update").or_default() += self.updates.0;
            *stats.bytes_out.entry("Update").or_default() += self.updates.1;
        }
    }
}

/// An empty frame counts as one of no known kind.
fn kind(frame: &[u8]) -> usize {
    usize::from(frame.first().copied().unwrap_or(u8::MAX))
}
