//! Hosted plugins in a room's world: their order in a tick, what is refused, and that a client that predicts runs them alike.

use bevy_app::prelude::*;
use bevy_ecs::prelude::*;
use tickwire_predict::check_replays;
use tickwire_sim::prelude::*;
use tickwire_sim::{GameKind, Order, SimOptions, Simulation};

use super::*;

/// What ran, in order.
#[derive(Resource, Default)]
struct Ran(Vec<&'static str>);

fn note(name: &'static str) -> impl FnMut(ResMut<Ran>) {
    move |mut ran| ran.0.push(name)
}

#[derive(Message)]
struct Ping;

fn room(kind: &GameKind) -> Simulation {
    Simulation::new(kind, SimOptions::default())
}

fn fault(game: impl Fn(&mut Game) + Send + Sync + 'static) -> String {
    let made = GameKind::try_new("hosted", game);
    made.expect_err("it cannot be").to_string()
}

#[test]
fn startup_runs_once_and_all_schedules_once_a_tick_after_the_games_own() {
    fn game(game: &mut Game) {
        game.systems(note("game")).host(|app| {
            app.init_resource::<Ran>()
                .add_systems(Startup, note("startup"))
                .add_systems(PostStartup, note("post-startup"))
                .add_systems(Last, note("last"))
                .add_systems(Update, note("update"))
                .add_systems(FixedUpdate, note("fixed"))
                .add_systems(FixedLast, note("fixed last"))
                .add_systems(PreUpdate, note("pre-update"));
        });
    }
    let mut room = room(&GameKind::new("hosted", game));
    let ran = &room.world().resource::<Ran>().0;
    assert_eq!(*ran, ["startup", "post-startup"]);
    let tick = [
        "game",
        "pre-update",
        "fixed",
        "fixed last",
        "update",
        "last",
    ];
    for _ in 0..3 {
        room.world_mut().resource_mut::<Ran>().0.clear();
        room.step();
        assert_eq!(room.world().resource::<Ran>().0, tick);
    }
}

#[test]
fn a_message_of_a_tick_is_read_in_it_and_the_next_and_then_gone() {
    fn game(game: &mut Game) {
        game.host(|app| {
            app.add_message::<Ping>();
        });
    }
    let mut room = room(&GameKind::new("hosted", game));
    room.step();
    room.world_mut().write_message(Ping);
    let waiting = |room: &Simulation| room.world().resource::<Messages<Ping>>().len();
    room.step();
    assert_eq!(waiting(&room), 1);
    room.step();
    assert_eq!(waiting(&room), 0, "else it grows as long as the room lives");
}

#[test]
fn rooms_of_a_game_have_a_world_each() {
    fn game(game: &mut Game) {
        game.host(|app| {
            app.init_resource::<Ran>()
                .add_systems(Update, note("update"));
        });
    }
    let kind = GameKind::new("hosted", game);
    let (mut one, other) = (room(&kind), room(&kind));
    one.step();
    assert_eq!(one.world().resource::<Ran>().0.len(), 1);
    assert!(other.world().resource::<Ran>().0.is_empty());
}

#[test]
fn an_order_that_is_left_open_is_an_error_unless_it_may_be() {
    fn open(app: &mut App) {
        app.init_resource::<Ran>()
            .add_systems(FixedUpdate, (note("one"), note("other")));
    }
    let text = fault(|game: &mut Game| {
        game.host(open);
    });
    assert!(text.contains("FixedUpdate"), "{text}");
    let kind = GameKind::new("hosted", |game: &mut Game| {
        game.host(|app| {
            app.insert_resource(AllowAmbiguities);
            open(app);
        });
    });
    let mut room = room(&kind);
    room.step();
    assert_eq!(room.world().resource::<Ran>().0.len(), 2);
}

#[test]
fn what_cannot_be_in_a_room_is_refused_with_a_reason() {
    #[derive(bevy_app::AppLabel, Clone, Copy, Debug, PartialEq, Eq, Hash)]
    struct Rendering;

    struct Slow;
    impl Plugin for Slow {
        fn build(&self, _: &mut App) {}
        fn ready(&self, _: &App) -> bool {
            false
        }
    }

    let text = fault(|game: &mut Game| {
        game.host_plugins(Slow);
    });
    assert!(text.contains("waits for something"), "{text}");
    let text = fault(|game: &mut Game| {
        game.host(|app| {
            app.insert_sub_app(Rendering, bevy_app::SubApp::new());
        });
    });
    assert!(text.contains("app of its own"), "{text}");
    let text = fault(|game: &mut Game| {
        game.host(|app| {
            let bound: *const u8 = std::ptr::null();
            app.insert_non_send(bound);
        });
    });
    assert!(text.contains("bound to one thread"), "{text}");
    let text = fault(|game: &mut Game| {
        game.host(|_| {}).host(|_| {});
    });
    assert!(text.contains("twice"), "{text}");
}

#[test]
fn a_plugin_that_ends_its_app_ends_the_room() {
    fn game(game: &mut Game) {
        game.host(|app| {
            app.add_systems(Update, |mut exit: MessageWriter<AppExit>| {
                exit.write(AppExit::Success);
            });
        });
    }
    let mut room = room(&GameKind::new("hosted", game));
    room.step();
    let orders = room.take_orders();
    assert!(matches!(&orders[..], [Order::Close { message }] if message == "the game is over"));
}

#[derive(Replicate, Clone, Default)]
struct Ball {
    #[net(range = 0.0..=1000.0, step = 0.5)]
    x: f32,
}

#[derive(PlayerCommand, Clone, Copy, Default)]
struct Kick {
    #[net(range = -1..=1)]
    x: i8,
}

struct Rolling;

impl Plugin for Rolling {
    fn build(&self, app: &mut App) {
        app.add_systems(FixedUpdate, |mut balls: Query<(&mut Ball, &Asks<Kick>)>| {
            for (mut ball, ask) in &mut balls {
                ball.x = (ball.x + 0.3 * f32::from(ask.x)).clamp(0.0, 1000.0);
            }
        });
    }
}

fn rolling(game: &mut Game) {
    game.replicate::<Ball>()
        .command::<Kick>()
        .on_join(|In(player): In<Player>, mut commands: Commands| {
            commands.spawn((Ball { x: 500.0 }, OwnedBy(player)));
        })
        .host_plugins(Rolling);
}

/// On a client the hosted systems run ahead, go back and are stepped again like the game's own.
#[test]
fn what_a_plugin_moves_is_predicted_alike() {
    let kind = GameKind::new("rolling", rolling);
    check_replays(&kind, 300, 8, |_| None).unwrap();
}

/// What a plugin remembers elsewhere does not go back, and that is found.
#[test]
fn what_a_plugin_forgets_to_register_is_found() {
    #[derive(Resource, Default)]
    struct Wind(f32);

    let kind = GameKind::new("windy", |game: &mut Game| {
        game.replicate::<Ball>()
            .command::<Kick>()
            .on_join(|In(player): In<Player>, mut commands: Commands| {
                commands.spawn((Ball { x: 500.0 }, OwnedBy(player)));
            })
            .host(|app| {
                app.init_resource::<Wind>().add_systems(
                    FixedUpdate,
                    |mut balls: Query<&mut Ball>, mut wind: ResMut<Wind>| {
                        wind.0 = (wind.0 + 0.01) % 1.0;
                        for mut ball in &mut balls {
                            ball.x = (ball.x + wind.0) % 1000.0;
                        }
                    },
                );
            });
    });
    let faulty = check_replays(&kind, 100, 8, |_| None).expect_err("it does not replay");
    assert!(faulty.to_string().contains("Ball"), "{faulty}");
}
