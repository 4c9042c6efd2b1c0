//! Which slots of an area are free. A slot rests after its entity is gone, and its next entity has another generation.

use std::collections::{BTreeSet, VecDeque};

use tickwire_proto::Tick;
use tickwire_proto::wire::{Reader, WireError, WireFault, Writer};

use crate::area::{ENTITIES_MAX, NetId};
use crate::history::HISTORY_MAX;

/// Gives out the lowest slot that is free and rested. Deterministic: the same calls give the same slots.
///
/// ```
/// use tickwire_proto::Tick;
/// use tickwire_snapshot::SlotAllocator;
/// let mut slots = SlotAllocator::default();
/// let first = slots.allocate(Tick(0)).unwrap();
/// assert_eq!(first.slot, 1); // slot 0 is the room itself
/// slots.release(first, Tick(5));
/// assert_eq!(slots.allocate(Tick(6)).unwrap().slot, 2); // slot 1 still rests
/// let again = slots.allocate(Tick(200)).unwrap();
/// assert_eq!((again.slot, again.generation), (1, 1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotAllocator {
    rest: u32,
    max: usize,
    /// By slot: the generation of its entity, or of its next one.
    generations: Vec<u16>,
    free: BTreeSet<u32>,
    resting: VecDeque<(Tick, u32)>,
}

impl Default for SlotAllocator {
    fn default() -> Self {
        Self::new(HISTORY_MAX as u32)
    }
}

impl SlotAllocator {
    /// An allocator of the slots of an area, which rest for so many ticks.
    pub fn new(rest: u32) -> Self {
        Self::with_max(rest, ENTITIES_MAX)
    }

    /// The same for another number of slots than an area has, slot 0 included.
    pub fn with_max(rest: u32, max: usize) -> Self {
        Self {
            rest,
            max,
            generations: vec![0],
            free: BTreeSet::new(),
            resting: VecDeque::new(),
        }
    }

    /// A slot for a new entity; `None` if all of them are taken or resting.
    pub fn allocate(&mut self, now: Tick) -> Option<NetId> {
        while let Some(&(since, slot)) = self.resting.front()
            && now.since(since) >= self.rest
        {
            self.resting.pop_front();
            self.free.insert(slot);
        }
        let slot = match self.free.pop_first() {
            Some(slot) => slot,
            None if self.generations.len() < self.max => {
                self.generations.push(0);
                self.generations.len() as u32 - 1
            }
            None => return None,
        };
        Some(NetId {
            slot,
            generation: self.generations[slot as usize],
        })
    }

    /// Gives a slot back. Ignored if this entity does not hold it.
    pub fn release(&mut self, id: NetId, now: Tick) {
        if let Some(generation) = self.generations.get_mut(id.slot as usize)
            && *generation == id.generation
            && id.slot != 0
        {
            *generation = generation.wrapping_add(1);
            self.resting.push_back((now, id.slot));
        }
    }

    /// Slots that were ever given out, slot 0 included: one more than the greatest.
    pub fn bound(&self) -> u32 {
        self.generations.len() as u32
    }

    /// Writes everything but the time of rest: a part of an exact capture.
    pub fn write(&self, out: &mut Writer) {
        out.varint_u32(self.bound() - 1);
        for &generation in &self.generations[1..] {
            out.varint_u32(u32::from(generation));
        }
        out.varint_u32(self.free.len() as u32);
        self.free.iter().for_each(|&slot| out.varint_u32(slot));
        out.varint_u32(self.resting.len() as u32);
        for &(since, slot) in &self.resting {
            out.varint_u32(since.0);
            out.varint_u32(slot);
        }
    }

    /// Reads what [`write`](Self::write) wrote. A slot that is free twice, or an order that cannot be, is an error.
    pub fn read(rest: u32, input: &mut Reader) -> Result<Self, WireError> {
        Self::read_with_max(rest, ENTITIES_MAX, input)
    }

    /// The same of one that was made [for another number of slots](Self::with_max).
    pub fn read_with_max(rest: u32, max: usize, input: &mut Reader) -> Result<Self, WireError> {
        let slots = count(input.at("slots"), max - 1)?;
        let mut all = Self::with_max(rest, max);
        for _ in 0..slots {
            all.generations.push(input.at("generation").varint_u16()?);
        }
        let mut idle = BTreeSet::new();
        let mut last = 0;
        for _ in 0..count(input.at("free slots"), slots)? {
            let slot = all.idle_slot(input.at("free slot"), &mut idle)?;
            if slot < last {
                return Err(input.error(WireFault::OutOfRange(u64::from(slot))));
            }
            last = slot;
            all.free.insert(slot);
        }
        let mut last = Tick(0);
        for _ in 0..count(input.at("resting slots"), slots)? {
            let since = Tick(input.at("tick of rest").varint_u32()?);
            if since < last {
                return Err(input.error(WireFault::OutOfRange(u64::from(since.0))));
            }
            last = since;
            let slot = all.idle_slot(input.at("resting slot"), &mut idle)?;
            all.resting.push_back((since, slot));
        }
        Ok(all)
    }

    /// A slot that was given out once, and did not come up yet.
    fn idle_slot(&self, input: &mut Reader, idle: &mut BTreeSet<u32>) -> Result<u32, WireError> {
        let slot = input.varint_u32()?;
        if (1..self.bound()).contains(&slot) && idle.insert(slot) {
            Ok(slot)
        } else {
            Err(input.error(WireFault::OutOfRange(u64::from(slot))))
        }
    }
}

fn count(input: &mut Reader, max: usize) -> Result<usize, WireError> {
    let count = input.varint_u32()? as usize;
    if count > max {
        let (len, max) = (count as u64, max as u64);
        return Err(input.error(WireFault::TooLong { len, max }));
    }
    Ok(count)
}
