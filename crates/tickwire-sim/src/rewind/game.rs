//! How a game says what can be hit in the past, and how far back that goes.

use std::time::Duration;

use bevy_ecs::component::Component;

use super::{Hitbox, Rewindable};
use crate::game::{Game, GameError};

/// How far back a game may look at most.
pub const REWIND_MAX: Duration = Duration::from_secs(1);
/// How far back a game looks, unless it says otherwise.
const REWIND: Duration = Duration::from_millis(250);

/// What a game says about its past.
pub(crate) struct RewindRules {
    cap: Duration,
    pub jump: f32,
}

impl Default for RewindRules {
    fn default() -> Self {
        Self {
            cap: REWIND,
            jump: f32::INFINITY,
        }
    }
}

impl RewindRules {
    /// Ticks that may be looked back.
    pub(crate) fn ticks(&self, rate: u16) -> u32 {
        let ticks = (self.cap.as_micros() * u128::from(rate)).div_ceil(1_000_000);
        ticks as u32 // at most RATE_MAX
    }
}

impl Game {
    /// Entities with this component can be hit, and in the past: the shape by which, or `None` for one that cannot be hit at the moment.
    ///
    /// Systems ask for it by [`Rewind`](crate::Rewind). The shape should be made of what viewers see, as they see it: the past is between two
    /// updates, in a straight line, as in a client's picture.
    pub fn rewindable<C: Component, H: Into<Option<Hitbox>>>(
        &mut self,
        shape: impl Fn(&C) -> H + Send + Sync + 'static,
    ) -> &mut Self {
        let shape = move |value: &C| shape(value).into();
        self.rewindables.push(Box::new(Rewindable::new(shape)));
        self
    }

    /// How far back the game looks at most: 250 ms unless said otherwise, [`REWIND_MAX`] at most. Who sees older pictures than that has to aim
    /// ahead by the rest; zero: by all of it.
    pub fn rewind(&mut self, most: Duration) -> &mut Self {
        if most > REWIND_MAX {
            self.faults.push(GameError::Rewind(most));
        }
        self.rewind.cap = most.min(REWIND_MAX);
        self
    }

    /// Who is further away than this from one update to the next has not gone there but jumped: in between they are where they were.
    pub fn rewind_jump(&mut self, distance: f32) -> &mut Self {
        self.rewind.jump = distance;
        self
    }
}
