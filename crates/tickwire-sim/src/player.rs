//! Players: the seat somebody plays from, what they own, what they ask for, and who sits where. Not how they are let in.

use std::ops::{Deref, DerefMut};

use bevy_ecs::component::{Component, Immutable, Mutable, StorageType};
use bevy_ecs::lifecycle::{ComponentHook, HookContext};
use bevy_ecs::resource::Resource;
use bevy_ecs::world::DeferredWorld;
use tickwire_proto::frame::Presence;
use tickwire_snapshot::record::{ReadError, ReadFault, Record, Refs};
use tickwire_snapshot::{FieldSchema, Quant, RecordSchema, Row, RowMut};

use crate::command::AskHooks;
use crate::ids::{changed_hands, went_out_of_sight};

/// Seats of a room at most.
pub const SEATS_MAX: u16 = 1_024;
/// Bytes of a player's name at most; longer ones are cut.
pub const PLAYER_NAME_MAX: usize = 64;
/// Bytes of an identity that a game sees at most; longer ones are cut.
pub const PLAYER_IDENTITY_MAX: usize = 256;

/// Who holds a seat of the game, a person or a computer player: what join systems are given and entities are [owned by](OwnedBy).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Player {
    /// The seat, from 0.
    pub seat: u16,
}

impl Player {
    /// The player of a seat.
    #[must_use]
    pub const fn new(seat: u16) -> Self {
        Self { seat }
    }

    /// A colour of their own, as a hue in 256ths of the circle: neighbouring seats lie far apart.
    #[must_use]
    pub const fn hue(self) -> u8 {
        (self.seat.wrapping_mul(158) & 0xff) as u8 // 158/256: the golden ratio of a turn
    }
}

/// Says whose an entity is. It gets the owner's [`Asks`], and is despawned when the owner leaves.
///
/// Everybody sees it (as a field `seat`). To give an entity to somebody else, insert it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnedBy(pub Player);

// By hand, since its hooks keep `Asks` beside it. Immutable, so that no change escapes them.
impl Component for OwnedBy {
    const STORAGE_TYPE: StorageType = StorageType::Table;
    type Mutability = Immutable;
    const HAS_SUMMARY_TICK: bool = true;

    fn on_insert() -> Option<ComponentHook> {
        Some(|mut world: DeferredWorld, context: HookContext| {
            changed_hands(&mut world, context.entity);
            let Some(&hooks) = world.get_resource::<AskHooks>() else {
                return;
            };
            (hooks.taken)(&mut world, context.entity);
        })
    }
}

/// Hook of a room's worlds: nobody owns the entity any more.
pub(crate) fn disowned(mut world: DeferredWorld, context: HookContext) {
    if let Some(&hooks) = world.get_resource::<AskHooks>() {
        (hooks.given_up)(&mut world, context.entity);
    }
    went_out_of_sight(world, context);
}

// By hand, since derived components are mutable.
impl Record for OwnedBy {
    fn schema() -> RecordSchema {
        let seat = Quant::Bits {
            bits: 16,
            signed: false,
        };
        RecordSchema::new("OwnedBy", vec![FieldSchema::new("seat", seat)])
    }

    fn write(&self, row: &mut RowMut<'_>, _: &dyn Refs) {
        row.field(0).ints[0] = i32::from(self.0.seat);
    }

    fn read(row: &Row<'_>, _: &dyn Refs) -> Result<Self, ReadError> {
        let seat = u16::try_from(row.field(0).ints[0]);
        let seat = seat.map_err(|_| ReadFault::Range.of("OwnedBy.seat"))?;
        Ok(Self(Player::new(seat)))
    }

    fn write_exact(&self, out: &mut Vec<u8>, _: &dyn Refs) {
        out.extend_from_slice(&self.0.seat.to_le_bytes());
    }

    fn read_exact(input: &mut &[u8], _: &dyn Refs) -> Result<Self, ReadError> {
        let Some((seat, rest)) = input.split_first_chunk() else {
            return Err(ReadFault::Truncated.of("OwnedBy.seat"));
        };
        *input = rest;
        Ok(Self(Player::new(u16::from_le_bytes(*seat))))
    }
}

/// What the owner of this entity asks for in this tick: the command in force.
///
/// It stands beside [`OwnedBy`] by itself. For a person it is set before the systems run; a computer player's is the game's to write,
/// by a system that has `&mut Asks<C>`, and stays until written again.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Asks<C>(pub C);

impl<C: Send + Sync + 'static> Component for Asks<C> {
    const STORAGE_TYPE: StorageType = StorageType::Table;
    type Mutability = Mutable;
}

impl<C> Deref for Asks<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

impl<C> DerefMut for Asks<C> {
    fn deref_mut(&mut self) -> &mut C {
        &mut self.0
    }
}

/// Somebody who is to be seated by [`Simulation::join`](crate::Simulation::join).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlayerInfo {
    /// Where.
    pub seat: u16,
    /// Their name: shown to others, never trusted.
    pub name: String,
    /// Who they are, by auth: the same on every device and in every session. Empty for a computer player.
    pub identity: String,
    /// Whether the game itself moves them.
    pub computer: bool,
}

/// Who holds a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seated {
    /// Their name.
    pub name: String,
    /// Who they are, by auth: the same on every device and in every session. Empty for a computer player.
    pub identity: String,
    /// Whether they are there. A computer player always is.
    pub presence: Presence,
    /// Whether the game itself moves them.
    pub computer: bool,
    /// Whether they said that they are ready.
    pub ready: bool,
    /// Whether they are the host.
    pub host: bool,
    /// Whether they have sent no command for a second, having sent some before.
    pub lagging: bool,
}

/// Who sits where: a resource for systems to read. The simulation alone changes it, at the start of a tick.
#[derive(Resource, Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    pub(crate) seats: Vec<Option<Seated>>,
}

impl Roster {
    pub(crate) fn new(seats: u16) -> Self {
        Self {
            seats: vec![None; usize::from(seats)],
        }
    }

    /// How many seats there are.
    #[must_use]
    pub fn seats(&self) -> u16 {
        self.seats.len() as u16 // at most SEATS_MAX
    }

    /// Who holds the player's seat.
    #[must_use]
    pub fn get(&self, player: Player) -> Option<&Seated> {
        self.seats.get(usize::from(player.seat))?.as_ref()
    }

    /// The player's name; empty where nobody sits.
    #[must_use]
    pub fn name(&self, player: Player) -> &str {
        self.get(player).map_or("", |seated| seated.name.as_str())
    }

    /// Who the player is, by auth: what a game keeps scores and inventories by. Empty for a computer player and where nobody sits.
    #[must_use]
    pub fn identity(&self, player: Player) -> &str {
        self.get(player)
            .map_or("", |seated| seated.identity.as_str())
    }

    /// Whether the player is there, away or gone.
    #[must_use]
    pub fn presence(&self, player: Player) -> Presence {
        self.get(player)
            .map_or(Presence::Gone, |seated| seated.presence)
    }

    /// Whether the player has sent no command for a second, having sent some before: their link has stalled, or their page sleeps. Who is
    /// away is lagging too, after that second.
    #[must_use]
    pub fn is_lagging(&self, player: Player) -> bool {
        self.get(player).is_some_and(|seated| seated.lagging)
    }

    /// Whether the game itself moves the player.
    #[must_use]
    pub fn is_computer(&self, player: Player) -> bool {
        self.get(player).is_some_and(|seated| seated.computer)
    }

    /// Whether the player said that they are ready.
    #[must_use]
    pub fn is_ready(&self, player: Player) -> bool {
        self.get(player).is_some_and(|seated| seated.ready)
    }

    /// Whether all people are ready who are not away. Where there are none: no.
    #[must_use]
    pub fn all_ready(&self) -> bool {
        let mut here = self
            .players()
            .filter(|(_, who)| !who.computer && who.presence == Presence::Online)
            .peekable();
        here.peek().is_some() && here.all(|(_, who)| who.ready)
    }

    /// The host, if there is one.
    #[must_use]
    pub fn host(&self) -> Option<Player> {
        self.players()
            .find(|(_, who)| who.host)
            .map(|(player, _)| player)
    }

    /// All players, by seat.
    pub fn players(&self) -> impl Iterator<Item = (Player, &Seated)> {
        let seats = self.seats.iter().enumerate();
        seats.filter_map(|(seat, who)| Some((Player::new(seat as u16), who.as_ref()?)))
    }

    /// How many people hold seats.
    #[must_use]
    pub fn people(&self) -> usize {
        self.players().filter(|(_, who)| !who.computer).count()
    }

    /// How many computer players hold seats.
    #[must_use]
    pub fn computers(&self) -> usize {
        self.players().filter(|(_, who)| who.computer).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hues_of_the_first_seats_differ() {
        let mut hues: Vec<u8> = (0..128).map(|seat| Player::new(seat).hue()).collect();
        hues.sort_unstable();
        hues.dedup();
        assert_eq!(hues.len(), 128);
    }

    #[test]
    fn an_empty_seat_has_no_one() {
        let roster = Roster::new(2);
        let nobody = Player::new(7);
        assert_eq!(
            (roster.name(nobody), roster.is_computer(nobody)),
            ("", false)
        );
        assert_eq!(roster.presence(nobody), Presence::Gone);
        assert_eq!(roster.players().count(), 0);
    }
}
