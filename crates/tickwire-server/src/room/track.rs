//! What a room knows of one area in one client's view: what of it was sent last, and what is needed next. Encoding is `share`'s matter.

use std::collections::VecDeque;

use tickwire_proto::Tick;
use tickwire_snapshot::{Area, AreaId, Basis};

/// What a viewer needs of an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// All of it, and the hash.
    Keyframe,
    /// What changed since this tick.
    Delta(Tick),
    /// What there is: at this tick it was empty.
    Born(Tick),
    /// Nothing changed since this tick, and it does not know that yet.
    Still(Tick),
    /// It is out of sight.
    Gone,
    /// Who came to it from other areas: beside what leads to it.
    Moved,
}

/// One area of a view.
#[derive(Debug)]
pub(crate) struct Track {
    pub area: AreaId,
    /// Whether it is in sight now.
    pub seen: bool,
    /// When something was sent of it, or when it came into sight.
    since: Tick,
    /// What the client may hold as its newest: from the last update that it is known to hold to the last one sent. That one will arrive before
    /// the next on a reliable lane: it is the basis of that. The others are for a link that is lost. Bounded by the window.
    sent: VecDeque<Sent>,
    /// In sight and empty at this tick, which the client knows since it was told nothing.
    empty_at: Option<Tick>,
    /// From this tick on a keyframe may be sent, and nothing else helps.
    keyframe: Option<Tick>,
    /// When the last keyframe was sent.
    keyframe_sent: Option<Tick>,
}

#[derive(Debug)]
struct Sent {
    tick: Tick,
    /// The version of the area: the tick of its last change.
    version: Tick,
    /// Whether it knows that this version still stood at a later tick.
    still: bool,
    /// `None`: that it is out of sight.
    basis: Option<Basis>,
}

impl Track {
    /// An area that comes into sight.
    pub fn new(area: AreaId, now: Tick) -> Track {
        Track {
            area,
            seen: true,
            since: now,
            sent: VecDeque::new(),
            empty_at: None,
            keyframe: None,
            keyframe_sent: None,
        }
    }

    /// The client cannot use what it was sent: it gets a keyframe, not more often than every `pause` ticks.
    pub fn want_keyframe(&mut self, now: Tick, pause: u32) {
        let earliest = self
            .keyframe_sent
            .map_or(now, |sent| sent.plus(pause).max(now));
        self.keyframe.get_or_insert(earliest);
    }

    /// What is needed, and from which tick on it may be sent; `None`: nothing until something changes.
    pub fn need(&self, now: Tick, area: Option<&Area>) -> Option<(Need, Tick)> {
        let sent = self.sent.back();
        let held = sent.filter(|sent| sent.basis.is_some());
        let Some(area) = area.filter(|_| self.seen) else {
            let may_hold = held.is_some() || self.keyframe.is_some();
            return may_hold.then_some((Need::Gone, now));
        };
        if let Some(earliest) = self.keyframe {
            return Some((Need::Keyframe, earliest));
        }
        let need = match held {
            Some(sent) if sent.version != area.tick() => Need::Delta(sent.tick),
            Some(sent) if !sent.still => Need::Still(sent.tick),
            Some(_) => return None,
            None if self.area == AreaId::ALL => Need::Keyframe,
            None => match self.empty_at {
                Some(at) if area.tick() > at => Need::Born(at),
                None if !area.is_empty() => Need::Keyframe,
                _ => return None,
            },
        };
        Some((need, now))
    }

    /// For how many ticks nothing was sent of it.
    pub fn age(&self, now: Tick) -> u32 {
        now.since(self.since)
    }

    /// What the next delta starts from.
    pub fn basis(&self) -> Option<&Basis> {
        self.sent.back()?.basis.as_ref()
    }

    /// A part of an update was sent, which leads to `basis`.
    pub fn sent(&mut self, now: Tick, need: Need, version: Tick, basis: Option<Basis>) {
        if need == Need::Keyframe {
            self.keyframe_sent = Some(now);
        }
        if matches!(need, Need::Keyframe | Need::Gone) {
            self.keyframe = None;
        }
        self.empty_at = None;
        self.since = now;
        let still = matches!(need, Need::Still(_));
        // What came before its basis is its own, though others hear the same "still".
        let own = self.basis().filter(|_| still).cloned();
        self.sent.push_back(Sent {
            tick: now,
            version,
            still,
            basis: own.or(basis),
        });
    }

    /// An update was sent without it, while it was in sight: the client knows that it is empty, if it holds nothing of it.
    pub fn left_out(&mut self, now: Tick, area: Option<&Area>) {
        let holds = self.keyframe.is_some() || self.basis().is_some();
        if self.seen && !holds && area.is_none_or(Area::is_empty) {
            self.empty_at = Some(now);
        }
    }

    /// A receipt: nothing older than `held` will be needed again.
    pub fn held(&mut self, held: Tick) {
        while self.sent.get(1).is_some_and(|next| next.tick <= held) {
            self.sent.pop_front();
        }
    }

    /// Whether nothing is to be known of it any more.
    pub fn is_over(&self, held: Tick) -> bool {
        let gone = |sent: &Sent| sent.basis.is_none() && sent.tick <= held;
        !self.seen
            && self.keyframe.is_none()
            && match self.sent.len() {
                0 => true,
                1 => self.sent.front().is_some_and(gone),
                _ => false,
            }
    }

    /// The client is back on another link and holds `held`: what was on its way is lost.
    pub fn resume(&mut self, held: Tick) {
        self.sent.retain(|sent| sent.tick <= held);
        self.empty_at = self.empty_at.filter(|at| *at <= held);
    }

    /// Nobody knows what the client holds of it.
    pub fn begin_anew(&mut self, now: Tick) {
        self.sent.clear();
        self.empty_at = None;
        self.keyframe = Some(now);
        self.keyframe_sent = None; // went with the link: the next one need not wait
    }
}
