//! What was true: every snapshot that a room published, kept for as long as a slow client may still come to hold it; and the comparison.

use std::{collections::BTreeMap, sync::Arc};

use tickwire_client::View;
use tickwire_proto::Tick;
use tickwire_snapshot::{Area, AreaId, Snapshot};

use crate::violation::Broken;

/// Ticks for which a snapshot is kept: four minutes at 60 Hz. Areas are shared, so one costs what changed in it.
const TICKS_KEPT: u32 = 16_384;

/// A room in one life of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RoomName {
    pub epoch: u32,
    pub number: u32,
}

/// The published snapshots of all rooms.
#[derive(Default)]
pub(crate) struct Truth {
    rooms: BTreeMap<RoomName, BTreeMap<Tick, Arc<Snapshot>>>,
    /// What each seat saw from which tick on.
    sights: BTreeMap<(RoomName, u16), BTreeMap<Tick, Vec<AreaId>>>,
}

impl Truth {
    /// Notes what a room published last. Tells whether that is new.
    pub fn publish(&mut self, room: RoomName, snapshot: &Arc<Snapshot>) -> bool {
        let history = self.rooms.entry(room).or_default();
        let new = history.insert(snapshot.tick, snapshot.clone()).is_none();
        while history
            .first_key_value()
            .is_some_and(|(first, _)| snapshot.tick.since(*first) > TICKS_KEPT)
        {
            history.pop_first();
        }
        new
    }

    /// Notes what a seat sees from a tick on.
    pub fn sees(&mut self, room: RoomName, seat: u16, tick: Tick, sight: &[AreaId]) {
        let history = self.sights.entry((room, seat)).or_default();
        let last = history.last_key_value().map(|(_, sight)| &sight[..]);
        if last.unwrap_or(&[AreaId::ALL]) != sight {
            history.insert(tick, sight.to_vec());
        }
    }

    /// What a seat saw at a tick.
    fn sight(&self, room: RoomName, seat: u16, tick: Tick) -> &[AreaId] {
        let history = self.sights.get(&(room, seat));
        let then = history.and_then(|history| history.range(..=tick).next_back());
        then.map_or(&[AreaId::ALL], |(_, sight)| sight)
    }

    /// What a seat sees, and has seen for so many ticks.
    pub fn long_seen(&self, room: RoomName, seat: u16, ticks: u32) -> Vec<AreaId> {
        let newest = self.newest(room).map_or(Tick(0), |newest| newest.tick);
        let from = newest.minus(ticks);
        let mut seen = self.sight(room, seat, from).to_vec();
        let history = self.sights.get(&(room, seat));
        let since = history.into_iter().flat_map(|all| all.range(from..));
        for (_, sight) in since {
            seen.retain(|area| sight.binary_search(area).is_ok());
        }
        seen
    }

    /// The newest that a room published.
    pub fn newest(&self, room: RoomName) -> Option<&Arc<Snapshot>> {
        Some(self.rooms.get(&room)?.last_key_value()?.1)
    }

    /// What a room published at its newest ticks, as far back as `ticks`, and what was in force then.
    pub fn recent(&self, room: RoomName, ticks: u32) -> impl Iterator<Item = &Arc<Snapshot>> {
        let history = self.rooms.get(&room);
        let newest = history.and_then(|history| history.last_key_value());
        let from = newest.map_or(Tick(0), |(tick, _)| tick.minus(ticks));
        let in_force = history
            .into_iter()
            .filter_map(move |history| history.range(..from).next_back());
        let since = history
            .into_iter()
            .flat_map(move |history| history.range(from..));
        in_force.chain(since).map(|(_, snapshot)| snapshot)
    }

    /// A life of the server is over, and with it its rooms.
    pub fn forget(&mut self, epoch: u32) {
        self.rooms.retain(|room, _| room.epoch != epoch);
        self.sights.retain(|(room, _), _| room.epoch != epoch);
    }

    /// Compares all that a view holds with what was true. Tells how many areas were compared.
    pub fn check(&self, client: usize, room: RoomName, view: &View) -> Result<u64, Broken> {
        let Some(history) = self.rooms.get(&room) else {
            return Ok(0);
        };
        let mut compared = 0;
        let newest = view.newest_tick().unwrap_or_default();
        let sight = self.sight(room, view.seat().unwrap_or(u16::MAX), newest);
        for area in view.areas() {
            if sight.binary_search(&area).is_err() {
                return Err(Broken::Unseen {
                    client,
                    area: area.0,
                    tick: newest,
                });
            }
            let Some((tick, held)) = view.newest(area) else {
                continue;
            };
            // A tick without a capture of its own had nothing new: what was published before it held on.
            let Some((_, snapshot)) = history.range(..=tick).next_back() else {
                continue;
            };
            let newest = history.last_key_value().map_or(Tick(0), |(tick, _)| *tick);
            if tick > newest {
                return Err(Broken::Unpublished {
                    client,
                    area: area.0,
                    tick,
                    newest,
                });
            }
            same(client, tick, area, held, snapshot.area(area))?;
            compared += 1;
        }
        Ok(compared)
    }
}

fn same(
    client: usize,
    tick: Tick,
    id: AreaId,
    held: &Arc<Area>,
    truth: Option<&Arc<Area>>,
) -> Result<(), Broken> {
    let untrue = |what: String| Broken::Untrue {
        client,
        area: id.0,
        tick,
        what,
    };
    let Some(truth) = truth else {
        // Where nobody is there need be no area.
        return match held.is_empty() {
            true => Ok(()),
            false => Err(untrue("the room has no such area".into())),
        };
    };
    if !held.same(truth) {
        return Err(untrue(difference(held, truth)));
    }
    if held.hash() != truth.hash() {
        return Err(untrue(format!(
            "equal content has the hash {:016x}, the room's {:016x}",
            held.hash(),
            truth.hash()
        )));
    }
    Ok(())
}

/// The first thing in which two areas differ.
fn difference(held: &Area, truth: &Area) -> String {
    let ids = |area: &Area| area.entities().collect::<Vec<_>>();
    let (ours, theirs) = (ids(held), ids(truth));
    if ours != theirs {
        let missing = theirs.iter().find(|id| !ours.contains(id));
        let extra = ours.iter().find(|id| !theirs.contains(id));
        return format!(
            "it holds {} entities instead of {}: missing {missing:?}, too much {extra:?}",
            ours.len(),
            theirs.len()
        );
    }
    let schema = truth.schema();
    for (table, record) in schema.records().enumerate() {
        for slot in std::iter::once(0).chain(theirs.iter().map(|id| id.slot)) {
            let row = |area: &Area| area.row(table, slot).map(|row| row.to_owned());
            let (ours, theirs) = (row(held), row(truth));
            if ours != theirs {
                return format!(
                    "{} of slot {slot} is {ours:?} instead of {theirs:?}",
                    record.name
                );
            }
        }
    }
    "the hidden parts of equal rows differ".into()
}
