//! The arena's rail over bad links: who has a moving ship in the crosshair of their own picture hits it, and never through a wall.

use std::sync::Arc;
use std::time::Duration;

use arena::{Map, Options, Wall, arena};
use tickwire::{math, prelude::*};
use tickwire_client::{Picture, Row};
use tickwire_lab::{Lab, Profile, Running, profile};

/// Both ships have met by then, and the clocks are settled.
const PLAYED: Duration = Duration::from_secs(90);

/// 4G as QUIC or a link without loss has it: over TCP a lost packet holds pictures up for longer than any game looks back.
fn four_g() -> Profile {
    Profile {
        loss: 0.0,
        ..profile::FOUR_G
    }
}

fn number(row: &Row<'_>, name: &str) -> f64 {
    let field = row.schema().and_then(|schema| schema.field(name));
    field.and_then(|field| row.number(field)).expect("a field")
}

/// Where the own ship and the other one are in a picture, if both fly.
fn two(picture: &Picture) -> Option<((f64, f64), (f64, f64))> {
    let place = |mine: bool| {
        let mut ships = picture
            .named("Ship")
            .filter(|row| number(row, "health") > 0.0);
        let ship = ships.find(|row| row.mine() == mine)?;
        Some((number(&ship, "x"), number(&ship, "y")))
    };
    Some((place(true)?, place(false)?))
}

/// Two people: the first stands and keeps its rail on where its picture has the second, who flies to and fro across the ground.
fn play(map: Map, look_back: Option<Duration>) -> Running {
    let options = Options {
        map: Arc::new(map),
        players: 0,
        ..Options::default()
    };
    let rules = arena(options);
    let game = move |game: &mut Game| {
        rules(game);
        if let Some(most) = look_back {
            game.rewind(most);
        }
    };
    let mut way = 1.0;
    let lab = Lab::new("arena", game)
        .seed(11)
        .clients(2)
        .link(four_g())
        .predict()
        .player(move |turn| {
            for stick in ["x", "y"] {
                turn.set(stick, 0);
            }
            let Some((own, other)) = turn.picture.and_then(two) else {
                turn.set("rail", 0); // nobody is there to be shot at
                return;
            };
            if turn.client == 0 {
                turn.set("rail", 1);
                let (dx, dy) = (other.0 - own.0, other.1 - own.1);
                turn.set("aim", math::atan2(dy as f32, dx as f32));
                return;
            }
            // Across the line of sight, as far as there is ground: each turn is one shot's luck at most.
            if (own.0 > 1_500.0 && way > 0.0) || (own.0 < 100.0 && way < 0.0) {
                way = -way;
            }
            turn.set("x", way);
        });
    let mut lab = lab.start();
    lab.advance(PLAYED)
        .unwrap_or_else(|violation| panic!("{violation}"));
    lab
}

fn open_ground() -> Map {
    let mut map = Map::night();
    map.walls.clear();
    // The shooter in the middle of one edge, its target along the other.
    map.spawns[0].x = 800.0;
    map.spawns[0].y = 900.0;
    map.spawns[1].x = 300.0;
    map.spawns[1].y = 300.0;
    map.spawns.truncate(2);
    map
}

/// Ships that the first player broke, and how many rails it fired.
fn outcome(lab: &Running) -> (f64, u64, u64) {
    let kills = lab
        .numbers(0, "Pilot", "kills")
        .into_iter()
        .fold(0.0, f64::max);
    let room = lab.room_stats_of(0).expect("there is a room");
    (kills, room.hits_back, room.looks_back)
}

#[test]
fn who_aims_at_what_they_see_hits_it_and_would_not_without_looking_back() {
    let with = play(open_ground(), None);
    let (kills, hits, looks) = outcome(&with);
    println!("with: {kills} ships of {hits} hits of {looks} shots");
    assert!(looks >= 30, "{looks} shots");
    assert!(hits * 10 >= looks * 9, "{hits} of {looks} shots hit");
    assert!(
        kills * 2.0 >= hits as f64 - 1.0,
        "{kills} of {hits}: two hits are a ship"
    );
    let (figures, causes) = with
        .view(0)
        .and_then(|view| view.foresight())
        .expect("it predicts");
    println!("{figures:?} {causes:?}");

    let without = play(open_ground(), Some(Duration::ZERO));
    let (kills, hits, _) = outcome(&without);
    println!("without: {kills} ships, {hits} hits");
    assert!(hits * 5 <= looks, "{hits} hits without looking back");
}

#[test]
fn a_wall_stops_every_beam() {
    let mut map = open_ground();
    map.walls.push(Wall {
        x: 0,
        y: 580,
        w: 1_600,
        h: 60,
    });
    let (kills, hits, looks) = outcome(&play(map, None));
    assert!(looks >= 25, "{looks} shots");
    assert_eq!((kills, hits), (0.0, 0));
}
