//! The past as a player saw it: between updates as in a picture, bounded, kept in exact captures, and counted.

use bevy_ecs::prelude::*;
use proptest::prelude::*;
use std::time::Duration;
use tickwire_proto::{Moment, Tick};
use tickwire_sim::prelude::*;
use tickwire_sim::{GameError, GameKind, REWIND_MAX, Seen, SimOptions, Simulation};

const SHOOTER: Player = Player::new(0);

#[derive(Replicate, Clone, Debug, Default, PartialEq)]
struct Ship {
    #[net(range = -4000.0..=4000.0, step = 0.125)]
    x: f32,
    #[net(range = -4000.0..=4000.0, step = 0.125)]
    y: f32,
    #[net(range = -64.0..=64.0, step = 0.125)]
    vx: f32,
    ghost: bool,
}

/// A thing of another kind that can be hit.
#[derive(Replicate, Clone, Debug, Default, PartialEq)]
struct Crate {
    #[net(range = -4000.0..=4000.0, step = 0.125)]
    x: f32,
}

/// What systems found in the past: state, so that it is compared.
#[derive(Replicate, Clone, Debug, Default, PartialEq)]
#[net(resource, scope = server)]
struct Found {
    x: f32,
    behind: f32,
    hits: u32,
    sum: f32,
}

#[derive(PlayerCommand, Clone, Debug, Default, PartialEq)]
struct Ask {
    fire: bool,
}

fn fly(mut ships: Query<&mut Ship>) {
    for mut ship in ships.iter_mut().filter(|ship| ship.vx != 0.0) {
        ship.x += ship.vx;
        if ship.x.abs() > 3000.0 {
            ship.vx = -ship.vx;
        }
    }
}

fn shoot(rewind: Res<Rewind>, mut found: ResMut<Found>) {
    let past = rewind.of(SHOOTER);
    let hits = past.ray((-4000.0, 0.0), (1.0, 0.0), 8000.0);
    found.hits = hits.len() as u32;
    found.behind = past.behind();
    found.x = hits.first().map_or(0.0, |hit| hit.hitbox.centre()[0]);
    found.sum += hits.iter().map(|hit| hit.distance).sum::<f32>();
    if let Some(hit) = hits.first() {
        match hit.moved() > 100.0 {
            true => rewind.deny(hit),
            false => rewind.accept(hit),
        }
    }
}

fn game(game: &mut Game) {
    game.rate(60)
        .seats(4)
        .replicate::<Ship>()
        .replicate::<Crate>();
    game.state_resource::<Found>().command::<Ask>();
    game.systems((fly, shoot).chain());
    game.rewindable(|ship: &Ship| (!ship.ghost).then(|| Hitbox::circle((ship.x, ship.y), 4.0)));
    game.rewindable(|it: &Crate| Hitbox::rect((it.x, 0.0), (2.0, 2.0)));
}

fn room(game: fn(&mut Game)) -> Simulation {
    let mut room = Simulation::new(&GameKind::new("past", game), SimOptions::default());
    room.join(PlayerInfo::default()).unwrap();
    room.step();
    room
}

/// Steps and captures every second tick, as a room does that sends half as often.
fn step(room: &mut Simulation) {
    room.step();
    if room.tick().0.is_multiple_of(2) {
        room.capture();
    }
}

/// Steps while the shooter sees what was true so many ticks ago.
fn step_seeing(room: &mut Simulation, behind: f64) -> Found {
    let next = f64::from(room.tick().0 + 1);
    let shown = Moment::from_ticks(next - behind);
    let before = Tick(shown.tick().0 & !1);
    let between = (before, before.plus(2));
    room.saw(0, Some(Seen { shown, between }));
    step(room);
    room.world().resource::<Found>().clone()
}

fn put(room: &mut Simulation, ship: Ship) -> Entity {
    room.world_mut().spawn(ship).id()
}

fn moving() -> Ship {
    Ship {
        vx: 10.0,
        ..Ship::default()
    }
}

#[test]
fn the_past_lies_between_updates() {
    let mut room = room(game);
    put(&mut room, moving());
    let born = room.tick().0;
    (0..40).for_each(|_| step(&mut room));
    for behind in [3.0, 4.5, 6.25, 9.0, 15.0] {
        let found = step_seeing(&mut room, behind);
        let shown = f64::from(room.tick().0 - born) - behind;
        assert_eq!(found.x, (10.0 * shown) as f32, "{behind} ticks ago");
        assert_eq!(found.behind, behind as f32);
    }
    // Nobody sees more than 250 ms back, nor what the wire does not have.
    let found = step_seeing(&mut room, 30.0);
    assert_eq!(found.behind, 15.0);
    let found = step_seeing(&mut room, -5.0);
    assert!(found.behind == 1.0 || found.behind == 2.0, "{found:?}");
    let stats = room.rewind_stats();
    assert_eq!(
        (stats.looks, stats.hits, stats.denied),
        (7, 44, 2),
        "{stats:?}"
    );
    assert!(stats.look_us > stats.hit_us && stats.hit_us > 0);
}

#[test]
fn a_repeated_command_is_of_a_picture_that_goes_on() {
    let mut room = room(game);
    put(&mut room, moving());
    (0..40).for_each(|_| step(&mut room));
    let first = step_seeing(&mut room, 6.0);
    for missed in 1..=3u16 {
        step(&mut room);
        let found = room.world().resource::<Found>();
        assert_eq!(
            (found.behind, found.x),
            (6.0, first.x + 10.0 * f32::from(missed))
        );
    }
    // Who sees nothing, has left, or is away looks at the present: as it was after the last step.
    for end in [0, 1] {
        step_seeing(&mut room, 6.0);
        match end {
            0 => room.saw(0, None),
            _ => room.presence(0, Presence::Away),
        }
        let now = |room: &mut Simulation| {
            room.world_mut()
                .query::<&Ship>()
                .single(room.world())
                .unwrap()
                .x
        };
        let x = now(&mut room);
        step(&mut room);
        let found = room.world().resource::<Found>();
        assert_eq!((found.behind, found.x), (0.0, x));
    }
}

#[test]
fn an_update_that_never_came_is_slid_over() {
    let mut room = room(game);
    let ship = put(&mut room, moving());
    let mut truth = std::collections::BTreeMap::new();
    for tick in 0..48 {
        if tick == 42 {
            room.world_mut().get_mut::<Ship>(ship).unwrap().vx = 40.0;
        }
        step(&mut room);
        truth.insert(room.tick(), room.world().get::<Ship>(ship).unwrap().x);
    }
    let (from, to) = (Tick(38), Tick(48));
    let mut at = |between| {
        let shown = Moment::from_ticks(43.0);
        room.saw(0, Some(Seen { shown, between }));
        step(&mut room);
        room.world().resource::<Found>().x
    };
    let slid = (truth[&from] + truth[&to]) / 2.0;
    assert_eq!(at((from, to)), slid);
    // Where all updates came it is between the two around it.
    let slid = (truth[&Tick(42)] + truth[&Tick(44)]) / 2.0;
    assert_eq!(at((Tick(42), Tick(44))), slid);
    assert_ne!(
        truth[&Tick(43)],
        slid,
        "which is not the truth of that tick"
    );
}

#[test]
fn who_came_later_or_has_gone_is_not_there() {
    let mut room = room(game);
    (0..20).for_each(|_| step(&mut room));
    let first = put(&mut room, Ship::default());
    step(&mut room);
    step(&mut room);
    assert_eq!(
        step_seeing(&mut room, 8.0).hits,
        0,
        "not yet in that picture"
    );
    (0..10).for_each(|_| step(&mut room));
    assert_eq!(step_seeing(&mut room, 8.0).hits, 1);
    room.world_mut().despawn(first);
    assert_eq!(step_seeing(&mut room, 8.0).hits, 0, "dead at once");
    // Another one in the same slot has no past of the first.
    put(&mut room, moving());
    assert_eq!(step_seeing(&mut room, 8.0).hits, 0);
    // Who cannot be hit any more was not always so.
    let ghost = put(&mut room, Ship::default());
    (0..20).for_each(|_| step(&mut room));
    room.world_mut().get_mut::<Ship>(ghost).unwrap().ghost = true;
    step(&mut room);
    step(&mut room);
    assert_eq!(step_seeing(&mut room, 8.0).hits, 2);
    (0..10).for_each(|_| step(&mut room));
    assert_eq!(step_seeing(&mut room, 4.0).hits, 1);
    // One that lost the component is gone.
    room.world_mut()
        .entity_mut(ghost)
        .insert(Crate { x: 700.0 });
    room.world_mut().entity_mut(ghost).remove::<Ship>();
    (0..20).for_each(|_| step(&mut room));
    assert_eq!(step_seeing(&mut room, 4.0).hits, 2);
}

#[test]
fn a_jump_is_not_slid_over() {
    fn with_jumps(book: &mut Game) {
        game(book);
        book.rewind_jump(50.0);
    }
    for (game, expected) in [(game as fn(&mut Game), 500.0), (with_jumps, 0.0)] {
        let mut room = room(game);
        let ship = put(&mut room, Ship::default());
        (0..20).for_each(|_| step(&mut room));
        if room.tick().0 % 2 == 1 {
            step(&mut room);
        }
        room.world_mut().get_mut::<Ship>(ship).unwrap().x = 1000.0;
        step(&mut room);
        step(&mut room);
        // In the middle of the two ticks in which it jumped.
        assert_eq!(step_seeing(&mut room, 2.0).x, expected);
        (0..4).for_each(|_| step(&mut room));
        assert_eq!(step_seeing(&mut room, 3.0).x, 1000.0);
    }
}

#[test]
fn who_crosses_from_area_to_area_has_one_past() {
    fn divided(book: &mut Game) {
        game(book);
        book.grid(32.0, 40.0, |ship: &Ship| (ship.x, ship.y));
    }
    let (mut whole, mut cells) = (room(game), room(divided));
    for room in [&mut whole, &mut cells] {
        put(room, moving());
        (0..20).for_each(|_| step(room));
    }
    let mut areas = std::collections::BTreeSet::new();
    for tick in 0..60 {
        let behind = 2.0 + f64::from(tick % 16) * 0.75;
        let expected = step_seeing(&mut whole, behind);
        assert_eq!(step_seeing(&mut cells, behind), expected);
        assert_eq!(expected.hits, 1);
        let snapshot = cells.capture();
        areas.extend(
            snapshot
                .areas
                .iter()
                .filter(|area| !area.is_empty())
                .map(|area| area.id()),
        );
    }
    assert!(areas.len() > 10, "{areas:?}");
}

#[test]
fn a_past_is_bounded() {
    fn too_long(book: &mut Game) {
        game(book);
        book.rewind(REWIND_MAX + Duration::from_millis(1));
    }
    fn longest(book: &mut Game) {
        game(book);
        book.rewind(REWIND_MAX);
    }
    let refused = GameKind::try_new("past", too_long).unwrap_err();
    assert_eq!(refused.to_string(), "rewind(1.001s): choose at most 1s");
    assert!(matches!(refused, GameError::Rewind(_)));
    assert_eq!(GameKind::new("past", longest).rewind_ticks(), Some(60));
    assert_eq!(GameKind::new("past", game).rewind_ticks(), Some(15));
    let mut room = room(longest);
    for y in 0..20u16 {
        put(
            &mut room,
            Ship {
                y: f32::from(y),
                ..moving()
            },
        );
    }
    (0..200).for_each(|_| step(&mut room));
    let full = room.capture_exact().as_bytes().len();
    (0..200).for_each(|_| step(&mut room));
    let later = room.capture_exact().as_bytes().len();
    assert!(later < full + 400, "{full} bytes, then {later}");
    assert_eq!(step_seeing(&mut room, 1e6).behind, 60.0);
}

#[test]
fn a_game_without_a_past_keeps_none() {
    fn plain(game: &mut Game) {
        game.seats(4).replicate::<Ship>().systems(fly);
    }
    let mut room = room(plain);
    let shown = Moment::of(Tick(1));
    let between = (Tick(1), Tick(1));
    room.saw(0, Some(Seen { shown, between }));
    put(&mut room, moving());
    (0..10).for_each(|_| step(&mut room));
    let rewind = room.world().resource::<Rewind>();
    assert!(
        rewind
            .of(SHOOTER)
            .overlap(&Hitbox::circle((0.0, 0.0), 1e6))
            .is_empty()
    );
    assert_eq!(room.rewind_stats(), Default::default());
}

#[test]
fn the_present_is_there_without_any_wire() {
    // As in a simulation that runs ahead on a client: nothing is captured, nobody says what was seen.
    let mut room = room(game);
    let ship = put(&mut room, moving());
    (0..5).for_each(|_| room.step());
    let x = room.world().get::<Ship>(ship).unwrap().x;
    let rewind = room.world().resource::<Rewind>();
    let past = rewind.of(SHOOTER);
    assert_eq!(past.hitbox(ship).unwrap().centre(), [x, 0.0, 0.0]);
    assert_eq!(past.only::<Crate>().hitbox(ship), None);
    assert_eq!(
        past.only::<Ship>()
            .overlap(&Hitbox::circle((x, 3.0), 1.0))
            .len(),
        1
    );
}

#[derive(Clone, Debug)]
enum Happening {
    Nothing,
    Spawn(i16, i8),
    Despawn(usize),
    Jump(usize, i16),
    Ghost(usize),
    Saw(u16, u16),
    SawNothing,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => Just(Happening::Nothing),
        2 => (-900i16..900, -20i8..20).prop_map(|(x, vx)| Happening::Spawn(x, vx)),
        1 => (0usize..8).prop_map(Happening::Despawn),
        1 => (0usize..8, -900i16..900).prop_map(|(who, x)| Happening::Jump(who, x)),
        1 => (0usize..8).prop_map(Happening::Ghost),
        5 => (0u16..400, 0u16..8).prop_map(|(parts, gap)| Happening::Saw(parts, gap)),
        1 => Just(Happening::SawNothing),
    ]
}

fn befall(room: &mut Simulation, happening: &Happening) {
    let tick = room.tick();
    let world = room.world_mut();
    let mut all: Vec<_> = world
        .query_filtered::<(&NetEntity, Entity), With<Ship>>()
        .iter(world)
        .map(|(net, entity)| (*net, entity))
        .collect();
    all.sort_unstable();
    let who = |which: usize| all.get(which).map(|(_, entity)| *entity);
    match *happening {
        Happening::Nothing => {}
        Happening::Spawn(x, vx) => {
            world.spawn(Ship {
                x: f32::from(x),
                vx: f32::from(vx),
                ..Ship::default()
            });
        }
        Happening::Despawn(which) => {
            who(which).map(|entity| world.despawn(entity));
        }
        Happening::Jump(which, x) => {
            if let Some(mut ship) = who(which).and_then(|entity| world.get_mut::<Ship>(entity)) {
                ship.x = f32::from(x);
            }
        }
        Happening::Ghost(which) => {
            if let Some(mut ship) = who(which).and_then(|entity| world.get_mut::<Ship>(entity)) {
                ship.ghost ^= true;
            }
        }
        Happening::Saw(parts, gap) => {
            let shown =
                Moment::from_parts(Moment::of(tick).parts().saturating_sub(u64::from(parts)));
            let from = shown.tick().minus(u32::from(gap / 2));
            let between = (from, shown.tick().plus(u32::from(gap)));
            room.saw(0, Some(Seen { shown, between }));
        }
        Happening::SawNothing => room.saw(0, None),
    }
    step(room);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Saved, restored and stepped on, a room finds the same in its past, and is the same.
    #[test]
    fn the_past_is_restored(before in prop::collection::vec(happening(), 1..60), after in prop::collection::vec(happening(), 1..40)) {
        let mut original = room(game);
        before.iter().for_each(|happening| befall(&mut original, happening));
        let saved = original.capture_exact();
        let mut copy = Simulation::new(&GameKind::new("past", game), SimOptions { seed: 9, ..SimOptions::default() });
        copy.restore(&saved).unwrap();
        prop_assert_eq!(copy.capture_exact(), saved);
        for happening in &after {
            befall(&mut original, happening);
            befall(&mut copy, happening);
            prop_assert_eq!(original.world().resource::<Found>(), copy.world().resource::<Found>());
        }
        prop_assert_eq!(original.capture_exact(), copy.capture_exact());
    }
}
