//! Commands: for their tick, once, in range, and for what is one's own; everything else is dropped and counted.

use tickwire_proto::{ClientFrame, Moment, Tick};
use tickwire_server::COMMANDS_AHEAD_MAX;
use tickwire_sim::Player;
use tickwire_snapshot::{OwnedRow, values};

use crate::common::{World, server, shooting, steer_bytes};

fn command(world: &mut World, peer: usize, tick: Tick, payload: &[u8]) {
    let held = world.peers[peer].held();
    command_seeing(world, peer, (held, None), tick, payload);
}

fn command_seeing(
    world: &mut World,
    peer: usize,
    (held, shown): (Tick, Option<Moment>),
    tick: Tick,
    payload: &[u8],
) {
    let room = world.peers[peer].room();
    let frame = ClientFrame::Command {
        room,
        held,
        tick,
        shown,
        said: None,
        payload,
    }
    .encode();
    let (key, now) = (world.peers[peer].key, world.now);
    world.server.send(now, key, &frame);
}

fn tick_now(world: &World) -> Tick {
    world.server.room(world.peers[0].room()).unwrap().tick_now()
}

#[test]
fn stale_copied_and_far_commands_are_dropped_and_counted() {
    let mut world = World::with_players(server(), "hello", 2);
    let schema = world.peers[0].area().schema().clone();
    let right = steer_bytes(&schema, 1, 0);
    let (now, before) = (tick_now(&world), world.stats());
    for tick in [
        now.next(),
        now.next(),
        now.next(),
        now,
        Tick(1),
        now.plus(COMMANDS_AHEAD_MAX + 1),
        now.plus(1_000_000_000),
        Tick(u32::MAX),
    ] {
        command(&mut world, 0, tick, &right);
    }
    world.ticks(1, |_| {});
    let after = world.stats();
    assert_eq!(after.commands_applied - before.commands_applied, 1);
    assert_eq!(after.commands_copies - before.commands_copies, 2);
    assert_eq!(after.commands_late - before.commands_late, 2);
    assert_eq!(after.commands_early - before.commands_early, 3);
    // One command a tick, however many come: ten times the speed is the same speed.
    let base = tick_now(&world);
    for ahead in 1..=20 {
        for _ in 0..3 {
            command(&mut world, 0, base.plus(ahead), &right);
        }
    }
    let before = world.stats();
    world.ticks(10, |_| {});
    assert_eq!(world.stats().commands_applied - before.commands_applied, 10);
}

#[test]
fn what_is_out_of_range_never_reaches_the_world() {
    let mut world = World::with_players(server(), "hello", 1);
    let schema = world.peers[0].area().schema().clone();
    let right = steer_bytes(&schema, 1, 1);
    let before = world.stats();
    let area = world.peers[0].area().clone();
    let mut wrong = vec![
        vec![],
        right[..right.len() - 1].to_vec(),
        [&right[..], &[0]].concat(),
        vec![0xff; right.len()],
        vec![0xff; 1_000],
    ];
    wrong.dedup();
    for (n, payload) in wrong.iter().enumerate() {
        let tick = tick_now(&world).plus(1 + n as u32);
        command(&mut world, 0, tick, payload);
    }
    world.ticks(8, |_| {});
    let after = world.stats();
    assert_eq!(
        after.commands_malformed - before.commands_malformed,
        wrong.len() as u64
    );
    assert_eq!(after.commands_applied, before.commands_applied);
    assert!(world.peers[0].area().same(&area), "nothing moved");
    assert!(world.peers[0].over.is_none());
}

#[test]
fn a_command_names_nothing_that_is_not_ones_own() {
    let mut world = World::with_players(server(), "hello", 2);
    let schema = world.peers[0].area().schema().clone();
    let record = schema.command.as_ref().unwrap();
    let (which, x) = (record.field("which").unwrap(), record.field("x").unwrap());
    let owned = schema.component("OwnedBy");
    let dots: Vec<_> = world.peers[0].area().entities().collect();
    let mut applied = vec![];
    for (slot, generation) in dots
        .iter()
        .map(|id| (id.slot, id.generation))
        .chain([(dots[0].slot, dots[0].generation + 1), (4_000, 0)])
    {
        let mut row = OwnedRow::new(record);
        let mut columns = row.row_mut(record);
        let field = columns.field(which);
        field
            .ints
            .copy_from_slice(&[slot as i32 + 1, i32::from(generation)]);
        let field = columns.field(x);
        field.quant.put_number(1.0, field.ints);
        let payload = values::encode_record(record, &row.ints, &row.blobs);
        let before = world.stats();
        let next = tick_now(&world).next();
        command(&mut world, 0, next, &payload);
        world.ticks(2, |_| {});
        let after = world.stats();
        assert_eq!(
            after.commands_applied + after.commands_foreign,
            before.commands_applied + before.commands_foreign + 1
        );
        applied.push(after.commands_applied > before.commands_applied);
    }
    assert_eq!(
        applied.iter().filter(|applied| **applied).count(),
        1,
        "its own alone: {applied:?} {owned:?}"
    );
    assert!(
        applied[..2].contains(&true),
        "dead generations and empty slots are nobody's"
    );
}

#[test]
fn without_commands_for_a_second_a_player_is_lagging() {
    let mut world = World::with_players(server(), "hello", 2);
    let lagging = |world: &World| {
        world
            .server
            .rooms()
            .next()
            .unwrap()
            .members()
            .map(|member| member.lagging)
            .collect::<Vec<_>>()
    };
    // What the game can read, of who has commanded.
    let in_game = |world: &World| {
        let room = world.server.rooms().next().unwrap();
        let roster = room.simulation().roster();
        [0, 1].map(|seat| roster.is_lagging(Player::new(seat)))
    };
    assert_eq!(in_game(&world), [false, false]);
    assert_eq!(
        lagging(&world),
        [true, true],
        "who only watches counts as one who does not command"
    );
    world.ticks(40, |world| {
        let World { server, peers, .. } = world;
        peers[0].steer(server, 0, 0);
    });
    assert_eq!(lagging(&world), [false, true]);
    world.run(900);
    let missing = world.stats().commands_missing;
    assert!((20..=28).contains(&missing), "{missing} ticks without");
    assert_eq!(in_game(&world), [false, false]);
    world.run(300);
    assert_eq!(lagging(&world), [true, true]);
    assert_eq!(in_game(&world), [true, false]);
    let missing = world.stats().commands_missing;
    world.run(1_000);
    assert_eq!(
        world.stats().commands_missing,
        missing,
        "who is lagging is not missed"
    );
    let World { server, peers, .. } = &mut world;
    peers[0].steer(server, 0, 0);
    world.run(100);
    assert_eq!(lagging(&world), [false, true]);
    assert_eq!(in_game(&world), [false, false]);
}

#[test]
fn who_commands_while_nothing_changes_hears_four_times_a_second() {
    let mut world = World::with_players(server(), "hello", 3);
    world.run(1_000);
    world.peers.iter_mut().for_each(|peer| peer.tick_frames = 0);
    let updates = world.peers[0].updates.len();
    world.ticks(90, |world| {
        let World { server, peers, .. } = world;
        peers[0].steer(server, 0, 0);
    });
    assert!(
        (10..=13).contains(&world.peers[0].tick_frames),
        "{} in three seconds",
        world.peers[0].tick_frames
    );
    assert_eq!(world.peers[1].tick_frames, 0);
    assert_eq!(world.peers[0].updates.len(), updates, "nothing changed");
    assert!(world.peers[0].applied.unwrap().plus(12) > tick_now(&world));
}

#[test]
fn a_forged_picture_gains_nothing_and_is_counted() {
    let mut world = World::with_players(shooting(), "shots", 2);
    let schema = world.peers[0].area().schema().clone();
    let right = steer_bytes(&schema, 1, 0);
    world.ticks(20, |_| {});
    // One command for the next tick, with what its sender says of the picture: how far back the game looks then, and what is counted.
    let mut looks = |held_ahead: u32, behind: Option<f64>| {
        let (next, held) = (tick_now(&world).next(), world.peers[0].held());
        let shown = behind.map(|behind| Moment::from_ticks(f64::from(next.0) - behind));
        let claim = (held.plus(held_ahead), shown);
        let before = world.stats();
        command_seeing(&mut world, 0, claim, next, &right);
        world.ticks(1, |_| {});
        let after = world.stats();
        let tick_us = after.looks_back_us - before.looks_back_us;
        let forged = [
            after.pictures_ahead - before.pictures_ahead,
            after.pictures_back - before.pictures_back,
            after.pictures_old - before.pictures_old,
        ];
        ((tick_us as f64 / 33_333.0 * 16.0).round() / 16.0, forged)
    };
    assert_eq!(looks(0, None), (0.0, [0; 3]), "it saw nothing: the present");
    assert_eq!(looks(0, Some(6.25)), (6.25, [0; 3]));
    assert_eq!(looks(0, Some(2.5)), (2.5, [0; 3]));
    // Back again, to when the target was still in the open: no.
    assert_eq!(looks(0, Some(7.0)), (3.5, [0, 1, 0]));
    // Of the future, by a receipt of what was never sent: as of the newest that was.
    let (looked, forged) = looks(1_000, Some(-900.0));
    assert!(looked <= 2.0 && forged == [1, 0, 0], "{looked} {forged:?}");
    // It is bound by what it said, and by 250 ms.
    (0..20).for_each(|_| assert_eq!(looks(0, None).1, [0; 3]));
    let (looked, forged) = looks(0, Some(15.0));
    assert_eq!((looked, forged), (8.0, [0, 0, 1]));
    let (looked, forged) = looks(0, Some(10.0));
    assert_eq!((looked, forged), (8.0, [0, 0, 1]));
}

#[test]
fn a_client_cannot_say_that_it_sees_more_than_it_holds() {
    let (held, shown) = (Tick(300), Some(Moment::of(Tick(400))));
    let frame = ClientFrame::Command {
        room: 9,
        held,
        tick: Tick(303),
        shown,
        said: None,
        payload: &[],
    };
    let bytes = frame.encode();
    let Ok(ClientFrame::Command { shown, .. }) = ClientFrame::decode(&bytes) else {
        panic!("it is a command");
    };
    assert_eq!(shown, Some(Moment::of(held)));
}
