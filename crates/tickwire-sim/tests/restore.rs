//! The law of exact captures: restored into a fresh room and stepped on, it is the original bit for bit.

#[allow(dead_code)]
mod common;

use bevy_ecs::prelude::{Component, Entity};
use common::{Cheer, Drive, Mine, Score, Tank, kind, naming, room, row};
use proptest::prelude::*;
use tickwire_proto::frame::Presence;
use tickwire_sim::prelude::*;
use tickwire_sim::{Exact, GameKind, RestoreError, SimOptions, Simulation};
use tickwire_snapshot::AreaId;
use tickwire_snapshot::message::{Message, encode};

/// Something that happens to a room before a tick.
#[derive(Clone, Debug)]
enum Happening {
    Nothing,
    Join(u16),
    Leave(u16),
    Away(u16),
    Lagging(u16, bool),
    Cheer(u16, u8),
    Drive(u16, i8, i8, bool, u32),
}

fn happening() -> impl Strategy<Value = Happening> {
    let seat = 0_u16..8;
    prop_oneof![
        4 => Just(Happening::Nothing),
        2 => seat.clone().prop_map(Happening::Join),
        1 => seat.clone().prop_map(Happening::Leave),
        1 => seat.clone().prop_map(Happening::Away),
        1 => (seat.clone(), any::<bool>()).prop_map(|(seat, lagging)| Happening::Lagging(seat, lagging)),
        1 => (seat.clone(), 0_u8..9).prop_map(|(seat, loud)| Happening::Cheer(seat, loud)),
        6 => (seat, -1_i8..=1, -1_i8..=1, any::<bool>(), 0_u32..12)
            .prop_map(|(seat, x, y, mine, aim)| Happening::Drive(seat, x, y, mine, aim)),
    ]
}

fn befall(room: &mut Simulation, happening: &Happening) {
    match *happening {
        Happening::Nothing => {}
        Happening::Join(seat) => {
            let name = format!("player {seat}");
            let _ = room.join(PlayerInfo {
                seat,
                identity: format!("id of {name}"),
                name,
                computer: false,
            });
        }
        Happening::Leave(seat) => room.leave(seat),
        Happening::Away(seat) => room.presence(seat, Presence::Away),
        Happening::Lagging(seat, lagging) => room.lagging(seat, lagging),
        Happening::Cheer(seat, loud) => {
            let _ = room.message(seat, Cheer::kind(), &encode(&Cheer { loud }));
        }
        Happening::Drive(seat, x, y, mine, aim) => {
            let command = Drive {
                x,
                y,
                mine,
                ..Drive::default()
            };
            let aim = [aim as i32, 0];
            let row = row(room.schema(), &command);
            let row = naming(room.schema(), row, "aim", aim);
            let _ = room.command(seat, Some(&row));
        }
    }
}

fn advance(room: &mut Simulation, tick: usize, happening: &Happening) {
    befall(room, happening);
    room.step();
    if tick % 2 == 1 {
        room.capture();
    }
}

fn hash(room: &mut Simulation) -> u64 {
    room.capture()
        .area(AreaId::ALL)
        .expect("there is one area")
        .hash()
}

fn assert_equal(original: &mut Simulation, restored: &mut Simulation, when: &str) {
    assert_eq!(original.roster(), restored.roster(), "{when}");
    let (a, b) = (original.capture_exact(), restored.capture_exact());
    assert!(a == b, "{when}: the exact captures differ");
    let (a, b) = (original.take_outbox(), restored.take_outbox());
    assert_eq!(a, b, "{when}");
}

/// Runs a room, restores a copy of it, runs both on.
fn law(seed: u64, before: &[Happening], after: &[Happening]) {
    let mut original = room(seed);
    for (tick, happening) in before.iter().enumerate() {
        advance(&mut original, tick, happening);
    }
    let _ = original.take_outbox();
    let exact = Exact::from_bytes(original.capture_exact().as_bytes().to_vec());
    let mut restored = room(seed ^ 0xdead);
    restored.restore(&exact).expect("it was made by this build");
    assert_equal(&mut original, &mut restored, "at once");
    for (tick, happening) in after.iter().enumerate() {
        let tick = before.len() + tick;
        advance(&mut original, tick, happening);
        advance(&mut restored, tick, happening);
        if tick.is_multiple_of(97) {
            assert_equal(&mut original, &mut restored, &format!("tick {tick}"));
        }
    }
    assert_equal(&mut original, &mut restored, "in the end");
    assert_eq!(hash(&mut original), hash(&mut restored));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_restored_room_goes_on_as_the_original(
        seed in any::<u64>(),
        before in prop::collection::vec(happening(), 1..200),
        after in prop::collection::vec(happening(), 1..200),
    ) {
        law(seed, &before, &after);
    }
}

#[test]
fn for_a_thousand_ticks() {
    let story: Vec<Happening> = (0..1_300_u16)
        .map(|tick| match tick % 23 {
            3 => Happening::Join(tick % 8),
            7 => Happening::Drive(tick % 8, 1, -1, true, u32::from(tick % 9)),
            11 => Happening::Drive(tick % 5, -1, 0, false, 0),
            17 if tick % 5 == 0 => Happening::Leave(tick % 8),
            19 => Happening::Cheer(tick % 8, 3),
            _ => Happening::Nothing,
        })
        .collect();
    law(42, &story[..300], &story[300..]);
}

#[test]
fn an_untouched_room_restores_to_itself() {
    law(1, &[Happening::Nothing], &[Happening::Nothing]);
}

#[test]
fn restoring_into_a_used_room_works_too() {
    let mut original = room(5);
    let mut used = room(6);
    for _ in 0..120 {
        original.step();
        used.step();
    }
    used.capture();
    let exact = original.capture_exact();
    used.restore(&exact).unwrap();
    assert_eq!(used.capture_exact(), exact);
}

#[test]
fn references_to_the_dead_stay_apart() {
    let mut original = room(1);
    let world = original.world_mut();
    let dead: Vec<_> = (0..2).map(|_| world.spawn(Mine::default()).id()).collect();
    let mut score = world.resource_mut::<Score>();
    score.leader = Some(dead[0]);
    let tank = |target| Tank {
        target,
        ..Tank::default()
    };
    let tanks = [
        Some(dead[0]),
        Some(dead[1]),
        None,
        Some(Entity::PLACEHOLDER),
    ]
    .map(tank);
    world.spawn_batch(tanks);
    dead.iter().for_each(|&entity| _ = world.despawn(entity));
    let mut restored = room(2);
    restored.restore(&original.capture_exact()).unwrap();
    assert_eq!(restored.capture_exact(), original.capture_exact());
    let world = restored.world_mut();
    let leader = world
        .resource::<Score>()
        .leader
        .expect("somebody, though dead");
    assert!(world.get_entity(leader).is_err());
    let mut tanks = world.query::<(&NetEntity, &Tank)>();
    let mut targets: Vec<_> = tanks
        .iter(world)
        .map(|(net, tank)| (*net, tank.target))
        .collect();
    targets.sort_unstable_by_key(|(net, _)| *net);
    let targets: Vec<_> = targets.into_iter().map(|(_, target)| target).collect();
    assert_eq!(targets[0], Some(leader));
    assert!(targets[1].is_some() && targets[1] != Some(leader));
    assert_eq!(targets[2..], [None, Some(Entity::PLACEHOLDER)]);
}

#[test]
fn a_game_learns_what_captures_would_lose() {
    #[derive(Component)]
    struct Forgotten;
    let mut room = room(1);
    (0..200).for_each(|_| room.step());
    assert_eq!(room.unkept_components(), Vec::<String>::new());
    room.world_mut().spawn((Mine::default(), Forgotten));
    let lost = room.unkept_components();
    assert!(
        lost.len() == 1 && lost[0].ends_with("Forgotten"),
        "{lost:?}"
    );
}

#[test]
fn what_does_not_fit_is_told() {
    let exact = room(1).capture_exact();
    let other = GameKind::new("other", |game: &mut Game| {
        game.rate(30).seats(8);
    });
    let mut other = Simulation::new(&other, SimOptions::default());
    assert!(matches!(
        other.restore(&exact),
        Err(RestoreError::OtherGame { .. })
    ));

    let small = SimOptions {
        seats: Some(2),
        ..SimOptions::default()
    };
    let mut small = Simulation::new(&kind(), small);
    assert_eq!(
        small.restore(&exact),
        Err(RestoreError::Seats { ours: 2, theirs: 8 })
    );

    let nothing = Exact::from_bytes(Vec::new());
    assert_eq!(room(1).restore(&nothing), Err(RestoreError::Foreign));
}

#[test]
fn damaged_captures_are_errors_and_never_panics() {
    let mut original = room(3);
    for _ in 0..60 {
        original.step();
    }
    original.capture();
    let exact = original.capture_exact();
    let bytes = exact.as_bytes();
    for end in (0..bytes.len()).step_by(7) {
        let cut = Exact::from_bytes(bytes[..end].to_vec());
        assert!(room(3).restore(&cut).is_err(), "cut at {end}");
    }
    for at in (0..bytes.len()).step_by(5) {
        let mut bad = bytes.to_vec();
        bad[at] ^= 1 << (at % 8);
        let _ = room(3).restore(&Exact::from_bytes(bad)); // an error, or another room: not a panic
    }
}
