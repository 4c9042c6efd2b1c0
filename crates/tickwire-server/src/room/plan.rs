//! What one viewer gets in one tick: the parts, and who crossed from one of its areas into another. Making the parts is `share`'s matter.

use tickwire_proto::Tick;
use tickwire_proto::frame::{AreaDelta, AreaMove};
use tickwire_snapshot::{Area, AreaId, Arrival, NetId};

use super::share::{Share, Subject};
use super::stats::RoomStats;
use super::track::{Need, Track};
use super::viewer::Viewer;

/// Areas that somebody may have crossed since a viewer's last update and is still known by.
const CROSSED_MAX: usize = 16;

/// How much more an area counts in which something of the viewer's own is.
const NEAR: u32 = 4;
/// The rank of what is told whatever it costs.
const FREE: u32 = u32::MAX;

/// What an update may have of areas, beside that which all see.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget<'a> {
    pub bytes: usize,
    /// The areas in which something of the viewer's own is, rising.
    pub near: &'a [AreaId],
}

/// Something that a viewer needs.
#[derive(Clone, Copy)]
struct Wanted {
    track: usize,
    place: Option<usize>,
    need: Need,
    rank: u32,
}

/// The parts, and which of the viewer's areas each is about.
#[derive(Default)]
pub(super) struct Plan {
    pub parts: Vec<u32>,
    pub tracks: Vec<u32>,
    wanted: Vec<Wanted>,
    moves: Vec<AreaMove>,
    payload: Vec<u8>,
}

impl Budget<'_> {
    fn rank(&self, track: &Track, need: Need, tick: Tick) -> u32 {
        let free = matches!(need, Need::Gone | Need::Still(_)) || track.area == AreaId::ALL;
        let near = self.near.binary_search(&track.area).is_ok();
        match (free, near) {
            (true, _) => FREE,
            (_, true) => NEAR.saturating_mul(track.age(tick) + 1),
            (_, false) => track.age(tick) + 1,
        }
    }
}

impl Wanted {
    fn part(
        &self,
        viewer: &Viewer,
        subject: &Subject,
        share: &mut Share,
        stats: &mut RoomStats,
    ) -> Option<u32> {
        let track = &viewer.tracks()[self.track];
        let area = (track.area, self.place);
        share.part(subject, area, self.need, track.basis(), stats)
    }
}

impl Plan {
    /// Plans the parts that a viewer gets. Without that which all see, it gets nothing else. With a budget the areas are ranked by how long
    /// they have waited, those near by more than others: the first one goes in any case, the others as long as there are bytes. So an area
    /// waits for [`NEAR`] + 1 times as many updates as it has others beside it, at most.
    pub fn gather(
        &mut self,
        viewer: &Viewer,
        subject: &Subject,
        share: &mut Share,
        (keyframes_left, budget): (&mut usize, Option<Budget>),
        stats: &mut RoomStats,
    ) {
        self.parts.clear();
        self.tracks.clear();
        self.wanted.clear();
        let tick = subject.tick;
        for (at, track) in viewer.tracks().iter().enumerate() {
            stats.area_visits += 1;
            let place = subject.place(track.area);
            let area = place.map(|place| subject.snapshot.areas[place].as_ref());
            let Some((need, from)) = track.need(tick, area) else {
                continue;
            };
            if track.area == AreaId::ALL && need == Need::Keyframe {
                if from > tick || *keyframes_left == 0 {
                    stats.keyframes_paced += u64::from(from <= tick);
                    return;
                }
                *keyframes_left -= 1;
            }
            if from <= tick {
                self.wanted.push(Wanted {
                    track: at,
                    place,
                    need,
                    rank: budget.map_or(FREE, |budget| budget.rank(track, need, tick)),
                });
            }
        }
        match budget {
            None => self.take_all(viewer, subject, share, stats),
            Some(budget) => self.take_first(viewer, subject, share, budget.bytes, stats),
        }
        stats.area_parts += self.parts.len() as u64;
    }

    fn take_all(
        &mut self,
        viewer: &Viewer,
        subject: &Subject,
        share: &mut Share,
        stats: &mut RoomStats,
    ) {
        for it in &self.wanted {
            if let Some(part) = it.part(viewer, subject, share, stats) {
                self.parts.push(part);
                self.tracks.push(it.track as u32);
            }
        }
    }

    /// What is free, the first one, and others while they fit; and the areas from which somebody came to one of those.
    fn take_first(
        &mut self,
        viewer: &Viewer,
        subject: &Subject,
        share: &mut Share,
        budget: usize,
        stats: &mut RoomStats,
    ) {
        self.wanted
            .sort_unstable_by_key(|it| (u32::MAX - it.rank, it.track));
        let mut taken: Vec<(u32, u32)> = Vec::with_capacity(self.wanted.len());
        let mut left = Vec::new();
        let mut bytes = 0;
        let mut any = false;
        for it in &self.wanted {
            let fits = |length: usize| it.rank == FREE || !any || bytes + length <= budget;
            if !fits(0) {
                left.push(*it);
                continue;
            }
            let Some(part) = it.part(viewer, subject, share, stats) else {
                continue;
            };
            let length = share.part_length(part);
            if !fits(length) {
                left.push(*it);
                continue;
            }
            if it.rank != FREE {
                (any, bytes) = (true, bytes + length);
            }
            taken.push((it.track as u32, part));
        }
        // Who came from an area that is not told of would be in two places; and so those who came to that one.
        let mut looked = 0;
        while looked < taken.len() && !left.is_empty() {
            let hops = hops_to(&taken[looked..], viewer, &left, subject, share);
            let is_source = |it: &Wanted| {
                let track = &viewer.tracks()[it.track];
                let mut hops = hops.iter();
                hops.any(|hop| hop.from == track.area && may_have(viewer, track, hop))
            };
            let (sources, others): (Vec<Wanted>, Vec<Wanted>) =
                left.into_iter().partition(is_source);
            (left, looked) = (others, taken.len());
            for it in sources {
                if let Some(part) = it.part(viewer, subject, share, stats) {
                    taken.push((it.track as u32, part));
                }
            }
        }
        stats.areas_put_off += left.len() as u64;
        taken.sort_unstable();
        self.tracks.extend(taken.iter().map(|(track, _)| *track));
        self.parts.extend(taken.iter().map(|(_, part)| *part));
    }

    /// Adds who came to an area from another one that the viewer holds and is told of in the same update. Of others it never learns where they were.
    pub fn add_moves(&mut self, viewer: &Viewer, subject: &Subject, share: &mut Share) {
        let mut at = 0;
        while at < self.parts.len() {
            let part = share.get(self.parts[at]);
            let since = part.need.since();
            let track = self.tracks[at];
            let id = viewer.tracks()[track as usize].area;
            at += 1;
            let place = subject.place(id).filter(|_| id != AreaId::ALL);
            let (Some(since), Some(place)) = (since, place) else {
                continue;
            };
            self.find_moves(viewer, subject, &subject.snapshot.areas[place], since);
            if self.moves.is_empty() {
                continue;
            }
            self.payload.clear();
            AreaDelta::write_moves(&self.moves, &mut self.payload);
            let moved = share.moved((id, place), &self.payload);
            self.parts.insert(at, moved);
            self.tracks.insert(at, track);
            at += 1;
        }
    }

    fn find_moves(&mut self, viewer: &Viewer, subject: &Subject, area: &Area, since: Tick) {
        self.moves.clear();
        let new = area.arrivals().iter().rev();
        for arrival in new.take_while(|arrival| arrival.tick > since) {
            // It may have gone on, or died.
            if area.contains(arrival.id)
                && let Some((from, was)) = self.origin(viewer, subject, arrival)
            {
                self.moves.push(AreaMove {
                    slot: arrival.id.slot,
                    from: from.0,
                    was: (was.slot, was.generation),
                });
            }
        }
        self.moves.reverse();
    }

    /// Where the viewer still holds somebody who has arrived.
    fn origin(
        &self,
        viewer: &Viewer,
        subject: &Subject,
        arrival: &Arrival,
    ) -> Option<(AreaId, NetId)> {
        let held = origins(subject, arrival).find(|hop| self.holds(viewer, hop));
        held.map(|hop| (hop.from, hop.was))
    }

    fn holds(&self, viewer: &Viewer, hop: &Arrival) -> bool {
        viewer.find(hop.from).is_some_and(|at| {
            let told = self.tracks.binary_search(&(at as u32)).is_ok();
            told && had(&viewer.tracks()[at], hop)
        })
    }
}

/// The ways of those who came to what is told, as far as one of the areas that are left may still have them.
fn hops_to(
    told: &[(u32, u32)],
    viewer: &Viewer,
    left: &[Wanted],
    subject: &Subject,
    share: &Share,
) -> Vec<Arrival> {
    let known = |it: &Wanted| {
        let held = viewer.tracks()[it.track].basis();
        let area = held.and_then(|basis| basis.area.as_ref());
        area.map_or(Tick(0), |area| area.tick())
    };
    let oldest = left.iter().map(known).min().unwrap_or_default();
    let mut hops = Vec::new();
    for (_, part) in told {
        let part = share.get(*part);
        let area = part.after.as_ref().and_then(|basis| basis.area.as_ref());
        let (Some(since), Some(area)) = (part.need.since(), area) else {
            continue;
        };
        let new = area.arrivals().iter().rev();
        let new = new.take_while(|arrival| arrival.tick > since.max(oldest));
        hops.extend(new.flat_map(|arrival| origins(subject, arrival)));
    }
    hops
}

/// Whether a viewer may have them there: what it was sent since it is known to have something, it may have too.
fn may_have(viewer: &Viewer, track: &Track, hop: &Arrival) -> bool {
    let held = track.basis().and_then(|basis| basis.area.as_ref());
    had(track, hop) || viewer.is_loose() && held.is_none_or(|area| area.tick() < hop.tick)
}

/// Whether a viewer has somebody where they were before: not another one who has the same name there now.
fn had(track: &Track, hop: &Arrival) -> bool {
    let held = track.basis().and_then(|basis| basis.area.as_ref());
    held.is_some_and(|area| area.contains(hop.was) && area.tick() < hop.tick)
}

/// The ways that somebody who has arrived came, the last one first, through areas that nobody sees too.
fn origins(subject: &Subject, arrival: &Arrival) -> impl Iterator<Item = Arrival> {
    let before = |hop: &Arrival| {
        let area = &subject.snapshot.areas[subject.place(hop.from)?];
        let mut arrivals = area.arrivals().iter();
        let before = |it: &&Arrival| it.id == hop.was && it.tick < hop.tick;
        arrivals.rfind(before).copied()
    };
    std::iter::successors(Some(*arrival), before).take(CROSSED_MAX)
}
