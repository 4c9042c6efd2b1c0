//! Commands that no client of ours would make (row 25 of the table of faults): each is dropped and counted, and the world does not move.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bevy_ecs::prelude::*;
use tickwire_client::{ClientConfig, ClientEvent};
use tickwire_net::client::Connection;
use tickwire_net::{Running, Server, now};
use tickwire_proto::{ClientFrame, ServerFrame, Tick};
use tickwire_sim::prelude::*;
use tickwire_sim::{Game, GameKind};
use tickwire_snapshot::record::{NoRefs, Record};
use tickwire_snapshot::{AreaId, OwnedRow, RecordSchema, values};

use super::raw::Raw;
use super::{count, start};

const PATIENCE: Duration = Duration::from_secs(30);
/// Where a mark is before anybody moves it.
const AT: f32 = 7.25;

#[derive(Replicate, Default)]
struct Mark {
    at: f32,
}

/// Changes in every tick, so that updates tell which tick it is.
#[derive(Replicate, Default)]
struct Beat {
    count: u32,
}

#[derive(PlayerCommand, Clone, Copy, Default)]
struct Put {
    /// Exact: NaN would be one, too, if nobody looked.
    at: f32,
    /// Two bits, of which one value means nothing.
    #[net(range = -1..=1)]
    go: i8,
}

fn marks(game: &mut Game) {
    game.rate(30).seats(4);
    game.replicate::<Mark>()
        .replicate::<Beat>()
        .command::<Put>();
    game.on_start(|mut commands: Commands| {
        commands.spawn(Beat::default());
    });
    game.on_join(|In(player): In<Player>, mut commands: Commands| {
        commands.spawn((Mark { at: AT }, OwnedBy(player)));
    });
    game.systems(
        |mut marks: Query<(&mut Mark, &Asks<Put>)>, mut beats: Query<&mut Beat>| {
            for mut beat in &mut beats {
                beat.count = beat.count.wrapping_add(1);
            }
            for (mut mark, put) in &mut marks {
                if put.go != 0 {
                    mark.at = put.at;
                }
            }
        },
    );
}

/// The record of the command, as the server has it.
fn record() -> RecordSchema {
    let kind = GameKind::new("marks", marks);
    kind.schema().command.clone().expect("a command")
}

/// What a client of ours would say.
fn honest(record: &RecordSchema, at: f32) -> Vec<u8> {
    let mut row = OwnedRow::new(record);
    Put { at, go: 1 }.write(&mut row.row_mut(record), &NoRefs);
    values::encode_record(record, &row.ints, &row.blobs).to_vec()
}

/// The same with any bits at all in the float's place.
fn with_bits(record: &RecordSchema, bits: u32) -> Vec<u8> {
    let place = |bits: u32| bits.wrapping_sub(i32::MIN as u32).to_le_bytes();
    let mut payload = honest(record, 1.5);
    assert_eq!(
        payload[..4],
        place(1.5_f32.to_bits()),
        "the float is not where this test looks for it"
    );
    payload[..4].copy_from_slice(&place(bits));
    payload
}

/// A hostile player: in a room, and honest about what it holds, so that updates go on.
struct Hostile {
    raw: Raw,
    room: u32,
    held: Tick,
}

impl Hostile {
    fn join(address: SocketAddr) -> Hostile {
        let (raw, room, held) = Raw::joined(address, "marks");
        Hostile { raw, room, held }
    }

    /// The tick of an update that came just now: what the socket held is read first.
    fn tick(&mut self) -> Tick {
        self.raw.say(&ClientFrame::Ping { nonce: 7 }.encode());
        while !matches!(self.hear(), Heard::Pong) {}
        self.receipt();
        while !matches!(self.hear(), Heard::Update) {}
        self.receipt();
        self.held
    }

    fn hear(&mut self) -> Heard {
        let (_, payload) = self.raw.frame().expect("the session lives");
        match ServerFrame::decode(&payload) {
            Ok(ServerFrame::Update { tick, .. }) => {
                self.held = tick;
                Heard::Update
            }
            Ok(ServerFrame::Pong { nonce: 7 }) => Heard::Pong,
            Ok(ServerFrame::Ending { message, .. }) => panic!("{message}"),
            _ => Heard::Other,
        }
    }

    fn receipt(&mut self) {
        let frame = ClientFrame::Receipts {
            received: vec![],
            held: vec![(self.room, self.held)],
        };
        self.raw.say(&frame.encode());
    }

    fn command(&mut self, tick: Tick, payload: &[u8]) {
        let frame = ClientFrame::Command {
            room: self.room,
            held: self.held,
            tick,
            shown: None,
            payload,
        };
        self.raw.say(&frame.encode());
    }
}

enum Heard {
    Update,
    Pong,
    Other,
}

/// What became of the commands of the room, by the names of the counters.
const FATES: [&str; 7] = [
    "applied",
    "late",
    "early",
    "copies",
    "malformed",
    "foreign",
    "refused",
];

fn fates(server: &Running) -> [u64; 7] {
    let text = server.metrics();
    FATES.map(|fate| count(&text, &format!("tickwire_room_commands_{fate}_total")))
}

/// What was counted of `said` commands since `before`, once all are counted. Rooms report about once a second.
fn counted(server: &Running, before: [u64; 7], said: usize) -> [u64; 7] {
    let began = Instant::now();
    loop {
        let mut grown = fates(server);
        for (now, then) in grown.iter_mut().zip(before) {
            *now -= then;
        }
        let sum = grown.iter().sum::<u64>();
        if sum >= said as u64 {
            assert_eq!(sum, said as u64, "each is counted once: {grown:?}");
            return grown;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "{said} were said, and counted are {FATES:?} {grown:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Says all of them for ticks to come, until none of them came late, and gives what was counted.
fn fates_of(server: &Running, hostile: &mut Hostile, payloads: &[Vec<u8>]) -> [u64; 7] {
    assert!(payloads.len() <= 12, "all for ticks that are near enough");
    for _ in 0..20 {
        let (before, next) = (fates(server), hostile.tick().plus(18));
        for (ahead, payload) in payloads.iter().enumerate() {
            hostile.command(next.plus(ahead as u32), payload);
        }
        let grown = counted(server, before, payloads.len());
        let late = grown[1];
        if late == 0 {
            return grown;
        }
    }
    panic!("this machine is never in time");
}

/// The marks, as somebody sees them who comes now.
fn seen(server: &Running, until: impl Fn(&[f32]) -> bool) -> Vec<f32> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut net = Connection::open(&server.url(), ClientConfig::default()).unwrap();
        let room = net.client_mut().quick("marks", &[]);
        let deadline = now().plus(PATIENCE);
        let mut marks = vec![];
        while let Some(event) = net.next_until(deadline).await {
            if !matches!(event, ClientEvent::Updated { .. }) {
                continue;
            }
            let view = net.client().view(room).expect("joined");
            let (_, area) = view.newest(AreaId::ALL).expect("updated");
            let mark = area.schema().component("Mark").unwrap();
            let at = area.schema().components[mark].field("at").unwrap();
            marks = area
                .rows(mark)
                .filter_map(|slot| area.number(mark, slot, at))
                .map(|at| at as f32)
                .collect();
            if until(&marks) {
                net.close();
                return marks;
            }
        }
        panic!("that was never seen, but {marks:?}");
    })
}

#[test]
fn row_25_what_is_out_of_range_is_dropped_and_counted() {
    let server = start(Server::new("marks", marks).listen("127.0.0.1:0"));
    let record = record();
    let mut hostile = Hostile::join(server.local_addr());
    let good = honest(&record, 99.0);
    let mut no_value = good.clone();
    *no_value.last_mut().unwrap() |= 0b11;
    let wrong: Vec<Vec<u8>> = [
        f32::NAN,
        -f32::NAN,
        f32::from_bits(0x7f80_0001),
        f32::INFINITY,
        f32::NEG_INFINITY,
    ]
    .iter()
    .map(|at| with_bits(&record, at.to_bits()))
    .chain([
        no_value,
        vec![],
        good[..good.len() - 1].to_vec(),
        [&good[..], &[0]].concat(),
        vec![0xff; good.len()],
        vec![0xff; 1_000],
    ])
    .collect();
    let grown = fates_of(&server, &mut hostile, &wrong);
    assert_eq!(
        grown,
        [0, 0, 0, 0, wrong.len() as u64, 0, 0],
        "all of them are malformed: {FATES:?}"
    );

    // What is right, but for a tick that is over, or that nobody waits for.
    let (before, tick) = (fates(&server), hostile.tick());
    let past = [Tick(0), Tick(1), tick];
    let far = [tick.plus(1_000_000), Tick(u32::MAX - 1), Tick(u32::MAX)];
    for tick in past.into_iter().chain(far) {
        hostile.command(tick, &good);
    }
    assert_eq!(counted(&server, before, 6), [0, 3, 3, 0, 0, 0, 0]);

    // Nobody moved: neither the hostile one's mark nor that of the one who looks.
    assert_eq!(seen(&server, |marks| marks.len() == 2), [AT, AT]);
    hostile.tick();
    server.stop();
}

/// What is finite is a number like any other, and comes out as it went in, to the bit.
#[test]
fn row_25_what_is_odd_but_in_range_is_applied() {
    let server = start(Server::new("marks", marks).listen("127.0.0.1:0"));
    let record = record();
    let mut hostile = Hostile::join(server.local_addr());
    for at in [-0.0, f32::from_bits(1), 1e30, f32::MIN, f32::MAX] {
        let payload = with_bits(&record, at.to_bits());
        assert_eq!(payload, honest(&record, at));
        let grown = fates_of(&server, &mut hostile, &[payload]);
        assert_eq!(grown, [1, 0, 0, 0, 0, 0, 0], "{at:?}: {FATES:?}");
        let there = |marks: &[f32]| marks.iter().any(|mark| mark.to_bits() == at.to_bits());
        seen(&server, there);
    }
    hostile.tick();
    server.stop();
}
