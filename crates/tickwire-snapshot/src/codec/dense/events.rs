//! Texts, blobs and tick events: what is coded byte by byte.

use tickwire_proto::Tick;

use super::super::decode::DecodeError;
use super::super::event_bits;
use super::coder::{Coder, Model};
use super::walk::{EVENTS, LENGTH, Walk};
use crate::area::{EVENTS_MAX, TickEvent};
use crate::quant::Quant;

/// Bytes of texts and blobs: a tree of bits.
const BYTE: usize = 256;

impl<C: Coder> Walk<'_, C> {
    /// A text or blob: no longer than declared, and what it is declared to be.
    pub(super) fn blob(&mut self, quant: &Quant, bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let length = self.number(LENGTH, bytes.len() as u32) as usize;
        if length > quant.blob_max() {
            return Err(DecodeError::Range);
        }
        self.bytes.resize(BYTE, Model::NEW);
        let mut got = Vec::new();
        for at in 0..length {
            let byte = bytes.get(at).copied().unwrap_or(0);
            let mut node = 1;
            for bit in (0..8).rev() {
                let bit = self.coder.bit(&mut self.bytes[node], byte >> bit & 1 == 1);
                node = node << 1 | usize::from(bit);
            }
            got.push(node as u8);
            self.coder.check()?;
        }
        // Empty stands for bytes that the game's own writer got wrong.
        if C::READS && !got.is_empty() && !quant.valid_blob(&got) {
            return Err(DecodeError::Range);
        }
        Ok(got)
    }

    pub(super) fn all_events(&mut self, tick: Tick) -> Result<(), DecodeError> {
        let base = self.base.tick;
        let due = |event: &&TickEvent| {
            event.tick > base && tick.since(event.tick) <= u32::from(event.lifetime)
        };
        let due: Vec<&TickEvent> = self.truth.map_or(Vec::new(), |truth| {
            truth.events.iter().filter(due).collect()
        });
        let count = self.number(EVENTS, due.len() as u32) as usize;
        if count > EVENTS_MAX {
            return Err(DecodeError::Wrong("too many events"));
        }
        for at in 0..count {
            let event = self.event(due.get(at).copied())?;
            if C::READS {
                self.events.push(event);
            }
            self.coder.check()?;
        }
        Ok(())
    }

    pub(super) fn event(&mut self, truth: Option<&TickEvent>) -> Result<TickEvent, DecodeError> {
        let kind = self.coder.raw(
            truth.map_or(0, |t| u32::from(t.kind)),
            event_bits(self.schema),
        );
        let schema = self.schema;
        let record = schema
            .events
            .get(kind as usize)
            .ok_or(DecodeError::Wrong("an event that is not in the schema"))?;
        let next = self.made.tick;
        let ago = self.number(EVENTS, truth.map_or(0, |t| next.since(t.tick)));
        let tick = next
            .0
            .checked_sub(ago)
            .map(Tick)
            .filter(|&tick| tick > self.base.tick);
        let tick = tick.ok_or(DecodeError::Wrong("an event of the past"))?;
        let lifetime = self.number(LENGTH, truth.map_or(0, |t| u32::from(t.lifetime)));
        let lifetime = u16::try_from(lifetime).map_err(|_| DecodeError::Range)?;
        let layout = record.layout();
        let mut ints = Vec::with_capacity(layout.columns().len());
        for (index, column) in layout.columns().iter().enumerate() {
            let int = truth.map_or(column.min, |t| t.ints[index].clamp(column.min, column.max));
            let code = self
                .coder
                .raw(int.wrapping_sub(column.min) as u32, u32::from(column.bits));
            ints.push(column.decode_fixed(code).ok_or(DecodeError::Range)?);
        }
        let mut blobs = Vec::new();
        for blob in 0..layout.blobs() {
            let bytes = truth.map_or(&[][..], |t| &t.blobs[blob]);
            blobs.push(self.blob(layout.blob_quant(blob), bytes)?);
        }
        Ok(TickEvent {
            tick,
            kind: kind as u16,
            lifetime,
            ints,
            blobs,
        })
    }
}
