//! The truth arrives: it is compared with what was predicted of that tick, and on a difference what is predicted goes back to it and is stepped again.

use std::collections::BTreeMap;
use std::sync::Arc;

use tickwire_proto::Tick;
use tickwire_proto::wire::Reader;
use tickwire_snapshot::record::{NoRefs, ReadError, ReadFault};
use tickwire_snapshot::{Area, OwnedRow};

use super::Mirror;
use super::book::{Fresh, Track, alive_or_new};
use super::frames::Number;
use crate::column::{Column, Reflection};
use crate::ids::Ids;
use crate::own::{number_past, read_name};
use crate::time::CurrentTick;

/// What the server says of a tick.
#[derive(Clone, Copy, Debug)]
pub struct Truth<'a> {
    /// When it was true.
    pub tick: Tick,
    /// The areas in sight as they were then, by rising id.
    pub areas: &'a [Arc<Area>],
    /// What the seat owned then.
    pub own: OwnTruth<'a>,
}

/// What the server says of what the seat owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnTruth<'a> {
    /// It is what this side said, whose number of it was this.
    AsSaid(u16),
    /// This, exact to the bit.
    Told {
        /// The number of it.
        number: u16,
        /// It.
        rows: &'a [u8],
    },
    /// Nothing.
    Untold,
}

/// What became of a truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What was predicted was right.
    Right,
    /// It was not, and is now.
    Corrected {
        /// It was about what the seat owns.
        own: bool,
        /// Ticks that were stepped again.
        replayed: u32,
    },
    /// The truth is an answer to what was corrected since: the next ones tell more.
    Waits,
    /// Older than what is known.
    Old,
}

/// Why a text of what the seat owns cannot be used: the server's fault, or that of who chose the game.
type Unreadable = ReadError;

impl Mirror {
    /// Takes the truth of a tick in.
    pub fn truth(&mut self, truth: &Truth<'_>) -> Verdict {
        if self.frames.oldest().is_some_and(|it| truth.tick < it) {
            return Verdict::Old;
        }
        self.stats.truths += 1;
        let (fresh, changed) = self.book.follow(&mut self.sim, truth.areas);
        self.take_over_others(truth.areas);
        let at = self.frames.find(truth.tick);
        let own = at.map(|at| self.own_is_right(at, truth.own));
        let verdict = match (at, own) {
            (Some(at), Some(true)) if !changed => match self.agreed(at, truth, &fresh) {
                Some(found) => {
                    self.settle(at, &found);
                    Verdict::Right
                }
                None => self.correct(Some(at), truth, &fresh),
            },
            (at, _) if matches!(truth.own, OwnTruth::Told { .. }) => {
                self.correct(at, truth, &fresh)
            }
            (Some(at), Some(true)) => self.correct(Some(at), truth, &fresh),
            (None, _) if self.frames.oldest().is_none() => self.correct(None, truth, &fresh),
            _ => {
                self.stats.waits += 1;
                self.take_in(&fresh);
                Verdict::Waits
            }
        };
        self.areas = truth.areas.to_vec();
        verdict
    }

    /// Goes back to the newest truth though nothing is wrong with it, and steps again what came after: for tests of whether a game's systems come to
    /// the same whenever they are run. What does not is among the [causes](super::MirrorStats::causes).
    pub fn replay(&mut self) {
        let before = self.own_bytes();
        let commands = self.frames.commands_after(0);
        let tick = self.frames.oldest().unwrap_or_default();
        let truth = Truth {
            tick,
            areas: &self.areas.clone(),
            own: OwnTruth::Untold,
        };
        self.undo_spawns(Some(0), tick, true, &[]);
        self.go_back(Some(0), &truth, true);
        self.step_again(Some(0), tick, &commands);
        for (key, theirs) in self.own_bytes() {
            if before.get(&key).is_some_and(|ours| *ours == theirs) {
                continue;
            }
            let name = self.sim.columns[key.1].name();
            count(&mut self.stats.causes, name);
        }
    }

    /// What the seat owns, by who is shown and column.
    fn own_bytes(&self) -> BTreeMap<(u64, usize), Vec<u8>> {
        let mut all = BTreeMap::new();
        for track in self.book.tracks.values().filter(|track| track.own) {
            for (index, column) in self.columns().iter().enumerate() {
                let mut bytes = Vec::new();
                if column.write_own(&self.sim.world, track.entity, &NoRefs, &mut bytes) {
                    all.insert((track.shown, index), bytes);
                }
            }
        }
        all
    }

    /// From what was put back on: the commands are given again.
    fn step_again(&mut self, at: Option<usize>, tick: Tick, commands: &[Option<OwnedRow>]) {
        let behind = self.frames.len();
        if let (Some(line), Some(at)) = (&self.sim.command, at) {
            line.put_back(&mut self.sim.world, self.seat, at);
        }
        self.sim.tick = tick;
        let mut now = self.sim.world.resource_mut::<CurrentTick>();
        now.set(tick);
        self.forget(behind, 0);
        self.keep(None, Vec::new(), true);
        for command in commands {
            self.step_one(command.as_ref(), true);
        }
    }

    fn number_at(&mut self, at: usize) -> u16 {
        match self.frames.number(at) {
            Number::Known(number) => *number,
            Number::Of(places) => {
                let places = places.iter().map(|place| *place as usize);
                number_past(&self.sim.columns, at, places, &mut self.bytes)
            }
        }
    }

    fn own_is_right(&mut self, at: usize, own: OwnTruth<'_>) -> bool {
        match own {
            OwnTruth::AsSaid(number) | OwnTruth::Told { number, .. } => {
                self.number_at(at) == number
            }
            OwnTruth::Untold => true,
        }
    }

    /// What is not predicted is as the server says.
    fn take_over_others(&mut self, areas: &[Arc<Area>]) {
        for area in areas {
            let rows = self.book.others(area.id().0);
            let at = self.sim.world.resource_mut::<Ids>().open(area.id());
            let before = self.areas.iter().find(|old| old.id() == area.id());
            let reflection = Reflection {
                area,
                at,
                base: before.map(Arc::as_ref),
                since: self.since,
                rows: &rows,
            };
            for column in &self.sim.columns {
                column.reflect(&mut self.sim.world, &reflection);
            }
        }
        self.since = self.sim.world.change_tick();
        self.sim.world.increment_change_tick();
    }

    /// Who of the fresh ones is whom of this side, if all that is predicted was right.
    fn agreed(&self, at: usize, truth: &Truth<'_>, fresh: &[Fresh]) -> Option<Vec<(u32, Fresh)>> {
        let others = self.book.tracks.iter().filter(|(_, track)| !track.own);
        let marked = others.filter_map(|(number, track)| Some((number, track.name?)));
        for (number, name) in marked {
            let index = self.frames.index(at, *number)?;
            let area = truth.areas.iter().find(|area| area.id() == name.0)?;
            self.is_near((at, index), (area, name.1.slot), 1)
                .then_some(())?;
        }
        let mut found: Vec<(u32, Fresh)> = Vec::new();
        for it in fresh {
            let area = truth.areas.iter().find(|area| area.id() == it.name.0)?;
            let locals = self.book.tracks.iter();
            let mut locals =
                locals.filter(|(_, track)| it.own && track.own && track.name.is_none());
            let (number, _) = locals.find(|(number, _)| {
                found.iter().all(|(other, _)| other != *number)
                    && self
                        .frames
                        .index(at, **number)
                        .is_some_and(|index| self.is_near((at, index), (area, it.name.1.slot), 0))
            })?;
            found.push((*number, *it));
        }
        Some(found)
    }

    /// Whether what the seat owned is as others are told of it.
    fn own_is_near(&self, at: usize, truth: &Truth<'_>) -> bool {
        let own = self.book.tracks.iter().filter(|(_, track)| track.own);
        let mut places = own.filter_map(|(number, track)| Some((number, track.name?)));
        places.all(|(number, (area, id))| {
            let area = truth.areas.iter().find(|it| it.id() == area);
            let index = self.frames.index(at, *number);
            let both = index.zip(area);
            both.is_some_and(|(index, area)| self.is_near((at, index), (area, id.slot), 1))
        })
    }

    fn is_near(&self, past: (usize, usize), row: (&Area, u32), steps: u32) -> bool {
        let mut columns = self.columns().iter();
        columns.all(|column| column.is_near(&self.sim.world, past, row, steps))
    }

    /// All was right: the truth is the oldest frame now.
    fn settle(&mut self, at: usize, found: &[(u32, Fresh)]) {
        for (number, fresh) in found {
            self.book.found(&mut self.sim.world, *number, fresh.name);
            self.stats.spawns_found += 1;
        }
        let tick = self.frames.oldest().unwrap_or_default().plus(at as u32);
        let world = &self.sim.world;
        let frames = &self.frames;
        self.book.tracks.retain(|number, track| {
            let there = world.get_entity(track.entity).is_ok();
            let to_come = track.spawned.is_some_and(|spawned| spawned > tick);
            there || track.name.is_some() || to_come || frames.index(at, *number).is_some()
        });
        self.forget(at, 0);
    }

    /// Fresh ones while nobody knows how they are: as others see them.
    fn take_in(&mut self, fresh: &[Fresh]) {
        for it in fresh {
            let entity = alive_or_new(
                &mut self.sim.world,
                bevy_ecs::entity::Entity::PLACEHOLDER,
                it.name,
            );
            let track = self.book.track(entity, Some(it.name), it.own, None);
            self.book.place(it.name, entity, Some(track));
        }
    }

    /// Goes back to the truth, and steps again what came after it.
    fn correct(&mut self, at: Option<usize>, truth: &Truth<'_>, fresh: &[Fresh]) -> Verdict {
        let own_is_right = at.is_some_and(|at| self.own_is_right(at, truth.own));
        let goal = self.sim.tick;
        let commands = at.map(|at| self.frames.commands_after(at));
        let commands = commands.unwrap_or_default();
        let wrong = at.is_some() && !own_is_right;
        let seen = wrong && at.is_some_and(|at| !self.own_is_near(at, truth));
        self.undo_spawns(at, truth.tick, own_is_right, fresh);
        self.go_back(at, truth, own_is_right);
        self.step_again(at, truth.tick, &commands);
        let replayed = commands.len() as u32;
        self.stats.rollbacks += u64::from(replayed > 0);
        self.stats.mispredictions += u64::from(wrong);
        self.stats.seen += u64::from(seen);
        self.stats.replayed += u64::from(replayed);
        debug_assert!(at.is_none() || self.sim.tick == goal);
        Verdict::Corrected {
            own: !own_is_right,
            replayed,
        }
    }

    /// Despawns who is of this side alone and may not be; and makes places for those whom the server knows.
    fn undo_spawns(&mut self, at: Option<usize>, tick: Tick, own_is_right: bool, fresh: &[Fresh]) {
        let keeps = |number: u32, track: &Track| {
            track.name.is_some()
                || own_is_right && at.is_some_and(|at| self.frames.index(at, number).is_some())
        };
        let tracks = self.book.tracks.iter();
        let undone: Vec<(u32, Track)> = tracks
            .filter(|(number, track)| !keeps(**number, track))
            .map(|(number, track)| (*number, *track))
            .collect();
        let mut heirs: Vec<Track> = Vec::new();
        for (number, track) in undone {
            self.book.tracks.remove(&number);
            let _ = self.sim.world.try_despawn(track.entity);
            if track.own && track.spawned.is_some_and(|spawned| spawned <= tick) {
                heirs.push(track);
            }
        }
        for it in fresh {
            // Kept ones first: what is right about the seat's own is right about these too.
            let kept = self.book.tracks.iter().find(|(number, track)| {
                it.own
                    && track.own
                    && track.name.is_none()
                    && own_is_right
                    && at.is_some_and(|at| self.frames.index(at, **number).is_some())
            });
            if let Some(number) = kept.map(|(number, _)| *number) {
                self.book.found(&mut self.sim.world, number, it.name);
                continue;
            }
            let heir = (it.own && !heirs.is_empty()).then(|| heirs.remove(0));
            self.stats.spawns_found += u64::from(heir.is_some());
            let nobody = bevy_ecs::entity::Entity::PLACEHOLDER;
            let entity = alive_or_new(&mut self.sim.world, nobody, it.name);
            let track = self.book.track(entity, Some(it.name), it.own, heir);
            self.book.place(it.name, entity, Some(track));
        }
        self.stats.spawns_undone += heirs.len() as u64;
    }

    /// Everybody who is predicted is as they were at the truth.
    fn go_back(&mut self, at: Option<usize>, truth: &Truth<'_>, own_is_right: bool) {
        let numbers: Vec<u32> = self.book.tracks.keys().copied().collect();
        for number in numbers {
            let entity = self.book.revive(&mut self.sim.world, number);
            let Some(track) = self.book.tracks.get(&number).copied() else {
                continue;
            };
            let past = at.and_then(|at| Some((at, self.frames.index(at, number)?)));
            if let Some(past) = past {
                for column in &self.sim.columns {
                    column.put_back(&mut self.sim.world, past, entity);
                }
            }
            let area = track.name.and_then(|(area, id)| {
                let area = truth.areas.iter().find(|it| it.id() == area)?;
                Some((area, id.slot))
            });
            if let Some((area, slot)) = area.filter(|_| past.is_none() || !track.own) {
                let at = self.sim.world.resource_mut::<Ids>().open(area.id());
                let reflection = Reflection {
                    area,
                    at,
                    base: None,
                    since: self.since,
                    rows: &[(slot, entity)],
                };
                for column in &self.sim.columns {
                    column.reflect(&mut self.sim.world, &reflection);
                }
            }
        }
        if let (OwnTruth::Told { rows, .. }, false) = (truth.own, own_is_right)
            && self.read_own(rows, at).is_err()
        {
            self.stats.unreadable += 1;
        }
    }

    /// What the seat owns is what this text says.
    fn read_own(&mut self, rows: &[u8], at: Option<usize>) -> Result<(), Unreadable> {
        let damaged = |_| ReadFault::Truncated.of("own");
        let mut reader = Reader::new(rows);
        let count = reader.at("own").count(rows.len(), 4).map_err(damaged)?;
        for _ in 0..count {
            let (area, id) = read_name(&mut reader).map_err(damaged)?;
            let Some((number, entity)) = self.book.predicted_at((area, id)) else {
                return Err(ReadFault::Range.of("own")); // the areas hold nobody of that name
            };
            let place = self.sim.world.resource_mut::<Ids>().open(area);
            for (index, column) in self.sim.columns.iter().enumerate() {
                if !column.is_own() {
                    continue;
                }
                let there = reader.at("there").bool().map_err(damaged)?;
                let mut input = reader.rest();
                let before = input.len();
                let taken = there.then_some(&mut input);
                column.read_own(&mut self.sim.world, entity, taken, place)?;
                reader = Reader::new(&rows[rows.len() - input.len()..]);
                debug_assert!(input.len() <= before);
                if let Some(past) = at.and_then(|at| Some((at, self.frames.index(at, number)?))) {
                    note_cause(
                        &mut self.stats.causes,
                        &self.sim,
                        (index, &**column),
                        past,
                        entity,
                    );
                }
            }
        }
        Ok(())
    }
}

/// Counts a component that the server knew better.
fn note_cause(
    causes: &mut Vec<(String, u64)>,
    sim: &crate::simulation::Simulation,
    (_, column): (usize, &dyn Column),
    past: (usize, usize),
    entity: bevy_ecs::entity::Entity,
) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    column.write_past(past, &NoRefs, &mut ours);
    column.write_own(&sim.world, entity, &NoRefs, &mut theirs);
    if ours == theirs {
        return;
    }
    count(causes, column.name());
}

fn count(causes: &mut Vec<(String, u64)>, name: String) {
    match causes.iter_mut().find(|(known, _)| *known == name) {
        Some((_, count)) => *count += 1,
        None => causes.push((name, 1)),
    }
}
