//! Laws of a mirror: what it predicts alone is right to the bit, and after any mistake it is what the server has.

use bevy_ecs::prelude::*;
use proptest::prelude::*;
use tickwire_proto::Tick;
use tickwire_sim::prelude::*;
use tickwire_sim::{GameKind, Mirror, OwnTruth, SimOptions, Simulation, Truth, Verdict, math};
use tickwire_snapshot::record::{NoRefs, Record};
use tickwire_snapshot::{OwnedRow, Schema};

/// Moves, and is never on a step of the wire.
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
    /// For nobody but the server.
    #[net(scope = server)]
    luck: u32,
}

/// For its owner alone.
#[derive(Replicate, Clone, Debug, Default, PartialEq)]
#[net(scope = owner)]
struct Gun {
    wait: u16,
    heat: f32,
}

#[derive(Replicate, Clone, Debug, Default, PartialEq)]
struct Bolt {
    #[net(range = -500.0..=500.0, step = 0.25)]
    x: f32,
    team: u8,
}

#[derive(Replicate, Clone, Debug, PartialEq)]
#[net(scope = owner)]
struct Shot {
    by: Option<Entity>,
    life: u16,
}

#[derive(TickEvent, Clone)]
struct Pop {
    #[net(range = -500.0..=500.0, step = 1.0)]
    x: f32,
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

/// What only the server decides: now and then a body is thrown somewhere.
fn gust(chance: Chance, now: Res<CurrentTick>, mut bodies: Query<(&NetEntity, &mut Body)>) {
    for (net, mut body) in &mut bodies {
        if now.tick().0 > 20 && chance.one_in(net, 1, 40) {
            body.vx = chance.between(net, 2, -100.0, 100.0);
            body.luck += 1;
        }
    }
}

fn steer(mut bodies: Query<(&mut Body, &Asks<Steer>), Without<Remote>>) {
    for (mut body, ask) in &mut bodies {
        let (want_x, want_y) = (f32::from(ask.x) * 60.0, f32::from(ask.y) * 60.0);
        let (vx, vy) = (
            body.vx + (want_x - body.vx) * 0.17,
            body.vy + (want_y - body.vy) * 0.17,
        );
        let (x, y) = (
            (body.x + vx / 30.0 + math::sin(body.y) * 0.01).clamp(-400.0, 400.0),
            (body.y + vy / 30.0).clamp(-400.0, 400.0),
        );
        (body.x, body.y, body.vx, body.vy) = (x, y, vx, vy);
    }
}

fn shoot(
    mut guns: Query<(Entity, &NetEntity, &Body, &mut Gun, &Asks<Steer>, &OwnedBy)>,
    mut commands: Commands,
) {
    for (by, _, body, mut gun, ask, owner) in guns.iter_mut().sort::<&NetEntity>() {
        gun.heat *= 0.93;
        if gun.wait > 0 {
            gun.wait -= 1;
        } else if ask.fire {
            gun.wait = 5;
            gun.heat += 0.1;
            commands.spawn((
                Bolt { x: body.x, team: 1 },
                Shot {
                    by: Some(by),
                    life: 20,
                },
                *owner,
            ));
        }
    }
}

fn fly(
    mut bolts: Query<(Entity, &NetEntity, &mut Bolt, &mut Shot), Without<Remote>>,
    mut commands: Commands,
    mut emit: Emit,
) {
    for (entity, _, mut bolt, mut shot) in bolts.iter_mut().sort::<&NetEntity>() {
        bolt.x += 3.3;
        shot.life -= 1;
        if shot.life == 0 {
            emit.send(Pop { x: bolt.x });
            commands.entity(entity).despawn();
        }
    }
}

fn game(gusty: bool) -> impl Fn(&mut Game) + Send + Sync + 'static {
    move |game| {
        game.rate(30)
            .seats(4)
            .replicate::<Body>()
            .replicate::<Gun>()
            .replicate::<Bolt>()
            .replicate::<Shot>()
            .command::<Steer>()
            .event::<Pop>()
            .on_join(join);
        if gusty {
            game.systems((gust.run_if(on_server), steer, shoot, fly).chain());
        } else {
            game.systems((steer, shoot, fly).chain());
        }
    }
}

fn row(schema: &Schema, steer: &Steer) -> OwnedRow {
    let record = schema.command.as_ref().expect("the game has commands");
    let mut row = OwnedRow::new(record);
    steer.write(&mut row.row_mut(record), &NoRefs);
    row
}

/// What comes over the wire of a tick.
struct Told {
    tick: Tick,
    areas: Vec<std::sync::Arc<tickwire_snapshot::Area>>,
    number: u16,
    rows: Vec<u8>,
}

/// A server, a client, and what is between them.
struct Pair {
    room: Simulation,
    mirror: Mirror,
    wire: std::collections::VecDeque<Told>,
    said: std::collections::BTreeMap<u32, u16>,
    lead: u32,
    commands: std::collections::BTreeMap<u32, Steer>,
}

impl Pair {
    fn new(kind: &GameKind, lead: u32) -> Self {
        let mut room = Simulation::new(
            kind,
            SimOptions {
                seed: 5,
                ..SimOptions::default()
            },
        );
        for seat in 0..3 {
            let info = PlayerInfo {
                seat,
                name: "Ann".into(),
                ..PlayerInfo::default()
            };
            room.join(info).expect("a free seat");
        }
        room.step(); // they sit down
        let mut pair = Self {
            room,
            mirror: Mirror::new(kind, 1),
            wire: Default::default(),
            said: Default::default(),
            lead,
            commands: Default::default(),
        };
        pair.server();
        pair.client();
        for _ in 0..lead {
            pair.step(Steer::default());
        }
        pair
    }

    /// The server steps, and tells.
    fn server(&mut self) {
        let next = self.room.tick().next();
        if let Some(steer) = self.commands.get(&next.0) {
            let row = row(self.room.schema(), steer);
            self.room.command(1, Some(&row)).expect("a command");
        }
        let other = Steer {
            x: 1,
            y: (next.0 % 3) as i8 - 1,
            fire: next.0.is_multiple_of(7),
        };
        let row = row(self.room.schema(), &other);
        self.room.command(2, Some(&row)).expect("a command");
        self.room.step();
        let snapshot = self.room.capture();
        self.room.gather_own();
        let mut rows = Vec::new();
        assert!(self.room.write_own(1, &mut rows));
        self.wire.push_back(Told {
            tick: self.room.tick(),
            areas: snapshot.areas.clone(),
            number: self.room.own_number(1),
            rows,
        });
    }

    /// The client hears what came.
    fn client(&mut self) -> Option<Verdict> {
        let told = self.wire.pop_front()?;
        let own = match self.said.get(&told.tick.0) {
            Some(said) if *said == told.number => OwnTruth::AsSaid(*said),
            _ => OwnTruth::Told {
                number: told.number,
                rows: &told.rows,
            },
        };
        Some(self.mirror.truth(&Truth {
            tick: told.tick,
            areas: &told.areas,
            own,
        }))
    }

    fn step(&mut self, steer: Steer) {
        let tick = self.mirror.tick().next();
        self.commands.insert(tick.0, steer);
        let row = row(self.room.schema(), &steer);
        let said = self.mirror.step(Some(&row));
        self.said.insert(tick.0, said);
    }

    /// One tick of everything, with this much of the lead's worth of updates on their way.
    fn tick(&mut self, steer: Steer, hears: bool) -> Option<Verdict> {
        self.step(steer);
        self.server();
        if hears && self.wire.len() as u32 > self.lead / 2 {
            let skipped = self.wire.len() - (self.lead / 2) as usize - 1;
            self.wire.drain(..skipped);
            return self.client();
        }
        None
    }

    fn own<C: Component + Clone>(world: &mut World, seat: u16) -> Vec<C> {
        let mut all: Vec<(OwnedBy, C)> = world
            .query::<(&OwnedBy, &C)>()
            .iter(world)
            .map(|(owner, it)| (*owner, it.clone()))
            .collect();
        all.retain(|(owner, _)| owner.0.seat == seat);
        all.into_iter().map(|(_, it)| it).collect()
    }
}

fn steers() -> impl Strategy<Value = Vec<(Steer, bool)>> {
    let one = (-1i8..=1, -1i8..=1, any::<bool>(), 0u8..10)
        .prop_map(|(x, y, fire, hears)| (Steer { x, y, fire }, hears < 6));
    prop::collection::vec(one, 60..160)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Where nothing interferes nothing is ever corrected, however late and seldom the truth comes; shots are found again.
    #[test]
    fn what_is_the_players_alone_is_right_to_the_bit(play in steers(), lead in 1u32..14) {
        let kind = GameKind::new("alone", game(false));
        let mut pair = Pair::new(&kind, lead);
        let begun = pair.mirror.stats().clone();
        let mut pops = 0;
        for (steer, hears) in play {
            let verdict = pair.tick(steer, hears);
            prop_assert!(matches!(verdict, None | Some(Verdict::Right)), "{:?} {:?} at {}", verdict, pair.mirror.stats(), pair.mirror.tick());
            pops += pair.mirror.take_events().len();
        }
        prop_assert_eq!(pair.mirror.stats().mispredictions, begun.mispredictions);
        prop_assert_eq!(pair.mirror.stats().rollbacks, begun.rollbacks);
        let _ = pops;
        // The server catches up: it has what was predicted.
        while pair.room.tick() < pair.mirror.tick() {
            pair.server();
        }
        let theirs = Pair::own::<Body>(pair.room.world_mut(), 1);
        let ours = Pair::own::<Body>(pair.mirror.world_mut(), 1);
        prop_assert_eq!(theirs, ours);
        let mut theirs = Pair::own::<Bolt>(pair.room.world_mut(), 1);
        let mut ours = Pair::own::<Bolt>(pair.mirror.world_mut(), 1);
        theirs.sort_by(|a, b| a.x.total_cmp(&b.x));
        ours.sort_by(|a, b| a.x.total_cmp(&b.x));
        prop_assert_eq!(theirs, ours);
    }

    /// Whatever the server does to it: when it is quiet again, both have the same, and each shot and each pop was there once.
    #[test]
    fn after_any_mistake_it_is_what_the_server_has(play in steers(), lead in 1u32..14) {
        let kind = GameKind::new("gusts", game(true));
        let mut pair = Pair::new(&kind, lead);
        let (mut shown, mut told) = (Vec::new(), 0);
        for (steer, hears) in &play {
            pair.tick(*steer, *hears);
            shown.extend(pair.mirror.take_events());
        }
        for _ in 0..60 {
            pair.tick(Steer::default(), true);
            shown.extend(pair.mirror.take_events());
        }
        for tick in 0..=pair.room.tick().0 {
            let count = shown.iter().filter(|pop| pop.tick.0 == tick).count();
            prop_assert!(count <= 1, "{count} pops at {tick}");
            told += count;
        }
        let _ = told;
        // All that both know of the newest truth is the same.
        while !pair.wire.is_empty() {
            pair.client();
        }
        let mut copy = Mirror::new(&kind, 1);
        let snapshot = pair.room.capture();
        pair.room.gather_own();
        let mut rows = Vec::new();
        pair.room.write_own(1, &mut rows);
        let number = pair.room.own_number(1);
        copy.truth(&Truth { tick: pair.room.tick(), areas: &snapshot.areas, own: OwnTruth::Told { number, rows: &rows } });
        while copy.tick() < pair.mirror.tick() {
            let steer = pair.commands[&copy.tick().next().0];
            copy.step(Some(&row(pair.room.schema(), &steer)));
        }
        let mut theirs = Pair::own::<Body>(copy.world_mut(), 1);
        let mut ours = Pair::own::<Body>(pair.mirror.world_mut(), 1);
        theirs.iter_mut().chain(&mut ours).for_each(|body| body.luck = 0); // no client knows
        prop_assert_eq!(theirs, ours);
        prop_assert_eq!(Pair::own::<Gun>(copy.world_mut(), 1), Pair::own::<Gun>(pair.mirror.world_mut(), 1));
        prop_assert_eq!(Pair::own::<Bolt>(copy.world_mut(), 1).len(), Pair::own::<Bolt>(pair.mirror.world_mut(), 1).len());
        prop_assert_eq!(pair.mirror.stats().unreadable, 0);
    }
}
