//! C4, C4w and C7: bytes and CPU time of the workload's arena L through the whole framework, and of streaming zstd over the same snapshots.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tickwire::prelude::Profile;
use tickwire_benches::{
    game::{bookless_workload, dense_workload, parts, workload},
    row::Row,
};
use tickwire_proto::{ServerFrame, Tick, frame::AreaDelta};
use tickwire_sim::{GameKind, SimOptions, Simulation};
use tickwire_snapshot::{AreaId, Basis, Encoder, decode};
use tickwire_workload::{Config, HZ, Sim};

const WARM_UP: u32 = 5 * HZ;
const MEASURED: u32 = 30 * HZ;

/// The rows of the dense codec, by the goals' names, and beside them those of the fast one, which a game has that does not choose.
pub fn rows(seeds: &[u64], print: &mut dyn FnMut(Row)) {
    let dense = [(6_500.0, 4_500.0), (7_000.0, 5_000.0)];
    let fast = [(20_000.0, 9_000.0), (21_000.0, 10_000.0)];
    for (profile, name, goals) in [(Profile::Dense, "", dense), (Profile::Fast, ".fast", fast)] {
        rows_of(profile, name, goals, seeds, print);
    }
}

fn rows_of(
    profile: Profile,
    name: &str,
    goals: [(f64, f64); 2],
    seeds: &[u64],
    print: &mut dyn FnMut(Row),
) {
    let runs: Vec<Sizes> = seeds
        .iter()
        .map(|&seed| bytes(Some(profile), seed))
        .collect();
    let mean = |f: fn(&Sizes) -> f64| runs.iter().map(f).sum::<f64>() / runs.len() as f64;
    let each: Vec<String> = runs
        .iter()
        .map(|run| format!("{:.0}", run.payload))
        .collect();
    print(
        Row::new(
            &format!("C4{name}"),
            mean(|run| run.payload),
            "B/client/s",
            format!("arena L, codec payload, seeds {}", each.join(" / ")),
        )
        .goals(goals[0].0, goals[0].1),
    );
    print(
        Row::new(
            &format!("C4w{name}"),
            mean(|run| run.transport),
            "B/client/s",
            format!(
                "all bytes handed to the transport; {:.0} with 76 B of headers an update",
                mean(|run| run.wire)
            ),
        )
        .goals(goals[1].0, goals[1].1),
    );
    if profile == Profile::Dense {
        let bookless: Vec<Sizes> = seeds.iter().map(|&seed| bytes(None, seed)).collect();
        let payload = bookless.iter().map(|run| run.payload).sum::<f64>() / seeds.len() as f64;
        let note = "the same without a codebook".to_owned();
        print(Row::new("C4.bookless", payload, "B/client/s", note));
    }
    let cpu: Vec<Cpu> = seeds.iter().map(|&seed| cpu(profile, seed)).collect();
    let total = |f: fn(&Cpu) -> Duration| {
        cpu.iter().map(f).sum::<Duration>().as_secs_f64() * 1e6 / cpu.len() as f64
    };
    let (ours, zstd, decode) = (
        total(|run| run.ours),
        total(|run| run.zstd),
        total(|run| run.decode),
    );
    print(
        Row::new(
            &format!("C7{name}"),
            ours / zstd,
            "x zstd-3",
            format!(
                "capture + encode {ours:.0} us a tick, streaming zstd {zstd:.0} us, paced at 30 Hz"
            ),
        )
        .goals(1.0, 0.6),
    );
    print(
        Row::new(
            &format!("C7{name}.decode"),
            decode / zstd,
            "x zstd-3",
            format!("decode {decode:.0} us a tick"),
        )
        .goals(1.0, 0.6),
    );
}

struct Sizes {
    payload: f64,
    transport: f64,
    wire: f64,
}

/// One client that holds every update: the law of one basis makes it all of them.
fn bytes(profile: Option<Profile>, seed: u64) -> Sizes {
    let config = Config::large(seed);
    let mut run = Run::new(profile, config);
    let (mut payload, mut transport) = (0, 0);
    for tick in 1..=WARM_UP + MEASURED {
        run.sim.step();
        let update = run.encode();
        let client = run.decode(&update);
        assert!(
            client.same(&run.newest()),
            "seed {seed}, tick {tick}: the client holds something else"
        );
        if tick > WARM_UP {
            payload += update.len();
            transport += handed_over(&update, Tick(tick));
        }
    }
    let a_second = |bytes: usize| bytes as f64 / f64::from(MEASURED / HZ);
    Sizes {
        payload: a_second(payload),
        transport: a_second(transport),
        wire: a_second(transport) + 76.0 * f64::from(HZ),
    }
}

/// What a WebSocket link writes for an update: the private tick frame and the shared one, each with its header.
fn handed_over(payload: &[u8], tick: Tick) -> usize {
    let area = AreaDelta {
        area: 0,
        basis: Some(tick.minus(1)),
        flags: 0,
        payload,
    };
    let shared = ServerFrame::Update {
        room: 1,
        tick,
        areas: vec![area],
    }
    .encode();
    // As to a client that sends a command a tick, with the stamp that the figures on age need.
    let private = ServerFrame::TickFrame {
        room: 1,
        tick,
        applied: Some(tick.minus(1)),
        slack: 2,
        stamp: None,
        own: tickwire_proto::frame::OwnTold::Nothing,
        alone: false,
    }
    .encode();
    [private.len(), shared.len()]
        .into_iter()
        .map(|length| length + if length < 126 { 2 } else { 4 })
        .sum()
}

struct Cpu {
    ours: Duration,
    zstd: Duration,
    decode: Duration,
}

fn cpu(profile: Profile, seed: u64) -> Cpu {
    let config = Config::large(seed);
    let mut run = Run::new(Some(profile), config);
    let mut truth = Sim::new(config);
    let mut zstd = Zstd::new();
    let mut taken = [Vec::new(), Vec::new(), Vec::new()];
    let begun = Instant::now();
    for tick in 1..=10 * HZ {
        run.sim.step();
        truth.step();
        let full = quantised(&truth);
        let update = timed(&mut taken[0], || run.encode());
        timed(&mut taken[1], || zstd.block(&full));
        timed(&mut taken[2], || run.decode(&update));
        // Paced as a room is: caches and clocks behave as they do in a server.
        std::thread::sleep(
            (begun + Duration::from_secs(1) * tick / HZ).saturating_duration_since(Instant::now()),
        );
    }
    let [ours, zstd, decode] = taken.map(|mut times| {
        // The median: a shared machine takes the thread away now and then.
        times.sort_unstable();
        times[times.len() / 2]
    });
    Cpu { ours, zstd, decode }
}

fn timed<T>(times: &mut Vec<Duration>, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    times.push(begun.elapsed());
    done
}

/// A room's simulation, the server's basis, and the client's.
struct Run {
    sim: Simulation,
    encoder: Encoder,
    sent: Basis,
    held: Basis,
    tick: Tick,
}

impl Run {
    /// `None`: the dense profile without a codebook.
    fn new(profile: Option<Profile>, config: Config) -> Self {
        let kind = match profile {
            Some(Profile::Dense) => GameKind::new("workload", dense_workload(config, 64)),
            Some(Profile::Fast) => GameKind::new("workload", workload(config, 64)),
            None => GameKind::new("workload", bookless_workload(config, 64)),
        };
        let sim = Simulation::new(
            &kind,
            SimOptions {
                seed: config.seed,
                ..SimOptions::default()
            },
        );
        let encoder = Encoder::new(sim.schema());
        Self {
            sim,
            encoder,
            sent: Basis::nothing(),
            held: Basis::nothing(),
            tick: Tick(0),
        }
    }

    /// Capture and encode: what a room does once a tick, however many see it.
    fn encode(&mut self) -> bytes::Bytes {
        let snapshot = self.sim.capture();
        let area = snapshot
            .area(AreaId::ALL)
            .expect("every snapshot has the area of all");
        self.tick = snapshot.tick;
        let (bytes, basis) = self.encoder.encode(&self.sent, area, snapshot.tick);
        self.sent = basis;
        bytes
    }

    fn decode(&mut self, bytes: &[u8]) -> Arc<tickwire_snapshot::Area> {
        let decoded = decode(self.sim.schema(), &self.held, AreaId::ALL, self.tick, bytes)
            .expect("our own update");
        self.held = decoded.basis;
        self.held
            .area
            .clone()
            .expect("a client holds an area after an update")
    }

    fn newest(&self) -> Arc<tickwire_snapshot::Area> {
        self.sent.area.clone().expect("something was sent")
    }
}

/// The workload's full snapshot, quantised as its README says, in rows.
fn quantised(truth: &Sim) -> Vec<u8> {
    let mut out = Vec::with_capacity(truth.entities().len() * 14);
    for entity in truth.entities() {
        let (body, vital, looks) = parts(entity);
        out.extend_from_slice(&entity.id.to_le_bytes());
        for number in [body.x, body.y, body.vx, body.vy] {
            out.extend_from_slice(&((number * 16.0).round() as i16).to_le_bytes());
        }
        let turn = (body.rot / std::f32::consts::TAU * 256.0).round() as i32;
        out.extend_from_slice(&[turn as u8, vital.health, looks.team, looks.kind]);
    }
    out
}

/// zstd at level 3 over the whole stream, flushed at each snapshot: the cheap rival.
struct Zstd {
    encoder: zstd::stream::write::Encoder<'static, Vec<u8>>,
}

impl Zstd {
    fn new() -> Self {
        Self {
            encoder: zstd::stream::write::Encoder::new(Vec::new(), 3).expect("zstd starts"),
        }
    }

    fn block(&mut self, full: &[u8]) -> usize {
        use std::io::Write;
        self.encoder.get_mut().clear();
        self.encoder.write_all(full).expect("memory takes it");
        self.encoder.flush().expect("memory takes it");
        self.encoder.get_ref().len()
    }
}
