//! What must hold at every moment of a run, and at its end; how the truth is kept and compared is `truth`'s.

use std::{collections::BTreeSet, time::Duration};

use tickwire_client::State;
use tickwire_proto::session::outbox::{OUTBOX_BYTES_MAX, OUTBOX_MESSAGES_MAX};

use crate::{link::LinkId, running::Running, truth::RoomName, violation::Broken};

/// Bytes that may lie in a link which its socket has not taken.
const UNSENT_MAX: usize = 64 * 1024;
/// Of so many pictures one is looked through.
const PICTURES: u64 = 8;
/// How far behind the room a view may be when all is well.
const BEHIND_MAX: Duration = Duration::from_secs(1);

impl Running {
    /// After every delivery: each area of the view is what was true at its tick, and no tick goes back.
    pub(crate) fn check_view(&mut self, client: usize) -> Result<(), Broken> {
        self.check_seats()?;
        let Some(room) = self.room_of(client) else {
            return Ok(());
        };
        let seat = &self.seats[client];
        let Some(view) = seat.client.view(seat.room) else {
            return Ok(());
        };
        let to = view.newest_tick();
        if let (Some(from), Some(to)) = (seat.newest, to)
            && to < from
        {
            return Err(Broken::Backwards { client, from, to });
        }
        self.checks += self.truth.check(client, room, view)?;
        self.seats[client].newest = to.or(self.seats[client].newest);
        Ok(())
    }

    /// Now and then: no two entities of a picture have one number.
    pub(crate) fn check_picture(&self, client: usize) -> Result<(), Broken> {
        let seat = &self.seats[client];
        let Some(picture) = seat.picture.as_ref() else {
            return Ok(());
        };
        if !seat.counts.pictures.is_multiple_of(PICTURES) {
            return Ok(());
        }
        for component in 0..picture.schema().components.len() {
            let mut ids = BTreeSet::new();
            for row in picture.entities(component) {
                if !ids.insert(row.id()) {
                    let id = row.id();
                    return Err(Broken::Twins { client, id });
                }
            }
        }
        Ok(())
    }

    /// Where clients are several sessions of the same people: nobody has two seats in a room.
    fn check_seats(&self) -> Result<(), Broken> {
        let rooms = self.host.iter().flat_map(|host| host.rooms());
        for (number, room) in rooms.filter(|_| self.identities.is_some()) {
            let mut seats = BTreeSet::new();
            for member in room.members() {
                let name = member.name.clone();
                if !seats.insert(member.name) {
                    return Err(Broken::TwoSeats { room: number, name });
                }
            }
        }
        Ok(())
    }

    /// After every write: not more is in flight, or waits, than may be.
    pub(crate) fn check_bounds(&self, id: LinkId) -> Result<(), Broken> {
        let Some(link) = self.links.get(&id) else {
            return Ok(());
        };
        let client = link.client;
        let bound = |what, count: usize, bound: usize| {
            if count > bound {
                Err(Broken::Bound {
                    client,
                    what,
                    count: count as u64,
                    bound: bound as u64,
                })
            } else {
                Ok(())
            }
        };
        bound(
            "bytes that the link has not taken",
            link.unsent(),
            UNSENT_MAX,
        )?;
        let backlog = self
            .host
            .as_ref()
            .and_then(|host| host.backlog(link.session));
        if let Some(backlog) = backlog {
            bound(
                "reliable messages waiting",
                backlog.reliable_messages,
                OUTBOX_MESSAGES_MAX,
            )?;
            bound(
                "bytes of reliable messages waiting",
                backlog.reliable_bytes,
                OUTBOX_BYTES_MAX,
            )?;
        }
        for (_, room) in self.host.iter().flat_map(|host| host.rooms()) {
            if let Some((ticks, most)) = room.in_flight(link.session) {
                bound("ticks in flight", ticks as usize, most as usize)?;
            }
        }
        Ok(())
    }

    /// When all has been well for long enough: everybody is in a room, and holds what is true there now.
    pub(crate) fn check_agreement(&self, after: Duration) -> Result<(), Broken> {
        for client in 0..self.seats.len() {
            let seat = &self.seats[client];
            let agrees = match seat.replaced {
                true => self.knows_its_heir(client),
                false => self.agrees(client),
            };
            agrees.map_err(|why| Broken::Disagrees { client, after, why })?;
        }
        Ok(())
    }

    fn agrees(&self, client: usize) -> Result<(), String> {
        let seat = &self.seats[client];
        if !matches!(seat.client.state(), State::Online) {
            return Err(format!("it is {:?}", seat.client.state()));
        }
        let room = self.room_of(client).ok_or("it is in no room")?;
        self.knows_members(client, room)?;
        self.has_its_letters(client, room)?;
        let truth = self
            .truth
            .newest(room)
            .ok_or("its room has published nothing")?;
        let view = seat.client.view(seat.room).ok_or("it has no view")?;
        let ticks = BEHIND_MAX.as_micros() as u32 / self.kind.game().tick_us().max(1);
        let seat = view.seat().unwrap_or(u16::MAX);
        // What has just come into sight, or was empty just now, may be on its way.
        for area in self.truth.long_seen(room, seat, ticks) {
            let Some((tick, held)) = view.newest(area) else {
                let mut recent = self.truth.recent(room, ticks);
                if recent.all(|truth| truth.area(area).is_some_and(|area| !area.is_empty())) {
                    return Err(format!("it holds nothing of area {}", area.0));
                }
                continue;
            };
            // A room may have been still for long and have changed just now: what counts is what was true in the last second.
            let mut recent = self.truth.recent(room, ticks);
            if !recent.any(|snapshot| snapshot.area(area).is_some_and(|truth| truth.same(held))) {
                return Err(format!(
                    "it holds area {} of tick {tick}, the room is at {}",
                    area.0, truth.tick
                ));
            }
        }
        Ok(())
    }

    /// Somebody whose seat another session of theirs has taken over is in no room, and that one is in one.
    fn knows_its_heir(&self, client: usize) -> Result<(), String> {
        let seat = &self.seats[client];
        if self.room_of(client).is_some() {
            return Err("it is in a room whose seat another session has".to_owned());
        }
        let others = self.seats.iter().filter(|it| it.person == seat.person);
        match others
            .filter(|it| self.room_of(it.number).is_some())
            .count()
        {
            1 => Ok(()),
            count => Err(format!("{count} sessions of its person have a seat")),
        }
    }

    fn has_its_letters(&self, client: usize, room: RoomName) -> Result<(), String> {
        let seat = &self.seats[client];
        let Some(letters) = &seat.letters else {
            return Ok(());
        };
        let view = seat.client.view(seat.room).ok_or("it has no view")?;
        let here = self.host.as_ref().and_then(|host| host.room(room.number));
        let here = here.ok_or("its room is gone")?;
        letters.agree(here.simulation().world(), view.seat().ok_or("no seat")?)
    }

    /// Members come and go by messages: after all of them everybody has the room's list.
    fn knows_members(&self, client: usize, room: RoomName) -> Result<(), String> {
        let seat = &self.seats[client];
        let view = seat.client.view(seat.room).ok_or("it has no view")?;
        let here = self.host.as_ref().and_then(|host| host.room(room.number));
        let here = here.ok_or("its room is gone")?;
        let mut held: Vec<(u32, u8)> = view
            .members()
            .iter()
            .map(|info| (info.member, info.presence as u8))
            .collect();
        let mut truth: Vec<(u32, u8)> = here
            .members()
            .map(|status| (status.member.0, status.presence as u8))
            .collect();
        held.sort_unstable();
        truth.sort_unstable();
        if held == truth {
            return Ok(());
        }
        Err(format!(
            "it knows the members {held:?} of a room that has {truth:?}"
        ))
    }
}
