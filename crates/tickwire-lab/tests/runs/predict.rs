//! Clients that predict, over bad links: what is a player's alone is never corrected, and what is corrected is right at the end.

use std::time::Duration;

use bevy_ecs::prelude::*;
use tickwire_lab::{Lab, Profile, profile};
use tickwire_sim::{math, prelude::*};

#[derive(Replicate, Clone, Debug, Default, PartialEq)]
struct Body {
    #[net(range = -500.0..=500.0, step = 0.25, velocity = "vx")]
    x: f32,
    #[net(range = -500.0..=500.0, step = 0.25, velocity = "vy")]
    y: f32,
    #[net(range = -200.0..=200.0, step = 0.25)]
    vx: f32,
    #[net(range = -200.0..=200.0, step = 0.25)]
    vy: f32,
}

#[derive(Replicate, Clone, Debug, Default)]
#[net(scope = owner)]
struct Gun {
    wait: u16,
}

#[derive(Replicate, Clone, Debug, Default)]
struct Bolt {
    #[net(range = -1000.0..=1000.0, step = 0.25)]
    x: f32,
}

#[derive(Replicate, Clone, Debug, Default)]
#[net(scope = owner)]
struct Life {
    ticks: u16,
}

#[derive(PlayerCommand, Clone, Copy, Default, Debug)]
struct Steer {
    #[net(range = -1..=1)]
    x: i8,
    #[net(range = -1..=1)]
    y: i8,
    fire: bool,
}

fn join(In(player): In<Player>, mut commands: Commands) {
    commands.spawn((Body::default(), Gun::default(), OwnedBy(player)));
}

fn steer(mut bodies: Query<(&mut Body, &Asks<Steer>), Without<Remote>>) {
    for (mut body, ask) in &mut bodies {
        let (want_x, want_y) = (f32::from(ask.x) * 60.0, f32::from(ask.y) * 60.0);
        let vx = body.vx + (want_x - body.vx) * 0.17;
        let vy = body.vy + (want_y - body.vy) * 0.17;
        let x = (body.x + vx / 30.0 + math::sin(body.y) * 0.01).clamp(-400.0, 400.0);
        let y = (body.y + vy / 30.0).clamp(-400.0, 400.0);
        *body = Body { x, y, vx, vy };
    }
}

fn shoot(
    mut guns: Query<(&NetEntity, &Body, &mut Gun, &Asks<Steer>, &OwnedBy)>,
    mut commands: Commands,
) {
    for (_, body, mut gun, ask, owner) in guns.iter_mut().sort::<&NetEntity>() {
        if gun.wait > 0 {
            gun.wait -= 1;
        } else if ask.fire {
            gun.wait = 5;
            commands.spawn((Bolt { x: body.x }, Life { ticks: 25 }, *owner));
        }
    }
}

fn fly(mut bolts: Query<(Entity, &mut Bolt, &mut Life), Without<Remote>>, mut commands: Commands) {
    for (entity, mut bolt, mut life) in &mut bolts {
        bolt.x += 3.3;
        life.ticks = life.ticks.saturating_sub(1);
        if life.ticks == 0 {
            commands.entity(entity).despawn();
        }
    }
}

fn game(game: &mut Game) {
    game.rate(30)
        .seats(8)
        .replicate::<Body>()
        .replicate::<Gun>()
        .replicate::<Bolt>()
        .replicate::<Life>()
        .command::<Steer>()
        .on_join(join)
        .systems((steer, shoot, fly).chain());
}

/// L4: without interaction a client is wrong only where the server acted without its command.
#[test]
fn what_nobody_touches_is_never_corrected() {
    for (name, link) in [
        ("fiber", profile::FIBER),
        ("4G", profile::FOUR_G),
        (
            "calm",
            Profile {
                loss: 0.0,
                jitter: Duration::ZERO,
                ..profile::FOUR_G
            },
        ),
    ] {
        let mut lab = Lab::new("alone", game)
            .seed(3)
            .clients(4)
            .link(link)
            .predict()
            .start();
        lab.advance(Duration::from_secs(40))
            .unwrap_or_else(|e| panic!("{e}"));
        for client in 0..4 {
            let view = lab.view(client).expect("it is in a room");
            let (figures, causes) = view.foresight().expect("it predicts");
            let counted = lab.room_stats_of(client).expect("its room is there");
            assert!(figures.truths > 500, "{name}: {figures:?}");
            assert!(figures.ahead >= 2, "{name}: {figures:?}");
            let substituted = counted.commands_missing + counted.commands_late;
            assert!(
                figures.mispredictions <= substituted,
                "{name}: {figures:?}, {causes:?}, but {substituted} commands came late"
            );
            if name == "calm" {
                assert_eq!(
                    (figures.mispredictions, figures.rollbacks),
                    (0, 0),
                    "{causes:?}"
                );
            }
        }
        lab.heal().unwrap_or_else(|e| panic!("{e}"));
    }
}

/// One's own body is in the picture where the command of this moment takes it, and what others see of it comes later.
#[test]
fn ones_own_is_shown_at_once() {
    let mut lab = Lab::new("alone", game)
        .seed(5)
        .clients(2)
        .link(Profile {
            loss: 0.0,
            jitter: Duration::ZERO,
            ..profile::FOUR_G
        })
        .predict()
        .player(|turn| turn.set("x", f64::from(turn.tick.0 > 150)))
        .start();
    // From the first tick that steers on, at most one tick passes until it is shown.
    let (mut steered, mut seen, mut others) = (None, None, None);
    for _ in 0..2_000 {
        lab.advance(Duration::from_millis(5))
            .unwrap_or_else(|e| panic!("{e}"));
        let (Some(picture), Some(view)) = (lab.shown(0), lab.view(0)) else {
            continue;
        };
        if view.last_command().is_some_and(|tick| tick.0 > 150) {
            steered.get_or_insert(lab.now());
        }
        for row in picture.named("Body") {
            let x = row.schema().and_then(|record| record.field("x"));
            let x = row.number(x.expect("it has one")).expect("it is a number");
            let first = if row.mine() { &mut seen } else { &mut others };
            if x > 0.01 && first.is_none() {
                *first = Some(lab.now());
            }
            assert_eq!(row.mine(), row.is_predicted());
        }
    }
    let (steered, seen, others) = (steered.unwrap(), seen.unwrap(), others.unwrap());
    assert!(
        seen <= steered + Duration::from_millis(40),
        "{seen:?} after {steered:?}"
    );
    assert!(others >= seen + Duration::from_millis(100), "{others:?}");
}

/// A clock that leapt has asked for commands of ticks that are an hour off: they are forgotten, and prediction goes on.
#[test]
fn a_clock_that_leaps_ends_no_prediction() {
    for link in [profile::FIBER, profile::FIBER.datagrams()] {
        let mut lab = Lab::new("leap", game)
            .clients(2)
            .link(link)
            .predict()
            .start();
        let run = |lab: &mut tickwire_lab::Running, seconds| {
            lab.advance(Duration::from_secs(seconds))
                .unwrap_or_else(|e| panic!("{e}"));
        };
        run(&mut lab, 10);
        lab.clock_leap(0, Duration::from_secs(3_600));
        run(&mut lab, 20);
        let figures = |lab: &tickwire_lab::Running| lab.view(0).unwrap().foresight().unwrap().0;
        let before = figures(&lab);
        run(&mut lab, 10);
        let after = figures(&lab);
        assert!(after.truths > before.truths + 200, "{after:?}");
        assert_eq!(after.mispredictions, before.mispredictions, "{after:?}");
        assert!((1..20).contains(&after.ahead), "{after:?}");
    }
}
