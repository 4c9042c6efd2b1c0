//! What a viewer may not see is not on the wire: two rooms that differ only in that give the same bytes.

use bevy_ecs::prelude::*;
use tickwire_sim::prelude::*;
use tickwire_sim::{GameKind, SimOptions, Simulation};
use tickwire_snapshot::quant::UNSEEN;
use tickwire_snapshot::{AreaId, Basis, Encoder};

#[derive(Replicate, Clone, Debug, Default)]
struct Ship {
    hull: u8,
    target: Option<Entity>,
    #[net(scope = owner)]
    ammo: u8,
    #[net(scope = server)]
    luck: f32,
}

#[derive(Replicate, Clone, Debug, Default)]
#[net(scope = team)]
struct Plan {
    x: u8,
}

#[derive(Replicate, Clone, Debug, Default)]
#[net(scope = server)]
struct Ghost {
    target: Option<Entity>,
}

fn kind() -> GameKind {
    GameKind::new("hidden", |game: &mut Game| {
        game.replicate::<Ship>()
            .replicate::<Plan>()
            .state::<Ghost>();
    })
}

/// Ten ticks of one room, as a new viewer and one that keeps up get them. `hidden`: with more that nobody sees.
fn wire(hidden: bool) -> Vec<Vec<u8>> {
    let mut simulation = Simulation::new(&kind(), SimOptions::default());
    let schema = simulation.schema().clone();
    let mut encoder = Encoder::new(&schema);
    let mut basis = Basis::nothing();
    let mut bytes = Vec::new();
    for tick in 0..10_u8 {
        let world = simulation.world_mut();
        if hidden {
            let ghost = world.spawn((Ghost::default(), Plan { x: tick })).id();
            if tick % 3 == 0 {
                world.despawn(ghost);
            }
        }
        let secret = u8::from(hidden) * tick;
        let ship = Ship {
            hull: tick,
            ammo: secret,
            luck: f32::from(secret),
            target: None,
        };
        let ship = world.spawn(ship).id();
        if hidden {
            world.entity_mut(ship).insert(Plan { x: 1 });
        }
        simulation.step();
        let snapshot = simulation.capture();
        let area = snapshot.area(AreaId::ALL).unwrap();
        let (keyframe, _) = encoder.encode(&Basis::nothing(), area, snapshot.tick);
        let (delta, next) = encoder.encode(&basis, area, snapshot.tick);
        basis = next;
        bytes.extend([keyframe.to_vec(), delta.to_vec()]);
    }
    bytes
}

#[test]
fn hidden_things_leave_no_trace() {
    assert_eq!(wire(false), wire(true));
}

#[test]
fn the_schema_does_not_name_them() {
    let kind = kind();
    let schema = kind.schema();
    let names: Vec<_> = schema.components.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["OwnedBy", "Ship"]);
    let fields: Vec<_> = schema.components[1]
        .fields
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    assert_eq!(fields, ["hull", "target"]);
}

#[test]
fn a_reference_to_what_is_hidden_is_unseen() {
    let mut simulation = Simulation::new(&kind(), SimOptions::default());
    let world = simulation.world_mut();
    let ghost = world.spawn(Ghost::default()).id();
    let first = world
        .spawn(Ship {
            target: Some(ghost),
            ..Ship::default()
        })
        .id();
    world.spawn(Ship {
        target: Some(first),
        ..Ship::default()
    });
    simulation.step();
    let snapshot = simulation.capture();
    let area = snapshot.area(AreaId::ALL).unwrap();
    let ship = simulation.schema().component("Ship").unwrap();
    let target = |slot| area.row(ship, slot).unwrap().field(1).ints.to_vec();
    assert_eq!(target(1), [UNSEEN, 0]);
    assert_eq!(target(2), [2, 0]); // slot 1
    assert_eq!(area.len(), 2);
}

#[test]
fn an_entity_that_loses_all_that_is_seen_leaves_the_area() {
    let mut simulation = Simulation::new(&kind(), SimOptions::default());
    let ship = simulation
        .world_mut()
        .spawn((Ship::default(), Ghost::default()))
        .id();
    let name = *simulation.world().get::<NetEntity>(ship).unwrap();
    simulation.step();
    assert_eq!(simulation.capture().area(AreaId::ALL).unwrap().len(), 1);
    simulation.world_mut().entity_mut(ship).remove::<Ship>();
    simulation.step();
    assert_eq!(simulation.capture().area(AreaId::ALL).unwrap().len(), 0);
    simulation
        .world_mut()
        .entity_mut(ship)
        .insert(Ship::default());
    simulation.step();
    let back: Vec<_> = simulation
        .capture()
        .area(AreaId::ALL)
        .unwrap()
        .entities()
        .collect();
    assert_eq!(back[0].slot, 2); // a new tenancy: the old slot rests
    assert_eq!(simulation.world().get::<NetEntity>(ship), Some(&name)); // and the same entity
}

/// Where slot 2's reference points, after a step.
fn target(simulation: &mut Simulation) -> Vec<i32> {
    simulation.step();
    let snapshot = simulation.capture();
    let ship = simulation.schema().component("Ship").unwrap();
    let area = snapshot.area(AreaId::ALL).unwrap();
    area.row(ship, 2).unwrap().field(1).ints.to_vec()
}

#[test]
fn references_follow_what_they_refer_to_though_their_row_is_untouched() {
    let mut simulation = Simulation::new(&kind(), SimOptions::default());
    let world = simulation.world_mut();
    let first = world.spawn((Ship::default(), Ghost::default())).id();
    let target_of_second = Ship {
        target: Some(first),
        ..Ship::default()
    };
    world.spawn(target_of_second);
    assert_eq!(target(&mut simulation), [2, 0]);
    simulation.world_mut().entity_mut(first).remove::<Ship>();
    assert_eq!(target(&mut simulation), [UNSEEN, 0]);
    simulation
        .world_mut()
        .entity_mut(first)
        .insert(Ship::default());
    assert_eq!(target(&mut simulation), [4, 0]); // slot 3
    let visited = simulation.capture_stats().rows_visited;
    simulation.world_mut().despawn(first);
    assert_eq!(target(&mut simulation), [0, 0]);
    assert_eq!(simulation.capture_stats().rows_visited - visited, 1);
}
