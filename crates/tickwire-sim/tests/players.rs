//! Players: joining and leaving, commands and the rule for missing ones, whose entities a command may name, computer players, messages.

#[allow(dead_code)]
mod common;

use bevy_ecs::prelude::*;
use common::{Boom, Cheer, Drive, Tank, kind, naming, room, row, war};
use tickwire_proto::frame::Presence;
use tickwire_sim::prelude::*;
use tickwire_sim::{
    CommandRefused, ForeignEntity, GameKind, JoinRefused, MessageRefused, SimOptions, Simulation,
    To,
};
use tickwire_snapshot::AreaId;
use tickwire_snapshot::message::{Message, encode};

#[derive(Replicate, Clone, Copy, Debug, Default, PartialEq)]
struct Dot {
    #[net(range = 0.0..=800.0, step = 0.1)]
    x: f32,
    hue: u8,
}

#[derive(PlayerCommand, Clone, Copy, Debug, Default)]
struct Steer {
    #[net(range = -1..=1)]
    x: i8,
}

fn join(In(player): In<Player>, mut commands: Commands) {
    commands.spawn((
        Dot {
            x: 400.0,
            hue: player.hue(),
        },
        OwnedBy(player),
    ));
}

fn steer(mut dots: Query<(&mut Dot, &Asks<Steer>)>) {
    for (mut dot, ask) in &mut dots {
        dot.x = (dot.x + 6.0 * f32::from(ask.x)).clamp(0.0, 800.0);
    }
}

fn hello(game: &mut Game) {
    game.rate(30)
        .seats(4)
        .replicate::<Dot>()
        .command::<Steer>()
        .on_join(join)
        .systems(steer);
}

fn hello_with(missing: MissingCommand) -> Simulation {
    let kind = GameKind::new("hello", move |game: &mut Game| {
        hello(game);
        game.missing(missing);
    });
    Simulation::new(&kind, SimOptions::default())
}

fn person(seat: u16) -> PlayerInfo {
    PlayerInfo {
        seat,
        name: format!("p{seat}"),
        identity: format!("id {seat}"),
        computer: false,
    }
}

fn x(simulation: &mut Simulation, seat: u16) -> Option<f32> {
    let world = simulation.world_mut();
    let mut dots = world.query::<(&Dot, &OwnedBy)>();
    let found = dots.iter(world).find(|(_, owner)| owner.0.seat == seat);
    found.map(|(dot, _)| dot.x)
}

fn right(simulation: &mut Simulation, seat: u16) {
    let right = row(simulation.schema(), &Steer { x: 1 });
    simulation.command(seat, Some(&right)).unwrap();
}

#[test]
fn a_dot_comes_with_its_player_moves_and_goes() {
    let mut simulation = hello_with(MissingCommand::RepeatLast);
    simulation.join(person(2)).unwrap();
    assert_eq!(x(&mut simulation, 2), None); // in the next step
    simulation.step();
    assert_eq!(x(&mut simulation, 2), Some(400.0));
    right(&mut simulation, 2);
    simulation.step();
    assert_eq!(x(&mut simulation, 2), Some(406.0));
    simulation.presence(2, Presence::Away);
    simulation.step();
    assert_eq!(simulation.roster().presence(Player::new(2)), Presence::Away);
    simulation.step();
    // It waits for its owner: a last step with the old command, then none.
    assert_eq!(x(&mut simulation, 2), Some(412.0));
    simulation.leave(2);
    simulation.step();
    assert_eq!(x(&mut simulation, 2), None);
    assert_eq!(simulation.roster().get(Player::new(2)), None);
}

#[test]
fn the_rule_for_missing_commands() {
    let path = |rule, steps| {
        let mut simulation = hello_with(rule);
        simulation.join(person(0)).unwrap();
        simulation.step();
        right(&mut simulation, 0);
        (0..steps).for_each(|_| simulation.step());
        x(&mut simulation, 0).unwrap()
    };
    assert_eq!(path(MissingCommand::RepeatLast, 10), 460.0);
    assert_eq!(path(MissingCommand::Default, 10), 406.0);
    assert_eq!(path(MissingCommand::RepeatFor(3), 10), 424.0);
}

#[test]
fn a_seat_that_changes_hands_asks_for_nothing() {
    let mut simulation = hello_with(MissingCommand::RepeatLast);
    simulation.join(person(1)).unwrap();
    simulation.step();
    right(&mut simulation, 1);
    simulation.step();
    simulation.leave(1);
    simulation.join(person(1)).unwrap();
    simulation.step();
    simulation.step();
    assert_eq!(x(&mut simulation, 1), Some(400.0));
}

#[test]
fn an_entity_given_away_obeys_its_new_owner() {
    let mut simulation = hello_with(MissingCommand::RepeatLast);
    simulation.join(person(0)).unwrap();
    simulation.join(person(1)).unwrap();
    simulation.step();
    right(&mut simulation, 1);
    simulation.step();
    let world = simulation.world_mut();
    let mut dots = world.query::<(Entity, &OwnedBy)>();
    let dot = dots.iter(world).find(|(_, o)| o.0.seat == 0).unwrap().0;
    world.entity_mut(dot).insert(OwnedBy(Player::new(1)));
    let before = world.get::<Dot>(dot).unwrap().x;
    simulation.step();
    assert_eq!(simulation.world().get::<Dot>(dot).unwrap().x, before + 6.0);
    simulation.world_mut().entity_mut(dot).remove::<OwnedBy>();
    assert!(simulation.world().get::<Asks<Steer>>(dot).is_none());
}

#[test]
fn seats_are_checked() {
    let mut simulation = hello_with(MissingCommand::RepeatLast);
    simulation.join(person(0)).unwrap();
    assert_eq!(simulation.join(person(0)), Err(JoinRefused::Taken(0)));
    assert_eq!(simulation.join(person(9)), Err(JoinRefused::NoSuchSeat(9)));
    assert_eq!(simulation.seat_for_person(), Some(1));
    let nothing = row(simulation.schema(), &Steer::default());
    assert_eq!(
        simulation.command(3, Some(&nothing)),
        Err(CommandRefused::Seat(3))
    );
    let mute = GameKind::new("mute", |_: &mut Game| {});
    let mut mute = Simulation::new(&mute, SimOptions::default());
    assert_eq!(mute.command(0, Some(&nothing)), Err(CommandRefused::None));
}

#[test]
fn names_are_cut_and_rows_of_other_records_refused() {
    let mut simulation = hello_with(MissingCommand::RepeatLast);
    let name = "ä".repeat(100);
    let long = PlayerInfo {
        seat: 0,
        identity: name.repeat(2),
        name,
        computer: false,
    };
    simulation.join(long).unwrap();
    simulation.step();
    let cut = simulation.roster().name(Player::new(0));
    assert_eq!(cut, "ä".repeat(tickwire_sim::PLAYER_NAME_MAX / 2));
    let cut = simulation.roster().identity(Player::new(0));
    assert_eq!(cut, "ä".repeat(tickwire_sim::PLAYER_IDENTITY_MAX / 2));
    let odd = tickwire_snapshot::OwnedRow::default();
    assert_eq!(
        simulation.command(0, Some(&odd)),
        Err(CommandRefused::Shape)
    );
    assert_eq!(simulation.check_command(0, &odd), Ok(()));
}

/// The slot of somebody's tank in the area.
fn tank(simulation: &mut Simulation, seat: u16) -> [i32; 2] {
    let schema = simulation.schema().clone();
    let snapshot = simulation.capture();
    let area = snapshot.area(AreaId::ALL).unwrap();
    let (owner, tank) = (
        schema.component("OwnedBy").unwrap(),
        schema.component("Tank").unwrap(),
    );
    let mine = |id: &tickwire_snapshot::NetId| {
        area.has(tank, id.slot) && area.int(owner, id.slot, 0) == Some(i32::from(seat))
    };
    let id = area.entities().find(mine).expect("everybody has a tank");
    [id.slot as i32 + 1, i32::from(id.generation)]
}

#[test]
fn a_command_names_only_what_its_player_owns() {
    let mut simulation = room(1);
    simulation.join(person(6)).unwrap();
    simulation.join(person(7)).unwrap();
    simulation.step();
    let (mine, theirs) = (tank(&mut simulation, 6), tank(&mut simulation, 7));
    let dead = [mine[0], mine[1] + 1];
    let nothing = row(simulation.schema(), &Drive::default());
    let names = |field: &str, id: [i32; 2]| naming(simulation.schema(), nothing.clone(), field, id);
    let foreign = ForeignEntity {
        seat: 6,
        field: "light".into(),
    };
    for (row, expected) in [
        (names("light", [0, 0]), Ok(())),
        (names("light", mine), Ok(())),
        (names("light", theirs), Err(foreign.clone())),
        (names("light", dead), Err(foreign.clone())),
        (names("light", [60_000, 0]), Err(foreign.clone())),
        (
            names("light", [tickwire_snapshot::quant::UNSEEN, 0]),
            Err(foreign.clone()),
        ),
        (names("aim", theirs), Ok(())), // #[net(foreign)]
        (names("aim", dead), Ok(())),
    ] {
        assert_eq!(simulation.check_command(6, &row), expected, "{row:?}");
    }
    let any = GameKind::new("any", |game: &mut Game| {
        war(game);
        game.commands_may_name_any();
    });
    let any = Simulation::new(&any, SimOptions::default());
    assert_eq!(any.check_command(6, &names("light", theirs)), Ok(()));
}

#[test]
fn what_a_command_names_arrives_as_an_entity() {
    let mut simulation = room(1);
    simulation.join(person(6)).unwrap();
    simulation.step();
    let mine = tank(&mut simulation, 6);
    let nothing = row(simulation.schema(), &Drive::default());
    let aim = |id: [i32; 2]| naming(simulation.schema(), nothing.clone(), "aim", id);
    let (at_me, at_nobody) = (aim(mine), aim([mine[0], mine[1] + 1]));
    simulation.command(6, Some(&at_me)).unwrap();
    simulation.step();
    let asked = |simulation: &mut Simulation| {
        let world = simulation.world_mut();
        let mut tanks = world.query_filtered::<(Entity, &OwnedBy, &Asks<Drive>), With<Tank>>();
        let mine = tanks
            .iter(world)
            .find(|(_, owner, _)| owner.0.seat == 6)
            .unwrap();
        (mine.0, mine.2.aim)
    };
    let (me, aim) = asked(&mut simulation);
    assert_eq!(aim, Some(me));
    simulation.command(6, Some(&at_nobody)).unwrap();
    simulation.step();
    assert_eq!(asked(&mut simulation).1, None);
}

#[test]
fn computers_fill_seats_and_give_them_up() {
    let options = SimOptions {
        seats: Some(3),
        computers: Some(3),
        ..SimOptions::default()
    };
    let mut simulation = Simulation::new(&kind(), options);
    simulation.step();
    let names: Vec<_> = simulation
        .roster()
        .players()
        .map(|(_, who)| who.name.clone())
        .collect();
    assert_eq!(names, ["Ada", "Bob", "Ada 2"]);
    assert_eq!(simulation.roster().computers(), 3);
    for people in 1..=3 {
        let seat = simulation.seat_for_person().expect("computers give way");
        simulation.join(person(seat)).unwrap();
        simulation.step();
        let roster = simulation.roster();
        assert_eq!((roster.people(), roster.computers()), (people, 3 - people));
        assert!(!roster.is_computer(Player::new(seat)));
    }
    assert_eq!(simulation.seat_for_person(), None);
    simulation.leave(0);
    simulation.step();
    assert_eq!(simulation.roster().computers(), 1);
    // Each of them has one tank, and the seats of people have theirs.
    let world = simulation.world_mut();
    assert_eq!(world.query::<&Tank>().iter(world).count(), 3);
}

#[test]
fn computers_move_by_themselves() {
    let mut simulation = room(9);
    for _ in 0..200 {
        simulation.step();
    }
    let world = simulation.world_mut();
    let mut mines = world.query::<&common::Mine>();
    let laid = mines.iter(world).count();
    let kills = world.resource::<common::Score>().kills;
    assert!(laid > 0 && kills > 0, "{laid} mines, {kills} kills");
}

#[test]
fn messages_are_heard_and_sent() {
    let mut simulation = room(1);
    let cheer = encode(&Cheer { loud: 5 });
    let kind = Cheer::kind();
    assert_eq!(
        simulation.message(0, kind, &cheer),
        Err(MessageRefused::Seat(0))
    );
    simulation.join(person(0)).unwrap();
    assert_eq!(
        simulation.message(0, 1, &cheer),
        Err(MessageRefused::Unknown(1))
    );
    assert!(matches!(
        simulation.message(0, kind, &[]),
        Err(MessageRefused::Malformed(_))
    ));
    simulation.message(0, kind, &cheer).unwrap();
    simulation.step();
    assert_eq!(simulation.world().resource::<common::Score>().kills, 5);
    assert!(!simulation.outbox_is_empty());
    let sent = simulation.take_outbox();
    assert_eq!(
        (sent[0].to, sent[0].kind),
        (To::Except(Player::new(0)), kind)
    );
    assert_eq!(sent[0].payload, cheer);
    assert!(simulation.outbox_is_empty());
}

#[test]
fn the_outbox_is_bounded_and_counts() {
    fn flood(mut outbox: ResMut<Outbox>) {
        for _ in 0..5_000 {
            outbox.all(&Cheer { loud: 1 });
        }
    }
    let kind = GameKind::new("flood", |game: &mut Game| {
        game.message::<Cheer>().systems(flood);
    });
    let mut simulation = Simulation::new(&kind, SimOptions::default());
    simulation.step();
    assert_eq!(simulation.take_outbox().len(), tickwire_sim::OUTBOX_MAX);
    assert_eq!(
        simulation.drops().messages,
        5_000 - tickwire_sim::OUTBOX_MAX as u64
    );
}

#[test]
fn events_live_in_the_area_and_pass() {
    fn bang(mut emit: Emit, now: Res<CurrentTick>) {
        if now.tick().0 == 2 {
            emit.send(Boom { who: None, x: 12.5 });
        }
    }
    let kind = GameKind::new("bang", |game: &mut Game| {
        game.rate(20).event::<Boom>().systems(bang);
    });
    let mut simulation = Simulation::new(&kind, SimOptions::default());
    for tick in 1..=20 {
        simulation.step();
        let snapshot = simulation.capture();
        let area = snapshot.area(AreaId::ALL).unwrap();
        let alive = area
            .events()
            .iter()
            .filter(|e| tick - e.tick.0 <= u32::from(e.lifetime));
        assert_eq!(
            alive.count(),
            usize::from((2..=12).contains(&tick)),
            "tick {tick}"
        );
    }
}

#[test]
fn a_panic_unwinds_out_of_the_step() {
    fn fall(now: Res<CurrentTick>) {
        assert!(now.tick().0 < 2, "the sky falls");
    }
    let kind = GameKind::new("falls", |game: &mut Game| {
        game.systems(fall);
    });
    let mut simulation = Simulation::new(&kind, SimOptions::default());
    simulation.step();
    let step = std::panic::AssertUnwindSafe(|| simulation.step());
    let fallen = std::panic::catch_unwind(step).expect_err("it panics");
    assert_eq!(fallen.downcast_ref::<&str>(), Some(&"the sky falls"));
}

#[test]
fn a_simulation_goes_from_thread_to_thread() {
    fn send<T: Send>(_: &T) {}
    fn share<T: Send + Sync>(_: &T) {}
    share(&kind());
    let mut simulation = room(1);
    send(&simulation);
    let simulation = std::thread::spawn(move || {
        simulation.step();
        simulation
    });
    assert_eq!(simulation.join().unwrap().tick().0, 1);
}
