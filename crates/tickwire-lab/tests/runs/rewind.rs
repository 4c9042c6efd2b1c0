//! Lag compensation over bad links: what the server looks back to is what the shooter's picture showed, and what hits there hits here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bevy_ecs::prelude::*;
use tickwire_client::Row;
use tickwire_lab::{Lab, Profile, profile};
use tickwire_proto::Tick;
use tickwire_sim::prelude::*;
use tickwire_sim::{Chance, math};

use crate::s;

const TARGETS: u8 = 8;
/// Units a tick of 60 a second.
const SPEED: f32 = 4.0;
const RADIUS: f32 = 12.0;

#[derive(Replicate, Default)]
struct Target {
    #[net(range = -2000.0..=2000.0, step = 0.0625)]
    x: f32,
    #[net(range = -2000.0..=2000.0, step = 0.0625)]
    y: f32,
    number: u8,
    #[net(scope = server)]
    course: f32,
}

#[derive(PlayerCommand, Clone, Default)]
struct Aim {
    #[net(range = -2000.0..=2000.0, step = 0.0625)]
    x: f32,
    #[net(range = -2000.0..=2000.0, step = 0.0625)]
    y: f32,
    who: u8,
    fire: bool,
    /// Low bits of its tick: one that is repeated is known.
    stamp: u16,
}

#[derive(Component)]
struct Tower;

/// A shot as the server judged it, or as the client saw it: where the target was, and by how many ticks that is behind.
#[derive(Clone, Copy, Debug)]
struct Shot {
    x: f64,
    y: f64,
    hit: bool,
    behind: f64,
}

type Shots = Arc<Mutex<BTreeMap<(u16, Tick), Shot>>>;

#[derive(Resource)]
struct Log(Shots);

fn begin(mut commands: Commands) {
    for number in 0..TARGETS {
        commands.spawn(Target {
            number,
            course: f32::from(number),
            ..Target::default()
        });
    }
}

fn join(In(player): In<Player>, mut commands: Commands) {
    commands.spawn((Tower, OwnedBy(player)));
}

/// They fly curves, turn on the spot now and then, and all of them fast.
fn fly(mut targets: Query<(&NetEntity, &mut Target)>, chance: Chance) {
    for (net, mut target) in &mut targets {
        if chance.one_in(net, 0, 45) {
            target.course += 2.5;
        }
        target.course += 0.03;
        let (sin, cos) = math::sin_cos(target.course);
        target.x = (target.x + SPEED * cos).clamp(-1900.0, 1900.0);
        target.y = (target.y + SPEED * sin).clamp(-1900.0, 1900.0);
        if target.x.abs() >= 1900.0 || target.y.abs() >= 1900.0 {
            target.course += 1.0;
        }
    }
}

fn judge(
    now: Res<CurrentTick>,
    rewind: Res<Rewind>,
    log: Res<Log>,
    towers: Query<(&OwnedBy, &Asks<Aim>), With<Tower>>,
    targets: Query<(Entity, &Target)>,
) {
    for (owner, ask) in &towers {
        if !ask.fire || ask.stamp != now.tick().0 as u16 {
            continue;
        }
        let Some((entity, _)) = targets.iter().find(|(_, it)| it.number == ask.who) else {
            continue;
        };
        let past = rewind.of(owner.0);
        let hits = past.ray((0.0, 0.0), (ask.x, ask.y), 6_000.0);
        let hit = hits.iter().find(|hit| hit.entity == entity);
        if let Some(hit) = hit {
            rewind.accept(hit);
        }
        let centre = past.hitbox(entity).map_or([f32::NAN; 3], |it| it.centre());
        let shot = Shot {
            x: f64::from(centre[0]),
            y: f64::from(centre[1]),
            hit: hit.is_some(),
            behind: f64::from(past.behind()),
        };
        let key = (owner.0.seat, now.tick());
        log.0.lock().unwrap().insert(key, shot);
    }
}

fn gallery(game: &mut Game, log: Shots, cap: u64) {
    game.rate(60)
        .send(30)
        .seats(8)
        .replicate::<Target>()
        .command::<Aim>();
    game.on_start(begin)
        .on_join(join)
        .systems((fly, judge).chain());
    game.on_start(move |mut commands: Commands| commands.insert_resource(Log(log.clone())));
    game.rewindable(|target: &Target| Hitbox::circle((target.x, target.y), RADIUS));
    game.rewind(Duration::from_millis(cap));
}

/// What came of a run.
struct Outcome {
    shots: usize,
    /// How far the server's target was from the shooter's, in ticks of its way: half of them are below, and 99 of 100.
    error: [f64; 2],
    /// Of shots that hit in the picture, the part that hit on the server.
    accepted: f64,
    /// Looked back, in ms.
    behind_ms: f64,
    /// The part of the pictures that was older than may be.
    old: f64,
}

fn run(link: Profile, cap: u64, seed: u64) -> Outcome {
    let (judged, seen) = (Shots::default(), Shots::default());
    let (for_game, for_players) = (judged.clone(), seen.clone());
    let lab = Lab::new("gallery", move |game: &mut Game| {
        gallery(game, for_game.clone(), cap)
    })
    .seed(seed)
    .clients(4)
    .link(link)
    .player(move |turn| {
        let (Some(picture), Some(seat)) = (turn.picture, turn.view.seat()) else {
            return;
        };
        let who = (turn.chance.unit() * f64::from(TARGETS)) as u8;
        let field = |row: &Row<'_>, name| row.number(row.schema()?.field(name)?);
        let mut rows = picture.named("Target");
        let row = rows.find(|row| field(row, "number") == Some(f64::from(who)));
        let at = row.and_then(|row| Some((field(&row, "x")?, field(&row, "y")?)));
        let Some((x, y)) = at else { return };
        // Somewhere on the body, and not always in its middle.
        let (angle, away) = (
            turn.chance.unit() * std::f64::consts::TAU,
            turn.chance.unit() * 0.9,
        );
        let (sin, cos) = math::sin_cos(angle as f32);
        let away = away * f64::from(RADIUS);
        turn.set("x", x + away * f64::from(cos));
        turn.set("y", y + away * f64::from(sin));
        turn.set("who", who);
        turn.set("fire", 1);
        turn.set("stamp", turn.tick.0 as u16);
        let behind = f64::from(turn.tick.0) - picture.tick();
        let shot = Shot {
            x,
            y,
            hit: true,
            behind,
        };
        for_players.lock().unwrap().insert((seat, turn.tick), shot);
    });
    let mut lab = lab.start();
    lab.advance(s(75))
        .unwrap_or_else(|violation| panic!("{violation}"));
    let stats = lab.room_stats_of(0).expect("there is a room");
    outcome(
        &judged.lock().unwrap(),
        &seen.lock().unwrap(),
        stats.pictures_old,
        cap,
    )
}

fn outcome(
    judged: &BTreeMap<(u16, Tick), Shot>,
    seen: &BTreeMap<(u16, Tick), Shot>,
    old: u64,
    cap: u64,
) -> Outcome {
    let (mut errors, mut hits, mut behind, mut shots) = (Vec::new(), 0, 0.0, 0);
    // The first seconds are for the clocks, and for pages that load.
    for (key, shot) in judged.iter().filter(|((_, tick), _)| tick.0 > 900) {
        let Some(shown) = seen.get(key) else { continue };
        let (dx, dy) = (shot.x - shown.x, shot.y - shown.y);
        let away = (dx * dx + dy * dy).sqrt();
        // What is older than the game looks back is told apart: `old`.
        if shown.behind < cap as f64 * 60.0 / 1e3 - 1.0 {
            errors.push(away / f64::from(SPEED));
        }
        shots += 1;
        hits += usize::from(shot.hit);
        behind += shot.behind;
    }
    errors.sort_by(f64::total_cmp);
    assert!(
        shots > 0,
        "{} of {} shots were judged",
        judged.len(),
        seen.len()
    );
    if errors.is_empty() {
        errors.push(f64::INFINITY); // all of them were older
    }
    let at = |part: f64| errors[(errors.len() as f64 * part) as usize];
    Outcome {
        shots,
        error: [at(0.5), at(0.99)],
        accepted: hits as f64 / shots as f64,
        behind_ms: behind / shots as f64 * 1e3 / 60.0,
        old: old as f64 / judged.len() as f64,
    }
}

#[test]
fn what_the_server_looks_back_to_is_what_the_shooter_saw() {
    println!(
        "link                cap      shots  error p50  p99 ticks  accepted  behind ms  capped"
    );
    let row = |name: &str, link, cap| {
        let it = run(link, cap, 7);
        println!(
            "{name:<18} {cap:>4} {:>10} {:>10.3} {:>10.3} {:>8.2} % {:>10.0} {:>5.1} %",
            it.shots,
            it.error[0],
            it.error[1],
            100.0 * it.accepted,
            it.behind_ms,
            100.0 * it.old
        );
        it
    };
    for link in [profile::FIBER, profile::BROADBAND, profile::FIVE_G] {
        let it = row(&format!("{} datagrams", link.name), link.datagrams(), 250);
        assert!(
            it.shots > 5_000 && it.error[1] <= 0.1,
            "{} {:?}",
            link.name,
            it.error
        );
        assert!(
            it.accepted >= 0.99 && it.old <= 0.3,
            "{} {}, {} older than 250 ms",
            link.name,
            it.accepted,
            it.old
        );
    }
    for link in [profile::BROADBAND, profile::FIVE_G] {
        // Over TCP what is lost holds up all behind it: pictures are older than most games look back.
        row(link.name, link, 250);
        let it = row(link.name, link, 1_000);
        assert!(it.error[1] <= 0.5, "{} {:?}", link.name, it.error);
        assert!(it.accepted >= 0.97, "{} {}", link.name, it.accepted);
        assert!(it.old <= 0.1, "{} {}", link.name, it.old);
    }
    for link in [
        profile::CONGESTED,
        profile::FOUR_G,
        profile::THREE_AND_A_HALF_G,
    ] {
        row(&format!("{} datagrams", link.name), link.datagrams(), 500);
        row(link.name, link, 1_000);
    }
}
