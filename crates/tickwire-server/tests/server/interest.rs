//! Rooms on a grid: what a player may not see is no byte of what they get, and what they get costs what they see.

use std::sync::Arc;

use bevy_ecs::prelude::*;
use tickwire_proto::frame::{AreaDelta, Identity, ServerFrame};
use tickwire_proto::{Tick, Time};
use tickwire_server::{
    AREA_KEYFRAMES_PER_TICK_MAX, Gauge, Kind, MemberId, Room, RoomInput, RoomJoin, RoomOutput,
    RoomSpec, RoomStats, SessionKey, VIEWERS_A_KEYFRAME,
};
use tickwire_sim::GameKind;
use tickwire_sim::prelude::*;

#[derive(Replicate, Default)]
struct Walker {
    #[net(range = -16000.0..=16000.0, step = 0.1)]
    x: f32,
    #[net(range = -16000.0..=16000.0, step = 0.1)]
    y: f32,
    #[net(scope = server)]
    vx: f32,
    #[net(scope = server)]
    vy: f32,
    #[net(scope = server)]
    home: [f32; 2],
}

#[derive(TickEvent)]
struct Step {
    #[net(range = -16000.0..=16000.0, step = 1.0)]
    x: f32,
    #[net(range = -16000.0..=16000.0, step = 1.0)]
    y: f32,
}

fn number(attributes: &RoomAttributes, key: &str) -> u32 {
    attributes.get(key).map_or(0, |text| text.parse().unwrap())
}

/// Walkers in a square around the origin, ten to a cell, and some elsewhere.
fn people(mut commands: Commands, attributes: Res<RoomAttributes>, chance: Chance) {
    let count = number(&attributes, "walkers");
    let side = 32.0 * (count as f32 / 10.0).sqrt();
    let elsewhere = number(&attributes, "elsewhere");
    for n in 0..count + elsewhere {
        let draw = |salt: u32| {
            let thousandth = chance.below(&NetEntity::ROOM, n * 8 + salt, 1_000);
            thousandth as f32 / 1_000.0 - 0.5
        };
        let far = if n < count { 0.0 } else { 12_000.0 };
        let home = [draw(0) * side + far, draw(1) * side];
        commands.spawn(Walker {
            x: home[0],
            y: home[1],
            vx: draw(2) * 2.0,
            vy: draw(3) * 2.0,
            home,
        });
    }
}

fn join(In(player): In<Player>, mut commands: Commands, attributes: Res<RoomAttributes>) {
    let side = 32.0 * (number(&attributes, "walkers") as f32 / 10.0).sqrt() * 0.8;
    let at = |n: u16| (f32::from(n.wrapping_mul(40_503)) / 65_536.0 - 0.5) * side;
    let home = match player.seat {
        1 if number(&attributes, "spy") > 0 => [12_000.0, 0.0],
        seat => [at(seat), at(seat.wrapping_mul(7).wrapping_add(3))],
    };
    commands.spawn((
        Walker {
            x: home[0],
            y: home[1],
            vx: 0.5,
            vy: 0.3,
            home,
        },
        OwnedBy(player),
    ));
}

fn walk(mut walkers: Query<&mut Walker>) {
    for mut it in &mut walkers {
        if (it.x - it.home[0]).abs() > 30.0 {
            it.vx = -it.vx;
        }
        if (it.y - it.home[1]).abs() > 30.0 {
            it.vy = -it.vy;
        }
        it.x += it.vx;
        it.y += it.vy;
    }
}

fn step(walkers: Query<(&NetEntity, &Walker)>, tick: Res<CurrentTick>, mut emit: Emit) {
    for (_, it) in walkers.iter().sort::<&NetEntity>() {
        // Not by their names: these count who is elsewhere.
        if (it.home[0] as i32 + tick.tick().0 as i32) % 97 == 0 {
            emit.send(Step { x: it.x, y: it.y });
        }
    }
}

fn field(game: &mut Game) {
    game.rate(30)
        .seats(1_000)
        .replicate::<Walker>()
        .event_at(|step: &Step| (step.x, step.y))
        .grid(32.0, 48.0, |it: &Walker| (it.x, it.y))
        .on_start(people)
        .on_join(join)
        .systems((walk, step).chain());
}

/// A room and the players in it, who take everything at once.
struct Field {
    room: Room,
    gauges: Vec<Gauge>,
    /// By player: all bytes, and the updates among them.
    heard: Vec<Vec<u8>>,
    updates: Vec<Vec<u8>>,
    ticks: u64,
}

impl Field {
    fn new(attributes: &[(&str, u32)]) -> Field {
        let pairs = attributes.iter();
        let spec = RoomSpec {
            namespace: "/".into(),
            no: 9,
            id: "F".into(),
            kind: Arc::new(Kind::from(GameKind::new("field", field))),
            seats: 1_000,
            attributes: pairs.map(|(k, v)| (k.to_string(), v.to_string())).collect(),
            seed: 5,
        };
        Field {
            room: Room::new(spec),
            gauges: Vec::new(),
            heard: Vec::new(),
            updates: Vec::new(),
            ticks: 0,
        }
    }

    fn join(&mut self) {
        let n = self.gauges.len() as u32 + 1;
        let gauge = Gauge::default();
        self.gauges.push(gauge.clone());
        self.heard.push(Vec::new());
        self.updates.push(Vec::new());
        self.room.handle(RoomInput::Join(Box::new(RoomJoin {
            member: MemberId(n),
            session: SessionKey(u64::from(n)),
            request: 1,
            identity: Identity::new("x"),
            gauge,
            generic: false,
            watches: false,
            host: false,
            replaces: None,
        })));
    }

    fn tick(&mut self) {
        self.ticks += 1;
        self.room.tick(Time(self.ticks), None);
        while let Some(output) = self.room.poll() {
            if let RoomOutput::Updates(batch) = output {
                for viewer in &batch.viewers {
                    let at = viewer.session.0 as usize - 1;
                    let (private, shared) = batch.frames(viewer);
                    self.heard[at].extend_from_slice(&private);
                    if let Some(shared) = shared {
                        self.heard[at].extend_from_slice(&shared);
                        self.updates[at] = shared.to_vec();
                    }
                }
                self.room.handle(RoomInput::Recycle(batch));
            }
        }
        for (n, gauge) in (1..).zip(&self.gauges) {
            gauge.fetched(gauge.unfetched());
            self.room.handle(RoomInput::Held {
                member: MemberId(n),
                held: tickwire_proto::frame::Holding::of(Tick(self.ticks as u32)),
            });
        }
    }

    fn ticks(&mut self, count: u32) {
        (0..count).for_each(|_| self.tick());
    }

    /// Work in so many ticks.
    fn work(&mut self, count: u32) -> RoomStats {
        let before = self.room.stats();
        self.ticks(count);
        let after = self.room.stats();
        RoomStats {
            area_visits: after.area_visits - before.area_visits,
            area_parts: after.area_parts - before.area_parts,
            updates: after.updates - before.updates,
            update_bytes: after.update_bytes - before.update_bytes,
            keyframes_paced: after.keyframes_paced - before.keyframes_paced,
            ..after
        }
    }
}

/// What the first player hears in ten seconds. `spy`: another one is elsewhere, and sees what is there.
fn heard(elsewhere: u32, spy: bool) -> Vec<u8> {
    let spy = u32::from(spy);
    let mut field = Field::new(&[("walkers", 300), ("elsewhere", elsewhere), ("spy", spy)]);
    field.join();
    field.ticks(20);
    if spy > 0 {
        field.join();
    }
    field.ticks(280);
    field.heard.swap_remove(0)
}

#[test]
fn what_is_elsewhere_is_no_byte_of_what_a_player_gets() {
    let alone = heard(0, false);
    assert!(alone.len() > 20_000, "{}", alone.len());
    assert!(alone == heard(1, false));
    assert!(alone == heard(200, false));
    assert!(heard(0, true) == heard(200, true));
}

#[test]
fn a_player_costs_what_they_see_however_large_the_world_is() {
    let mut rows = Vec::new();
    for (walkers, players) in [(1_000, 4), (4_000, 4), (16_000, 4), (16_000, 64)] {
        let mut field = Field::new(&[("walkers", walkers)]);
        (0..players).for_each(|_| field.join());
        field.ticks(60);
        let work = field.work(60);
        let each = |count: u64| count as f64 / work.updates as f64;
        rows.push((
            each(work.area_visits),
            each(work.area_parts),
            each(work.update_bytes),
        ));
        assert!(work.updates >= 59 * players, "{}", work.updates);
    }
    println!("areas looked at, areas sent, bytes a player and update: {rows:.1?}");
    let (least, most) = (rows[0], rows[3]);
    assert!(
        most.0 < least.0 * 1.25 && most.1 < least.1 * 1.25,
        "{rows:?}"
    );
    assert!(most.2 < least.2 * 1.25, "{rows:?}");
}

#[test]
fn keyframes_of_areas_are_paced_and_come_in_order() {
    let mut field = Field::new(&[("walkers", 16_000)]);
    (0..16).for_each(|_| field.join());
    let work = field.work(1);
    assert!(
        work.keyframes_paced > 0,
        "16 players see more than 64 cells"
    );
    assert_eq!(
        work.keyframe_encodes,
        (AREA_KEYFRAMES_PER_TICK_MAX + 16 / VIEWERS_A_KEYFRAME) as u64 + 1
    );
    // Sixteen times thirty cells at most, 68 a tick.
    field.ticks(8);
    assert_eq!(field.work(20).keyframes_paced, 0);
}

#[test]
fn what_goes_out_of_sight_is_told() {
    let mut field = Field::new(&[("walkers", 300)]);
    field.join();
    let mut gone = 0;
    for _ in 0..200 {
        field.tick();
        if let Ok(ServerFrame::Update { areas, .. }) = ServerFrame::decode(&field.updates[0]) {
            let is_gone = |area: &&AreaDelta| area.flags == AreaDelta::GONE;
            gone += areas.iter().filter(is_gone).count();
        }
    }
    assert!(gone > 5, "{gone}");
    assert!(gone < 200, "{gone}: areas do not flap");
}
