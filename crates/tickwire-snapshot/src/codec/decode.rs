//! From a basis and the bytes of a delta to the next version of an area. Every number is checked before it is used.

use std::sync::Arc;

use tickwire_proto::Tick;

use super::residual::K_BITS;
use super::section::get_set;
use super::{
    BLOB_LENGTH_K, Basis, CODEBOOK_PACKED, Decoded, EVENT_COUNT_K, LIFETIME_K, event_bits, used,
};
use crate::area::{Area, AreaId, ENTITIES_MAX, EVENTS_MAX, TickEvent};
use crate::bits::{BitReader, OutOfBits};
use crate::page::{EntityPage, PAGE_ROWS, Table, bits};
use crate::quant::Quant;
use crate::schema::{Profile, Schema};
use crate::track::Span;

/// Why bytes are no delta from this basis. The peer's fault, or the basis is another one than the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("the delta is cut short")]
    Short,
    /// There is more than the delta.
    #[error("the delta is followed by other bytes")]
    Long,
    /// A number that cannot be: a slot, a generation, a mode, a tick.
    #[error("the delta contradicts itself or its basis: {0}")]
    Wrong(&'static str),
    /// A value outside of what its quantiser can make.
    #[error("a value is out of the range of its field")]
    Range,
    /// The delta needs a codebook that this side does not have.
    #[error("codebook {0} is unknown")]
    Codebook(u16),
}

impl From<OutOfBits> for DecodeError {
    fn from(_: OutOfBits) -> Self {
        Self::Short
    }
}

/// Applies a delta of an update of `tick`. Whatever the bytes, it never panics and allocates no more than the rows of
/// [`ENTITIES_MAX`] slots need.
pub fn decode(
    schema: &Arc<Schema>,
    basis: &Basis,
    area: AreaId,
    tick: Tick,
    payload: &[u8],
) -> Result<Decoded, DecodeError> {
    if basis.codebook != CODEBOOK_PACKED {
        return Err(DecodeError::Codebook(basis.codebook));
    }
    let base = match &basis.area {
        Some(base) => base.clone(),
        None => Arc::new(Area::empty(area, schema)),
    };
    let same_schema = Arc::ptr_eq(&base.schema, schema) || base.schema == *schema;
    if base.id != area || !same_schema {
        return Err(DecodeError::Wrong("the basis is of another area"));
    }
    if schema.profile == Profile::Dense {
        return super::dense::decode(schema, basis, &base, tick, payload);
    }
    let next = Area::clone(&base);
    let mut decoder = Decoder {
        schema,
        input: BitReader::new(payload),
        base: &base,
        next,
        span: Span::direct(0),
        gone: Vec::new(),
        scratch: Scratch::default(),
    };
    decoder.header(basis.area.is_some(), tick)?;
    decoder.entities()?;
    for table in 0..schema.tables() {
        decoder.table(table)?;
    }
    let events = if basis.area.is_some() {
        decoder.events()?
    } else {
        Vec::new()
    };
    if !decoder.input.at_end() {
        return Err(DecodeError::Long);
    }
    let next = Arc::new(decoder.next);
    Ok(Decoded {
        basis: basis.followed_by(&next),
        events,
    })
}

pub(super) struct Decoder<'a> {
    pub(super) schema: &'a Schema,
    pub(super) input: BitReader<'a>,
    pub(super) base: &'a Area,
    pub(super) next: Area,
    pub(super) span: Span,
    /// Entities that went, page by page.
    pub(super) gone: Vec<u64>,
    pub(super) scratch: Scratch,
}

#[derive(Default)]
pub(super) struct Scratch {
    pub(super) domain: Vec<u64>,
    pub(super) removed: Vec<u64>,
    pub(super) deviating: Vec<u64>,
    pub(super) added: Vec<u64>,
    pub(super) values: Vec<i32>,
}

impl Decoder<'_> {
    fn header(&mut self, from_basis: bool, tick: Tick) -> Result<(), DecodeError> {
        if self.input.flag()? != from_basis {
            return Err(DecodeError::Wrong(
                "a keyframe where a delta was due, or the reverse",
            ));
        }
        let age = self.input.golomb(0)?;
        if age > tick.0 {
            return Err(DecodeError::Wrong("a change before the first tick"));
        }
        let (next, base) = (&mut self.next, self.base.tick);
        next.tick = tick.minus(age);
        next.previous = base;
        next.events.clear();
        let ticks = next.tick.since(base);
        self.span = Span::direct(ticks);
        if !from_basis {
            next.before = next.tick;
        } else if !self.input.flag()? {
            next.before = base;
            self.span = Span::new(ticks, self.input.golomb(1)?);
        } else if !self.input.flag()? {
            next.before = base;
        } else {
            let held = next
                .tick
                .0
                .checked_sub(self.input.golomb(1)?)
                .map(Tick)
                .filter(|&held| held > base);
            next.before = held.ok_or(DecodeError::Wrong("the basis ended before it began"))?;
        }
        Ok(())
    }

    fn entities(&mut self) -> Result<(), DecodeError> {
        if !self.input.flag()? {
            return Ok(());
        }
        let pages = self.input.golomb(3)? as usize;
        if pages > ENTITIES_MAX / PAGE_ROWS {
            return Err(DecodeError::Wrong("more slots than there can be"));
        }
        let Scratch { domain, added, .. } = &mut self.scratch;
        let from = &self.base.entities;
        masks(domain, used(from), |page| {
            from.page(page).map_or(0, |p| p.present)
        });
        let removed = get_set(&mut self.input, domain, &mut self.gone)?;
        let gone = &self.gone;
        masks(domain, pages, |page| {
            let staying = from.page(page).map_or(0, |p| p.present) & !mask(gone, page);
            !staying & !u64::from(page == 0)
        });
        let came = get_set(&mut self.input, domain, added)?;
        let k = self.input.bits(K_BITS)?;
        let table = Arc::make_mut(&mut self.next.entities);
        for page in 0..used(from).max(pages) {
            let (gone, came) = (mask(&self.gone, page), mask(added, page));
            if gone | came != 0 {
                change_entities(&mut self.input, table, page, gone, came, k)?;
            }
        }
        if used(table) != pages {
            return Err(DecodeError::Wrong("the last slots are not as announced"));
        }
        self.next.len = self.next.len + came as u32 - removed as u32;
        Ok(())
    }

    fn events(&mut self) -> Result<Vec<TickEvent>, DecodeError> {
        let count = self.input.golomb(EVENT_COUNT_K)? as usize;
        if count > EVENTS_MAX {
            return Err(DecodeError::Wrong("too many events"));
        }
        let mut events = Vec::new();
        for _ in 0..count {
            let kind = self.input.bits(event_bits(self.schema))?;
            let record = self
                .schema
                .events
                .get(kind as usize)
                .ok_or(DecodeError::Wrong("an event that is not in the schema"))?;
            let tick = self
                .next
                .tick
                .0
                .checked_sub(self.input.golomb(0)?)
                .map(Tick);
            let tick = tick
                .filter(|&tick| tick > self.base.tick)
                .ok_or(DecodeError::Wrong("an event of the past"))?;
            let lifetime =
                u16::try_from(self.input.golomb(LIFETIME_K)?).map_err(|_| DecodeError::Range)?;
            let layout = record.layout();
            let mut ints = Vec::with_capacity(layout.columns().len());
            for column in layout.columns() {
                let code = self.input.bits(u32::from(column.bits))?;
                ints.push(column.decode_fixed(code).ok_or(DecodeError::Range)?);
            }
            let blobs =
                (0..layout.blobs()).map(|blob| get_blob(&mut self.input, layout.blob_quant(blob)));
            let blobs = blobs.collect::<Result<_, _>>()?;
            events.push(TickEvent {
                tick,
                kind: kind as u16,
                lifetime,
                ints,
                blobs,
            });
        }
        Ok(events)
    }
}

fn change_entities(
    input: &mut BitReader,
    table: &mut Table<EntityPage>,
    page: usize,
    gone: u64,
    came: u64,
    k: u32,
) -> Result<(), DecodeError> {
    let entities = table.page_mut(page, EntityPage::default);
    let before = entities.generations;
    bits(gone).for_each(|row| entities.generations[row] = 0);
    entities.present = entities.present & !gone | came;
    for row in bits(came) {
        let replaced = gone >> row & 1 == 1;
        let code = u16::try_from(input.golomb(k)?)
            .map_err(|_| DecodeError::Wrong("a generation that cannot be"))?;
        if replaced && code == u16::MAX {
            return Err(DecodeError::Wrong("an entity that replaces itself"));
        }
        let from = if replaced {
            before[row].wrapping_add(1)
        } else {
            0
        };
        entities.generations[row] = from.wrapping_add(code);
    }
    if entities.present == 0 {
        table.clear_page(page);
    }
    Ok(())
}

/// A text or blob: no longer than declared, and what it is declared to be.
pub(super) fn get_blob(input: &mut BitReader, quant: &Quant) -> Result<Vec<u8>, DecodeError> {
    let length = input.golomb(BLOB_LENGTH_K)? as usize;
    if length > quant.blob_max() {
        return Err(DecodeError::Range);
    }
    if input.left() < length * 8 {
        return Err(DecodeError::Short);
    }
    let bytes = (0..length)
        .map(|_| Ok(input.bits(8)? as u8))
        .collect::<Result<Vec<u8>, DecodeError>>()?;
    // Empty stands for bytes that the game's own writer got wrong.
    if bytes.is_empty() || quant.valid_blob(&bytes) {
        Ok(bytes)
    } else {
        Err(DecodeError::Range)
    }
}

pub(super) fn masks(masks: &mut Vec<u64>, pages: usize, of: impl Fn(usize) -> u64) {
    masks.clear();
    masks.extend((0..pages).map(of));
}

pub(super) fn mask(masks: &[u64], page: usize) -> u64 {
    masks.get(page).copied().unwrap_or(0)
}
