//! What a seat owns, as its player may know it: exact to the bit, or as a number by which both sides see whether they agree. Not what a client does with it.

use bevy_ecs::entity::Entity;
use bevy_ecs::world::World;
use tickwire_proto::wire::{Reader, WireError, Writer};
use tickwire_snapshot::record::Refs;
use tickwire_snapshot::{AREA_IDS_MAX, AreaId, ENTITIES_MAX, NetId};

use crate::column::Column;
use crate::ids::{Ids, NetEntity};
use crate::refs::AreaRefs;
use crate::simulation::Simulation;

/// Bytes of what one seat owns at most. Of a seat that owns more nothing is told, and its client does not correct what it predicts.
pub use tickwire_proto::frame::OWN_MAX;

/// Who owns what at a tick, by seat.
#[derive(Default)]
pub(crate) struct Owned {
    list: Vec<(u16, NetEntity, Entity)>,
}

impl Owned {
    fn of(&self, seat: u16) -> impl Iterator<Item = Entity> {
        let first = self.list.partition_point(|(of, ..)| *of < seat);
        let rest = self.list[first..].iter();
        rest.take_while(move |(of, ..)| *of == seat)
            .map(|(.., entity)| *entity)
    }
}

/// A reference counts as one, whomever it names: the two sides have other names for who was spawned a moment ago.
struct Somebody;

impl Refs for Somebody {
    fn to_net(&self, _: u64) -> Option<NetId> {
        Some(NetId {
            slot: 1,
            generation: 0,
        })
    }

    fn to_entity(&self, _: NetId) -> Option<u64> {
        None // it is for writing only
    }
}

/// The number of a set of entities: equal where both sides hold the same of them, whatever their names and their order. 16 bits: where it is
/// equal by chance, the next update tells.
pub(crate) fn number(
    world: &World,
    columns: &[Box<dyn Column>],
    entities: impl Iterator<Item = Entity>,
    bytes: &mut Vec<u8>,
) -> u16 {
    number_of(columns, entities, bytes, |column, entity, bytes| {
        column.write_own(world, entity, &Somebody, bytes)
    })
}

/// The same of those who had these places in a frame of the past.
pub(crate) fn number_past(
    columns: &[Box<dyn Column>],
    frame: usize,
    places: impl Iterator<Item = usize>,
    bytes: &mut Vec<u8>,
) -> u16 {
    number_of(columns, places, bytes, |column, place, bytes| {
        column.write_past((frame, place), &Somebody, bytes)
    })
}

fn number_of<T: Copy>(
    columns: &[Box<dyn Column>],
    all: impl Iterator<Item = T>,
    bytes: &mut Vec<u8>,
    write: impl Fn(&dyn Column, T, &mut Vec<u8>) -> bool,
) -> u16 {
    let mut sum = 0_u64;
    for it in all {
        bytes.clear();
        for (index, column) in columns.iter().enumerate() {
            let before = bytes.len();
            bytes.push(index as u8);
            if !write(column.as_ref(), it, bytes) {
                bytes.truncate(before);
            }
        }
        if !bytes.is_empty() {
            sum = sum.wrapping_add(digest(bytes)); // else it is despawned
        }
    }
    let sum = sum ^ sum >> 32;
    (sum ^ sum >> 16) as u16
}

/// FNV-1a over words of eight bytes, well mixed.
fn digest(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 29;
    }
    hash
}

impl Simulation {
    /// Finds out who owns what, for [`own_number`](Self::own_number) and [`write_own`](Self::write_own): once a tick, after the capture, where
    /// somebody predicts.
    pub fn gather_own(&mut self) {
        let mut list = std::mem::take(&mut self.own.list);
        list.clear();
        let ids = self.world.resource::<Ids>();
        let all = self.owned.query(&self.world);
        for (entity, net, owner) in all.iter() {
            let area = ids.area_of(net.id());
            let seen = |area: &AreaId| {
                !ids.is_divided() || self.sights.of(owner.0.seat).binary_search(area).is_ok()
            };
            if area.as_ref().is_some_and(seen) {
                list.push((owner.0.seat, *net, entity));
            }
        }
        list.sort_unstable();
        self.own.list = list;
    }

    /// By which a client that predicts knows whether it was right about what its seat owns. Of the last [`gather_own`](Self::gather_own).
    #[must_use]
    pub fn own_number(&self, seat: u16) -> u16 {
        let owned = self.own.of(seat);
        number(&self.world, &self.columns, owned, &mut Vec::new())
    }

    /// Appends what a seat owns, exact to the bit, as far as its player may know it. Nothing, and `false`, where that is longer than [`OWN_MAX`].
    pub fn write_own(&self, seat: u16, out: &mut Vec<u8>) -> bool {
        let ids = self.world.resource::<Ids>();
        let mut writer = Writer::new();
        let entities: Vec<Entity> = self.own.of(seat).collect();
        writer.varint_u32(entities.len() as u32);
        let mut bytes = Vec::new();
        for entity in entities {
            let known = self.world.get::<NetEntity>(entity);
            let known = known.and_then(|net| ids.get(net.id()));
            let Some(place) = known.and_then(|known| known.place) else {
                continue; // it was there when they were gathered
            };
            writer.varint_u32(ids.areas()[place.area].id.0);
            writer.varint_u32(place.id.slot);
            writer.u16_le(place.id.generation);
            let refs = AreaRefs {
                world: &self.world,
                ids,
                area: place.area,
            };
            for column in self.columns.iter().filter(|column| column.is_own()) {
                bytes.clear();
                let there = column.write_own(&self.world, entity, &refs, &mut bytes);
                writer.bool(there);
                if there {
                    writer.raw(&bytes);
                }
            }
        }
        let bytes = writer.into_vec();
        let fits = bytes.len() <= OWN_MAX;
        if fits {
            out.extend_from_slice(&bytes);
        }
        fits
    }
}

/// Where an entity of such a text is, read from the front of it.
pub(crate) fn read_name(reader: &mut Reader) -> Result<(AreaId, NetId), WireError> {
    let area = reader.at("area").varint_u32()?;
    let slot = reader.at("slot").varint_u32()?;
    let generation = reader.at("generation").u16_le()?;
    if area >= AREA_IDS_MAX || slot as usize >= ENTITIES_MAX {
        let fault = tickwire_proto::wire::WireFault::OutOfRange(u64::from(slot));
        return Err(reader.error(fault));
    }
    Ok((AreaId(area), NetId { slot, generation }))
}
