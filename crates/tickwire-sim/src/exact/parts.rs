//! The parts of an exact capture, each written and read beside its twin: seats, what waits, names, events, the published area.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bevy_ecs::change_detection::Mut;
use bevy_ecs::entity::Entity;
use bevy_ecs::world::World;
use bytes::Bytes;
use tickwire_proto::Tick;
use tickwire_proto::frame::{AskOutcome, MemberFlags, Presence, Refusal};
use tickwire_proto::wire::{Reader, Writer};
use tickwire_snapshot::{
    AREA_IDS_MAX, Area, AreaId, Basis, ENTITIES_MAX, Encoder, HISTORY_MAX, NetId, OwnedRow, Schema,
    SlotAllocator, Snapshot, TickEvent, decode,
};

use super::RestoreError;
use crate::ask::{QUESTIONS_MAX, Question, Questions};
use crate::event::{EVENTS_WAITING_MAX, EventQueue};
use crate::ids::{Ids, Known, NetEntity, Place, ROOM_ENTITIES_MAX};
use crate::inbox::{INBOX_MAX, Inbox, Input, Plan};
use crate::player::{PlayerInfo, Roster, SEATS_MAX, Seated};
use crate::task::{TaskFailed, TaskId, Tasks};

/// Bytes of a name or message in an exact capture at most.
const TEXT_MAX: usize = 1 << 16;
/// Entities that are gone and still referred to, at most.
const GONE_MAX: usize = 1 << 20;
/// Tasks in an exact capture at most: those that run, and those that were refused in one tick.
const TASKS_KEPT_MAX: usize = 1 << 16;
/// Bytes of the published area in an exact capture at most.
const AREA_MAX: usize = 1 << 28;

pub(crate) fn write_attributes(attributes: &[(String, String)], out: &mut Writer) {
    out.varint_u32(attributes.len() as u32);
    for (key, value) in attributes {
        out.str(key, TEXT_MAX);
        out.str(value, TEXT_MAX);
    }
}

pub(crate) fn read_attributes(input: &mut Reader) -> Result<Vec<(String, String)>, RestoreError> {
    let count = input.at("attributes").count(TEXT_MAX, 2)?;
    let mut attributes = Vec::new();
    for _ in 0..count {
        let key = input.at("attribute").str(TEXT_MAX)?.to_owned();
        attributes.push((key, input.at("attribute").str(TEXT_MAX)?.to_owned()));
    }
    Ok(attributes)
}

pub(crate) fn write_roster(roster: &Roster, out: &mut Writer) {
    for seat in &roster.seats {
        out.bool(seat.is_some());
        if let Some(who) = seat {
            out.str(&who.name, TEXT_MAX);
            out.str(&who.identity, TEXT_MAX);
            out.u8(who.presence as u8);
            out.bool(who.computer);
            write_flags(who.ready, who.host, out);
            out.bool(who.lagging);
        }
    }
}

pub(crate) fn read_roster(input: &mut Reader, seats: u16) -> Result<Roster, RestoreError> {
    let mut roster = Roster::new(seats);
    for seat in &mut roster.seats {
        if input.at("seat").bool()? {
            *seat = Some(Seated {
                name: input.at("name").str(TEXT_MAX)?.to_owned(),
                identity: input.at("identity").str(TEXT_MAX)?.to_owned(),
                presence: presence(input)?,
                computer: input.at("computer").bool()?,
                ready: input.at("ready").bool()?,
                host: input.at("host").bool()?,
                lagging: input.at("lagging").bool()?,
            });
        }
    }
    Ok(roster)
}

fn write_player(info: &PlayerInfo, out: &mut Writer) {
    out.u16_le(info.seat);
    out.str(&info.name, TEXT_MAX);
    out.str(&info.identity, TEXT_MAX);
    out.bool(info.computer);
}

/// The rest of one, after its seat.
fn read_player(input: &mut Reader, seat: u16) -> Result<PlayerInfo, RestoreError> {
    Ok(PlayerInfo {
        seat,
        name: input.at("name").str(TEXT_MAX)?.to_owned(),
        identity: input.at("identity").str(TEXT_MAX)?.to_owned(),
        computer: input.at("computer").bool()?,
    })
}

fn write_flags(ready: bool, host: bool, out: &mut Writer) {
    out.bool(ready);
    out.bool(host);
}

fn presence(input: &mut Reader) -> Result<Presence, RestoreError> {
    match input.at("presence").u8()? {
        0 => Ok(Presence::Online),
        1 => Ok(Presence::Away),
        2 => Ok(Presence::Gone),
        _ => Err(RestoreError::Damaged("a presence")),
    }
}

pub(crate) fn write_inbox(inbox: &Inbox, out: &mut Writer) {
    out.varint_u32(inbox.waiting().count() as u32);
    for input in inbox.waiting() {
        match input {
            Input::Join(info) => {
                out.u8(0);
                write_player(info, out);
            }
            Input::TakeOver(info) => {
                out.u8(8);
                write_player(info, out);
            }
            Input::Leave(seat) => {
                out.u8(1);
                out.u16_le(*seat);
            }
            Input::Presence(seat, presence) => {
                out.u8(2);
                out.u16_le(*seat);
                out.u8(*presence as u8);
            }
            Input::Message {
                seat,
                kind,
                payload,
            } => {
                out.u8(3);
                out.u16_le(*seat);
                out.u32_le(*kind);
                out.bytes(payload);
            }
            Input::Request {
                seat,
                kind,
                ticket,
                payload,
            } => {
                out.u8(4);
                out.u16_le(*seat);
                out.u32_le(*kind);
                out.u32_le(*ticket);
                out.bytes(payload);
            }
            Input::Reply {
                seat,
                number,
                outcome,
            } => {
                out.u8(5);
                out.u16_le(*seat);
                out.u32_le(*number);
                write_outcome(outcome, out);
            }
            Input::Done(task, result) => {
                out.u8(7);
                out.u16_le(0);
                out.u32_le(task.0);
                out.bool(result.is_ok());
                match result {
                    Ok(bytes) => out.bytes(bytes),
                    Err(failed) => out.u8(*failed as u8),
                }
            }
            Input::Lagging(seat, lagging) => {
                out.u8(9);
                out.u16_le(*seat);
                out.bool(*lagging);
            }
            Input::Flags(seat, flags) => {
                out.u8(6);
                out.u16_le(*seat);
                write_flags(flags.ready, flags.host, out);
            }
        }
    }
    for seat in 0..SEATS_MAX {
        match inbox.plan(seat) {
            Plan::Free => {}
            Plan::Person => out.u16_le(seat << 1),
            Plan::Computer => out.u16_le(seat << 1 | 1),
        }
    }
    out.u16_le(u16::MAX);
}

pub(crate) fn read_inbox(input: &mut Reader, seats: u16) -> Result<Inbox, RestoreError> {
    let mut inbox = Inbox::new(seats);
    // Leaves may go past the bound of the inbox, by one for each seat; replies, by one for each question; results, by one for each task.
    let past = usize::from(SEATS_MAX) + QUESTIONS_MAX + TASKS_KEPT_MAX;
    let count = input.at("inbox").count(INBOX_MAX + past, 3)?;
    for _ in 0..count {
        let one = read_input(input)?;
        inbox.put_back(one);
    }
    let mut plans = vec![Plan::Free; usize::from(seats)];
    loop {
        let word = input.at("plan").u16_le()?;
        if word == u16::MAX {
            inbox.set_plans(plans.into_iter());
            return Ok(inbox);
        }
        let plan = plans
            .get_mut(usize::from(word >> 1))
            .ok_or(RestoreError::Damaged("a seat"))?;
        *plan = match word & 1 {
            0 => Plan::Person,
            _ => Plan::Computer,
        };
    }
}

fn read_input(input: &mut Reader) -> Result<Input, RestoreError> {
    let kind = input.at("input").u8()?;
    let seat = input.at("seat").u16_le()?;
    match kind {
        0 => Ok(Input::Join(read_player(input, seat)?)),
        8 => Ok(Input::TakeOver(read_player(input, seat)?)),
        1 => Ok(Input::Leave(seat)),
        2 => Ok(Input::Presence(seat, presence(input)?)),
        3 => Ok(Input::Message {
            seat,
            kind: input.at("kind").u32_le()?,
            payload: Bytes::copy_from_slice(input.at("payload").bytes(TEXT_MAX)?),
        }),
        4 => Ok(Input::Request {
            seat,
            kind: input.at("kind").u32_le()?,
            ticket: input.at("ticket").u32_le()?,
            payload: Bytes::copy_from_slice(input.at("payload").bytes(TEXT_MAX)?),
        }),
        5 => Ok(Input::Reply {
            seat,
            number: input.at("number").u32_le()?,
            outcome: read_outcome(input)?,
        }),
        6 => Ok(Input::Flags(
            seat,
            MemberFlags {
                ready: input.at("ready").bool()?,
                host: input.at("host").bool()?,
            },
        )),
        9 => Ok(Input::Lagging(seat, input.at("lagging").bool()?)),
        7 => Ok(Input::Done(
            TaskId(input.at("task").u32_le()?),
            match input.at("done").bool()? {
                true => Ok(Bytes::copy_from_slice(input.at("result").bytes(TEXT_MAX)?)),
                false => {
                    let number = usize::from(input.at("failed").u8()?);
                    let failed = TaskFailed::ALL.get(number).copied();
                    Err(failed.ok_or(RestoreError::Damaged("a failed task"))?)
                }
            },
        )),
        _ => Err(RestoreError::Damaged("an input")),
    }
}

fn write_outcome(outcome: &AskOutcome, out: &mut Writer) {
    match outcome {
        AskOutcome::Done(payload) => {
            out.u8(0);
            out.bytes(payload);
        }
        AskOutcome::Refused(refusal) => {
            out.u8(1);
            out.str(&refusal.code, TEXT_MAX);
            out.str(&refusal.message, TEXT_MAX);
            out.bytes(&refusal.data);
        }
        AskOutcome::Timeout => out.u8(2),
        AskOutcome::Ended => out.u8(3),
    }
}

fn read_outcome(input: &mut Reader) -> Result<AskOutcome, RestoreError> {
    match input.at("outcome").u8()? {
        0 => {
            let payload = input.at("payload").bytes(TEXT_MAX)?;
            Ok(AskOutcome::Done(Bytes::copy_from_slice(payload)))
        }
        1 => Ok(AskOutcome::Refused(Refusal {
            code: input.at("code").str(TEXT_MAX)?.to_owned(),
            message: input.at("message").str(TEXT_MAX)?.to_owned(),
            data: Bytes::copy_from_slice(input.at("data").bytes(TEXT_MAX)?),
        })),
        2 => Ok(AskOutcome::Timeout),
        3 => Ok(AskOutcome::Ended),
        _ => Err(RestoreError::Damaged("an outcome")),
    }
}

/// The questions that wait: who has not answered, and until when.
pub(crate) fn write_questions(questions: &Questions, out: &mut Writer) {
    out.u32_le(questions.last());
    out.varint_u32(questions.open.len() as u32);
    for (number, question) in &questions.open {
        out.u32_le(*number);
        out.u32_le(question.kind);
        out.u32_le(question.until.0);
        out.varint_u32(question.seats.len() as u32);
        for seat in &question.seats {
            out.u16_le(*seat);
        }
    }
}

pub(crate) fn read_questions(
    input: &mut Reader,
    questions: &mut Questions,
) -> Result<(), RestoreError> {
    let last = input.at("last question").u32_le()?;
    let mut open = std::collections::BTreeMap::new();
    for _ in 0..input.at("questions").count(QUESTIONS_MAX, 13)? {
        let number = input.at("question").u32_le()?;
        let kind = input.at("kind").u32_le()?;
        let until = Tick(input.at("until").u32_le()?);
        let seats: Result<Vec<u16>, _> = (0..input.at("seats").count(QUESTIONS_MAX, 2)?)
            .map(|_| input.at("seat").u16_le())
            .collect();
        let seats = seats?;
        open.insert(number, Question { kind, until, seats });
    }
    questions.put_back(last, open);
    Ok(())
}

pub(crate) fn write_tasks(tasks: &Tasks, out: &mut Writer) {
    let (last, running) = tasks.parts();
    out.u32_le(last);
    out.varint_u32(running.len() as u32);
    for (task, kind) in running {
        out.u32_le(task.0);
        out.u32_le(*kind);
    }
}

/// Nobody runs them any more: those whose result does not wait in the inbox are lost, and the game hears of it.
pub(crate) fn read_tasks(input: &mut Reader, inbox: &mut Inbox) -> Result<Tasks, RestoreError> {
    let last = input.at("last task").u32_le()?;
    let count = input.at("tasks").count(TASKS_KEPT_MAX, 8)?;
    let mut running = BTreeMap::new();
    for _ in 0..count {
        let task = TaskId(input.at("task").u32_le()?);
        running.insert(task, input.at("kind").u32_le()?);
    }
    for task in running.keys() {
        let done = |it: &Input| matches!(it, Input::Done(other, _) if other == task);
        if !inbox.waiting().any(done) {
            inbox.put_back(Input::Done(*task, Err(TaskFailed::Lost)));
        }
    }
    Ok(Tasks::restored(last, running))
}

pub(crate) fn write_ids(ids: &Ids, out: &mut Writer) {
    ids.room.write(out);
    out.varint_u32(ids.areas().len() as u32);
    for area in ids.areas() {
        out.varint_u32(area.id.0);
        area.slots.write(out);
    }
    out.varint_u32(ids.all().count() as u32);
    for (id, known) in ids.all() {
        out.varint_u32(id.slot);
        out.u16_le(id.generation);
        out.u16_le(known.shown());
        out.bool(known.place.is_some());
        if let Some(place) = known.place {
            out.varint_u32(place.area as u32);
            out.varint_u32(place.id.slot);
            out.u16_le(place.id.generation);
        }
    }
}

/// Handles of nobody, one for each entity that was gone and is still referred to.
pub(crate) fn read_gone(
    world: &mut World,
    input: &mut Reader,
) -> Result<Vec<Entity>, RestoreError> {
    let count = input.at("gone").count(GONE_MAX, 6)?;
    let gone: Vec<Entity> = (0..count).map(|_| world.spawn_empty().id()).collect();
    for entity in &gone {
        world.despawn(*entity);
    }
    Ok(gone)
}

/// Despawns everybody and spawns those of the capture, with their names and nothing else.
pub(crate) fn read_ids(
    world: &mut World,
    input: &mut Reader,
    now: Tick,
) -> Result<(), RestoreError> {
    empty_world(world);
    let rest = HISTORY_MAX as u32;
    let room = SlotAllocator::read_with_max(rest, ROOM_ENTITIES_MAX, input)?;
    let mut areas = Vec::new();
    for _ in 0..input.at("areas").count(AREA_IDS_MAX as usize, 4)? {
        areas.push((area_id(input)?, SlotAllocator::read(rest, input)?));
    }
    let once: BTreeSet<AreaId> = areas.iter().map(|(id, _)| *id).collect();
    if once.len() < areas.len() || areas.first().is_none_or(|(id, _)| *id != AreaId::ALL) {
        return Err(RestoreError::Damaged("the areas"));
    }
    let count = input.at("entities").count(ROOM_ENTITIES_MAX, 6)?;
    world.resource_scope(|world, mut ids: Mut<Ids>| {
        ids.clear();
        ids.set_now(now);
        ids.room = room;
        let areas_count = areas.len();
        for (id, slots) in areas {
            ids.put_back_area(id, slots);
        }
        for _ in 0..count {
            let id = read_id(input, ROOM_ENTITIES_MAX)?;
            let shown = input.at("shown").u16_le()?;
            let place = match input.at("place").bool()? {
                true => Some(read_place(input, areas_count)?),
                false => None,
            };
            // The book is out of the world at this moment, so that no hook gives it another name.
            let entity = world.spawn(NetEntity::of(id)).id();
            ids.put_back(id, Known::new(entity, id.generation, place, shown));
        }
        Ok(())
    })
}

fn read_place(input: &mut Reader, areas: usize) -> Result<Place, RestoreError> {
    let area = input.at("area").varint_u32()? as usize;
    if area >= areas {
        return Err(RestoreError::Damaged("an area"));
    }
    let id = read_id(input, ENTITIES_MAX)?;
    Ok(Place { area, id })
}

fn area_id(input: &mut Reader) -> Result<AreaId, RestoreError> {
    match input.at("area").varint_u32()? {
        id if id < AREA_IDS_MAX => Ok(AreaId(id)),
        _ => Err(RestoreError::Damaged("the number of an area")),
    }
}

fn read_id(input: &mut Reader, max: usize) -> Result<NetId, RestoreError> {
    let slot = input.at("slot").varint_u32()?;
    let generation = input.at("generation").u16_le()?;
    if slot == 0 || slot as usize >= max {
        return Err(RestoreError::Damaged("a slot"));
    }
    Ok(NetId { slot, generation })
}

fn empty_world(world: &mut World) {
    let mut all = world.query::<(Entity, &NetEntity)>();
    let all: Vec<Entity> = all.iter(world).map(|(entity, _)| entity).collect();
    for entity in all {
        // Despawning one may have despawned another.
        if let Ok(entity) = world.get_entity_mut(entity) {
            entity.despawn();
        }
    }
}

pub(crate) fn write_events(queue: &EventQueue, out: &mut Writer) {
    out.varint_u32(queue.waiting.len() as u32);
    for (area, event) in &queue.waiting {
        out.varint_u32(area.0);
        out.u32_le(event.tick.0);
        out.u16_le(event.kind);
        out.u16_le(event.lifetime);
        out.varint_u32(event.ints.len() as u32);
        for &int in &event.ints {
            out.varint_i64(i64::from(int));
        }
        out.varint_u32(event.blobs.len() as u32);
        for blob in &event.blobs {
            out.bytes(blob);
        }
    }
}

pub(crate) fn read_events(
    input: &mut Reader,
    schema: &Schema,
) -> Result<Vec<(AreaId, TickEvent)>, RestoreError> {
    let count = input.at("events").count(EVENTS_WAITING_MAX, 11)?;
    let mut events = Vec::with_capacity(count);
    for _ in 0..count {
        let area = area_id(input)?;
        let event = read_event(input)?;
        let record = schema.events.get(usize::from(event.kind));
        let fits = record.is_some_and(|record| {
            let empty = OwnedRow::new(record);
            (empty.ints.len(), empty.blobs.len()) == (event.ints.len(), event.blobs.len())
        });
        if !fits {
            return Err(RestoreError::Damaged("an event"));
        }
        events.push((area, event));
    }
    Ok(events)
}

fn read_event(input: &mut Reader) -> Result<TickEvent, RestoreError> {
    let tick = Tick(input.at("event tick").u32_le()?);
    let kind = input.at("event kind").u16_le()?;
    let lifetime = input.at("event lifetime").u16_le()?;
    let mut ints = Vec::new();
    for _ in 0..input.at("event columns").count(TEXT_MAX, 1)? {
        let int = i32::try_from(input.at("event column").varint_i64()?);
        ints.push(int.map_err(|_| RestoreError::Damaged("an event's column"))?);
    }
    let mut blobs = Vec::new();
    for _ in 0..input.at("event blobs").count(TEXT_MAX, 1)? {
        blobs.push(input.at("event blob").bytes(TEXT_MAX)?.to_vec());
    }
    Ok(TickEvent {
        tick,
        kind,
        lifetime,
        ints,
        blobs,
    })
}

/// What was published last: its canonical tracks are a part of the room's state. Its living events are not, viewers have heard of them.
pub(crate) fn write_published(
    last: Option<&Arc<Snapshot>>,
    schema: &Arc<Schema>,
    out: &mut Writer,
) {
    let Some(last) = last else {
        out.bool(false);
        return;
    };
    out.bool(true);
    out.u32_le(last.tick.0);
    out.varint_u32(last.areas.len() as u32);
    let mut encoder = Encoder::new(schema);
    for area in &last.areas {
        let (keyframe, _) = encoder.encode(&Basis::nothing(), area, last.tick);
        out.varint_u32(area.id().0);
        out.bytes(&keyframe);
    }
}

pub(crate) fn read_published(
    input: &mut Reader,
    schema: &Arc<Schema>,
) -> Result<Option<Arc<Snapshot>>, RestoreError> {
    if !input.at("published").bool()? {
        return Ok(None);
    }
    let tick = Tick(input.at("published").u32_le()?);
    let mut areas: Vec<Arc<Area>> = Vec::new();
    for _ in 0..input
        .at("published areas")
        .count(AREA_IDS_MAX as usize, 3)?
    {
        let id = area_id(input)?;
        let keyframe = input.at("area").bytes(AREA_MAX)?;
        let decoded = decode(schema, &Basis::nothing(), id, tick, keyframe);
        let area = decoded.ok().and_then(|decoded| decoded.basis.area);
        if areas.last().is_some_and(|last| last.id() >= id) {
            return Err(RestoreError::Damaged("the order of the areas"));
        }
        areas.push(area.ok_or(RestoreError::Damaged("a published area"))?);
    }
    Ok(Some(Arc::new(Snapshot { tick, areas })))
}
