//! The games that the lab's tests run: the dots of hello, and one that uses everything that a snapshot can hold.

use std::pin::Pin;
use std::task::{Context, Poll};

use bevy_ecs::prelude::*;
use serde::{Deserialize, Serialize};
use tickwire_sim::prelude::*;

/// Where a dot is.
#[derive(Replicate, Default)]
pub struct Dot {
    #[net(range = 0.0..=800.0, step = 0.1)]
    x: f32,
    #[net(range = 0.0..=600.0, step = 0.1)]
    y: f32,
    hue: u8,
}

/// Left, right, up, down.
#[derive(PlayerCommand, Clone, Copy, Default)]
pub struct Steer {
    #[net(range = -1..=1)]
    x: i8,
    #[net(range = -1..=1)]
    y: i8,
}

fn join(In(player): In<Player>, mut commands: Commands) {
    commands.spawn((
        Dot {
            x: 400.0,
            y: 300.0,
            hue: player.hue(),
        },
        OwnedBy(player),
    ));
}

fn steer(mut dots: Query<(&mut Dot, &Asks<Steer>)>) {
    for (mut dot, ask) in &mut dots {
        dot.x = (dot.x + 6.0 * f32::from(ask.x)).clamp(0.0, 800.0);
        dot.y = (dot.y + 6.0 * f32::from(ask.y)).clamp(0.0, 600.0);
    }
}

/// The dots of hello.
pub fn hello(game: &mut Game) {
    game.rate(30)
        .seats(64)
        .replicate::<Dot>()
        .command::<Steer>()
        .on_join(join)
        .systems(steer);
}

/// A spark flies straight, bounces, and dies.
#[derive(Replicate, Default)]
pub struct Spark {
    #[net(range = -500.0..=500.0, step = 0.0625, velocity = "vx")]
    x: f32,
    #[net(range = -500.0..=500.0, step = 0.0625, velocity = "vy")]
    y: f32,
    #[net(range = -300.0..=300.0, step = 1.0)]
    vx: f32,
    #[net(range = -300.0..=300.0, step = 1.0)]
    vy: f32,
    #[net(angle, bits = 8)]
    turn: f32,
}

/// Now and then a spark has one.
#[derive(Replicate, Default)]
pub struct Label {
    #[net(max = 24)]
    text: String,
    parent: Option<Entity>,
}

/// Sparks so far.
#[derive(Replicate, Default)]
#[net(resource)]
pub struct Total {
    #[net(varint)]
    born: i32,
    #[net(varint)]
    died: i32,
}

/// A spark went out.
#[derive(TickEvent)]
pub struct Fizz {
    #[net(range = -500.0..=500.0, step = 1.0)]
    x: f32,
    size: u8,
}

/// What nobody sees.
#[derive(Replicate, Default)]
#[net(scope = server)]
pub struct Fuse {
    left: u16,
}

fn spawn(
    mut commands: Commands,
    chance: Chance,
    tick: Res<CurrentTick>,
    mut total: ResMut<Total>,
    sparks: Query<(Entity, &NetEntity), With<Spark>>,
) {
    let Some(first) = sparks.iter().min_by_key(|(_, id)| **id) else {
        for _ in 0..40 {
            commands.spawn((Spark::default(), Fuse { left: 10 }));
        }
        total.born += 40;
        return;
    };
    let draw = |salt: u32, n: u32| chance.below(first.1, salt, n);
    if sparks.iter().len() < 150 && draw(1, 3) == 0 {
        let spark = Spark {
            x: draw(2, 900) as f32 - 450.0,
            y: draw(3, 900) as f32 - 450.0,
            vx: draw(4, 500) as f32 - 250.0,
            vy: draw(5, 500) as f32 - 250.0,
            turn: 0.0,
        };
        let mut entity = commands.spawn((
            spark,
            Fuse {
                left: 5 + draw(6, 200) as u16,
            },
        ));
        if draw(7, 4) == 0 {
            entity.insert(Label {
                text: format!("born at {}", tick.tick()),
                parent: Some(first.0),
            });
        }
        total.born += 1;
    }
}

fn fly(mut sparks: Query<&mut Spark>) {
    for mut spark in &mut sparks {
        let (vx, vy) = (spark.vx, spark.vy);
        if (spark.x + vx / 60.0).abs() > 500.0 {
            spark.vx = -vx;
        }
        if (spark.y + vy / 60.0).abs() > 500.0 {
            spark.vy = -vy;
        }
        spark.x = (spark.x + spark.vx / 60.0).clamp(-500.0, 500.0);
        spark.y = (spark.y + spark.vy / 60.0).clamp(-500.0, 500.0);
        if vx > 0.0 {
            spark.turn = tickwire_sim::math::wrap_angle(spark.turn + 0.1);
        }
    }
}

fn burn(
    mut commands: Commands,
    mut emit: Emit,
    mut total: ResMut<Total>,
    mut sparks: Query<(Entity, &Spark, &mut Fuse, Has<Label>)>,
) {
    for (entity, spark, mut fuse, labelled) in &mut sparks {
        fuse.left = fuse.left.saturating_sub(1);
        if fuse.left == 0 {
            emit.send(Fizz {
                x: spark.x,
                size: 3,
            });
            total.died += 1;
            commands.entity(entity).despawn();
        } else if fuse.left == 20 && labelled {
            commands.entity(entity).remove::<Label>();
        }
    }
}

/// Sparks: entities come and go with components, texts, references, a resource and events, beside the players' dots.
pub fn sparks(game: &mut Game) {
    game.rate(60)
        .send(30)
        .seats(16)
        .replicate::<Dot>()
        .replicate::<Spark>()
        .replicate::<Label>()
        .resource::<Total>()
        .state::<Fuse>()
        .event::<Fizz>()
        .command::<Steer>()
        .on_join(join)
        .systems((steer, spawn, fly, burn).chain());
}

/// Nothing ever happens here but that somebody comes.
pub fn quiet(game: &mut Game) {
    game.rate(30)
        .seats(64)
        .replicate::<Dot>()
        .command::<Steer>()
        .on_join(join);
}

/// The dots of hello, asleep while nobody is online.
pub fn dreams(game: &mut Game) {
    hello(game);
    game.sleeps();
}

/// Nothing moves but when somebody comes or goes: stepped on demand.
pub fn board(game: &mut Game) {
    game.on_demand().seats(64).replicate::<Dot>().on_join(join);
}

/// What is looked up for a dot: where it goes.
#[derive(NetMessage, Serialize, Deserialize)]
pub struct Place {
    seat: u16,
    x: f32,
}

/// Ready at the third time that it is asked.
struct Third(u8);

impl Future for Third {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        self.0 += 1;
        match self.0 {
            3.. => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

fn look_up(tick: Res<CurrentTick>, roster: Res<Roster>, mut tasks: ResMut<Tasks>) {
    if !tick.every(0.5) {
        return;
    }
    for (player, _) in roster.players() {
        let (seat, x) = (player.seat, (tick.tick().0 % 800) as f32);
        tasks.spawn(async move {
            Third(0).await;
            Place { seat, x }
        });
    }
}

fn found(In(done): In<Done<Place>>, mut dots: Query<(&mut Dot, &OwnedBy)>) {
    let Ok(place) = done.result else { return };
    for (mut dot, owner) in &mut dots {
        if owner.0.seat == place.seat {
            dot.x = place.x;
        }
    }
}

/// Dots that go where something slow says.
pub fn oracle(game: &mut Game) {
    hello(game);
    game.on_done(found).systems(look_up);
}

/// Fire and move: where a player is, on a plain.
#[derive(Replicate, Default)]
pub struct Rider {
    #[net(range = -400.0..=400.0, step = 0.1)]
    pub x: f32,
    #[net(range = -400.0..=400.0, step = 0.1)]
    pub y: f32,
}

fn mount(In(player): In<Player>, mut commands: Commands) {
    let at = f32::from(player.seat) * 30.0 - 100.0;
    commands.spawn((Rider { x: at, y: at }, OwnedBy(player)));
}

fn ride(mut riders: Query<(&mut Rider, &Asks<Steer>)>) {
    for (mut rider, ask) in &mut riders {
        if (ask.x, ask.y) != (0, 0) {
            rider.x = (rider.x + 3.0 * f32::from(ask.x)).clamp(-400.0, 400.0);
            rider.y = (rider.y + 3.0 * f32::from(ask.y)).clamp(-400.0, 400.0);
        }
    }
}

fn fizz(mut emit: Emit, chance: Chance, tick: Res<CurrentTick>) {
    for salt in 0..2 {
        if chance.below(&NetEntity::ROOM, salt, 3) == 0 {
            let draw = chance.below(&NetEntity::ROOM, 9, 1_000);
            emit.send(Flash {
                x: draw as f32 - 500.0,
                at: tick.tick().0 as u16,
            });
        }
    }
}

/// Something seen from around.
#[derive(TickEvent)]
pub struct Flash {
    #[net(range = -500.0..=500.0, step = 1.0)]
    x: f32,
    at: u16,
}

/// Sparks and riders on a grid: everybody sees what is around them.
pub fn plain(game: &mut Game) {
    game.rate(60)
        .send(30)
        .seats(16)
        .replicate::<Rider>()
        .replicate::<Spark>()
        .replicate::<Label>()
        .resource::<Total>()
        .state::<Fuse>()
        .event::<Fizz>()
        .event_at(|flash: &Flash| (flash.x, 0.0))
        .command::<Steer>()
        .grid(60.0, 80.0, |rider: &Rider| (rider.x, rider.y))
        .placed_by(|spark: &Spark| (spark.x, spark.y))
        .on_join(mount)
        .systems((ride, spawn, fly, burn, fizz).chain());
}

/// The same by the dense codec.
pub fn dense_plain(game: &mut Game) {
    plain(game);
    game.codec(Profile::Dense);
}

/// The same with less than all that is in sight.
pub fn tight_plain(game: &mut Game) {
    plain(game);
    game.budget(3_000);
}
