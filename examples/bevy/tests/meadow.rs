//! A server on a real socket and two Bevy apps without a window: what one does the other sees, and both see what the room's plugin does.

use std::time::{Duration, Instant};

use bevy_app::prelude::*;
use meadow::flowers::{FLOWERS, Flower, Season, Visited};
use meadow::{Bee, Fly, MEADOW, meadow};
use tickwire::bevy::prelude::*;
use tickwire::client::{ClientEvent, State};
use tickwire::net::Running;
use tickwire::prelude::*;

/// Four times as long as a slow machine needs for anything here.
const DEADLINE: Duration = Duration::from_secs(40);

#[derive(Resource, Default)]
struct Log {
    events: Vec<ClientEvent>,
    visits: Vec<Happened<Visited>>,
    observed: usize,
}

fn serve() -> Running {
    let server = Server::new("meadow", meadow).listen("127.0.0.1:0");
    server.start().expect("a free port")
}

fn app(plugin: TickwirePlugin) -> App {
    let mut app = App::new();
    app.add_plugins(plugin)
        .init_resource::<Log>()
        .add_observer(|_: On<Happened<Visited>>, mut log: ResMut<Log>| log.observed += 1)
        .add_systems(Update, keep_log);
    app.finish();
    app.cleanup();
    app
}

fn client(server: &Running) -> App {
    let plugin = TickwirePlugin::connect(&server.url(), "meadow", meadow);
    app(plugin.expect("the server's own address"))
}

fn keep_log(
    mut log: ResMut<Log>,
    mut events: MessageReader<NetEvent>,
    mut visits: MessageReader<Happened<Visited>>,
    mut faults: MessageReader<NetFault>,
) {
    log.events
        .extend(events.read().map(|event| event.0.clone()));
    log.visits.extend(visits.read().cloned());
    assert_eq!(faults.read().next(), None);
}

/// Updates the apps, sixty times a second, until it is so.
fn until(apps: &mut [&mut App], what: &str, mut is: impl FnMut(&mut [&mut App]) -> bool) {
    let begun = Instant::now();
    while !is(apps) {
        assert!(begun.elapsed() < DEADLINE, "not in time: {what}");
        for app in apps.iter_mut() {
            app.update();
        }
        std::thread::sleep(Duration::from_millis(16));
    }
}

fn bees<F: bevy_ecs::query::QueryFilter>(app: &mut App) -> Vec<Bee> {
    let world = app.world_mut();
    let mut bees = world.query_filtered::<&Bee, F>();
    bees.iter(world).cloned().collect()
}

fn ask(app: &mut App, x: i8, y: i8) {
    app.world_mut().resource_mut::<NextCommand<Fly>>().0 = Fly { x, y };
}

fn count<F: bevy_ecs::query::QueryFilter>(app: &mut App) -> usize {
    let world = app.world_mut();
    world.query_filtered::<(), F>().iter(world).count()
}

#[test]
fn two_apps_see_each_other_fly_and_leave() {
    let server = serve();
    let (mut one, mut other) = (client(&server), client(&server));
    let apps = &mut [&mut one, &mut other];
    until(apps, "each sees two bees", |apps| {
        apps.iter_mut().all(|app| {
            count::<(With<Bee>, With<Mine>, With<PredictedHere>)>(app) == 1
                && count::<(With<Bee>, Without<Mine>, With<Interpolated>)>(app) == 1
        })
    });
    ask(apps[0], 1, -1);
    ask(apps[1], -1, 0);
    until(apps, "each bee is at its own wall, for both", |apps| {
        let at = |bee: &Bee, x: f32, y: f32| (bee.x - x).abs() < 0.2 && (bee.y - y).abs() < 0.2;
        let [one, other] = apps else { return false };
        let (mine, seen) = (bees::<With<Mine>>(one), bees::<Without<Mine>>(other));
        let corner = mine.iter().chain(&seen).all(|bee| at(bee, MEADOW, 0.0));
        let (mine, seen) = (bees::<With<Mine>>(other), bees::<Without<Mine>>(one));
        let wall = mine
            .iter()
            .chain(&seen)
            .all(|bee| at(bee, 0.0, MEADOW / 2.0));
        corner && wall
    });
    drop(other);
    let apps = &mut [&mut one];
    until(apps, "the other is gone", |apps| {
        count::<With<Bee>>(apps[0]) == 1
    });
    one.world_mut().resource_mut::<NetClient>().leave();
    one.update();
    assert_eq!(
        count::<With<Networked>>(&mut one),
        0,
        "it has left the room"
    );
    assert!(one.world().get_resource::<Season>().is_none());
    assert_eq!(*one.world().resource::<NetClient>().state(), State::Online);
    server.stop();
}

/// What a hosted plugin does, as clients see it: flowers grow and sway, bees find them, and each hears of that once.
#[test]
fn the_rooms_plugin_grows_flowers_that_bees_find() {
    let server = serve();
    let (mut one, mut other) = (client(&server), client(&server));
    let apps = &mut [&mut one, &mut other];
    let mut sways: Vec<f32> = Vec::new();
    until(apps, "flowers grow and sway", |apps| {
        let world = apps[0].world_mut();
        let mut flowers = world.query::<&Flower>();
        let all: Vec<f32> = flowers.iter(world).map(|flower| flower.sway).collect();
        sways.extend(all.first());
        sways.dedup();
        all.len() == FLOWERS && sways.len() > 10
    });
    let mine = |log: &Log, seat: u16| log.visits.iter().any(|visit| visit.event.seat == seat);
    until(apps, "the first finds one, and both hear of it", |apps| {
        fly_to_a_flower(apps[0]);
        let seat = apps[0].world().resource::<NetClient>();
        let seat = seat.look(|view| view.seat()).flatten();
        seat.is_some_and(|seat| {
            let heard = |app: &mut &mut App| mine(app.world().resource::<Log>(), seat);
            apps.iter_mut().all(heard) && bees::<With<Mine>>(apps[0])[0].nectar > 0
        })
    });
    let grown = one.world().resource::<Season>().grown as usize;
    assert!(
        grown > FLOWERS,
        "another grows where one was found: {grown}"
    );
    for app in [&one, &other] {
        let log = app.world().resource::<Log>();
        let mut ticks: Vec<_> = log
            .visits
            .iter()
            .map(|it| (it.tick, it.event.seat))
            .collect();
        let heard = ticks.len();
        ticks.dedup();
        assert_eq!((ticks.len(), log.observed), (heard, heard), "each once");
    }
    server.stop();
}

fn fly_to_a_flower(app: &mut App) {
    let Some(bee) = bees::<With<Mine>>(app).pop() else {
        return;
    };
    let world = app.world_mut();
    let mut flowers = world.query::<&Flower>();
    let far = |flower: &&Flower| (flower.x - bee.x).abs() + (flower.y - bee.y).abs();
    let near = flowers.iter(world).min_by(|a, b| far(a).total_cmp(&far(b)));
    let Some((x, y)) = near.map(|flower| (flower.x, flower.y)) else {
        return;
    };
    let way = |to: f32, from: f32| i8::from(to > from + 6.0) - i8::from(to < from - 6.0);
    ask(app, way(x, bee.x), way(y, bee.y));
}

/// A server that comes back later: the app says that it is away, and is in a room again by itself.
#[test]
fn an_app_comes_back_when_its_server_does() {
    let server = serve();
    let address = server.local_addr().to_string();
    let mut one = client(&server);
    until(&mut [&mut one], "it plays", |apps| {
        count::<With<Mine>>(apps[0]) == 1
    });
    server.stop();
    until(&mut [&mut one], "it is away", |apps| {
        let net = apps[0].world().resource::<NetClient>();
        matches!(net.state(), State::Away { .. })
    });
    let server = Server::new("meadow", meadow).listen(&address);
    let server = server.start().expect("the port is free again");
    until(&mut [&mut one], "it plays again", |apps| {
        let joined = apps[0].world().resource::<NetClient>().is_joined();
        joined && count::<With<Mine>>(apps[0]) == 1
    });
    let events = &one.world().resource::<Log>().events;
    let again = |event: &&ClientEvent| matches!(event, ClientEvent::Joined { again: true, .. });
    assert_eq!(events.iter().filter(again).count(), 1);
    server.stop();
}

/// Without prediction nothing runs here, and one's own bee comes back from the server.
#[test]
fn without_prediction_all_is_interpolated() {
    let server = serve();
    let plugin = TickwirePlugin::connect(&server.url(), "meadow", meadow).expect("an address");
    let mut one = app(plugin.without_prediction().join_later());
    until(&mut [&mut one], "it is online", |apps| {
        let net = apps[0].world().resource::<NetClient>();
        *net.state() == State::Online
    });
    assert_eq!(
        one.world().resource::<NetClient>().room(),
        None,
        "it was told to join later"
    );
    one.world_mut().resource_mut::<NetClient>().quick(&[]);
    ask(&mut one, 0, 1);
    until(&mut [&mut one], "its bee is below", |apps| {
        let all = bees::<(With<Mine>, With<Interpolated>)>(apps[0]);
        all.iter().any(|bee| bee.y > MEADOW - 1.0)
    });
    assert_eq!(count::<With<PredictedHere>>(&mut one), 0);
    server.stop();
}

/// A room of another game, or of another version of it, is refused or told of, and none of it is shown.
#[test]
fn another_game_is_told_of() {
    fn other(game: &mut Game) {
        game.rate(30).replicate::<Flower>().event::<Visited>();
    }
    let server = serve();
    let plugin = TickwirePlugin::connect(&server.url(), "meadow", other);
    let mut one = app(plugin.expect("an address"));
    until(&mut [&mut one], "it is refused", |apps| {
        let log = apps[0].world().resource::<Log>();
        let mut events = log.events.iter();
        events.any(|event| matches!(event, ClientEvent::JoinRefused { .. }))
    });
    assert_eq!(count::<With<Networked>>(&mut one), 0);
    assert_eq!(one.world().resource::<NetClient>().room(), None);
    server.stop();
}
