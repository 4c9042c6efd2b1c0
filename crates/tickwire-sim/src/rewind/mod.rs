//! Lag compensation: the past as a player saw it, for systems to ask. What a player saw is told by the room; where everybody was is recorded here.

mod game;
mod hitbox;
mod keep;
mod past;
mod record;
mod shape;
mod track;

use std::any::TypeId;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use bevy_ecs::resource::Resource;
use tickwire_proto::{Moment, Tick};
use tickwire_snapshot::NetId;

pub use game::REWIND_MAX;
pub(crate) use game::RewindRules;
pub use hitbox::Hitbox;
pub(crate) use keep::{read, write};
pub use past::{Hit, Past};
pub(crate) use record::{Recorder, Recording, Rewindable};
use track::{Look, Tracks};

use crate::player::Player;

/// What a player's picture showed when they asked for something, as the room has verified it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The moment of the picture.
    pub shown: Moment,
    /// The ticks of the two updates that the picture lies between: of those that were sent to this player.
    pub between: (Tick, Tick),
}

/// What looking back has cost and changed, counted since the room began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RewindStats {
    /// Times that the past of a player was asked for.
    pub looks: u64,
    /// How far back these went, in microseconds altogether.
    pub look_us: u64,
    /// Hits that the game counted.
    pub hits: u64,
    /// By how much what the shooters saw was older than the truth, in microseconds altogether: their advantage.
    pub hit_us: u64,
    /// Hits of the past that the game did not let count.
    pub denied: u64,
}

/// The past as each player saw it: a resource for systems that judge shots.
///
/// Who shoots aims at a picture that is older than the truth: by the way of the update, by what is waited for so that others move smoothly,
/// and by the way of the command. A hit is fair to who shoots if it is judged in that picture. The game says what can be hit
/// ([`Game::rewindable`](crate::Game::rewindable)) and how far back it may be looked ([`Game::rewind`](crate::Game::rewind)):
///
/// ```
/// use bevy_ecs::prelude::*;
/// use tickwire_sim::prelude::*;
/// use tickwire_sim::{GameKind, Hitbox, Simulation};
///
/// #[derive(Replicate, Default)]
/// struct Ship { #[net(range = 0.0..=900.0, step = 0.1)] x: f32, #[net(range = 0.0..=900.0, step = 0.1)] y: f32, hull: u8 }
///
/// #[derive(PlayerCommand, Clone, Default)]
/// struct Ask { fire: bool }
///
/// fn rail(rewind: Res<Rewind>, shooters: Query<(Entity, &OwnedBy, &Asks<Ask>)>, mut ships: Query<&mut Ship>) {
///     for (own, owner, _) in shooters.iter().filter(|(_, _, ask)| ask.fire) {
///         let Ok(ship) = ships.get(own) else { continue };
///         let past = rewind.of(owner.0);
///         // To the right, 400 units, through everybody as the shooter saw them; the nearest first.
///         let Some(hit) = past.ray((ship.x, ship.y), (1.0, 0.0), 400.0).into_iter().find(|hit| hit.entity != own) else { continue };
///         let Ok(mut target) = ships.get_mut(hit.entity) else { continue };
///         target.hull = target.hull.saturating_sub(40);
///         rewind.accept(&hit);
///     }
/// }
///
/// fn game(game: &mut Game) {
///     game.replicate::<Ship>().command::<Ask>().systems(rail);
///     game.rewindable(|ship: &Ship| Hitbox::circle((ship.x, ship.y), 12.0));
/// }
/// Simulation::new(&GameKind::new("rails", game), Default::default()).step();
/// ```
///
/// Nothing is looked for unless a system asks; what is kept for it costs what moved. A computer player, a player who has seen no picture yet,
/// and a simulation that runs ahead on a client look at the present: as it was after the last step.
#[derive(Resource, Debug, Default)]
pub struct Rewind {
    kinds: Vec<Kind>,
    seats: Vec<Option<(Seen, Tick)>>,
    /// The tick that is stepped.
    now: Tick,
    tick_us: u32,
    /// Ticks that may be looked back.
    cap: u32,
    /// Who is further away from one update to the next has jumped.
    jump: f32,
    captures: Captures,
    counts: Counts,
}

/// The entities with one component.
#[derive(Debug)]
struct Kind {
    component: TypeId,
    tracks: Tracks,
}

/// When the wire's values were taken.
#[derive(Clone, Debug, Default, PartialEq)]
struct Captures {
    newest: Option<Tick>,
    /// Those that found something new, as far back as may be looked.
    changed: VecDeque<Tick>,
}

#[derive(Debug, Default)]
struct Counts {
    looks: AtomicU64,
    look_parts: AtomicU64,
    hits: AtomicU64,
    hit_parts: AtomicU64,
    denied: AtomicU64,
}

impl Rewind {
    pub(crate) fn new(seats: u16, tick_us: u32, cap: u32, jump: f32, kinds: &[TypeId]) -> Self {
        let kind = |component: &TypeId| Kind {
            component: *component,
            tracks: Tracks::default(),
        };
        Self {
            kinds: kinds.iter().map(kind).collect(),
            seats: vec![None; usize::from(seats)],
            tick_us,
            cap,
            jump,
            ..Self::default()
        }
    }

    /// The past as this player saw it when they asked for what is in force now.
    #[must_use]
    pub fn of(&self, player: Player) -> Past<'_> {
        let (look, behind) = self.look(player);
        if behind > 0 {
            self.counts.looks.fetch_add(1, Ordering::Relaxed);
            self.counts.look_parts.fetch_add(behind, Ordering::Relaxed);
        }
        Past::new(self, look, behind)
    }

    /// What is true now: as it was after the last step.
    #[must_use]
    pub fn present(&self) -> Past<'_> {
        Past::new(self, Look::Present, 0)
    }

    /// Notes that the game lets a hit count.
    pub fn accept(&self, hit: &Hit) {
        self.counts.hits.fetch_add(1, Ordering::Relaxed);
        self.counts
            .hit_parts
            .fetch_add(hit.parts, Ordering::Relaxed);
    }

    /// Notes that the game lets a hit not count, such as one on somebody who was behind cover by now.
    pub fn deny(&self, _: &Hit) {
        self.counts.denied.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> RewindStats {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let us = |parts: u64| parts * u64::from(self.tick_us) / Moment::of(Tick(1)).parts();
        RewindStats {
            looks: get(&self.counts.looks),
            look_us: us(get(&self.counts.look_parts)),
            hits: get(&self.counts.hits),
            hit_us: us(get(&self.counts.hit_parts)),
            denied: get(&self.counts.denied),
        }
    }

    /// What is looked at for a player, and by how many sixteenths of a tick it is behind.
    fn look(&self, player: Player) -> (Look, u64) {
        let seen = self.seats.get(usize::from(player.seat)).copied().flatten();
        let (Some((seen, tick)), Some(newest)) = (seen, self.captures.newest) else {
            return (Look::Present, 0);
        };
        // A command that is repeated is of a picture that went on.
        let shown = seen.shown.plus(self.now.since(tick));
        let oldest = Moment::of(self.now).minus(self.cap);
        let shown = shown.min(Moment::of(newest)).max(oldest);
        if shown > Moment::of(newest) {
            return (Look::Present, 0);
        }
        let behind = Moment::of(self.now).since(shown);
        let (from, to) = seen.between;
        let between = (Moment::of(from)..=Moment::of(to)).contains(&shown);
        // What is older is not kept of those who moved.
        if between
            && from >= newest.minus(self.cap)
            && let Some(last) = self.captures.left_out(from, to)
        {
            return (Look::Over(shown, from, last), behind);
        }
        (Look::At(shown), behind)
    }

    pub(crate) fn set_now(&mut self, now: Tick) {
        self.now = now;
    }

    /// What a player saw when they asked for what is in force in the next step.
    pub(crate) fn saw(&mut self, seat: u16, seen: Option<Seen>) {
        let next = self.now.next();
        if let Some(at) = self.seats.get_mut(usize::from(seat)) {
            *at = seen.map(|seen| (seen, next));
        }
    }

    /// Somebody is gone, or cannot be hit by this component any more.
    fn forget(&mut self, kind: usize, id: NetId) {
        if let Some(kind) = self.kinds.get_mut(kind) {
            kind.tracks.forget(id);
        }
    }

    /// The wire has what is now.
    pub(crate) fn captured(&mut self, tick: Tick, changed: bool) {
        if self.kinds.is_empty() || self.captures.newest >= Some(tick) {
            return;
        }
        let before = self.captures.newest.unwrap_or_default();
        let horizon = tick.minus(self.cap);
        for kind in &mut self.kinds {
            kind.tracks.capture(before, tick, horizon);
        }
        self.captures.note(tick, changed, horizon);
    }
}

impl Captures {
    fn note(&mut self, tick: Tick, changed: bool, horizon: Tick) {
        self.newest = Some(tick);
        if changed {
            self.changed.push_back(tick);
            while self.changed.get(1).is_some_and(|it| *it <= horizon) {
                self.changed.pop_front();
            }
        }
    }

    /// Whether several captures after `from`, up to `to`, found something new, so that a picture slides from the one tick to the last of them.
    fn left_out(&self, from: Tick, to: Tick) -> Option<Tick> {
        let mut after = self.changed.iter().rev().skip_while(|it| **it > to);
        let last = *after.next()?;
        let other = *after.next()?;
        (other > from).then_some(last)
    }
}
