//! The rooms that a session is in: a few, by rising number, in one piece of memory.

use super::super::bucket::Bucket;
use super::status::Status;
use crate::frame::Holding;
use crate::time::Tick;
use bytes::Bytes;

/// What a session keeps for a room that it is in.
#[derive(Debug)]
pub(super) struct RoomSlot {
    /// The newest tick whose update was handed to the link.
    pub sent: Option<Tick>,
    pub held: Option<Holding>,
    pub update: Option<Pair>,
    /// A tick frame without an update.
    pub tick_frame: Option<Bytes>,
    pub commands: Bucket,
    /// The newest commands that came by frames which say them again.
    pub said: Option<Holding>,
    /// What the client says of itself there.
    pub status: Status,
}

/// An update, and its tick frame.
#[derive(Debug)]
pub(super) struct Pair {
    pub tick: Tick,
    pub private: Bytes,
    pub shared: Bytes,
}

impl RoomSlot {
    pub fn has_news(&self) -> bool {
        self.update.is_some() || self.tick_frame.is_some()
    }

    pub fn next_len(&self) -> usize {
        match (&self.update, &self.tick_frame) {
            (Some(pair), _) => pair.private.len() + pair.shared.len(),
            (None, Some(frame)) => frame.len(),
            (None, None) => 0,
        }
    }
}

/// A map from a room's number: nearly always with one entry.
#[derive(Debug, Default)]
pub(super) struct Rooms(Vec<(u32, RoomSlot)>);

impl Rooms {
    fn find(&self, room: u32) -> Result<usize, usize> {
        match &self.0[..] {
            [(only, _)] if *only == room => Ok(0),
            all => all.binary_search_by_key(&room, |(no, _)| *no),
        }
    }

    pub fn contains(&self, room: u32) -> bool {
        self.find(room).is_ok()
    }

    pub fn get(&self, room: u32) -> Option<&RoomSlot> {
        self.find(room).ok().map(|at| &self.0[at].1)
    }

    pub fn get_mut(&mut self, room: u32) -> Option<&mut RoomSlot> {
        self.find(room).ok().map(|at| &mut self.0[at].1)
    }

    pub fn insert(&mut self, room: u32, slot: RoomSlot) {
        match self.find(room) {
            Ok(at) => self.0[at].1 = slot,
            Err(at) => {
                self.0.reserve_exact(1);
                self.0.insert(at, (room, slot));
            }
        }
    }

    pub fn remove(&mut self, room: u32) -> Option<RoomSlot> {
        self.find(room).ok().map(|at| self.0.remove(at).1)
    }

    pub fn clear(&mut self) {
        self.0 = Vec::new();
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut RoomSlot)> {
        self.0.iter_mut().map(|(room, slot)| (*room, slot))
    }

    pub fn keys(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(|(room, _)| *room)
    }

    pub fn values(&self) -> impl Iterator<Item = &RoomSlot> {
        self.0.iter().map(|(_, slot)| slot)
    }

    /// The next room with something new, behind `turn` and around.
    pub fn next_with_news(&self, turn: u32) -> Option<u32> {
        let behind = self.0.partition_point(|(room, _)| *room <= turn);
        let (first, then) = self.0.split_at(behind);
        let mut around = then.iter().chain(first);
        let found = around.find(|(_, slot)| slot.has_news());
        found.map(|(room, _)| *room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;

    fn slot(news: bool) -> RoomSlot {
        RoomSlot {
            sent: None,
            held: None,
            update: None,
            tick_frame: news.then(Bytes::new),
            commands: Bucket::new(Time(0), 0, 0),
            said: None,
            status: Status::default(),
        }
    }

    #[test]
    fn rooms_take_turns_and_are_found_in_any_order() {
        let mut rooms = Rooms::default();
        for (room, news) in [(30, true), (10, true), (20, false), (40, true)] {
            rooms.insert(room, slot(news));
        }
        assert_eq!(rooms.keys().collect::<Vec<_>>(), [10, 20, 30, 40]);
        let turns: Vec<_> = [0, 10, 30, 40, 99]
            .map(|turn| rooms.next_with_news(turn))
            .into();
        assert_eq!(turns, [10, 30, 40, 10, 10].map(Some));
        assert!(rooms.remove(30).is_some() && rooms.remove(30).is_none());
        assert!(rooms.get(20).is_some() && rooms.get(30).is_none());
        assert_eq!(rooms.len(), 3);
        rooms.clear();
        assert_eq!(rooms.next_with_news(0), None);
    }
}
