//! What a world that shows a room has of it, against what the room's own world has.

use bevy_ecs::prelude::*;
use tickwire_snapshot::AreaId;

use super::*;
use crate::prelude::*;
use crate::{SimOptions, Simulation};

#[derive(NetEnum, Clone, Copy, Debug, Default, PartialEq)]
enum Mood {
    #[default]
    Calm,
    Wild,
}

#[derive(Replicate, Debug, Default, PartialEq)]
struct Beast {
    #[net(range = 0.0..=100.0, step = 0.5)]
    at: [f32; 2],
    mood: Mood,
    #[net(max = 16)]
    name: String,
    prey: Option<Entity>,
    #[net(scope = server)]
    secret: u8,
}

#[derive(Replicate, Debug, Default, PartialEq)]
#[net(resource)]
struct Night {
    hours: u8,
}

#[derive(TickEvent, Debug, Default, PartialEq)]
struct Howl {
    loud: u8,
}

#[derive(PlayerCommand, Clone, Copy, Default)]
struct Point {
    #[net(foreign)]
    at: Option<Entity>,
}

fn begin(mut commands: Commands) {
    let hare = commands.spawn(Beast::default()).id();
    commands.spawn(Beast {
        at: [10.0, 99.5],
        mood: Mood::Wild,
        name: "Isengrim".into(),
        prey: Some(hare),
        secret: 7,
    });
}

fn howl(mut emit: Emit) {
    emit.send(Howl { loud: 3 });
}

fn game(game: &mut Game) {
    game.replicate::<Beast>()
        .resource::<Night>()
        .event::<Howl>()
        .command::<Point>()
        .on_start(begin)
        .systems(howl);
}

/// Slots of the one area are entities of the world, in their order.
struct InOrder(Vec<Entity>);

impl Refs for InOrder {
    fn to_net(&self, _: u64) -> Option<NetId> {
        None
    }

    fn to_entity(&self, id: NetId) -> Option<u64> {
        let at = id.slot.checked_sub(1)? as usize;
        self.0.get(at).map(|entity| entity.to_bits())
    }
}

#[derive(Resource, Default)]
struct Heard(Vec<Happened<u8>>);

fn hear(howl: On<Happened<Howl>>, mut heard: ResMut<Heard>) {
    let (tick, event) = (howl.tick, howl.event().event.loud);
    heard.0.push(Happened { tick, event });
}

#[test]
fn rows_of_a_room_become_what_the_game_has() {
    let kind = GameKind::new("wood", game);
    let mut room = Simulation::new(&kind, SimOptions::default());
    room.step();
    let snapshot = room.capture();
    let area = snapshot.area(AreaId::ALL).unwrap();
    let replica = Replica::new(&kind);
    let mut world = World::new();
    replica.set_up(&mut world);
    let names = InOrder((0..2).map(|_| world.spawn_empty().id()).collect());
    let beast = kind.schema().component("Beast").unwrap();
    for (slot, entity) in (1..).zip(&names.0) {
        let row = replica.row(beast, |field| area.value(beast, slot, field));
        let shown = replica.show(&mut world, *entity, beast, row.as_ref(), &names);
        assert_eq!(shown, Ok(()));
    }
    let wolf = Beast {
        at: [10.0, 99.5],
        mood: Mood::Wild,
        name: "Isengrim".into(),
        prey: Some(names.0[0]),
        secret: 0, // nobody was told
    };
    assert_eq!(world.get::<Beast>(names.0[1]), Some(&wolf));
    assert_eq!(world.get::<Beast>(names.0[0]), Some(&Beast::default()));
    replica
        .show(&mut world, names.0[1], beast, None, &names)
        .unwrap();
    assert!(!world.entity(names.0[1]).contains::<Beast>());

    let night = kind.schema().resource("Night").unwrap();
    let row = replica.row(night, |_| Some(Value::Int(5)));
    let nobody = Entity::PLACEHOLDER;
    replica
        .show(&mut world, nobody, night, row.as_ref(), &names)
        .unwrap();
    assert_eq!(world.get_resource::<Night>(), Some(&Night { hours: 5 }));
    replica
        .show(&mut world, nobody, night, None, &names)
        .unwrap();
    assert!(world.get_resource::<Night>().is_none());
}

#[test]
fn values_between_two_steps_stay_between_them() {
    let replica = Replica::new(&GameKind::new("wood", game));
    let mut world = World::new();
    let entity = world.spawn_empty().id();
    let beast = replica.schema().component("Beast").unwrap();
    let fields = &replica.schema().components[beast].fields;
    let value = |field: usize| {
        Some(match fields[field].name.as_str() {
            "at" => Value::List(vec![Value::Number(1.1), Value::Number(2.2)]),
            "mood" => Value::Text("Calm".into()),
            "name" => Value::Text(String::new()),
            _ => Value::Entity(None),
        })
    };
    let row = replica.row(beast, value).unwrap();
    let names = InOrder(Vec::new());
    replica
        .show(&mut world, entity, beast, Some(&row), &names)
        .unwrap();
    let at = world.get::<Beast>(entity).unwrap().at;
    assert!(
        (at[0] - 1.1).abs() < 0.01 && (at[1] - 2.2).abs() < 0.01,
        "{at:?}"
    );
    assert_eq!(
        replica.row(beast, |_| Some(Value::Bool(true))),
        None,
        "no such value"
    );
}

#[test]
fn an_event_reaches_observers_and_readers_once_each() {
    let replica = Replica::new(&GameKind::new("wood", game));
    let mut world = World::new();
    replica.set_up(&mut world);
    replica.set_up(&mut world); // a second room in the same world
    world.init_resource::<Heard>();
    world.add_observer(hear);
    let names = InOrder(Vec::new());
    let told = replica.tell(&mut world, (0, Tick(9)), |_| Some(Value::Int(4)), &names);
    assert_eq!(told, Ok(true));
    let told = replica.tell(&mut world, (1, Tick(9)), |_| None, &names);
    assert_eq!(told, Ok(false), "there is one kind of event");
    let of = |loud: u8| Happened {
        tick: Tick(9),
        event: loud,
    };
    assert_eq!(world.resource::<Heard>().0, [of(4)]);
    let mut messages = world.resource_mut::<Messages<Happened<Howl>>>();
    let read: Vec<u8> = messages.drain().map(|it| it.event.loud).collect();
    assert_eq!(read, [4]);
}

/// A game on a grid names whoever is in sight by area, slot and generation; others by slot and generation alone.
#[test]
fn a_command_names_an_entity_by_where_the_server_has_it() {
    fn on_a_grid(book: &mut Game) {
        game(book);
        book.grid(50.0, 50.0, |beast: &Beast| (beast.at[0], beast.at[1]));
    }
    let place = (
        AreaId(70_000),
        NetId {
            slot: 12,
            generation: 3,
        },
    );
    for (is_grid, kind) in [
        (false, GameKind::new("wood", game)),
        (true, GameKind::new("wood", on_a_grid)),
    ] {
        let replica = Replica::new(&kind);
        let mut world = World::new();
        replica.set_up(&mut world);
        let (other, named) = (world.spawn_empty().id(), world.spawn_empty().id());
        world.resource_mut::<NextCommand<Point>>().at = Some(named);
        let find = |entity| (entity == named).then_some(place);
        let row = replica.next_command(&world, find).unwrap();
        match is_grid {
            true => assert_eq!(
                tickwire_snapshot::quant::target(&row.ints),
                Some((place.0, place.1))
            ),
            false => assert_eq!(tickwire_snapshot::value::entity(&row.ints), Some(place.1)),
        }
        world.resource_mut::<NextCommand<Point>>().at = Some(other);
        let row = replica.next_command(&world, find).unwrap();
        assert_eq!(row.ints, [0, 0], "the server has nobody of that name");
        world.remove_resource::<NextCommand<Point>>();
        assert_eq!(replica.next_command(&world, find), None);
    }
}
