//! How a game says who sees what: the grid, and what places entities and events on it. How a room is divided by it is `division`'s matter.

use std::sync::Arc;

use bevy_ecs::component::Component;

use crate::division::By;
use crate::event::{GameEvent, PlaceOf};
use crate::game::{Game, GameError};
use crate::grid::{Grid, Point};

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

    /// Another component that says where an entity is, for those which have not the ones named before it.
    pub fn placed_by<C: Component>(
        &mut self,
        place: impl Fn(&C) -> (f32, f32) + Send + Sync + 'static,
    ) -> &mut Self {
        let place = move |component: &C| flat(place(component));
        self.division.placers.push(Box::new(By::new(place)));
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
