//! How frames become writes: all that one link has to say in a row leaves in one, as long as it is short.

use tickwire_proto::Outgoing;

use super::header::Header;
use super::{Link, Wrote};
use crate::metrics::ShardCounts;

/// Up to here copying is cheaper than telling the system of the pieces.
const COPIED_MAX: usize = 4096;

/// Writes for one link after the other. What it counts is told for many writes at once.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    /// What goes with the next write.
    copy: Vec<u8>,
    bytes: u64,
    updates: u64,
    writes: u64,
    short_writes: u64,
}

impl Writer {
    /// Writes what one link has to say, as far as its socket takes it, and keeps the rest there.
    pub(crate) fn write(
        &mut self,
        link: &mut Link,
        run: impl IntoIterator<Item = Outgoing>,
    ) -> Wrote {
        let mut wrote = Wrote::All;
        for outgoing in run {
            let len = len(&outgoing);
            self.bytes += len as u64;
            self.updates += u64::from(outgoing.update.is_some());
            if self.copy.len() + len > COPIED_MAX {
                wrote = self.write_copy(link, wrote);
            }
            if wrote == Wrote::Gone {
                continue;
            }
            if !link.is_clear() {
                link.queue(&outgoing);
                wrote = Wrote::Some;
            } else if len > COPIED_MAX {
                wrote = link.write(outgoing);
                self.wrote(wrote);
            } else {
                self.put(&outgoing.head);
                outgoing.body.iter().for_each(|body| self.put(body));
            }
        }
        self.write_copy(link, wrote)
    }

    /// Tells what was counted.
    pub(crate) fn count(&mut self, counts: &ShardCounts) {
        for (count, own) in [
            (&counts.bytes_out, &mut self.bytes),
            (&counts.updates, &mut self.updates),
            (&counts.writes, &mut self.writes),
            (&counts.short_writes, &mut self.short_writes),
        ] {
            count.add(std::mem::take(own));
        }
    }

    fn put(&mut self, frame: &[u8]) {
        self.copy
            .extend_from_slice(Header::binary(frame.len()).as_slice());
        self.copy.extend_from_slice(frame);
    }

    /// `before`: what became of what came before it.
    fn write_copy(&mut self, link: &mut Link, before: Wrote) -> Wrote {
        if self.copy.is_empty() {
            return before;
        }
        let wrote = link.write_copied(&self.copy);
        self.copy.clear();
        self.wrote(wrote);
        wrote
    }

    fn wrote(&mut self, wrote: Wrote) {
        self.writes += 1;
        self.short_writes += u64::from(wrote == Wrote::Some);
    }
}

/// With the headers.
fn len(outgoing: &Outgoing) -> usize {
    let framed = |frame: &[u8]| Header::binary(frame.len()).as_slice().len() + frame.len();
    framed(&outgoing.head) + outgoing.body.as_deref().map_or(0, framed)
}
