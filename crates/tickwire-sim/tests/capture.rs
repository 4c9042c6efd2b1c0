//! What a capture costs, counted: it is proportional to what changed. And what it holds.

use std::sync::Arc;

use bevy_ecs::prelude::*;
use tickwire_sim::prelude::*;
use tickwire_sim::{CaptureStats, GameKind, SimOptions, Simulation};
use tickwire_snapshot::record::{ReadError, Record, Refs};
use tickwire_snapshot::{Area, AreaId, ENTITIES_MAX, RecordSchema, Row, RowMut, Snapshot};

#[derive(Replicate, Clone, Debug, Default)]
struct Rock {
    #[net(range = 0.0..=1000.0, step = 0.25)]
    x: f32,
    kind: u8,
}

#[derive(Replicate, Clone, Debug, Default)]
struct Glow {
    level: u8,
}

#[derive(Replicate, Clone, Debug, Default)]
struct Comet {
    #[net(range = 0.0..=1000.0, step = 0.25, velocity = "v")]
    x: f32,
    #[net(range = -50.0..=50.0, step = 0.25)]
    v: f32,
}

#[derive(Replicate, Clone, Debug, Default)]
#[net(resource)]
struct Round {
    number: u16,
}

fn field(n: u16) -> Simulation {
    let kind = GameKind::new("field", |game: &mut Game| {
        game.rate(30)
            .replicate::<Rock>()
            .replicate::<Glow>()
            .replicate::<Comet>()
            .resource::<Round>();
    });
    let mut simulation = Simulation::new(&kind, SimOptions::default());
    for i in 0..n {
        let rock = Rock {
            x: f32::from(i % 1000),
            kind: 1,
        };
        simulation.world_mut().spawn((rock, Glow::default()));
    }
    simulation
}

fn all(snapshot: &Snapshot) -> &Arc<Area> {
    snapshot.area(AreaId::ALL).expect("there is one area")
}

/// Steps, captures, and says what that capture cost.
fn tick(simulation: &mut Simulation) -> (Arc<Snapshot>, CaptureStats) {
    let before = simulation.capture_stats();
    simulation.step();
    let snapshot = simulation.capture();
    let after = simulation.capture_stats();
    let cost = CaptureStats {
        captures: after.captures - before.captures,
        unchanged: after.unchanged - before.unchanged,
        columns_scanned: after.columns_scanned - before.columns_scanned,
        rows_visited: after.rows_visited - before.rows_visited,
        rows_written: after.rows_written - before.rows_written,
        slots_touched: after.slots_touched - before.slots_touched,
    };
    (snapshot, cost)
}

#[test]
fn an_untouched_world_gives_the_same_area_and_visits_no_row() {
    let mut simulation = field(1_000);
    let (first, cost) = tick(&mut simulation);
    assert_eq!(all(&first).len(), 1_000);
    assert_eq!(cost.rows_visited, 2_001);
    for _ in 0..3 {
        let (next, cost) = tick(&mut simulation);
        assert!(Arc::ptr_eq(all(&first), all(&next)));
        assert_eq!(next.tick, simulation.tick());
        let nothing = CaptureStats {
            captures: 1,
            unchanged: 1,
            ..CaptureStats::default()
        };
        assert_eq!(cost, nothing);
    }
}

#[test]
fn one_change_costs_one_row() {
    let mut simulation = field(1_000);
    tick(&mut simulation);
    let rock = {
        let world = simulation.world_mut();
        let mut rocks = world.query_filtered::<Entity, With<Rock>>();
        rocks.iter(world).nth(500)
    };
    let rock = rock.expect("there are a thousand");
    simulation.world_mut().get_mut::<Rock>(rock).unwrap().kind = 9;
    let (_, cost) = tick(&mut simulation);
    assert_eq!(
        (cost.columns_scanned, cost.rows_visited, cost.rows_written),
        (1, 1, 1)
    );

    // Written, but not to another value: looked at, and nothing made of it.
    simulation.world_mut().get_mut::<Rock>(rock).unwrap().kind = 9;
    let (_, cost) = tick(&mut simulation);
    assert_eq!(
        (cost.rows_visited, cost.rows_written, cost.unchanged),
        (1, 0, 1)
    );
}

#[test]
fn spawns_despawns_and_removals_reach_the_area() {
    let mut simulation = field(10);
    let (first, _) = tick(&mut simulation);
    let glow = simulation.schema().component("Glow").unwrap();
    let entities: Vec<Entity> = {
        let world = simulation.world_mut();
        let mut rocks = world.query::<(Entity, &NetEntity)>();
        let mut rocks: Vec<_> = rocks.iter(world).map(|(e, net)| (*net, e)).collect();
        rocks.sort_unstable();
        rocks.into_iter().map(|(_, e)| e).collect()
    };
    assert_eq!(all(&first).rows(glow).count(), 10);
    let world = simulation.world_mut();
    world.despawn(entities[2]);
    world.entity_mut(entities[4]).remove::<Glow>();
    world.entity_mut(entities[5]).remove::<(Rock, Glow)>();
    world.spawn(Rock::default());
    let (next, cost) = tick(&mut simulation);
    // Slots in the order of spawning; those of the dead rest.
    let slots: Vec<u32> = all(&next).entities().map(|id| id.slot).collect();
    assert_eq!(slots, [1, 2, 4, 5, 7, 8, 9, 10, 11]);
    let glows: Vec<u32> = all(&next).rows(glow).collect();
    assert_eq!(glows, [1, 2, 4, 7, 8, 9, 10]);
    assert_eq!((cost.slots_touched, cost.rows_visited), (4, 1));
    // The old one is still what it was.
    assert_eq!(all(&first).len(), 10);
}

#[test]
fn a_component_that_comes_back_within_a_tick_is_there() {
    let mut simulation = field(1);
    tick(&mut simulation);
    let world = simulation.world_mut();
    let rock = world
        .query_filtered::<Entity, With<Rock>>()
        .single(world)
        .unwrap();
    world.entity_mut(rock).remove::<Glow>();
    world.entity_mut(rock).insert(Glow { level: 7 });
    let (next, _) = tick(&mut simulation);
    let glow = simulation.schema().component("Glow").unwrap();
    assert_eq!(all(&next).int(glow, 1, 0), Some(7));
}

#[test]
fn what_moves_is_looked_at_until_it_rests() {
    let mut simulation = field(0);
    let comet = Comet { x: 100.0, v: 15.0 };
    let comet = simulation.world_mut().spawn(comet).id();
    tick(&mut simulation);
    let table = simulation.schema().component("Comet").unwrap();
    let x = simulation.schema().components[table].field("x").unwrap();
    // Against a wall: the game changes nothing, the velocity stays. The track must not run away from the truth.
    for _ in 0..100 {
        let (now, cost) = tick(&mut simulation);
        let shown = all(&now).number(table, 1, x).unwrap();
        assert!((shown - 100.0).abs() <= 0.126, "{shown}");
        assert_eq!(cost.rows_visited, 1);
    }
    simulation.world_mut().get_mut::<Comet>(comet).unwrap().v = 0.0;
    tick(&mut simulation);
    let (_, cost) = tick(&mut simulation);
    assert_eq!((cost.rows_visited, cost.unchanged), (0, 1));
}

#[test]
fn resources_are_rows_of_slot_0() {
    let mut simulation = field(0);
    let round = simulation.schema().resource("Round").unwrap();
    let (first, _) = tick(&mut simulation);
    assert_eq!(all(&first).int(round, 0, 0), Some(0));
    simulation.world_mut().resource_mut::<Round>().number = 3;
    let (next, cost) = tick(&mut simulation);
    assert_eq!(all(&next).int(round, 0, 0), Some(3));
    assert_eq!(cost.rows_visited, 1);
    simulation.world_mut().remove_resource::<Round>();
    let (gone, _) = tick(&mut simulation);
    assert!(!all(&gone).has(round, 0));
}

#[test]
fn two_captures_at_one_tick_are_one() {
    let mut simulation = field(3);
    simulation.step();
    let first = simulation.capture();
    simulation.world_mut().spawn(Rock::default());
    assert!(Arc::ptr_eq(&first, &simulation.capture()));
    simulation.step();
    assert_eq!(all(&simulation.capture()).len(), 4);
}

#[test]
fn a_room_that_nobody_captures_for_long_is_whole_when_somebody_does() {
    let mut simulation = field(0);
    tick(&mut simulation);
    for _ in 0..1_000 {
        let rock = simulation.world_mut().spawn(Rock::default()).id();
        simulation.step();
        simulation.world_mut().despawn(rock);
    }
    simulation.world_mut().spawn(Rock::default());
    let (now, cost) = tick(&mut simulation);
    assert_eq!(all(&now).len(), 1);
    // Slots rest for a while, then come again: bounded by those, not by what happened.
    assert!(cost.slots_touched <= 131, "{cost:?}");
}

/// Sparse storage has no summary ticks: slower, and just as right.
#[test]
fn components_from_elsewhere_are_captured_too() {
    #[derive(Component, Clone, Debug, Default)]
    #[component(storage = "SparseSet")]
    struct Sparse(Glow);

    impl Record for Sparse {
        fn schema() -> RecordSchema {
            let glow = Glow::schema();
            RecordSchema::new("Sparse", glow.fields)
        }
        fn write(&self, row: &mut RowMut<'_>, refs: &dyn Refs) {
            self.0.write(row, refs);
        }
        fn read(row: &Row<'_>, refs: &dyn Refs) -> Result<Self, ReadError> {
            Glow::read(row, refs).map(Self)
        }
        fn write_exact(&self, out: &mut Vec<u8>, refs: &dyn Refs) {
            self.0.write_exact(out, refs);
        }
        fn read_exact(input: &mut &[u8], refs: &dyn Refs) -> Result<Self, ReadError> {
            Glow::read_exact(input, refs).map(Self)
        }
    }

    let kind = GameKind::new("sparse", |game: &mut Game| {
        game.replicate::<Sparse>().replicate::<Glow>();
    });
    let advice = kind.advice();
    assert_eq!(advice.len(), 1, "{advice:?}");
    assert!(advice[0].starts_with("component Sparse: all its rows"));
    let mut simulation = Simulation::new(&kind, SimOptions::default());
    let all_of_them = (0..100).map(|level| Sparse(Glow { level }));
    let sparse: Vec<Entity> = simulation.world_mut().spawn_batch(all_of_them).collect();
    tick(&mut simulation);
    simulation
        .world_mut()
        .get_mut::<Sparse>(sparse[7])
        .unwrap()
        .0
        .level = 200;
    let (now, cost) = tick(&mut simulation);
    let table = simulation.schema().component("Sparse").unwrap();
    assert_eq!(all(&now).int(table, 8, 0), Some(200));
    assert_eq!(cost.rows_visited, 1);
    simulation
        .world_mut()
        .entity_mut(sparse[7])
        .remove::<Sparse>();
    let (now, _) = tick(&mut simulation);
    assert_eq!(all(&now).len(), 99);
}

#[test]
fn entities_past_the_last_slot_are_counted_and_unseen() {
    let mut simulation = field(0);
    let many = (0..ENTITIES_MAX + 10).map(|_| Glow::default());
    let glows: Vec<Entity> = simulation.world_mut().spawn_batch(many).collect();
    let (full, _) = tick(&mut simulation);
    assert_eq!(all(&full).len(), ENTITIES_MAX - 1);
    assert_eq!(simulation.drops().entities, 11);
    // Those without a slot come and go like others.
    for &glow in &glows[ENTITIES_MAX - 2..] {
        simulation.world_mut().despawn(glow);
    }
    let (now, _) = tick(&mut simulation);
    assert_eq!(all(&now).len(), ENTITIES_MAX - 2);
}

#[test]
fn a_cloned_entity_has_a_name_of_its_own() {
    let mut simulation = field(1);
    let world = simulation.world_mut();
    let rock = world
        .query_filtered::<Entity, With<Rock>>()
        .single(world)
        .unwrap();
    let twin = world.entity_mut(rock).clone_and_spawn();
    let name = |entity| *simulation.world().get::<NetEntity>(entity).unwrap();
    assert_ne!(name(rock), name(twin));
    let (now, _) = tick(&mut simulation);
    assert_eq!(all(&now).len(), 2);
}
