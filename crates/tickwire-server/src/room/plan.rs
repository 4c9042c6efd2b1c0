//! What one viewer gets in one tick: the parts, and who crossed from one of its areas into another. Making the parts is `share`'s matter.

use tickwire_proto::Tick;
use tickwire_proto::frame::{AreaDelta, AreaMove};
use tickwire_snapshot::{Area, AreaId, Arrival, NetId};

use super::share::{Share, Subject};
use super::track::Need;
use super::viewer::Viewer;

/// Areas that somebody may have crossed since a viewer's last update and is still known by.
const CROSSED_MAX: usize = 4;

/// The parts, and which of the viewer's areas each is about.
#[derive(Default)]
pub(super) struct Plan {
    pub parts: Vec<u32>,
    pub tracks: Vec<u32>,
    moves: Vec<AreaMove>,
    payload: Vec<u8>,
}

impl Plan {
    pub fn clear(&mut self) {
        self.parts.clear();
        self.tracks.clear();
    }

    pub fn push(&mut self, part: u32, track: usize) {
        self.parts.push(part);
        self.tracks.push(track as u32);
    }

    /// Adds who came to an area from another one that the viewer holds and is told of in the same update. Of others it never learns where they were.
    pub fn add_moves(&mut self, viewer: &Viewer, subject: &Subject, share: &mut Share) {
        let mut at = 0;
        while at < self.parts.len() {
            let part = share.get(self.parts[at]);
            let since = match part.need {
                Need::Delta(from) | Need::Born(from) => Some(from),
                Need::Keyframe => Some(Tick(0)),
                _ => None,
            };
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
        let (mut from, mut was) = (arrival.from, arrival.was);
        for _ in 0..CROSSED_MAX {
            if self.holds(viewer, from, was) {
                return Some((from, was));
            }
            let area = &subject.snapshot.areas[subject.place(from)?];
            let mut arrivals = area.arrivals().iter();
            let before = arrivals.find(|arrival| arrival.id == was)?;
            (from, was) = (before.from, before.was);
        }
        None
    }

    fn holds(&self, viewer: &Viewer, area: AreaId, id: NetId) -> bool {
        let Some(at) = viewer.find(area) else {
            return false;
        };
        let basis = viewer.tracks()[at].basis();
        let held = basis.and_then(|basis| basis.area.as_ref());
        let told = self.tracks.binary_search(&(at as u32)).is_ok();
        told && held.is_some_and(|area| area.contains(id))
    }
}
