//! Drives a peer through the arena and measures it: the server's part of each tick, the bytes it hands over, and whether its clients hold the truth.

use serde::{Deserialize, Serialize};
use tickwire_workload::{Config, Entity, HZ, Sim};

use crate::{Image, Section};

const WARM_UP: u32 = 5 * HZ;
const MEASURED: u32 = 30 * HZ;
/// Ticks of a run, until nothing moves any more.
pub const TICKS: u32 = WARM_UP + MEASURED;
/// Ticks in which nothing moves any more and clients may catch up.
const SETTLE: u32 = 3 * HZ;
/// Ticks between two looks at a client while everything moves.
const LOOK: u32 = 97;

/// A server and its clients, in this process, over a transport in memory that loses nothing.
pub trait Peer {
    /// The arena's new state goes into the server's world. Not measured: it is the game's work, not the framework's.
    fn apply(&mut self, sim: &Sim);
    /// The server's tick: what came from clients, replication, and all bytes handed to the transport. This is measured.
    fn serve(&mut self);
    /// All clients receive what was handed over, and their answers are on the way back.
    fn deliver(&mut self);
    /// Bytes handed to the transport so far, for all clients.
    fn sent(&self) -> u64;
    /// The codec's part of them, where it is known.
    fn payload(&self) -> Option<u64> {
        None
    }
    /// What one client holds.
    fn view(&mut self, client: usize) -> Vec<Image>;
    /// Steps that a position may be off: a peer may be lossy within what it says.
    fn slack(&self) -> i32 {
        0
    }
    /// Ticks that the arena has gone already, for a peer whose own game steps it.
    fn begun(&self) -> u32 {
        0
    }
}

/// The figures of one run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Measured {
    /// Bytes a client and second.
    pub bytes: f64,
    /// Of them the codec's alone, where a peer tells.
    pub payload: Option<f64>,
    /// Milliseconds of CPU a tick.
    pub cpu_ms: f64,
    /// The same to write the arena's state into the peer's world, which is not in `cpu_ms`.
    pub write_ms: f64,
    /// Allocations a tick, where they can be counted.
    pub allocations: Option<f64>,
    /// Entities in the arena at the end.
    pub entities: usize,
    /// The share of entities that a client holds as they are on the server while everything moves.
    pub fresh: f64,
    /// Ticks that clients needed to hold the whole truth once nothing moved.
    pub settled: u32,
}

/// Measures a peer; an error says which client holds something else.
pub fn measure(
    peer: &mut dyn Peer,
    config: Config,
    image: fn(&Entity) -> Image,
) -> Result<Measured, String> {
    let clients = config.players as usize;
    let mut sim = Sim::new(config);
    for _ in 0..peer.begun() {
        sim.step();
    }
    let (mut written, mut cost) = (Section::default(), Section::default());
    let (mut sent, mut payload, mut looks) = ([0; 2], [None; 2], Vec::new());
    for tick in 1..=TICKS {
        sim.step();
        let apply = Section::of(|| peer.apply(&sim));
        let serve = Section::of(|| peer.serve());
        peer.deliver();
        if tick > WARM_UP {
            written += apply;
            cost += serve;
        }
        if tick == WARM_UP || tick == TICKS {
            let at = usize::from(tick == TICKS);
            (sent[at], payload[at]) = (peer.sent(), peer.payload());
        }
        if tick.is_multiple_of(LOOK) {
            let client = tick as usize % clients;
            let held = sorted(peer.view(client));
            looks.push(alike(&truth(&sim, image), &held, peer.slack()));
        }
    }
    let settled = settle(peer, clients, &truth(&sim, image))?;
    let a_second = |bytes: u64| bytes as f64 / f64::from(config.players) / f64::from(MEASURED / HZ);
    let a_tick = |cost: Section| cost.cpu.as_secs_f64() * 1e3 / f64::from(MEASURED);
    let codec = payload[0].zip(payload[1]).map(|(then, now)| now - then);
    Ok(Measured {
        bytes: a_second(sent[1] - sent[0]),
        payload: codec.map(a_second),
        cpu_ms: a_tick(cost),
        write_ms: a_tick(written),
        allocations: Some(cost.allocations as f64 / f64::from(MEASURED)),
        entities: sim.entities().len(),
        fresh: looks.iter().sum::<f64>() / looks.len() as f64,
        settled,
    })
}

/// Nothing moves any more: each client must come to hold exactly the truth. A peer that does not replicate is not measured.
fn settle(peer: &mut dyn Peer, clients: usize, truth: &[Image]) -> Result<u32, String> {
    let mut wrong = String::new();
    for waited in 0..=SETTLE {
        let slack = peer.slack();
        let differs = (0..clients).find_map(|client| {
            let held = sorted(peer.view(client));
            let share = alike(truth, &held, slack);
            let (has, there) = (held.len(), truth.len());
            (has != there || share < 1.0).then(|| {
                format!("client {client} holds {has} entities of {there}, {share:.3} of them as they are")
            })
        });
        match differs {
            None => return Ok(waited),
            Some(what) => wrong = what,
        }
        peer.serve();
        peer.deliver();
    }
    Err(wrong)
}

fn truth(sim: &Sim, image: fn(&Entity) -> Image) -> Vec<Image> {
    sorted(sim.entities().iter().map(image).collect())
}

fn sorted(mut images: Vec<Image>) -> Vec<Image> {
    images.sort_unstable();
    images
}

/// The share of the truth that is held, each entity once, its position at most `slack` off.
fn alike(truth: &[Image], held: &[Image], slack: i32) -> f64 {
    let mut taken = vec![false; held.len()];
    let mut same = 0;
    for image in truth {
        let from = held.partition_point(|it| it[0] < image[0].saturating_sub(slack));
        let near = held[from..]
            .iter()
            .take_while(|it| it[0] <= image[0].saturating_add(slack));
        let found = near.enumerate().find(|(at, it)| {
            let beside = it[1].abs_diff(image[1]) <= slack.unsigned_abs();
            beside && it[2..] == image[2..] && !taken[from + at]
        });
        if let Some((at, _)) = found {
            taken[from + at] = true;
            same += 1;
        }
    }
    f64::from(same) / truth.len().max(1) as f64
}
