//! How a game says who sees what: the grid, what places entities and events on it, and whom something is for. How a room is divided by it is
//! `division`'s matter.

use std::sync::Arc;

use bevy_ecs::component::Component;
use bevy_ecs::world::World;

use crate::division::{By, Spot};
use crate::event::{GameEvent, PlaceOf};
use crate::game::{Game, GameError};
use crate::grid::{Grid, Point};
use crate::player::Player;
use crate::sight::Sight;

/// Who sees an entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SeenBy {
    /// Those who see the place where it is; all, if it is nowhere.
    #[default]
    Place,
    /// Everybody.
    All,
    /// Its [owner](crate::OwnedBy) alone.
    Owner,
    /// One player alone.
    Player(Player),
    /// Those of whom the game [says](Game::sees) that they see this team's.
    Team(u16),
    /// Those of whom the game [says](Game::sees) that they see this area.
    Area(u16),
}

impl Game {
    /// Divides the room into square cells of `size`, so that each player is told of what is around what they own: of everything within
    /// `view`, and of the rest of the cells that this touches. `place` says where an entity is, by one of its components.
    ///
    /// Entities without such a component, and resources, are seen by all. Who owns nothing on the grid any more goes on seeing what they saw
    /// last. Cells of half the view to all of it are right; much smaller ones are refused, since a player would see too many.
    ///
    /// ```
    /// use bevy_ecs::prelude::*;
    /// use tickwire_sim::prelude::*;
    ///
    /// #[derive(Replicate, Default)]
    /// struct Walker {
    ///     #[net(range = -5000.0..=5000.0, step = 0.1)] x: f32,
    ///     #[net(range = -5000.0..=5000.0, step = 0.1)] y: f32,
    /// }
    ///
    /// fn game(game: &mut Game) {
    ///     game.replicate::<Walker>().grid(64.0, 100.0, |walker: &Walker| (walker.x, walker.y));
    /// }
    /// # tickwire_sim::GameKind::new("walkers", game);
    /// ```
    pub fn grid<C: Component>(
        &mut self,
        size: f32,
        view: f32,
        place: impl Fn(&C) -> (f32, f32) + Send + Sync + 'static,
    ) -> &mut Self {
        self.divide(Grid::new(size, view, 2));
        self.placed_by(place)
    }

    /// The same with cubes, for a world of three axes.
    pub fn grid_3d<C: Component>(
        &mut self,
        size: f32,
        view: f32,
        place: impl Fn(&C) -> (f32, f32, f32) + Send + Sync + 'static,
    ) -> &mut Self {
        self.divide(Grid::new(size, view, 3));
        self.placed_by_3d(place)
    }

    /// Another component that says where an entity is, for those which have not the ones named before it.
    pub fn placed_by<C: Component>(
        &mut self,
        place: impl Fn(&C) -> (f32, f32) + Send + Sync + 'static,
    ) -> &mut Self {
        self.add_place(move |component: &C| flat(place(component)))
    }

    /// The same in a grid of three axes.
    pub fn placed_by_3d<C: Component>(
        &mut self,
        place: impl Fn(&C) -> (f32, f32, f32) + Send + Sync + 'static,
    ) -> &mut Self {
        self.add_place(move |component: &C| deep(place(component)))
    }

    /// A component that says whom its entity is for, wherever that is: with a grid or without one. Of several such components that an entity
    /// has, the one named first decides.
    ///
    /// ```
    /// use bevy_ecs::prelude::*;
    /// use tickwire_sim::prelude::*;
    ///
    /// #[derive(Replicate, Default)]
    /// struct Order { x: u16, team: u16 }
    ///
    /// /// Which team each player is in.
    /// #[derive(Resource, Default)]
    /// struct Teams([u16; 8]);
    ///
    /// fn game(game: &mut Game) {
    ///     game.seats(8)
    ///         .replicate::<Order>()
    ///         .seen_by(|order: &Order| SeenBy::Team(order.team))
    ///         .sees(|world, player, sight| match (player, world.get_resource::<Teams>()) {
    ///             (Some(player), Some(teams)) => { sight.team(teams.0[usize::from(player.seat)]); }
    ///             (None, _) => { sight.everything(); } // the spectators
    ///             _ => {}
    ///         });
    /// }
    /// # tickwire_sim::GameKind::new("orders", game);
    /// ```
    pub fn seen_by<C: Component>(
        &mut self,
        audience: impl Fn(&C) -> SeenBy + Send + Sync + 'static,
    ) -> &mut Self {
        let spot = move |component: &C| match audience(component) {
            SeenBy::Place => None,
            seen_by => Some(Spot::To(seen_by)),
        };
        let division = &mut self.division;
        let at = division.audiences;
        division.placers.insert(at, Box::new(By::new(spot)));
        division.audiences += 1;
        self
    }

    /// What each player sees beside what is around what they own and what is theirs alone; and (`None`) what spectators see, who else see
    /// what all see. Asked at each capture, so that it may change from tick to tick.
    pub fn sees(
        &mut self,
        sees: impl Fn(&World, Option<Player>, &mut Sight) + Send + Sync + 'static,
    ) -> &mut Self {
        self.division.sees = Some(Box::new(sees));
        self
    }

    /// So many bytes a second of areas for each player at most, beside that which all see: what does not fit waits. Each update tells of
    /// whatever has waited longest in any case, the cells with something of the player's own first, and of more while there are bytes.
    ///
    /// The bound: of N areas in sight that change, each is told of in one of 5 N updates.
    pub fn budget(&mut self, bytes_per_s: u32) -> &mut Self {
        self.budget = Some(bytes_per_s);
        self
    }

    /// Something that happens at a tick and at a place, for [`Emit`](crate::Emit): those hear of it who see the place. Without a
    /// [grid](Self::grid) all do.
    pub fn event_at<E: GameEvent>(
        &mut self,
        place: impl Fn(&E) -> (f32, f32) + Send + Sync + 'static,
    ) -> &mut Self {
        let place = move |event: &E| flat(place(event));
        self.add_event::<E>(Some(Arc::new(PlaceOf(Box::new(place)))))
    }

    /// The same in a grid of three axes.
    pub fn event_at_3d<E: GameEvent>(
        &mut self,
        place: impl Fn(&E) -> (f32, f32, f32) + Send + Sync + 'static,
    ) -> &mut Self {
        let place = move |event: &E| deep(place(event));
        self.add_event::<E>(Some(Arc::new(PlaceOf(Box::new(place)))))
    }

    fn add_place<C: Component>(
        &mut self,
        place: impl Fn(&C) -> Point + Send + Sync + 'static,
    ) -> &mut Self {
        let spot = move |component: &C| Some(Spot::At(place(component)));
        self.division.placers.push(Box::new(By::new(spot)));
        self
    }

    fn divide(&mut self, grid: Result<Grid, String>) {
        match grid {
            Ok(grid) if self.division.grid.is_none() => self.division.grid = Some(grid),
            Ok(_) => {
                let twice =
                    "grid() is called twice: keep one, and say placed_by() for other components";
                self.faults.push(GameError::Misplaced(twice.to_owned()));
            }
            Err(text) => self.faults.push(GameError::Misplaced(text)),
        }
    }
}

fn flat((x, y): (f32, f32)) -> Point {
    [x, y, 0.0]
}

fn deep((x, y, z): (f32, f32, f32)) -> Point {
    [x, y, z]
}
