//! Links with a lane of datagrams: updates and commands that are lost, doubled and swapped; views are true, and what is reliable stays so.

use super::{games, s, sound};
use tickwire_lab::{Faults, Lab, profile, seeds};
use tickwire_snapshot::AreaId;

#[test]
fn clients_see_each_other_on_every_profile() {
    for link in profile::ALL {
        let lab = sound(
            Lab::new("hello", games::hello)
                .clients(4)
                .link(link.datagrams())
                .run(s(20)),
        );
        for client in 0..4 {
            let (_, area) = lab.view(client).unwrap().newest(AreaId::ALL).unwrap();
            assert_eq!(area.len(), 4, "client {client} on {}", link.name);
        }
        let figures = lab.figures();
        println!("{}: {figures}", link.name);
        // A lost one stalls nothing: nearly all of 30 a second are there, but for those that come behind a later one.
        let least = 30.0 * (1.0 - link.loss) * 0.87;
        let most = figures.updates_per_client_s;
        assert!(most > least, "{}: {figures}, {least}", link.name);
        assert_eq!(figures.faults, 0, "{}: {figures}", link.name);
    }
}

/// With and without areas, budgets, events, both codecs; cuts, stalls, moves, restarts, and links in order in between.
#[test]
fn views_are_true_in_storms() {
    type Install = fn(&mut tickwire_sim::Game);
    let all: [(&str, Install); 5] = [
        ("sparks", games::sparks),
        ("hello", games::hello),
        ("plain", games::plain),
        ("dense plain", games::dense_plain),
        ("tight plain", games::tight_plain),
    ];
    for (name, game) in all {
        for faults in [Faults::NONE, Faults::STORM] {
            let seen = seeds(0..5, s(30), |seed| {
                let link = profile::ALL[seed as usize % 6];
                Lab::new(name, game)
                    .seed(seed)
                    .clients(6)
                    .links(&[link.datagrams(), link, link.datagrams().bandwidth(20_000)])
                    .faults(faults)
            });
            let seen = seen.unwrap_or_else(|violation| panic!("{name}: {violation}"));
            println!("{name}: {seen}");
            assert!(seen.checks > 5_000, "{name}: {seen}");
        }
    }
}
