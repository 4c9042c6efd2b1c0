//! Running a single system outside of the schedule, with the same treatment of errors as inside.

use bevy_ecs::error::ErrorContext;
use bevy_ecs::system::{BoxedSystem, RunSystemError, SystemInput};
use bevy_ecs::world::World;

/// Runs it, applies its commands and gives what it returns. An error that it returns meets the world's handler, which by default panics: the room ends.
pub(crate) fn run<I: SystemInput + 'static, O: 'static>(
    system: &mut BoxedSystem<I, O>,
    input: I::Inner<'_>,
    world: &mut World,
) -> Option<O> {
    let error = match system.run(input, world) {
        Ok(output) => return Some(output),
        Err(error) => error,
    };
    if let RunSystemError::Failed(error) = error {
        let handler = world.fallback_error_handler();
        let context = ErrorContext::System {
            name: system.name(),
            last_run: system.get_last_run(),
        };
        handler(error, context);
    }
    None
}
