//! L1, L4, L5 and L6: how predicting feels, in the lab: what one's own command takes to be shown, what was predicted wrongly, and what is seen of it.

use std::path::Path;
use std::time::Duration;

use bevy_ecs::prelude::*;
use tickwire_benches::row::Row;
use tickwire_lab::{Lab, Profile, Running, profile};
use tickwire_sim::{math, prelude::*};

use super::Lane;

const RATE: u32 = 60;
const CLIENTS: usize = 8;
const SPAN: Duration = Duration::from_secs(60);
/// Pictures of a client, in microseconds.
const PICTURE_US: u64 = 16_667;
const SPEED: f32 = 250.0;
/// The radius of a body: what a visible jump is measured by.
const RADIUS: f32 = 16.0;
/// A command is said to be shown when the body is this far from where it was.
const SEEN: f64 = 0.02;

#[derive(Replicate, Clone, Debug, Default)]
struct Body {
    #[net(range = 0.0..=1024.0, step = 0.0625, velocity = "vx")]
    x: f32,
    #[net(range = 0.0..=1024.0, step = 0.0625, velocity = "vy")]
    y: f32,
    #[net(range = -512.0..=512.0, step = 0.0625)]
    vx: f32,
    #[net(range = -512.0..=512.0, step = 0.0625)]
    vy: f32,
}

#[derive(PlayerCommand, Clone, Copy, Default)]
struct Steer {
    #[net(range = -1..=1)]
    x: i8,
    #[net(range = -1..=1)]
    y: i8,
}

fn join(In(player): In<Player>, mut commands: Commands) {
    let seat = f32::from(player.seat);
    let body = Body {
        x: 100.0 + 80.0 * seat,
        y: 400.0,
        ..Body::default()
    };
    commands.spawn((body, OwnedBy(player)));
}

fn fly(mut bodies: Query<(&mut Body, &Asks<Steer>), Without<Remote>>) {
    for (mut body, ask) in &mut bodies {
        let (want_x, want_y) = (f32::from(ask.x) * SPEED, f32::from(ask.y) * SPEED);
        let vx = body.vx + (want_x - body.vx) * 0.16;
        let vy = body.vy + (want_y - body.vy) * 0.16;
        let x = (body.x + vx / 60.0).clamp(0.0, 400.0);
        let y = (body.y + vy / 60.0).clamp(200.0, 600.0);
        *body = Body { x, y, vx, vy };
    }
}

/// Bodies push one another: on a client those of others where they were seen.
fn push(mut bodies: Query<(&NetEntity, &mut Body)>) {
    let mut all: Vec<Mut<Body>> = bodies
        .iter_mut()
        .sort::<&NetEntity>()
        .map(|it| it.1)
        .collect();
    for second in 1..all.len() {
        let (before, rest) = all.split_at_mut(second);
        for a in before {
            let b = &mut rest[0];
            let (dx, dy) = (b.x - a.x, b.y - a.y);
            let near = dx * dx + dy * dy;
            if near >= 4.0 * RADIUS * RADIUS {
                continue;
            }
            let distance = math::sqrt(near).max(0.01);
            let half = (2.0 * RADIUS - distance) / 2.0;
            let (px, py) = (dx / distance * half, dy / distance * half);
            (a.x, a.y) = (a.x - px, a.y - py);
            (b.x, b.y) = (b.x + px, b.y + py);
        }
    }
}

fn alone(game: &mut Game) {
    base(game).systems(fly);
}

fn together(game: &mut Game) {
    base(game).systems((fly, push).chain());
}

fn base(game: &mut Game) -> &mut Game {
    game.rate(RATE)
        .send(30)
        .seats(CLIENTS as u32)
        .replicate::<Body>()
        .command::<Steer>()
        .on_join(join)
}

/// What one run showed.
struct Ran {
    /// Of each client: mispredictions, rollbacks, ticks stepped again, and mispredictions that could be seen, a minute.
    wrong: Vec<[f64; 4]>,
    /// Commands that were missing or late at the server, of all clients, a minute and client.
    substituted: f64,
    /// How far the own body was drawn from where its speed can take it, in parts of the body's width: of pictures while it slides.
    jumps: Vec<f64>,
}

fn run(game: fn(&mut Game), link: Profile, seed: u64) -> Ran {
    let mut lab = Lab::new("ahead", game)
        .seed(seed)
        .clients(CLIENTS)
        .link(link)
        .predict()
        .start();
    settle(&mut lab, 15);
    let begun: Vec<_> = (0..CLIENTS).map(|client| counts(&lab, client)).collect();
    let stats = |lab: &Running| {
        let stats = lab.room_stats();
        stats.commands_missing + stats.commands_late
    };
    let substituted = stats(&lab);
    let mut jumps = Vec::new();
    let mut last: Vec<Option<(f64, f64)>> = vec![None; CLIENTS];
    let mut at = Duration::ZERO;
    while at < SPAN {
        let step = Duration::from_micros(PICTURE_US);
        lab.advance(step).unwrap_or_else(|e| panic!("{e}"));
        at += step;
        for (client, last) in last.iter_mut().enumerate() {
            let here = own(&lab, client);
            let slides = lab.shown(client).is_some_and(|picture| {
                picture
                    .foreseen()
                    .iter()
                    .any(|it| it.mine && it.offset > 0.0)
            });
            if let (Some((x, y)), Some((px, py))) = (here, *last) {
                let moved = libm::hypot(x - px, y - py);
                // The speed of a body, with the clock's greatest hurry, and what a push may add in a tick.
                let may = f64::from(SPEED) * 1.12 * PICTURE_US as f64 / 1e6;
                if slides {
                    jumps.push((moved - may).max(0.0) / f64::from(2.0 * RADIUS));
                }
            }
            *last = here;
        }
    }
    let minutes = SPAN.as_secs_f64() / 60.0;
    let wrong = (0..CLIENTS).map(|client| {
        let now = counts(&lab, client);
        std::array::from_fn(|at| (now[at] - begun[client][at]) as f64 / minutes)
    });
    Ran {
        wrong: wrong.collect(),
        substituted: (stats(&lab) - substituted) as f64 / minutes / CLIENTS as f64,
        jumps,
    }
}

fn settle(lab: &mut Running, seconds: u64) {
    lab.advance(Duration::from_secs(seconds))
        .unwrap_or_else(|e| panic!("{e}"));
}

fn counts(lab: &Running, client: usize) -> [u64; 4] {
    let figures = lab.view(client).and_then(|view| Some(view.foresight()?.0));
    let figures = figures.unwrap_or_default();
    [
        figures.mispredictions,
        figures.rollbacks,
        figures.replayed,
        figures.seen,
    ]
}

/// Where a client shows its own body.
fn own(lab: &Running, client: usize) -> Option<(f64, f64)> {
    let picture = lab.shown(client)?;
    let row = picture.named("Body").find(|row| row.mine())?;
    let record = row.schema()?;
    let at = |name| row.number(record.field(name)?);
    Some((at("x")?, at("y")?))
}

/// Pictures from the one in which a command was given to the one that shows it.
fn shown(link: Profile) -> u64 {
    const FROM: u32 = 600;
    let mut lab = Lab::new("ahead", alone)
        .clients(2)
        .link(link)
        .predict()
        .player(|turn| turn.set("y", f64::from(turn.tick.0 > FROM)))
        .start();
    let (mut since, mut pictures, mut before) = (None, 0, None);
    for _ in 0..4_000 {
        lab.advance(Duration::from_micros(PICTURE_US))
            .unwrap_or_else(|e| panic!("{e}"));
        pictures += 1;
        let asked = lab.view(0).and_then(|view| view.last_command());
        let here = own(&lab, 0);
        match since {
            None if asked.is_some_and(|tick| tick.0 > FROM) => since = Some(pictures),
            None => before = here,
            Some(_) => {}
        }
        if let (Some(since), Some((_, y)), Some((_, from))) = (since, here, before)
            && (y - from).abs() > SEEN
        {
            return pictures - since;
        }
    }
    u64::MAX
}

pub fn rows(plots: Option<&Path>, print: &mut dyn FnMut(Row)) {
    let both = Lane::ALL.map(|lane| (lane, of_lane(lane, print)));
    if let Some(dir) = plots {
        super::plots::draw_wrong(&both, dir);
    }
}

/// Mispredictions a client and minute of players who push one another, by profile.
fn of_lane(lane: Lane, print: &mut dyn FnMut(Row)) -> Vec<(&'static str, f64)> {
    let all = profile::ALL.map(|link| lane.on(link));
    let mut pushed = Vec::new();
    for link in all {
        let note = "pictures from the one in which a command is given to the one that shows it; 60 pictures and ticks/s";
        let id = format!("{}.{}", lane.id("L1"), link.name);
        print(Row::new(&id, shown(link) as f64, "pictures", note).goals(1.0, 1.0));
    }
    for (id, game, goals) in [
        ("L4", alone as fn(&mut Game), (0.0, 0.0)),
        ("L5", together, (30.0, 10.0)),
    ] {
        for link in all {
            let ran = run(game, link, 1);
            let mean =
                |at: usize| ran.wrong.iter().map(|client| client[at]).sum::<f64>() / CLIENTS as f64;
            let mut jumps = ran.jumps.clone();
            jumps.sort_by(f64::total_cmp);
            let p99 = jumps.get(jumps.len() * 99 / 100).copied().unwrap_or(0.0);
            let note = format!(
                "a client and minute, {}; {:.1} of them off by more than a step; {:.2} rollbacks, {:.1} ticks stepped again; {:.2} commands substituted",
                lane.name(),
                mean(3),
                mean(1),
                mean(2),
                ran.substituted,
            );
            // What the server made up for a command that did not come is not the client's mistake.
            let wrong = match id {
                "L4" => (mean(0) - ran.substituted).max(0.0),
                _ => mean(0),
            };
            print(
                Row::new(
                    &format!("{}.{}", lane.id(id), link.name),
                    wrong,
                    "/min",
                    note,
                )
                .goals(goals.0, goals.1),
            );
            if id == "L5" {
                let note = format!(
                    "visible jump at p99 of {} pictures in which a correction slides, in parts of the body; nine tenths are gone in {} ms",
                    jumps.len(),
                    tickwire::predict::SLIDE.as_millis()
                );
                pushed.push((link.name, wrong));
                let id = format!("{}.{}", lane.id("L6"), link.name);
                print(Row::new(&id, p99 * 100.0, "%", note).goals(5.0, 2.0));
            }
        }
    }
    pushed
}
