//! What a room knows of one client's view: its areas, and what is in flight. What it knows of an area is `track`'s matter.

use std::collections::VecDeque;

use tickwire_proto::Tick;
use tickwire_proto::frame::Holding;
use tickwire_snapshot::AreaId;

use super::track::{Again, Track};
use super::window::{Pace, Window};

/// One client's view.
#[derive(Debug)]
pub(crate) struct Viewer {
    /// By rising area; that which all see is always there, and the first.
    tracks: Vec<Track>,
    /// The updates that it may hold as its newest. Bounded by the window.
    updates: VecDeque<Tick>,
    /// Its link may lose updates: what goes is known to be held only by its word, and then it goes again.
    loose: Option<Again>,
    /// By such a link: the last receipt.
    holding: Holding,
    pub window: Window,
    /// The tick of the last tick frame.
    pub told: Tick,
    /// It is on the list of those who may need something though nothing changes.
    pub unsettled: bool,
    /// It is on the list of those who may need a tick frame alone.
    pub lone: bool,
}

impl Viewer {
    /// Of a client that has just joined: it holds nothing.
    pub fn new(now: Tick, pace: Pace, loose: bool) -> Viewer {
        let loose = loose.then(|| Again::new(pace, 0));
        let mut all = Track::new(AreaId::ALL, now, loose);
        all.begin_anew(now);
        Viewer {
            tracks: vec![all],
            updates: VecDeque::new(),
            loose,
            holding: Holding::default(),
            window: Window::new(now, pace),
            told: now,
            unsettled: false,
            lone: false,
        }
    }

    /// Whether updates may get lost on its link.
    pub fn is_loose(&self) -> bool {
        self.loose.is_some()
    }

    /// The least round trip of its link in the last minute.
    pub fn set_trip(&mut self, least_ms: u32, pace: Pace) {
        self.window.set_heartbeat(least_ms);
        if self.is_loose() {
            self.loose = Some(Again::new(pace, least_ms));
            for track in &mut self.tracks {
                track.set_loose(self.loose);
            }
        }
    }

    /// The areas that it has, or had until it is known to have heard that they are gone.
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// The place of an area among them.
    pub fn find(&self, area: AreaId) -> Option<usize> {
        let found = self.tracks.binary_search_by_key(&area, |track| track.area);
        found.ok()
    }

    pub fn track(&mut self, at: usize) -> &mut Track {
        &mut self.tracks[at]
    }

    /// It sees these areas, rising, and no others.
    pub fn follow(&mut self, sight: &[AreaId], now: Tick) {
        let tracked = self.tracks.iter().filter(|track| track.seen);
        if tracked.map(|track| track.area).eq(sight.iter().copied()) {
            return;
        }
        let mut at = 0;
        for area in sight {
            while self.tracks.get(at).is_some_and(|it| it.area < *area) {
                self.tracks[at].seen = false;
                at += 1;
            }
            match self.tracks.get_mut(at) {
                Some(track) if track.area == *area => track.seen = true,
                _ => self.tracks.insert(at, Track::new(*area, now, self.loose)),
            }
            at += 1;
        }
        self.tracks[at..]
            .iter_mut()
            .for_each(|track| track.seen = false);
        self.forget_what_is_over();
    }

    /// It cannot use what it was sent of an area: it gets a keyframe, not more often than every `pause` ticks.
    pub fn want_keyframe(&mut self, area: AreaId, now: Tick, pause: u32) {
        if let Some(at) = self.find(area) {
            self.tracks[at].want_keyframe(now, pause);
        }
    }

    /// An update was sent.
    pub fn sent(&mut self, now: Tick, pace: Pace) {
        self.window.sent(now, pace);
        self.updates.push_back(now);
        self.told = now;
    }

    /// A receipt: nothing older than what it names will be needed again.
    pub fn held(&mut self, held: Holding) {
        let mut news = self.is_loose() && std::mem::replace(&mut self.holding, held) != held;
        while self.updates.get(1).is_some_and(|next| *next <= held.newest) {
            self.updates.pop_front();
            news = true;
        }
        if news {
            self.tracks.iter_mut().for_each(|track| track.held(held));
            self.forget_what_is_over();
        }
    }

    fn forget_what_is_over(&mut self) {
        let held = self.updates.front().copied().unwrap_or_default();
        self.tracks
            .retain(|track| track.area == AreaId::ALL || !track.is_over(held));
    }

    /// It is back on another link and holds `held`: what was on its way is lost. If that is not known here, it needs keyframes.
    pub fn resume(&mut self, now: Tick, held: Option<Tick>, loose: bool, pace: Pace) {
        self.window.forget(now, pace);
        self.loose = loose.then(|| Again::new(pace, 0));
        self.holding = Holding::default();
        let known = held.filter(|held| self.updates.contains(held));
        match known {
            Some(held) => {
                self.updates.retain(|tick| *tick <= held);
                let loose = self.loose;
                let tracks = self.tracks.iter_mut();
                tracks.for_each(|track| track.resume(held, loose));
            }
            None => {
                self.updates.clear();
                for track in &mut self.tracks {
                    track.begin_anew(now);
                    track.set_loose(self.loose);
                }
            }
        }
    }
}
