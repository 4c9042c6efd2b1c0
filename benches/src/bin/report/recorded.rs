//! C1 to C3, G1, G2 and C8: recorded and made-up scenes through the codec alone, as one client gets them, and whether it always holds the truth.

use std::path::PathBuf;

use tickwire::prelude::Profile;
use tickwire_benches::row::Row;
use tickwire_benches::scenes::{Lane, Scene, Sent, asteroids, crowd, cubes, strategy, stream};

/// Ticks of a made-up scene.
const TICKS: usize = 600;
const LAST_SENT: Lane = Lane::Reliable { skipped: 0 };

/// What the report is asked to run on.
pub struct Asked {
    pub cubes: Option<PathBuf>,
    pub asteroids: Option<PathBuf>,
    pub seed: u64,
    /// Entity-snapshots of C8.
    pub exact: u64,
}

type Open<'a> = &'a dyn Fn() -> Result<Scene, String>;

pub fn rows(asked: &Asked, print: &mut dyn FnMut(Row)) {
    if let Err(error) = try_rows(asked, print) {
        print(Row::new("C1", f64::NAN, "", error));
    }
}

fn try_rows(asked: &Asked, print: &mut dyn FnMut(Row)) -> Result<(), String> {
    let seed = asked.seed;
    let six_back = |lost| Lane::Datagrams { lag: 6, lost };
    let cubes = || cubes(asked.cubes.as_deref());
    for (id, lane, worse, how, pass, top) in [
        (
            "C1",
            six_back(0),
            six_back(50),
            "5 % of packets lost",
            175.0,
            160.0,
        ),
        (
            "C2",
            LAST_SENT,
            Lane::Reliable { skipped: 100 },
            "10 % of ticks skipped",
            95.0,
            78.0,
        ),
    ] {
        let sent = run(&cubes, lane, seed)?;
        let from = if id == "C1" {
            "basis 6 back"
        } else {
            "basis last sent"
        };
        let note = format!("cubes, {from}{}", times(&sent));
        print(Row::new(id, sent.kbits(60), "kbit/s", note).goals(pass, top));
        let [encode, decode] = sent.millis();
        let slower = encode.max(decode);
        print(
            Row::new(
                &format!("{id}.ms"),
                slower,
                "ms",
                "the slower of both, a step",
            )
            .goals(1.0, 1.0),
        );
        let worse = run(&cubes, worse, seed)?.kbits(60) / sent.kbits(60);
        let most = if id == "C1" { 1.10 } else { 1.25 };
        print(Row::new(&format!("{id}.worse"), worse, "x", how).goals(most, most));
    }
    let asteroids = || asteroids(asked.asteroids.as_deref());
    let sent = run(&asteroids, LAST_SENT, seed)?;
    let note = format!("asteroids, basis last sent{}", times(&sent));
    print(Row::new("C3", sent.bytes_each(), "B/transform", note).goals(1.33, 1.0));
    for (id, name, make, book) in made_up() {
        let scene = || make(seed).with_book(book);
        let bookless = run(&|| Ok(make(seed)), LAST_SENT, seed)?;
        let [last, old] = [LAST_SENT, six_back(0)].map(|lane| run(&scene, lane, seed));
        let (last, old) = (last?, old?);
        let hz = scene()?.hz;
        let a_second = |sent: &Sent| sent.kbits(hz) * 125.0;
        let note = format!(
            "{name}; {:.0} with a basis 6 back; without its codebook {:.0}{}",
            a_second(&old),
            a_second(&bookless),
            times(&last)
        );
        print(Row::new(id, a_second(&last), "B/client/s", note));
    }
    Ok(())
}

/// C8: every scene in turn, over each lane, until so many entities were compared.
pub fn exact(asked: &Asked, print: &mut dyn FnMut(Row)) {
    let lanes = [
        Lane::AnyBasis,
        Lane::Datagrams { lag: 6, lost: 50 },
        Lane::Reliable { skipped: 100 },
    ];
    let (mut compared, mut wrong, mut round) = (0, 0, 0);
    while compared < asked.exact {
        let seed = asked.seed.wrapping_add(round);
        round += 1;
        let scenes = [
            cubes(asked.cubes.as_deref()),
            asteroids(asked.asteroids.as_deref()),
            made_up()[0].2(seed).with_book(made_up()[0].3),
            made_up()[1].2(seed).with_book(made_up()[1].3),
        ];
        for (index, scene) in scenes.into_iter().enumerate() {
            let Ok(scene) = scene else { continue };
            let profiles = [Profile::Dense, Profile::Fast];
            let scene = scene.with(profiles[usize::from(round % 4 == 0)]);
            let lane = lanes[(index + round as usize) % lanes.len()];
            let schema = scene.schema().clone();
            let left = asked.exact.saturating_sub(compared);
            let sent = stream(&schema, scene.take(TICKS * 4), lane, seed, left);
            compared += sent.entities;
            wrong += sent.wrong;
        }
    }
    let note = format!("updates that led to something else, of {compared} entity-snapshots");
    print(Row::new("C8", wrong as f64, "wrong", note).goals(0.0, 0.0));
}

/// Row, name, scene, and what `train` made of other seeds of it.
type MadeUp = (&'static str, &'static str, fn(u64) -> Scene, &'static [u8]);

fn made_up() -> [MadeUp; 2] {
    let crowds = include_bytes!("../../../data/books/crowd.book");
    let strategies = include_bytes!("../../../data/books/strategy.book");
    [
        ("G1", "a crowd of 500 walkers", crowd, crowds),
        ("G2", "a strategy map of 5,000 units", strategy, strategies),
    ]
}

fn run(open: Open, lane: Lane, seed: u64) -> Result<Sent, String> {
    let scene = open()?.with(Profile::Dense);
    let schema = scene.schema().clone();
    let ticks = if scene.recorded { usize::MAX } else { TICKS };
    let sent = stream(&schema, scene.take(ticks), lane, seed, u64::MAX);
    if sent.wrong > 0 {
        return Err(format!("{} updates led to something else", sent.wrong));
    }
    Ok(sent)
}

fn times(sent: &Sent) -> String {
    let [encode, decode] = sent.millis();
    format!(" ({:.0} + {:.0} us a tick)", encode * 1e3, decode * 1e3)
}
