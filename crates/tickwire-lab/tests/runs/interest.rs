//! Games on a grid: what a client sees is true, is all that is near it, and is nothing that it may not see.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tickwire_lab::{Lab, Running, profile, seeds, storm};
use tickwire_snapshot::{AreaId, Snapshot};

use crate::{games, s, sound};

/// Where things of one kind are: in a client's view, or in truth.
fn places(lab: &Running, client: usize, component: &str, truth: bool) -> Vec<(f64, f64)> {
    let view = lab.view(client).unwrap();
    let schema = view.schema().clone();
    let table = schema.component(component).unwrap();
    let field = |name| schema.components[table].field(name).unwrap();
    let (x, y) = (field("x"), field("y"));
    let areas: Vec<_> = match truth {
        true => lab.truth(client).unwrap().areas.clone(),
        false => view
            .areas()
            .map(|area| view.newest(area).unwrap().1.clone())
            .collect(),
    };
    let rows = areas.iter().flat_map(|area| {
        area.rows(table).map(|slot| {
            let number = |field| area.number(table, slot, field).unwrap();
            (number(x), number(y))
        })
    });
    rows.collect()
}

#[test]
fn a_client_sees_what_is_near_and_little_else() {
    for link in profile::ALL {
        let mut lab = Lab::new("plain", games::plain)
            .clients(6)
            .link(link)
            .start();
        lab.advance(s(15))
            .unwrap_or_else(|violation| panic!("{violation}"));
        // All stand still where they are, so that views are of the same moment as the truth.
        let mut seen = 0;
        let mut all = 0;
        for client in 0..6 {
            let view = lab.view(client).unwrap();
            assert!(view.areas().count() < 40);
            let here = places(&lab, client, "Spark", false);
            all += places(&lab, client, "Spark", true).len();
            seen += here.len();
            let riders = places(&lab, client, "Rider", false);
            assert!(!riders.is_empty(), "it sees itself");
        }
        assert!(
            seen > 0 && seen * 2 < all,
            "{seen} of {all} on {}",
            link.name
        );
        let figures = lab.figures();
        assert!(figures.checks > 20_000, "{figures}");
    }
}

#[test]
fn everybody_sees_the_common_area() {
    let lab = sound(Lab::new("plain", games::plain).clients(3).run(s(5)));
    for client in 0..3 {
        let view = lab.view(client).unwrap();
        let total = view.schema().resource("Total").unwrap();
        let (_, area) = view.newest(AreaId::ALL).unwrap();
        assert!(area.has(total, 0) && area.is_empty());
    }
}

#[test]
fn areas_are_true_in_storms() {
    let seen = seeds(0..10, s(30), |seed| match seed % 2 {
        0 => storm("plain", games::plain, seed),
        _ => storm("plain", games::dense_plain, seed),
    });
    let seen = seen.unwrap_or_else(|violation| panic!("{violation}"));
    println!("{seen}");
    assert!(seen.checks > 50_000 && seen.links > 80, "{seen}");
}

#[test]
fn who_crosses_stays_who_they_are() {
    for link in [profile::FIBER, profile::FOUR_G] {
        let mut lab = Lab::new("plain", games::plain)
            .clients(2)
            .link(link)
            .player(|turn| turn.set("x", 1))
            .start();
        let step = std::time::Duration::from_millis(16);
        lab.advance(s(1)).unwrap();
        let mut last: Option<(u64, f64)> = None;
        let (mut areas, mut furthest) = (std::collections::BTreeSet::new(), 0.0f64);
        for _ in 0..150 {
            lab.advance(step).unwrap();
            let Some(picture) = lab.shown(0) else {
                continue;
            };
            let mine = picture.named("Rider").find(|row| row.mine());
            let mine = mine.expect("one's own is always in sight");
            let (id, x) = (mine.id(), mine.number(0).unwrap());
            areas.insert(mine.area());
            if let Some((before, at)) = last {
                assert_eq!(id, before, "at {x}");
                furthest = furthest.max((x - at).abs());
            }
            let same = picture.entity(id, picture.schema().component("Rider").unwrap());
            assert_eq!(same.unwrap().number(0), Some(x));
            last = Some((id, x));
        }
        assert!(areas.len() >= 5, "{areas:?}");
        // 180 units a second, shown 60 times a second: it slides over every border.
        assert!(furthest < 8.0, "{furthest} on {}", link.name);
    }
}

#[test]
fn nothing_starves_on_a_budget() {
    let run = |game: fn(&mut tickwire_sim::Game)| {
        let mut lab = Lab::new("plain", game).clients(4).start();
        lab.advance(s(5)).unwrap();
        let (mut truths, mut late) = (BTreeMap::new(), 0);
        for _ in 0..400 {
            lab.advance(Duration::from_millis(33)).unwrap();
            let truth = lab.truth(0).unwrap();
            truths.insert(truth.tick, truth.clone());
            for client in 0..4 {
                let view = lab.view(client).unwrap();
                let newest = view.newest_tick().unwrap();
                // Five updates for each area, of two ticks each.
                let bound = 10 * view.areas().count() as u32;
                let before = |ticks| truths.range(..=newest.minus(ticks)).next_back();
                for area in view.areas() {
                    let held = view.newest(area).unwrap().1.tick();
                    let version = |truth: &Arc<Snapshot>| truth.area(area).map(|area| area.tick());
                    if let Some((_, truth)) = before(bound) {
                        assert!(version(truth) <= Some(held), "area {} of {client}", area.0);
                    }
                    if let Some((_, truth)) = before(0) {
                        late += u32::from(version(truth) > Some(held));
                    }
                }
            }
        }
        late
    };
    let (without, with) = (run(games::plain), run(games::tight_plain));
    println!("{without} areas were behind without a budget, {with} with one");
    assert!(without < with / 10);
}
