//! What a room knows of one client's view: what it was sent last, and what it needs next. Encoding is `share`'s matter.

use std::collections::VecDeque;

use tickwire_proto::Tick;
use tickwire_snapshot::{Area, Basis};

use super::window::{Pace, Window};

/// What a viewer needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Need {
    /// All of it, and the hash.
    Keyframe,
    /// What changed since this tick.
    Delta(Tick),
    /// Nothing changed since this tick, and it does not know that yet.
    Still(Tick),
}

/// One client's view of the one area there is so far.
#[derive(Debug)]
pub(crate) struct Viewer {
    /// The updates that it may hold as its newest: from the last one it is known to hold to the last one sent. That one will arrive before
    /// the next on a reliable lane: it is the basis of that. The others are for a link that is lost. Bounded by the window.
    sent: VecDeque<Sent>,
    /// From this tick on a keyframe may be sent, and nothing else helps.
    keyframe: Option<Tick>,
    /// When the last keyframe was sent.
    keyframe_sent: Option<Tick>,
    pub window: Window,
    /// The tick of the last tick frame.
    pub told: Tick,
    /// It is on the list of those who may need something though nothing changes.
    pub unsettled: bool,
    /// It is on the list of those who may need a tick frame alone.
    pub lone: bool,
}

#[derive(Debug)]
struct Sent {
    tick: Tick,
    /// The version of the area: the tick of its last change.
    version: Tick,
    /// Whether it knows that this version still stood at a later tick.
    still: bool,
    basis: Basis,
}

impl Viewer {
    /// Of a client that has just joined: it holds nothing.
    pub fn new(now: Tick, pace: Pace) -> Viewer {
        Viewer {
            sent: VecDeque::new(),
            keyframe: Some(now),
            keyframe_sent: None,
            window: Window::new(pace),
            told: now,
            unsettled: false,
            lone: false,
        }
    }

    /// It cannot use what it was sent: it gets a keyframe, not more often than every `pause` ticks.
    pub fn want_keyframe(&mut self, now: Tick, pause: u32) {
        let earliest = self
            .keyframe_sent
            .map_or(now, |sent| sent.plus(pause).max(now));
        self.keyframe.get_or_insert(earliest);
    }

    /// What it needs at `now`; `None`: nothing (`settled`), or nothing yet.
    pub fn need(&self, now: Tick, area: &Area) -> Option<Need> {
        match (self.sent.back(), self.keyframe) {
            (_, Some(earliest)) => (earliest <= now).then_some(Need::Keyframe),
            (None, None) => Some(Need::Keyframe),
            (Some(sent), None) if sent.version != area.tick() => Some(Need::Delta(sent.tick)),
            (Some(sent), None) => (!sent.still).then_some(Need::Still(sent.tick)),
        }
    }

    /// Whether nothing at all is needed until something changes.
    pub fn is_settled(&self, area: &Area) -> bool {
        let knows = |sent: &Sent| sent.still && sent.version == area.tick();
        self.keyframe.is_none() && self.sent.back().is_some_and(knows)
    }

    /// What the next delta starts from.
    pub fn basis(&self) -> Option<&Basis> {
        self.sent.back().map(|sent| &sent.basis)
    }

    /// An update was sent, which leads to `basis`.
    pub fn sent(&mut self, now: Tick, need: Need, area: &Area, basis: &Basis) {
        if need == Need::Keyframe {
            self.keyframe = None;
            self.keyframe_sent = Some(now);
        }
        let still = matches!(need, Need::Still(_));
        // What came before its basis is its own, though others hear the same "still".
        let own = self.basis().filter(|_| still).cloned();
        self.sent.push_back(Sent {
            tick: now,
            version: area.tick(),
            still,
            basis: own.unwrap_or_else(|| basis.clone()),
        });
        self.told = now;
    }

    /// A receipt: nothing older than `held` will be needed again.
    pub fn held(&mut self, held: Tick) {
        while self.sent.get(1).is_some_and(|next| next.tick <= held) {
            self.sent.pop_front();
        }
    }

    /// It is back on another link and holds `held`: what was on its way is lost. False: that is not known here, and it needs a keyframe.
    pub fn resume(&mut self, held: Option<Tick>) -> bool {
        self.window.forget();
        self.sent.retain(|sent| Some(sent.tick) <= held);
        let known = held.is_some() && self.sent.back().map(|sent| sent.tick) == held;
        if !known {
            self.sent.clear();
            self.keyframe = None;
            self.keyframe_sent = None; // went with the link: the next one need not wait
        }
        known
    }
}
