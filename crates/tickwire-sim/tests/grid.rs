//! A room that is divided into areas: who is where, what crosses, what is restored, and that no area tells of another.

use bevy_ecs::prelude::*;
use tickwire_sim::prelude::*;
use tickwire_sim::{Exact, GameKind, PlayerInfo, SimOptions, Simulation};
use tickwire_snapshot::quant::{UNSEEN, put_target};
use tickwire_snapshot::{Area, AreaId, Basis, Encoder, NetId, OwnedRow, values};

/// Moves by its velocity over a plain.
#[derive(Replicate, Clone, Debug, Default)]
struct Beast {
    #[net(range = -2000.0..=2000.0, step = 0.1, velocity = "vx")]
    x: f32,
    #[net(range = -2000.0..=2000.0, step = 0.1, velocity = "vy")]
    y: f32,
    #[net(range = -100.0..=100.0, step = 0.1)]
    vx: f32,
    #[net(range = -100.0..=100.0, step = 0.1)]
    vy: f32,
    prey: Option<Entity>,
}

/// Something that lies somewhere, told by a component that nobody sees.
#[derive(Replicate, Clone, Debug, Default)]
#[net(scope = server)]
struct Spot {
    x: f32,
    y: f32,
}

#[derive(Replicate, Clone, Debug, Default)]
struct Name {
    #[net(max = 12)]
    text: String,
}

#[derive(TickEvent, Clone, Debug)]
struct Roar {
    x: u16,
    who: Option<Entity>,
}

fn run(mut beasts: Query<&mut Beast>) {
    for mut beast in &mut beasts {
        if (beast.vx, beast.vy) != (0.0, 0.0) {
            beast.x += beast.vx / 30.0;
            beast.y += beast.vy / 30.0;
        }
    }
}

fn game(game: &mut Game) {
    game.seats(4)
        .replicate::<Beast>()
        .replicate::<Name>()
        .state::<Spot>()
        .event_at(|roar: &Roar| (f32::from(roar.x), 5.0))
        .grid(10.0, 10.0, |beast: &Beast| (beast.x, beast.y))
        .placed_by(|spot: &Spot| (spot.x, spot.y))
        .systems(run);
}

fn kind() -> GameKind {
    GameKind::new("plain", game)
}

fn plain() -> Simulation {
    Simulation::new(&kind(), SimOptions::default())
}

fn beast(x: f32, y: f32) -> Beast {
    Beast {
        x,
        y,
        ..Beast::default()
    }
}

fn name(text: &str) -> Name {
    Name { text: text.into() }
}

/// Where each name is.
fn names(simulation: &mut Simulation) -> Vec<(String, u32, NetId)> {
    let snapshot = simulation.capture();
    let table = simulation.schema().component("Name").unwrap();
    let mut all = Vec::new();
    for area in &snapshot.areas {
        for id in area.entities().filter(|id| area.has(table, id.slot)) {
            let text = area.blob(table, id.slot, 0).unwrap();
            all.push((String::from_utf8(text.to_vec()).unwrap(), area.id().0, id));
        }
    }
    all.sort();
    all
}

fn id(slot: u32, generation: u16) -> NetId {
    NetId { slot, generation }
}

#[test]
fn everybody_is_in_one_area() {
    let mut simulation = plain();
    let world = simulation.world_mut();
    world.spawn((beast(5.0, 5.0), name("a")));
    world.spawn((beast(-5.0, 5.0), name("b")));
    world.spawn((Spot { x: 5.0, y: -5.0 }, name("c")));
    world.spawn(name("d"));
    let both = world
        .spawn((beast(15.0, 5.0), Spot::default(), name("e")))
        .id();
    simulation.step();
    let first = id(1, 0);
    assert_eq!(
        names(&mut simulation),
        [
            ("a".into(), 1, first),
            ("b".into(), 5, first),
            ("c".into(), 9, first),
            ("d".into(), 0, first),
            ("e".into(), 17, first)
        ]
    );
    // What placed it is gone: the next one says where it is, and then nothing.
    simulation.world_mut().entity_mut(both).remove::<Beast>();
    simulation.step();
    assert_eq!(names(&mut simulation)[4], ("e".into(), 1, id(2, 0)));
    simulation.world_mut().entity_mut(both).remove::<Spot>();
    simulation.world_mut().entity_mut(both).insert(name("f"));
    simulation.step();
    // A hidden component went: nobody noticed, until something that is seen comes or goes.
    simulation.world_mut().entity_mut(both).remove::<Name>();
    simulation.step();
    simulation.capture();
    simulation.world_mut().entity_mut(both).insert(name("g"));
    simulation.step();
    assert_eq!(names(&mut simulation)[4], ("g".into(), 0, id(2, 0)));
}

#[test]
fn who_crosses_takes_everything_along() {
    let mut simulation = plain();
    let world = simulation.world_mut();
    let mut runner = beast(5.0, 5.0);
    runner.vx = 30.0;
    world.spawn((runner, name("runner")));
    world.spawn((beast(6.0, 5.0), name("rock")));
    let mut was = Vec::new();
    for _ in 0..20 {
        simulation.step();
        let names = names(&mut simulation);
        let (_, area, id) = names[1].clone();
        if was.last() != Some(&(area, id.slot)) {
            was.push((area, id.slot));
        }
        assert_eq!(names[0].1, 1);
    }
    // Slot 1 of each cell in turn; it left the first one, where the rock keeps slot 2.
    assert_eq!(was, [(1, 1), (17, 1), (65, 1)]);
    let snapshot = simulation.capture();
    let gone = snapshot.area(AreaId(17)).unwrap();
    assert!(gone.is_empty() && gone.tick().0 > 0);
    assert!(snapshot.area(AreaId(81)).is_none());
}

#[test]
fn references_name_who_is_in_the_same_area() {
    let mut simulation = plain();
    let world = simulation.world_mut();
    let prey = world.spawn(beast(5.0, 5.0)).id();
    let mut hunter = beast(6.0, 5.0);
    hunter.prey = Some(prey);
    world.spawn((hunter, name("hunter")));
    let table = simulation.schema().component("Beast").unwrap();
    let field = simulation.schema().components[table].field("prey").unwrap();
    let target = |simulation: &mut Simulation| {
        simulation.step();
        let (_, area, id) = names(simulation)[0].clone();
        let snapshot = simulation.capture();
        let area = snapshot.area(AreaId(area)).unwrap();
        area.row(table, id.slot).unwrap().field(field).ints.to_vec()
    };
    assert_eq!(target(&mut simulation), [2, 0]);
    let go = |simulation: &mut Simulation, x: f32| {
        simulation.world_mut().get_mut::<Beast>(prey).unwrap().x = x;
    };
    go(&mut simulation, 25.0);
    assert_eq!(target(&mut simulation), [UNSEEN, 0]);
    go(&mut simulation, 5.0);
    assert_eq!(target(&mut simulation), [4, 0], "another slot");
    simulation.world_mut().despawn(prey);
    assert_eq!(target(&mut simulation), [0, 0]);
}

#[test]
fn events_are_told_where_they_happen() {
    let mut simulation = plain();
    let near = simulation.world_mut().spawn(beast(5.0, 5.0)).id();
    let far = simulation.world_mut().spawn(beast(105.0, 5.0)).id();
    simulation.step();
    simulation.capture();
    simulation.step();
    let mut state = bevy_ecs::system::SystemState::<Emit>::new(simulation.world_mut());
    for (x, who) in [(5, near), (5, far), (55, near)] {
        let who = Some(who);
        let mut emit = state.get_mut(simulation.world_mut()).unwrap();
        emit.send(Roar { x, who });
    }
    let snapshot = simulation.capture();
    let heard: Vec<_> = snapshot
        .areas
        .iter()
        .flat_map(|area| area.events().iter().map(|event| (area.id().0, event)))
        .map(|(area, event)| (area, event.ints.clone()))
        .collect();
    assert_eq!(heard.len(), 3);
    assert_eq!(heard[0], (1, vec![2, 0, 5]));
    assert_eq!(heard[1], (1, vec![UNSEEN, 0, 5]));
    assert_eq!(heard[2].1, [UNSEEN, 0, 55]);
    assert!(snapshot.area(AreaId(heard[2].0)).unwrap().is_empty());
}

#[test]
fn a_seat_sees_what_is_around_what_it_owns() {
    let mut simulation = plain();
    let me = PlayerInfo {
        seat: 1,
        name: "Ann".into(),
        ..PlayerInfo::default()
    };
    simulation.join(me).unwrap();
    simulation.step();
    simulation.capture();
    assert_eq!(simulation.sight(1), [AreaId::ALL]);
    let mine = simulation
        .world_mut()
        .spawn((beast(5.0, 5.0), OwnedBy(Player::new(1))))
        .id();
    simulation.step();
    simulation.capture();
    // Three by three, and those that are not much further than the view.
    let here = simulation.sight(1).to_vec();
    assert_eq!(here.len(), 10, "{here:?}");
    assert_eq!(simulation.sight(0), [AreaId::ALL]);
    let changes = simulation.sights();
    simulation.world_mut().get_mut::<Beast>(mine).unwrap().x = 5.5;
    simulation.step();
    simulation.capture();
    assert_eq!(simulation.sights(), changes, "it has not moved by much");
    simulation.world_mut().get_mut::<Beast>(mine).unwrap().x = 500.0;
    simulation.step();
    simulation.capture();
    assert!(simulation.sight(1)[1..].iter().all(|id| !here.contains(id)));
    let there = simulation.sight(1).to_vec();
    simulation.world_mut().despawn(mine);
    simulation.step();
    simulation.capture();
    assert_eq!(simulation.sight(1), there, "it goes on looking from there");
    simulation.leave(1);
    simulation.step();
    simulation.capture();
    assert_eq!(simulation.sight(1), [AreaId::ALL]);
}

/// A herd that runs about, breeds and dies, by chance from the seed alone.
fn herd(simulation: &mut Simulation, tick: u32, elsewhere: u32) {
    let world = simulation.world_mut();
    let mut all: Vec<_> = world
        .query::<(&NetEntity, Entity, &Beast)>()
        .iter(world)
        .map(|(net, entity, beast)| (*net, entity, beast.x))
        .collect();
    all.sort_unstable_by_key(|it| it.0);
    let near: Vec<Entity> = all
        .iter()
        .filter(|it| it.2 < 900.0)
        .map(|it| it.1)
        .collect();
    if tick.is_multiple_of(3) {
        let mut born = beast(
            (tick * 7 % 60) as f32 - 30.0,
            (tick * 13 % 60) as f32 - 30.0,
        );
        born.vx = (tick * 11 % 80) as f32 - 40.0;
        born.vy = (tick * 17 % 80) as f32 - 40.0;
        born.prey = near.first().copied();
        world.spawn((born, name(&format!("n{tick}"))));
    }
    if tick.is_multiple_of(5) && near.len() > 8 {
        world.despawn(near[tick as usize % near.len()]);
    }
    for n in 0..elsewhere {
        let at = beast(1000.0 + (tick * 3 + n) as f32, 1000.0);
        let other = world.spawn((at, name("elsewhere"))).id();
        if (tick + n).is_multiple_of(2) {
            world.despawn(other);
        }
    }
}

#[test]
fn a_restored_room_goes_the_same_way() {
    let mut one = plain();
    for tick in 0..40 {
        herd(&mut one, tick, 1);
        one.step();
        if tick % 2 == 0 {
            one.capture();
        }
    }
    let saved = one.capture_exact();
    let mut two = plain();
    two.restore(&Exact::from_bytes(saved.as_bytes().clone()))
        .unwrap();
    for tick in 40..100 {
        for simulation in [&mut one, &mut two] {
            herd(simulation, tick, 1);
            simulation.step();
        }
        let (a, b) = (one.capture(), two.capture());
        assert!(a.same(&b), "tick {tick}");
        assert_eq!(
            one.capture_exact().as_bytes(),
            two.capture_exact().as_bytes(),
            "tick {tick}"
        );
    }
}

/// All bytes that one who sees the areas around the origin is sent.
fn wire(elsewhere: u32) -> Vec<Vec<u8>> {
    let mut simulation = plain();
    let mut encoder = Encoder::new(simulation.schema());
    let mut bytes = Vec::new();
    let mut bases: std::collections::BTreeMap<AreaId, Basis> = Default::default();
    for tick in 0..120 {
        herd(&mut simulation, tick, elsewhere);
        simulation.step();
        let snapshot = simulation.capture();
        let table = simulation.schema().component("Beast").unwrap();
        let is_near = |area: &Area| {
            let mut rows = area.rows(table);
            rows.all(|slot| area.number(table, slot, 3).unwrap() < 900.0)
        };
        for area in snapshot.areas.iter().filter(|area| is_near(area)) {
            if area.is_empty() {
                continue; // it may be there since somebody was there whom nobody saw
            }
            let basis = bases.entry(area.id()).or_default();
            let (delta, next) = encoder.encode(basis, area, snapshot.tick);
            *basis = next;
            bytes.push(delta.to_vec());
        }
    }
    assert!(bytes.len() > 500);
    bytes
}

#[test]
fn what_is_elsewhere_leaves_no_trace() {
    let alone = wire(0);
    assert_eq!(alone, wire(1));
    assert_eq!(alone, wire(5));
}

/// Whom something is for.
#[derive(Replicate, Clone, Debug, Default)]
#[net(scope = server)]
struct For {
    team: u16,
    owner: bool,
}

fn secret(game: &mut Game) {
    game.seats(4)
        .replicate::<Name>()
        .state::<For>()
        .seen_by(|it: &For| match (it.owner, it.team) {
            (true, _) => SeenBy::Owner,
            (_, 0) => SeenBy::Place,
            (_, team) => SeenBy::Team(team),
        })
        .sees(|_, player, sight| match player {
            Some(player) => {
                sight.team(player.seat % 2 + 1);
            }
            None => {
                sight.everything();
            }
        });
}

/// What a seat sees, by name.
fn seen(simulation: &mut Simulation, seat: u16) -> Vec<String> {
    let sight = simulation.sight(seat).to_vec();
    let all = names(simulation).into_iter();
    all.filter(|(_, area, _)| sight.contains(&AreaId(*area)))
        .map(|(name, ..)| name)
        .collect()
}

#[test]
fn teams_and_owners_see_what_is_theirs() {
    let kind = GameKind::new("secret", secret);
    let mut simulation = Simulation::new(&kind, SimOptions::default());
    for seat in 0..3 {
        let info = PlayerInfo {
            seat,
            name: format!("{seat}"),
            ..PlayerInfo::default()
        };
        simulation.join(info).unwrap();
    }
    simulation.step();
    let to = |team, owner| For { team, owner };
    let world = simulation.world_mut();
    world.spawn(name("all"));
    world.spawn((name("also all"), to(0, false)));
    world.spawn((name("odd"), to(1, false)));
    world.spawn((name("even"), to(2, false)));
    let mine = world
        .spawn((name("mine"), to(0, true), OwnedBy(Player::new(1))))
        .id();
    world.spawn((name("nobody's"), to(0, true)));
    let go = |simulation: &mut Simulation| {
        simulation.step();
        simulation.capture();
        [0, 1, 2, u16::MAX].map(|seat| seen(simulation, seat))
    };
    let all = ["all", "also all"].as_slice();
    assert_eq!(
        go(&mut simulation),
        [
            [all, &["odd"]].concat(),
            [all, &["even", "mine"]].concat(),
            [all, &["odd"]].concat(),
            [all, &["even", "mine", "nobody's", "odd"]].concat(),
        ]
    );
    // It is given to somebody else.
    let world = simulation.world_mut();
    world.entity_mut(mine).insert(OwnedBy(Player::new(0)));
    let seen = go(&mut simulation);
    assert_eq!(seen[0], [all, &["mine", "odd"]].concat());
    assert_eq!(seen[1], [all, &["even"]].concat());
    // And is for all.
    let world = simulation.world_mut();
    world.get_mut::<For>(mine).unwrap().owner = false;
    let seen = go(&mut simulation);
    assert!(seen.iter().all(|seen| seen.contains(&"mine".to_owned())));
}

#[test]
fn cubes_have_three_axes() {
    #[derive(Replicate, Clone, Debug, Default)]
    struct Fish {
        x: f32,
        y: f32,
        z: f32,
    }
    let kind = GameKind::new("sea", |game: &mut Game| {
        game.replicate::<Fish>()
            .grid_3d(10.0, 10.0, |fish: &Fish| (fish.x, fish.y, fish.z));
    });
    let mut simulation = Simulation::new(&kind, SimOptions::default());
    let me = PlayerInfo::default();
    simulation.join(me).unwrap();
    simulation.step();
    let fish = |z| Fish { x: 5.0, y: 5.0, z };
    let world = simulation.world_mut();
    world.spawn((fish(5.0), OwnedBy(Player::new(0))));
    world.spawn_batch([14.0, 24.0, 64.0].map(fish));
    simulation.step();
    let snapshot = simulation.capture();
    let sight = simulation.sight(0);
    let seen: Vec<usize> = snapshot
        .areas
        .iter()
        .filter(|area| sight.contains(&area.id()))
        .map(|area| area.len())
        .collect();
    assert_eq!((snapshot.areas.len(), seen), (5, vec![0, 1, 1]));
    assert!(sight.len() > 27 && sight.len() < 64, "{}", sight.len());
}

/// What one asks for: somebody to be bitten, and something of one's own to be dropped.
#[derive(PlayerCommand, Clone, Debug, Default)]
struct Bite {
    #[net(foreign)]
    whom: Option<Entity>,
    drop: Option<Entity>,
}

fn bite(
    mut commands: Commands,
    mut bitten: Local<Vec<Entity>>,
    asks: Query<&Asks<Bite>>,
    beasts: Query<(), With<Beast>>,
) {
    for ask in &asks {
        for named in [ask.whom, ask.drop].into_iter().flatten() {
            if beasts.contains(named) && !bitten.contains(&named) {
                bitten.push(named);
                commands.entity(named).despawn();
            }
        }
    }
}

#[test]
fn commands_name_who_is_in_sight() {
    let kind = GameKind::new("den", |game: &mut Game| {
        game.seats(2)
            .replicate::<Beast>()
            .replicate::<Name>()
            .command::<Bite>()
            .grid(10.0, 10.0, |beast: &Beast| (beast.x, beast.y))
            .systems(bite);
    });
    let mut simulation = Simulation::new(&kind, SimOptions::default());
    for seat in 0..2 {
        let info = PlayerInfo {
            seat,
            ..PlayerInfo::default()
        };
        simulation.join(info).unwrap();
    }
    simulation.step();
    let own = |seat| OwnedBy(Player::new(seat));
    let world = simulation.world_mut();
    world.spawn((beast(5.0, 5.0), name("me"), own(0)));
    world.spawn((beast(15.0, 5.0), name("near")));
    world.spawn((beast(16.0, 5.0), name("mine"), own(0)));
    world.spawn((beast(500.0, 5.0), name("far")));
    world.spawn((beast(501.0, 5.0), name("other"), own(1)));
    simulation.step();
    simulation.capture();
    let record = kind.schema().command.clone().unwrap();
    let (drop, whom) = (record.field("drop").unwrap(), record.field("whom").unwrap());
    let ask = |simulation: &mut Simulation, field: usize, name: &str| {
        let all = names(simulation);
        let found = all.iter().find(|it| it.0 == name);
        let target = found.map(|(_, area, id)| (AreaId(*area), *id));
        let mut row = OwnedRow::new(&record);
        put_target(target, row.row_mut(&record).field(field).ints);
        let bytes = values::encode_record(&record, &row.ints, &row.blobs);
        let row = values::decode_record(&record, &bytes).unwrap();
        if simulation.check_command(0, &row).is_err() {
            return false;
        }
        simulation.command(0, Some(&row)).unwrap();
        simulation.step();
        simulation.capture();
        true
    };
    let alive = |simulation: &mut Simulation| -> Vec<String> {
        names(simulation).into_iter().map(|it| it.0).collect()
    };
    assert!(!ask(&mut simulation, drop, "near"), "not one's own");
    assert!(!ask(&mut simulation, drop, "other"), "not even in sight");
    assert!(ask(&mut simulation, whom, "far"), "it names nobody");
    assert_eq!(
        alive(&mut simulation),
        ["far", "me", "mine", "near", "other"]
    );
    assert!(ask(&mut simulation, whom, "near"));
    assert_eq!(alive(&mut simulation), ["far", "me", "mine", "other"]);
    assert!(ask(&mut simulation, drop, "mine"));
    assert_eq!(alive(&mut simulation), ["far", "me", "other"]);
}
