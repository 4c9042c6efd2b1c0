//! What a room knows of one area in one client's view: what of it was sent and is held, and what is needed next. Encoding is `share`'s matter.

use std::collections::VecDeque;

use tickwire_proto::Tick;
use tickwire_proto::frame::{HOLDING_TICKS, Holding};
use tickwire_snapshot::{Area, AreaId, Basis};

use super::window::Pace;

/// That nothing changes goes again after so many milliseconds, where it is not known to have come.
const STILL_AGAIN_MS: u32 = 50;
/// The same of a keyframe, beyond the round trip.
const KEYFRAME_AGAIN_MS: u32 = 150;

/// What a round trip is taken for before it is known.
const TRIP_MS: u32 = 250;

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

impl Need {
    /// From when on who came to the area is new to the viewer; `None`: nobody is.
    pub fn since(self) -> Option<Tick> {
        match self {
            Need::Delta(from) | Need::Born(from) => Some(from),
            Need::Keyframe => Some(Tick(0)),
            Need::Still(_) | Need::Gone | Need::Moved => None,
        }
    }
}

/// On a link that may lose updates: after how many ticks something goes again. A change goes with each update until it is known to be held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Again {
    still: u32,
    keyframe: u32,
}

impl Again {
    /// `trip_ms`: of the link; 0: not known yet.
    pub fn new(pace: Pace, trip_ms: u32) -> Again {
        let trip = if trip_ms == 0 { TRIP_MS } else { trip_ms };
        Again {
            still: pace.ticks(STILL_AGAIN_MS),
            keyframe: pace.ticks(KEYFRAME_AGAIN_MS + trip + trip / 4),
        }
    }
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
    /// Where updates may be lost the first is the basis, if it is known to be held: the newest of which that is known.
    sent: VecDeque<Sent>,
    loose: Option<Again>,
    /// It may hold something that is not in the list.
    doubt: bool,
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
    /// It is known to be held. Asked only where updates may be lost.
    held: bool,
    /// It starts from nothing. Where updates may be lost it is taken to have come until that is unlikely.
    keyframe: bool,
}

impl Track {
    /// An area that comes into sight.
    pub fn new(area: AreaId, now: Tick, loose: Option<Again>) -> Track {
        Track {
            area,
            seen: true,
            since: now,
            sent: VecDeque::new(),
            loose,
            doubt: false,
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
        if self.loose.is_some() {
            // Nothing else is of use before that one is held.
            self.doubt |= self.may_hold();
            self.sent.clear();
        }
    }

    /// What the next delta starts from, if it knows of the area.
    fn base(&self) -> Option<&Sent> {
        match self.loose {
            None => self.sent.back(),
            Some(_) => {
                let gone = |sent: &Sent| sent.basis.is_none();
                let known = self.sent.front().filter(|it| it.held && !gone(it));
                // What was told to be gone since may be forgotten.
                let known = known.filter(|_| !self.sent.iter().skip(1).any(gone));
                known.or_else(|| {
                    let mut last = self.sent.iter().rev();
                    last.find(|sent| sent.keyframe || gone(sent))
                        .filter(|sent| sent.keyframe)
                })
            }
        }
    }

    /// Whether the client may hold something of it.
    fn may_hold(&self) -> bool {
        let sent = match self.loose {
            None => self.basis().is_some(),
            Some(_) => self.sent.iter().any(|sent| sent.basis.is_some()),
        };
        sent || self.doubt || self.keyframe.is_some()
    }

    /// When it may be said that nothing changes: now, unless that went before and may still be on its way.
    fn still_again(&self, now: Tick) -> Tick {
        let went = self.sent.back().filter(|last| !last.held && last.still);
        match (self.loose, went) {
            (Some(again), Some(last)) => last.tick.plus(again.still).max(now),
            _ => now,
        }
    }

    /// Whether a keyframe that was taken to have come has not, as it seems.
    fn is_lost(&self, sent: &Sent, now: Tick) -> bool {
        let taken = self.loose.is_some() && sent.keyframe && !sent.held;
        taken && self.keyframe_again(now) <= now
    }

    /// When a keyframe that nobody asked for may go: now, unless one may still be on its way.
    fn keyframe_again(&self, now: Tick) -> Tick {
        match (self.loose, self.keyframe_sent) {
            (Some(again), Some(sent)) => sent.plus(again.keyframe).max(now),
            _ => now,
        }
    }

    /// What is needed, and from which tick on it may be sent; `None`: nothing until something changes.
    pub fn need(&self, now: Tick, area: Option<&Area>) -> Option<(Need, Tick)> {
        let held = self.base().filter(|sent| sent.basis.is_some());
        let Some(area) = area.filter(|_| self.seen) else {
            return self.may_hold().then_some((Need::Gone, now));
        };
        if let Some(earliest) = self.keyframe {
            return Some((Need::Keyframe, earliest));
        }
        match held {
            Some(sent) if self.is_lost(sent, now) => Some((Need::Keyframe, now)),
            Some(sent) if sent.version != area.tick() => Some((Need::Delta(sent.tick), now)),
            Some(sent) if !sent.still => Some((Need::Still(sent.tick), self.still_again(now))),
            Some(_) => None,
            None if self.area == AreaId::ALL => Some((Need::Keyframe, self.keyframe_again(now))),
            None => match self.empty_at {
                Some(at) if area.tick() > at => Some((Need::Born(at), now)),
                None if !area.is_empty() || self.doubt => {
                    Some((Need::Keyframe, self.keyframe_again(now)))
                }
                _ => None,
            },
        }
    }

    /// For how many ticks nothing was sent of it.
    pub fn age(&self, now: Tick) -> u32 {
        now.since(self.since)
    }

    /// What the next delta starts from.
    pub fn basis(&self) -> Option<&Basis> {
        self.base()?.basis.as_ref()
    }

    /// A part of an update was sent, which leads to `basis`.
    pub fn sent(&mut self, now: Tick, need: Need, version: Tick, basis: Option<Basis>) {
        if need == Need::Keyframe {
            self.keyframe_sent = Some(now);
        }
        if matches!(need, Need::Keyframe | Need::Gone) {
            self.keyframe = None;
        }
        if self.loose.is_none() {
            self.empty_at = None;
            self.doubt = false;
        }
        self.since = now;
        let still = matches!(need, Need::Still(_));
        // What came before its basis is its own, though others hear the same "still".
        let own = self.basis().filter(|_| still).cloned();
        self.sent.push_back(Sent {
            tick: now,
            version,
            still,
            basis: own.or(basis),
            held: false,
            keyframe: need == Need::Keyframe,
        });
    }

    /// An update was sent without it, while it was in sight: the client knows that it is empty, if it holds nothing of it.
    pub fn left_out(&mut self, now: Tick, area: Option<&Area>) {
        if self.seen && !self.may_hold() && area.is_none_or(Area::is_empty) {
            self.empty_at = Some(now);
        }
    }

    /// A receipt: nothing older than what it names will be needed again.
    pub fn held(&mut self, held: Holding) {
        if self.loose.is_some() {
            return self.held_loose(held);
        }
        while self
            .sent
            .get(1)
            .is_some_and(|next| next.tick <= held.newest)
        {
            self.sent.pop_front();
        }
    }

    fn held_loose(&mut self, held: Holding) {
        let newest = self.sent.iter().rposition(|sent| held.contains(sent.tick));
        if let Some(at) = newest {
            self.sent.drain(..at);
            self.sent[0].held = true;
            (self.doubt, self.empty_at) = (false, None);
        }
        // Of what is older no receipt will tell.
        let oldest = held.newest.minus(HOLDING_TICKS);
        while let Some(lost) = self.sent.pop_front_if(|it| !it.held && it.tick < oldest) {
            self.doubt |= lost.basis.is_some();
        }
    }

    /// Its link is another one.
    pub fn set_loose(&mut self, loose: Option<Again>) {
        self.loose = loose;
    }

    /// Whether nothing is to be known of it any more.
    pub fn is_over(&self, held: Tick) -> bool {
        let known = |sent: &Sent| match self.loose {
            None => sent.tick <= held,
            Some(_) => sent.held,
        };
        let gone = |sent: &Sent| sent.basis.is_none() && known(sent);
        !self.seen
            && !self.doubt
            && self.keyframe.is_none()
            && match self.sent.len() {
                0 => true,
                1 => self.sent.front().is_some_and(gone),
                _ => false,
            }
    }

    /// The client is back on another link and holds `held`: what was on its way is lost.
    pub fn resume(&mut self, held: Tick, loose: Option<Again>) {
        if self.loose.is_some() {
            self.held_loose(Holding::of(held));
            let known = usize::from(self.sent.front().is_some_and(|sent| sent.held));
            let lost: Vec<Sent> = self.sent.drain(known..).collect();
            self.doubt |= lost.iter().any(|sent| sent.basis.is_some());
            if lost.iter().any(|sent| sent.basis.is_none()) {
                // What was told to be gone may be forgotten.
                self.doubt |= self.may_hold();
                self.sent.clear();
            }
        } else {
            self.sent.retain(|sent| sent.tick <= held);
            let before = self.sent.len().saturating_sub(1);
            self.sent.drain(..before);
            self.sent.iter_mut().for_each(|sent| sent.held = true);
        }
        self.loose = loose;
        self.empty_at = self.empty_at.filter(|at| *at <= held);
    }

    /// Nobody knows what the client holds of it.
    pub fn begin_anew(&mut self, now: Tick) {
        self.doubt |= self.may_hold();
        self.sent.clear();
        self.empty_at = None;
        self.keyframe = Some(now);
        self.keyframe_sent = None; // went with the link: the next one need not wait
    }
}
