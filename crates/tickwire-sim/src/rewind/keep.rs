//! The past in an exact capture, and back: systems can read it, so that it is part of what a room's future depends on.

use std::collections::VecDeque;

use bevy_ecs::world::World;
use tickwire_proto::wire::{Reader, Writer};
use tickwire_proto::{Moment, Tick};

use super::track::{Sample, Track, Tracks};
use super::{Captures, Hitbox, Rewind, Seen};
use crate::exact::RestoreError;
use crate::ids::{Ids, ROOM_ENTITIES_MAX};

/// Places kept of one entity, and captures, at most: of one second, and one before.
const KEPT_MAX: usize = crate::game::RATE_MAX as usize + 1;

pub(crate) fn write(rewind: &Rewind, out: &mut Writer) {
    out.varint_u32(rewind.kinds.len() as u32);
    if rewind.kinds.is_empty() {
        return;
    }
    for seat in &rewind.seats {
        out.bool(seat.is_some());
        if let Some((seen, tick)) = seat {
            out.varint_u64(seen.shown.parts());
            put_ticks(out, &[seen.between.0, seen.between.1, *tick]);
        }
    }
    out.bool(rewind.captures.newest.is_some());
    put_ticks(out, rewind.captures.newest.as_slice());
    out.varint_u32(rewind.captures.changed.len() as u32);
    rewind
        .captures
        .changed
        .iter()
        .for_each(|tick| out.varint_u32(tick.0));
    for kind in &rewind.kinds {
        out.varint_u32(kind.tracks.list.len() as u32);
        for track in kind.tracks.sorted() {
            write_track(track, out);
        }
    }
}

fn put_ticks(out: &mut Writer, ticks: &[Tick]) {
    ticks.iter().for_each(|tick| out.varint_u32(tick.0));
}

fn write_track(track: &Track, out: &mut Writer) {
    out.varint_u32(track.id.slot);
    put_hitbox(out, track.now.as_ref());
    out.bool(track.moved);
    out.varint_u32(track.samples.len() as u32);
    for sample in &track.samples {
        put_ticks(out, &[sample.from, sample.tick]);
        put_hitbox(out, sample.hitbox.as_ref());
    }
}

fn put_hitbox(out: &mut Writer, hitbox: Option<&Hitbox>) {
    out.bool(hitbox.is_some());
    if let Some(hitbox) = hitbox {
        hitbox.write(out);
    }
}

/// Puts it into a world that has its entities.
pub(crate) fn read(world: &mut World, input: &mut Reader, now: Tick) -> Result<(), RestoreError> {
    world.resource_scope(
        |world, mut rewind: bevy_ecs::change_detection::Mut<Rewind>| {
            rewind.now = now;
            let count = input.at("kinds").varint_u32()?;
            if count as usize != rewind.kinds.len() {
                return Err(RestoreError::Damaged("what can be hit"));
            }
            if count == 0 {
                return Ok(());
            }
            for seat in &mut rewind.seats {
                *seat = match input.at("seen").bool()? {
                    true => Some(read_seen(input)?),
                    false => None,
                };
            }
            rewind.captures = read_captures(input)?;
            let ids = world.resource::<Ids>();
            for kind in &mut rewind.kinds {
                kind.tracks = Tracks::default();
                for _ in 0..input.at("tracks").count(ROOM_ENTITIES_MAX, 4)? {
                    kind.tracks.put(read_track(input, ids)?);
                }
            }
            Ok(())
        },
    )
}

fn tick(input: &mut Reader) -> Result<Tick, RestoreError> {
    Ok(Tick(input.at("tick").varint_u32()?))
}

fn read_seen(input: &mut Reader) -> Result<(Seen, Tick), RestoreError> {
    let shown = Moment::from_parts(input.at("shown").varint_u64()?);
    let between = (tick(input)?, tick(input)?);
    Ok((Seen { shown, between }, tick(input)?))
}

fn read_captures(input: &mut Reader) -> Result<Captures, RestoreError> {
    let newest = match input.at("captured").bool()? {
        true => Some(tick(input)?),
        false => None,
    };
    let mut changed = VecDeque::new();
    for _ in 0..input.at("captures").count(KEPT_MAX, 1)? {
        changed.push_back(tick(input)?);
    }
    Ok(Captures { newest, changed })
}

fn read_track(input: &mut Reader, ids: &Ids) -> Result<Track, RestoreError> {
    let slot = input.at("slot").varint_u32()?;
    let known = ids.in_room(slot);
    let known = known.ok_or(RestoreError::Damaged("the past of nobody"))?;
    let mut track = Track {
        id: tickwire_snapshot::NetId {
            slot,
            generation: known.generation,
        },
        entity: known.entity,
        now: read_hitbox(input)?,
        moved: input.at("moved").bool()?,
        samples: VecDeque::new(),
    };
    for _ in 0..input.at("samples").count(KEPT_MAX, 3)? {
        track.samples.push_back(Sample {
            from: tick(input)?,
            tick: tick(input)?,
            hitbox: read_hitbox(input)?,
        });
    }
    Ok(track)
}

fn read_hitbox(input: &mut Reader) -> Result<Option<Hitbox>, RestoreError> {
    match input.at("hitbox").bool()? {
        true => Ok(Some(Hitbox::read(input)?)),
        false => Ok(None),
    }
}
