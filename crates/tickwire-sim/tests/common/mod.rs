//! A small war of everything that a game can do: spawns, despawns, references, chance, hidden state, computer players, events, messages.

use bevy_ecs::prelude::*;
use serde::{Deserialize, Serialize};
use tickwire_sim::prelude::*;
use tickwire_sim::{GameKind, SimOptions, Simulation, math};
use tickwire_snapshot::record::{NoRefs, Record};
use tickwire_snapshot::{OwnedRow, Schema};

#[derive(Replicate, Clone, Debug, Default, PartialEq)]
pub struct Body {
    #[net(range = -500.0..=500.0, step = 0.0625, velocity = "vx")]
    pub x: f32,
    #[net(range = -500.0..=500.0, step = 0.0625, velocity = "vy")]
    pub y: f32,
    #[net(range = -100.0..=100.0, step = 0.125)]
    pub vx: f32,
    #[net(range = -100.0..=100.0, step = 0.125)]
    pub vy: f32,
}

#[derive(Replicate, Clone, Debug, Default, PartialEq)]
pub struct Tank {
    pub hull: u8,
    pub target: Option<Entity>,
    #[net(max = 16)]
    pub name: String,
    #[net(scope = server)]
    pub cooldown: u16,
}

/// A mine: seen by all, moves by nothing.
#[derive(Replicate, Clone, Debug, Default, PartialEq)]
pub struct Mine {
    pub fuse: u8,
}

/// Which way a computer turns: nobody's business.
#[derive(Replicate, Clone, Debug, Default, PartialEq)]
#[net(scope = server)]
pub struct Mood {
    pub turn: f32,
    pub grudge: Option<Entity>,
}

#[derive(Replicate, Clone, Debug, Default, PartialEq)]
#[net(resource)]
pub struct Score {
    #[net(varint)]
    pub kills: u32,
    pub leader: Option<Entity>,
}

#[derive(Replicate, Clone, Debug, Default, PartialEq)]
#[net(resource, scope = server)]
pub struct Secret {
    #[net(varint)]
    pub spawned: u32,
}

#[derive(PlayerCommand, Clone, Debug, Default, PartialEq)]
pub struct Drive {
    #[net(range = -1..=1)]
    pub x: i8,
    #[net(range = -1..=1)]
    pub y: i8,
    pub mine: bool,
    /// One of one's own mines, to be lit.
    pub light: Option<Entity>,
    #[net(foreign)]
    pub aim: Option<Entity>,
}

#[derive(TickEvent, Clone, Debug, Default, PartialEq)]
pub struct Boom {
    pub who: Option<Entity>,
    #[net(range = -500.0..=500.0, step = 0.5)]
    pub x: f32,
}

#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Cheer {
    pub loud: u8,
}

fn join(In(player): In<Player>, roster: Res<Roster>, mut commands: Commands) {
    let tank = commands
        .spawn((
            Body {
                x: f32::from(player.seat) * 7.0,
                ..Body::default()
            },
            Tank {
                hull: 100,
                name: roster.name(player).chars().take(8).collect(),
                ..Tank::default()
            },
            OwnedBy(player),
        ))
        .id();
    if roster.is_computer(player) {
        commands.entity(tank).insert(Mood::default());
    }
}

fn cheer(In(from): In<FromPlayer<Cheer>>, mut score: ResMut<Score>, mut outbox: ResMut<Outbox>) {
    score.kills += u32::from(from.message.loud);
    outbox.except(from.player, &from.message);
}

/// Computers wander, and hold grudges.
fn think(
    mut minds: Query<(&NetEntity, &mut Mood, &mut Asks<Drive>)>,
    tanks: Query<(Entity, &NetEntity), With<Tank>>,
    chance: Chance,
) {
    let mut all: Vec<_> = tanks.iter().collect();
    all.sort_unstable_by_key(|(_, net)| **net);
    for (net, mut mood, mut asks) in minds.iter_mut().sort::<&NetEntity>() {
        if chance.one_in(net, 0, 20) {
            let pick = chance.below(net, 1, all.len() as u32) as usize;
            mood.grudge = all.get(pick).map(|(entity, _)| *entity);
            mood.turn = chance.between(net, 2, -1.0, 1.0);
        }
        asks.x = if mood.turn > 0.3 { 1 } else { -1 };
        asks.y = chance.below(net, 3, 3) as i8 - 1;
        asks.mine = chance.one_in(net, 4, 30);
        asks.aim = mood.grudge;
    }
}

fn drive(mut tanks: Query<(&mut Body, &mut Tank, &Asks<Drive>)>, now: Res<CurrentTick>) {
    for (mut body, mut tank, asks) in &mut tanks {
        if body.vx != f32::from(asks.x) * 20.0 {
            body.vx = f32::from(asks.x) * 20.0;
        }
        if asks.y != 0 {
            body.vy = math::sin(now.tick().0 as f32 * 0.1) * 15.0 * f32::from(asks.y);
        }
        if body.vx != 0.0 || body.vy != 0.0 {
            let (vx, vy) = (body.vx, body.vy);
            body.x = (body.x + vx * now.dt()).clamp(-500.0, 500.0);
            body.y = (body.y + vy * now.dt()).clamp(-500.0, 500.0);
        }
        if tank.target != asks.aim {
            tank.target = asks.aim;
        }
        if tank.cooldown > 0 {
            tank.cooldown -= 1;
        }
    }
}

fn lay(
    mut tanks: Query<(&NetEntity, &Body, &mut Tank, &Asks<Drive>, &OwnedBy)>,
    mut secret: ResMut<Secret>,
    mut commands: Commands,
) {
    for (_, body, mut tank, asks, owner) in tanks.iter_mut().sort::<&NetEntity>() {
        if asks.mine && tank.cooldown == 0 {
            tank.cooldown = 15;
            secret.spawned += 1;
            commands.spawn((Mine { fuse: 90 }, body.clone(), *owner));
        }
    }
}

/// Mines burn down, drift about, and take the nearest name with them.
fn burn(
    mut mines: Query<(Entity, &NetEntity, &mut Mine, Option<&Body>)>,
    lit: Query<&Asks<Drive>, With<Tank>>,
    mut score: ResMut<Score>,
    mut emit: Emit,
    mut commands: Commands,
    chance: Chance,
) {
    for (entity, net, mut mine, body) in mines.iter_mut().sort::<&NetEntity>() {
        let hurry = lit.iter().any(|asks| asks.light == Some(entity));
        mine.fuse = mine.fuse.saturating_sub(if hurry { 45 } else { 1 });
        match mine.fuse {
            0 => {
                score.kills += 1;
                score.leader = None;
                emit.send(Boom {
                    who: Some(entity),
                    x: body.map_or(0.0, |body| body.x),
                });
                commands.entity(entity).despawn();
            }
            // A dud: what all may see goes, what the server knows stays.
            30 if chance.one_in(net, 5, 4) => {
                commands
                    .entity(entity)
                    .remove::<(Body, Mine, OwnedBy)>()
                    .insert(Mood::default());
            }
            // A drifter: a component comes and goes.
            60 => {
                commands.entity(entity).remove::<Body>();
            }
            50 => {
                commands.entity(entity).insert(Body {
                    vx: chance.between(net, 6, -9.0, 9.0),
                    ..Body::default()
                });
            }
            _ => {}
        }
    }
}

fn lead(tanks: Query<(Entity, &NetEntity), With<Tank>>, mut score: ResMut<Score>) {
    let first = tanks.iter().min_by_key(|(_, net)| **net);
    let leader = first.map(|(entity, _)| entity);
    if score.leader != leader {
        score.leader = leader;
    }
}

/// Duds are swept up after a while.
fn sweep(
    duds: Query<(Entity, &NetEntity), (With<Mood>, Without<Tank>)>,
    now: Res<CurrentTick>,
    mut commands: Commands,
) {
    if now.every(3.0)
        && let Some((entity, _)) = duds.iter().min_by_key(|(_, net)| **net)
    {
        commands.entity(entity).despawn();
    }
}

pub fn war(game: &mut Game) {
    game.rate(30)
        .seats(8)
        .computer_players(4)
        .computer_names(["Ada", "Bob"])
        .replicate::<Body>()
        .replicate::<Tank>()
        .replicate::<Mine>()
        .state::<Mood>()
        .resource::<Score>()
        .state_resource::<Secret>()
        .command::<Drive>()
        .event::<Boom>()
        .on_join(join)
        .on_message(cheer)
        .systems((think, drive, lay, burn, lead, sweep).chain());
}

pub fn kind() -> GameKind {
    GameKind::new("war", war)
}

pub fn room(seed: u64) -> Simulation {
    let options = SimOptions {
        seed,
        ..SimOptions::default()
    };
    Simulation::new(&kind(), options)
}

/// A command as a row, as a decoder makes it.
pub fn row<C: Record>(schema: &Schema, command: &C) -> OwnedRow {
    let record = schema.command.as_ref().expect("the game has commands");
    let mut row = OwnedRow::new(record);
    command.write(&mut row.row_mut(record), &NoRefs);
    row
}

/// The same row with other columns in one field: a reference, as a peer names it.
pub fn naming(schema: &Schema, mut row: OwnedRow, field: &str, id: [i32; 2]) -> OwnedRow {
    let record = schema.command.as_ref().expect("the game has commands");
    let field = record.field(field).expect("a field of the command");
    row.row_mut(record).field(field).ints.copy_from_slice(&id);
    row
}
