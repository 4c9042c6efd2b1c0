//! Running a single system outside of the schedule, with the same treatment of errors as inside.

use bevy_ecs::error::ErrorContext;
use bevy_ecs::system::{BoxedSystem, RunSystemError, SystemInput};
use bevy_ecs::world::World;

/// Runs it and applies its commands. An error that it returns meets the world's handler, which by default panics: the room ends.
pub(crate) fn run<I: SystemInput + 'static>(
    system: &mut BoxedSystem<I>,
    input: I::Inner<'_>,
    world: &mut World,
) {
    let Err(error) = system.run(input, world) else {
        return;
    };
    if let RunSystemError::Failed(error) = error {
        let handler = world.fallback_error_handler();
        let context = ErrorContext::System {
            name: system.name(),
            last_run: system.get_last_run(),
        };
        handler(error, context);
    }
}
