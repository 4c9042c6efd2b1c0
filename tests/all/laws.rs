//! Laws of the whole: made once and shared by all, nothing done where nothing happens, exact captures, and nothing on the wire that a viewer may not know.

use std::collections::BTreeMap;
use std::time::Duration;

use arena::{Options, arena};
use bytes::Bytes;
use tickwire::prelude::*;
use tickwire_proto::{ServerFrame, Tick};
use tickwire_server::{Kind, RoomStats};
use tickwire_sim::Exact;
use tickwire_snapshot::{AreaId, OwnedRow, Schema};

use crate::{games, hall::Hall};

/// The arena, with room for a hundred people.
fn wide_arena(profile: Profile) -> GameKind {
    let options = Options {
        seats: 128,
        ..Options::default()
    };
    let game = arena(options);
    GameKind::new("arena", move |book: &mut Game| {
        game(book);
        book.codec(profile);
    })
}

/// What player `number` asks for at a tick: something else each time, the same in every run.
fn restless(number: usize, tick: Tick, schema: &Schema) -> OwnedRow {
    let record = schema.command.as_ref().expect("players may ask");
    let mut row = OwnedRow::new(record);
    let phase = tick.0 / 20 + number as u32 * 7;
    for (field, schema) in record.fields.iter().enumerate() {
        let wish = match schema.name.as_str() {
            "x" => f64::from(phase % 3) - 1.0,
            "y" => f64::from(phase / 3 % 3) - 1.0,
            "aim" => f64::from(tick.0 % 360) / 57.0,
            _ => f64::from(phase % 2),
        };
        let mut row = row.row_mut(record);
        schema.quant.put_number(wish, row.field(field).ints);
    }
    row
}

/// The updates among the frames, by tick.
fn updates(frames: &[Bytes]) -> impl Iterator<Item = (Tick, &Bytes)> {
    frames
        .iter()
        .filter_map(|frame| match ServerFrame::decode(frame) {
            Ok(ServerFrame::Update { tick, .. }) => Some((tick, frame)),
            _ => None,
        })
}

#[test]
fn an_update_is_encoded_once_however_many_see_it() {
    for (viewers, profile) in [
        (1, Profile::Fast),
        (100, Profile::Fast),
        (100, Profile::Dense),
    ] {
        let mut hall = Hall::with_viewers(Kind::from(wide_arena(profile)), viewers);
        let before = hall.stats();
        hall.viewers.iter_mut().for_each(|v| v.heard.clear());
        hall.run(Duration::from_secs(2), |hall| hall.command(restless));
        let after = hall.stats();
        let made = |count: fn(&RoomStats) -> u64| count(&after) - count(&before);
        let encodes = made(|stats| stats.encodes);
        assert!((55..=61).contains(&encodes), "{encodes} at 30 a second");
        assert_eq!(encodes, made(|stats| stats.captures_changed), "{viewers}");
        assert_eq!(made(|stats| stats.keyframe_encodes), 0);
        assert_eq!(made(|stats| stats.updates), encodes * viewers as u64);
        // And all hear the very same bytes.
        let mut heard: BTreeMap<Tick, Vec<&Bytes>> = BTreeMap::new();
        for viewer in &hall.viewers {
            assert_eq!(viewer.faults, Vec::<String>::new());
            updates(&viewer.heard).for_each(|(tick, frame)| {
                heard.entry(tick).or_default().push(frame);
            });
        }
        assert!(heard.len() >= 55, "{} updates", heard.len());
        for frames in heard.values() {
            assert_eq!(frames.len(), viewers);
            assert!(frames.iter().all(|frame| *frame == frames[0]));
        }
    }
}

#[test]
fn a_room_where_nothing_happens_does_nothing_but_step() {
    let mut hall = Hall::with_viewers(Kind::from(GameKind::new("museum", games::museum)), 100);
    let view = hall.viewers[99].client.view(hall.viewers[99].room);
    let (_, area) = view.and_then(|view| view.newest(AreaId::ALL)).unwrap();
    assert_eq!(area.len(), 1_000);
    let before = hall.stats();
    hall.viewers.iter_mut().for_each(|v| v.heard.clear());
    hall.run(Duration::from_secs(3), |_| {});
    let after = hall.stats();
    assert!(after.steps - before.steps >= 89);
    let nothing_else = RoomStats {
        steps: after.steps,
        captures: after.captures,
        ..before
    };
    assert_eq!(after, nothing_else, "no row, no delta, no viewer looked at");
    for viewer in &hall.viewers {
        let heard: usize = viewer.heard.iter().map(Bytes::len).sum();
        assert!(heard <= 40, "{heard} bytes: a heartbeat at most");
    }
}

#[test]
fn the_arena_restored_goes_on_as_the_arena() {
    let kind = GameKind::new("arena", arena(Options::default()));
    let room = |seed| {
        let options = SimOptions {
            seed,
            ..SimOptions::default()
        };
        Simulation::new(&kind, options)
    };
    let mut original = room(7);
    for seat in 0..2 {
        let info = PlayerInfo {
            seat,
            name: format!("P{seat}"),
            identity: String::new(),
            computer: false,
        };
        original.join(info).expect("the seat is free");
    }
    original.step(); // they are in
    let step = |room: &mut Simulation| {
        for seat in 0..2 {
            let row = restless(usize::from(seat), room.tick(), &room.schema().clone());
            room.command(seat, Some(&row)).expect("a command that fits");
        }
        room.step();
        if room.tick().0.is_multiple_of(2) {
            room.capture();
        }
        let _ = room.take_outbox();
    };
    (0..600).for_each(|_| step(&mut original));
    assert_eq!(original.unkept_components(), Vec::<String>::new());

    let exact = Exact::from_bytes(original.capture_exact().as_bytes().to_vec());
    let mut restored = room(1);
    restored
        .restore(&exact)
        .expect("a capture of the same game");
    for tick in 0..1_000 {
        step(&mut original);
        step(&mut restored);
        if tick % 100 == 99 {
            let hash = |room: &mut Simulation| room.capture().area(AreaId::ALL).unwrap().hash();
            assert_eq!(hash(&mut original), hash(&mut restored), "{tick} ticks on");
        }
    }
    assert!(original.capture_exact() == restored.capture_exact());
    assert_eq!(original.drops(), restored.drops());
}

/// What everybody sees, beside what nobody may.
#[derive(Replicate, Default)]
struct Safe {
    number: u8,
    opened: u16,
    #[net(scope = server)]
    combination: u32,
    #[net(scope = owner)]
    gold: u32,
}

/// A plan of the other team.
#[derive(Replicate, Default)]
#[net(scope = team)]
struct Plan {
    x: u8,
}

/// Two rooms of this game are equal but for what is hidden.
fn vault(secret: u32) -> impl Fn(&mut Game) + Send + Sync + 'static {
    move |game| {
        game.rate(30).seats(8);
        game.replicate::<Safe>().replicate::<Plan>();
        game.replicate::<games::Dot>().command::<games::Steer>();
        game.on_join(games::join);
        game.on_start(move |mut commands: Commands| {
            for number in 0..100 {
                let n = u32::from(number);
                let gold = secret.wrapping_mul(n);
                let mut safe = commands.spawn(Safe {
                    number,
                    opened: 0,
                    combination: gold ^ n,
                    gold,
                });
                if secret & 1 << (n % 32) != 0 {
                    safe.insert(Plan { x: number });
                }
            }
        });
        game.systems(move |tick: Res<CurrentTick>, mut safes: Query<&mut Safe>| {
            for mut safe in &mut safes {
                safe.combination = safe.combination.rotate_left(3) ^ secret;
                if (tick.tick().0 + u32::from(safe.number)).is_multiple_of(50) {
                    safe.opened += 1;
                    safe.gold ^= secret;
                }
            }
        });
    }
}

#[test]
fn what_is_hidden_changes_no_byte_that_a_viewer_hears() {
    let heard = |secret| {
        let mut hall = Hall::with_viewers(Kind::from(GameKind::new("vault", vault(secret))), 3);
        hall.run(Duration::from_secs(3), |hall| hall.command(restless));
        hall.enter(3); // who comes later gets a keyframe of it all
        hall.run(Duration::from_secs(1), |hall| hall.command(restless));
        let heard: Vec<Vec<Bytes>> = hall.viewers.into_iter().map(|v| v.heard).collect();
        heard
    };
    let (ones, others) = (heard(0), heard(0x9e37_79b9));
    assert!(ones.iter().all(|frames| updates(frames).count() > 20));
    assert!(ones == others, "a viewer could tell the two rooms apart");
}
