//! Who crossed from one area into another: the same entity under another name, here as in a picture. Which areas there are is the view's matter.

use std::sync::Arc;

use litemap::LiteMap;
use tickwire_proto::Tick;
use tickwire_snapshot::Area;

/// Crossings that no picture has come to yet, at most.
const RECENT_MAX: usize = 1_024;

/// An entity that crossed at a tick.
#[derive(Clone, Debug)]
pub(crate) struct Crossing {
    pub(crate) tick: Tick,
    /// Its number before.
    pub(crate) from: u64,
    /// Where it is since, in the area that it came to.
    pub(crate) slot: u32,
    pub(crate) area: Arc<Area>,
}

/// The crossings of a view.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moves {
    /// Those that a picture slides into, oldest first.
    recent: Arc<Vec<Crossing>>,
    /// By its number now: the first one that an entity had here.
    names: Arc<LiteMap<u64, u64>>,
    /// Names after which those are looked through that nobody has any more.
    look_at: usize,
}

impl Moves {
    /// An entity crossed, and has another number now.
    pub(crate) fn note(&mut self, crossing: Crossing, to: u64) {
        let name = self.name(crossing.from);
        Arc::make_mut(&mut self.names).insert(to, name);
        let recent = Arc::make_mut(&mut self.recent);
        if recent.len() == RECENT_MAX {
            recent.remove(0);
        }
        recent.push(crossing);
    }

    /// Whether a crossing to this number is noted. By datagrams each is told until it is known to have come.
    pub(crate) fn is_noted(&self, to: u64) -> bool {
        self.names.contains_key(&to)
    }

    /// The number by which an entity is known, from its number in its area.
    pub(crate) fn name(&self, id: u64) -> u64 {
        self.names.get(&id).copied().unwrap_or(id)
    }

    /// The numbers that an entity has had since it got its first one, and that one.
    pub(crate) fn all_of(&self, name: u64) -> impl Iterator<Item = u64> {
        let others = self.names.iter().filter(move |(_, of)| **of == name);
        others.map(|(id, _)| *id).chain([name])
    }

    /// Where an entity is that has crossed since the picture's tick.
    pub(crate) fn after(&self, from: u64, tick: f64) -> Option<&Crossing> {
        let mut recent = self.recent.iter();
        recent.find(|it| it.from == from && f64::from(it.tick.0) > tick)
    }

    /// A picture has come to a tick.
    pub(crate) fn reached(&mut self, tick: f64) {
        let behind = |it: &Crossing| f64::from(it.tick.0) <= tick;
        if self.recent.first().is_some_and(behind) {
            Arc::make_mut(&mut self.recent).retain(|it| !behind(it));
        }
    }

    /// Forgets names that nobody has any more, now and then.
    pub(crate) fn forget(&mut self, is_there: impl Fn(u64) -> bool) {
        if self.names.len() > self.look_at {
            Arc::make_mut(&mut self.names).retain(|id, _| is_there(*id));
            self.look_at = 2 * self.names.len() + 64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickwire_snapshot::{AreaId, Schema};

    #[test]
    fn an_entity_keeps_its_first_name() {
        let schema = Arc::new(Schema::new("x", 33_333));
        let area = Arc::new(Area::empty(AreaId::ALL, &schema));
        let mut moves = Moves::default();
        let crossing = |tick, from| Crossing {
            tick: Tick(tick),
            from,
            slot: 1,
            area: area.clone(),
        };
        moves.note(crossing(5, 10), 20);
        moves.note(crossing(7, 20), 30);
        assert_eq!([10, 20, 30, 40].map(|id| moves.name(id)), [10, 10, 10, 40]);
        assert_eq!(moves.all_of(10).collect::<Vec<_>>(), [20, 30, 10]);
        assert!(moves.after(20, 6.5).is_some() && moves.after(20, 7.0).is_none());
        moves.reached(6.0);
        assert!(moves.after(10, 4.0).is_none() && moves.after(20, 4.0).is_some());
        moves.forget(|id| id == 30);
        assert_eq!([20, 30].map(|id| moves.name(id)), [20, 10]);
    }

    #[test]
    fn crossings_are_bounded_where_nobody_draws() {
        let schema = Arc::new(Schema::new("x", 33_333));
        let area = Arc::new(Area::empty(AreaId::ALL, &schema));
        let mut moves = Moves::default();
        for n in 0..5_000 {
            let area = area.clone();
            let (tick, slot) = (Tick(n), 1);
            let from = u64::from(n);
            moves.note(
                Crossing {
                    tick,
                    from,
                    slot,
                    area,
                },
                from + 1,
            );
            moves.forget(|id| id > from.saturating_sub(100));
        }
        assert_eq!(moves.recent.len(), RECENT_MAX);
        assert!(moves.names.len() < 300);
    }
}
