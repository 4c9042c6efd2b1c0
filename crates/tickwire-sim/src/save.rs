//! A simulation as an exact capture, and back: what is in it, in which order. How each part is written is `exact`'s matter.

use std::sync::Arc;

use bevy_ecs::component::ComponentId;
use tickwire_proto::wire::{Reader, Writer};

use crate::ask::{Answers, Questions};
use crate::capture::Capture;
use crate::chance::Seed;
use crate::event::EventQueue;
use crate::exact::{Exact, Head, RestoreError, parts};
use crate::ids::{Ids, NetEntity};
use crate::message::Outbox;
use crate::player::Roster;
use crate::refs::ExactRefs;
use crate::rewind::Rewind;
use crate::simulation::{RoomAttributes, Simulation};
use crate::task::Tasks;
use crate::time::CurrentTick;

impl Simulation {
    /// Names of components that stand on entities of the room and are not registered: exact captures lose them, and a restored room
    /// may go another way. For a test of the game, which expects none.
    #[must_use]
    pub fn unkept_components(&self) -> Vec<String> {
        let kept: Vec<ComponentId> = self.columns.iter().filter_map(|c| c.id()).collect();
        let net = self.world.component_id::<NetEntity>();
        let mut lost: Vec<ComponentId> = Vec::new();
        for (_, known) in self.world.resource::<Ids>().all() {
            let Ok(entity) = self.world.get_entity(known.entity) else {
                continue;
            };
            for id in entity.archetype().components() {
                if !kept.contains(id) && net != Some(*id) && !lost.contains(id) {
                    lost.push(*id);
                }
            }
        }
        let name = |id: ComponentId| self.world.components().get_name(id);
        let names = lost.into_iter().filter_map(name);
        names.map(|name| name.to_string()).collect()
    }

    /// Everything that its future depends on, as bytes. Messages, answers and questions on their way out are not
    /// among it: take them first.
    #[must_use]
    pub fn capture_exact(&self) -> Exact {
        let mut out = Writer::new();
        let world = &self.world;
        self.head().write(&mut out);
        parts::write_attributes(&world.resource::<RoomAttributes>().0, &mut out);
        parts::write_roster(world.resource::<Roster>(), &mut out);
        parts::write_inbox(&self.inbox, &mut out);
        parts::write_questions(world.resource::<Questions>(), &mut out);
        parts::write_tasks(world.resource::<Tasks>(), &mut out);
        parts::write_ids(world.resource::<Ids>(), &mut out);
        parts::write_events(world.resource::<EventQueue>(), &mut out);
        let refs = ExactRefs::new(world);
        let mut records = Writer::new();
        if let Some(command) = &self.command {
            command.write_exact(world, &mut records, &refs);
        }
        for column in &self.columns {
            column.write_exact(world, &mut records, &refs);
        }
        out.varint_u32(refs.gone() as u32);
        out.raw(&records.into_vec());
        crate::rewind::write(world.resource::<Rewind>(), &mut out);
        parts::write_published(self.capture.last.as_ref(), &self.schema, &mut out);
        Exact::from_bytes(out.into_bytes())
    }

    /// Becomes the room that was captured. The kind and the number of seats must be the same; it need not be new. After an error it is
    /// half of each: to be dropped.
    pub fn restore(&mut self, exact: &Exact) -> Result<(), RestoreError> {
        let mut input = Reader::new(exact.as_bytes());
        let head = Head::read(&mut input, &self.head())?;
        self.tick = head.tick;
        self.computers = head.computers;
        self.world.insert_resource(Seed(head.seed));
        self.world.resource_mut::<CurrentTick>().set(head.tick);
        let attributes = parts::read_attributes(&mut input)?;
        self.world.insert_resource(RoomAttributes(attributes));
        let roster = parts::read_roster(&mut input, self.seats)?;
        self.world.insert_resource(roster);
        self.inbox = parts::read_inbox(&mut input, self.seats)?;
        parts::read_questions(&mut input, &mut self.world.resource_mut::<Questions>())?;
        let tasks = parts::read_tasks(&mut input, &mut self.inbox)?;
        self.world.insert_resource(tasks);
        parts::read_ids(&mut self.world, &mut input, head.tick)?;
        let events = parts::read_events(&mut input, &self.schema)?;
        self.world.resource_mut::<EventQueue>().waiting = events;
        let gone = parts::read_gone(&mut self.world, &mut input)?;
        if let Some(command) = &self.command {
            command.read_exact(&mut self.world, &mut input, &gone)?;
        }
        for column in &mut self.columns {
            column.read_exact(&mut self.world, &mut input, &gone)?;
        }
        for column in &mut self.columns {
            column.prune(&mut self.world);
        }
        self.world.flush();
        crate::rewind::read(&mut self.world, &mut input, head.tick)?;
        self.recording.begin_anew();
        let stats = self.capture.stats;
        self.capture = Capture::new(&self.schema);
        self.capture.stats = stats;
        let published = parts::read_published(&mut input, &self.schema)?;
        let mut ids = self.world.resource_mut::<Ids>();
        let areas = published.iter().flat_map(|last| &last.areas);
        ids.touch_all(areas.map(Arc::as_ref));
        self.capture.go_on(published, &mut ids);
        self.world.resource_mut::<Outbox>().queue.clear();
        self.world.resource_mut::<Answers>().queue.clear();
        Ok(input.finish()?)
    }

    fn head(&self) -> Head {
        Head {
            game: self.exact_hash,
            seats: self.seats,
            computers: self.computers,
            seed: self.world.resource::<Seed>().0,
            tick: self.tick,
        }
    }
}
