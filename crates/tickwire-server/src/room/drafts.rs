//! Batches being written, one a shard, in memory that is used again and again.

use bytes::BytesMut;
use tickwire_proto::Tick;
use tickwire_proto::frame::ServerFrame;

use super::io::{Batch, ViewerUpdate};
use super::share::Share;
use crate::key::SessionKey;

/// Used batches kept for the next ticks.
const POOL_MAX: usize = 16;

/// The batches of one tick.
#[derive(Debug, Default)]
pub(crate) struct Drafts {
    open: Vec<Draft>,
    #[expect(clippy::vec_box, reason = "the boxes themselves travel and come back")]
    pool: Vec<Box<Batch>>,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Draft {
    shard: u16,
    viewers: Vec<ViewerUpdate>,
    /// The private frames; its memory comes back when the last of them is written.
    private: BytesMut,
}

impl Drafts {
    /// Adds one viewer (its session, and which of its links): its tick frame, and the number of its update. How many bytes its tick frame has.
    pub fn add(
        &mut self,
        (session, link): (SessionKey, u16),
        tick_frame: &ServerFrame,
        shared: Option<usize>,
    ) -> usize {
        let shard = session.shard();
        let at = self
            .open
            .iter()
            .position(|draft| draft.shard == shard)
            .unwrap_or_else(|| {
                self.open.push(Draft {
                    shard,
                    viewers: Vec::new(),
                    private: BytesMut::new(),
                });
                self.open.len() - 1
            });
        let draft = &mut self.open[at];
        let start = draft.private.len();
        self.scratch.clear();
        tick_frame.encode_into(&mut self.scratch);
        draft.private.extend_from_slice(&self.scratch);
        let end = draft.private.len();
        draft.viewers.push(ViewerUpdate {
            session,
            link,
            private: (start as u32, end as u32),
            shared: shared.map(|at| at as u16),
        });
        end - start
    }

    /// The batches that have somebody in them.
    pub fn finish(
        &mut self,
        room: u32,
        tick: Tick,
        share: &Share,
        mut give: impl FnMut(Box<Batch>),
    ) {
        for draft in self
            .open
            .iter_mut()
            .filter(|draft| !draft.viewers.is_empty())
        {
            let mut batch = self.pool.pop().unwrap_or_default();
            batch.shard = draft.shard;
            batch.room = room;
            batch.tick = tick;
            batch.shared.extend(share.frames().cloned());
            batch.private = draft.private.split().freeze();
            std::mem::swap(&mut batch.viewers, &mut draft.viewers);
            give(batch);
        }
    }

    /// A batch that was used up.
    pub fn recycle(&mut self, mut batch: Box<Batch>) {
        if self.pool.len() < POOL_MAX {
            batch.clear();
            self.pool.push(batch);
        }
    }

    /// A shard without members needs no memory.
    pub fn forget(&mut self, shard: u16) {
        self.open.retain(|draft| draft.shard != shard);
    }
}
