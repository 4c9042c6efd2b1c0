//! Bevy plugins in a room: an app is built, and its world and schedules become the room's. Their order in a tick is said here; what they do is theirs.

use bevy_app::{
    App, AppExit, FixedMainScheduleOrder, MainScheduleOrder, Plugins, PluginsState,
    RunFixedMainLoop,
};
use bevy_ecs::message::Messages;
use bevy_ecs::resource::Resource;
use bevy_ecs::schedule::{
    InternedScheduleLabel, LogLevel, ScheduleBuildSettings, ScheduleLabel, Schedules,
    SingleThreadedExecutor,
};
use bevy_ecs::world::World;
use tickwire_sim::{Game, GameError, RoomControl};

/// Gives a game Bevy plugins.
///
/// The game's function builds an app for each room. Its world, with all resources, observers and schedules that the plugins put there, is the world
/// that the room begins with; its startup schedules run with the game's own start systems, and once a tick, after the game's own
/// [`systems`](Game::systems), come `First`, `PreUpdate`, `FixedFirst` to `FixedLast`, `Update`, `PostUpdate` and `Last`, in the
/// order that the plugins may have changed. A fixed update is a tick; nothing in a room goes by a clock.
///
/// Plugins that the game has are also in the world that a predicting client runs ahead: what only the server decides has the
/// condition [`on_server`](tickwire_sim::on_server).
///
/// ```
/// use bevy_app::prelude::*;
/// use bevy_ecs::prelude::*;
/// use tickwire_bevy::HostPlugins;
/// use tickwire_sim::prelude::*;
/// use tickwire_sim::{GameKind, SimOptions, Simulation};
///
/// #[derive(Replicate, Clone, Copy, Default)]
/// struct Wheel { #[net(angle, bits = 12)] turn: f32 }
///
/// struct Wheels;
/// impl Plugin for Wheels {
///     fn build(&self, app: &mut App) {
///         app.add_systems(Startup, |mut commands: Commands| { commands.spawn(Wheel::default()); })
///             .add_systems(FixedUpdate, |mut wheels: Query<&mut Wheel>| {
///                 for mut wheel in &mut wheels {
///                     wheel.turn += 0.25;
///                 }
///             });
///     }
/// }
///
/// fn mill(game: &mut Game) {
///     game.rate(20).replicate::<Wheel>().host_plugins(Wheels);
/// }
///
/// let mut room = Simulation::new(&GameKind::new("mill", mill), SimOptions::default());
/// for _ in 0..4 {
///     room.step();
/// }
/// let world = room.world_mut();
/// assert_eq!(world.query::<&Wheel>().single(world).unwrap().turn, 1.0);
/// ```
pub trait HostPlugins {
    /// Hosts plugins: [`host`](Self::host) for those that need no more than being added.
    fn host_plugins<M>(&mut self, plugins: impl Plugins<M>) -> &mut Self;

    /// Hosts whatever is done with an app. At most once in a game.
    ///
    /// The game cannot be ([`GameError`]) where its plugins are not ready when they are built, have apps of their own beside the main one (as rendering
    /// has), or data that is bound to one thread; and where two of their systems touch the same data in an order that is left open, unless they
    /// [may](AllowAmbiguities).
    fn host(&mut self, build: impl FnOnce(&mut App)) -> &mut Self;
}

/// In a hosted app: the order of systems that touch the same data may be left open. They are still run on one thread, in an order that stays as long as
/// the program is the same; but a server and a client that predicts are two programs, and may have another each.
///
/// ```
/// # use tickwire_sim::prelude::*;
/// use tickwire_bevy::{AllowAmbiguities, HostPlugins};
///
/// fn game(game: &mut Game) {
///     game.host(|app| { app.insert_resource(AllowAmbiguities); });
/// }
/// # tickwire_sim::GameKind::new("game", game);
/// ```
#[derive(Resource, Clone, Copy, Debug, Default)]
pub struct AllowAmbiguities;

impl HostPlugins for Game {
    fn host_plugins<M>(&mut self, plugins: impl Plugins<M>) -> &mut Self {
        self.host(|app| {
            app.add_plugins(plugins);
        })
    }

    fn host(&mut self, build: impl FnOnce(&mut App)) -> &mut Self {
        let mut app = App::new();
        build(&mut app);
        match world_of(app) {
            Ok(world) => self.world(world).on_start(start).after_systems(tick),
            Err(text) => self.fault(GameError::Schedule(format!("hosted plugins: {text}"))),
        }
    }
}

/// What the plugins have made, or why it cannot be in a room.
fn world_of(mut app: App) -> Result<World, String> {
    if app.plugins_state() == PluginsState::Adding {
        return Err("one of them waits for something. A room waits for nothing".to_owned());
    }
    app.finish();
    app.cleanup();
    if app.sub_apps().iter().count() > 1 {
        return Err(
            "one of them has an app of its own, such as that of rendering. A room has one world"
                .to_owned(),
        );
    }
    let mut world = std::mem::take(app.world_mut());
    if !world.storages().non_sends.is_empty() {
        return Err(
            "one of them has data that is bound to one thread. A room goes from thread to thread"
                .to_owned(),
        );
    }
    settle_schedules(&mut world)?;
    Ok(world)
}

/// One thread and one order, as the room's own systems have.
fn settle_schedules(world: &mut World) -> Result<(), String> {
    let allowed = world.contains_resource::<AllowAmbiguities>();
    let schedules = world.get_resource::<Schedules>();
    let labels = schedules.map(|all| all.iter().map(|(_, schedule)| schedule.label()));
    let labels: Vec<_> = labels.into_iter().flatten().collect();
    for label in labels {
        world.schedule_scope(label, |world, schedule| {
            schedule.set_executor(SingleThreadedExecutor::new());
            if !allowed {
                schedule.set_build_settings(ScheduleBuildSettings {
                    ambiguity_detection: LogLevel::Error,
                    ..schedule.get_build_settings()
                });
            }
            let built = schedule.initialize(world);
            built
                .map_err(|error| format!("{label:?}: {}", error.to_string(schedule.graph(), world)))
        })?;
    }
    Ok(())
}

/// The startup schedules.
fn start(world: &mut World) {
    let order = world.get_resource::<MainScheduleOrder>();
    let labels = order.map(|order| order.startup_labels.clone());
    run(world, &labels.unwrap_or_default());
}

/// All that Bevy does in an update, with one fixed update in it.
fn tick(world: &mut World) {
    let order = world.get_resource::<MainScheduleOrder>();
    let labels = order.map(|order| order.labels.clone());
    let fixed = world.get_resource::<FixedMainScheduleOrder>();
    let fixed = fixed.map(|order| order.labels.clone()).unwrap_or_default();
    for label in labels.unwrap_or_default() {
        // That loop asks a clock how often.
        match label == RunFixedMainLoop.intern() {
            true => run(world, &fixed),
            false => run(world, &[label]),
        }
    }
    close_if_asked(world);
}

fn run(world: &mut World, labels: &[InternedScheduleLabel]) {
    for &label in labels {
        let _ = world.try_run_schedule(label); // it is not there where nobody has added to it
    }
}

/// A plugin that ends its app ends the room.
fn close_if_asked(world: &mut World) {
    let exits = world.get_resource_mut::<Messages<AppExit>>();
    let exit = exits.and_then(|mut exits| exits.drain().last());
    if let (Some(exit), Some(mut control)) = (exit, world.get_resource_mut::<RoomControl>()) {
        control.close(match exit {
            AppExit::Success => "the game is over".to_owned(),
            AppExit::Error(code) => format!("the game has ended with error {code}"),
        });
    }
}

#[cfg(test)]
mod tests;
