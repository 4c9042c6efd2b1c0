//! A scene sent to one client that decodes from bytes alone: over a lane with loss, with skipped ticks, or from bases of any age.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tickwire_proto::Tick;
use tickwire_snapshot::{Area, AreaId, Basis, Encoder, Schema, decode};
use tickwire_workload::Rng;

/// Updates that both sides keep as possible bases.
const KEPT_MAX: usize = 64;

/// How a scene is sent.
#[derive(Clone, Copy, Debug)]
pub enum Lane {
    /// Each update starts from the last one sent; of so many ticks in a thousand nothing is sent.
    Reliable { skipped: u32 },
    /// Each update starts from the newest one that arrived at least `lag` ticks ago; so many in a thousand are lost.
    Datagrams { lag: u32, lost: u32 },
    /// Each update starts from any that arrived, or from nothing; some are lost, some skipped.
    AnyBasis,
}

/// What was sent, and what it took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    pub ticks: u64,
    pub bytes: u64,
    pub entities: u64,
    pub encode: Duration,
    pub decode: Duration,
    /// Updates after which the client held something else.
    pub wrong: u64,
}

impl Sent {
    /// Bits a second in thousands, one update a tick.
    pub fn kbits(&self, hz: u32) -> f64 {
        self.bytes as f64 / self.ticks as f64 * f64::from(hz) * 8e-3
    }

    pub fn bytes_each(&self) -> f64 {
        self.bytes as f64 / self.entities as f64
    }

    /// Milliseconds that a tick took to encode and to decode.
    pub fn millis(&self) -> [f64; 2] {
        [self.encode, self.decode].map(|time| time.as_secs_f64() * 1e3 / self.ticks as f64)
    }
}

/// Both sides' copies of one update.
struct Kept {
    tick: Tick,
    ours: Basis,
    theirs: Basis,
    arrived: bool,
}

/// Sends a scene until it is over, or so many entities were sent. Updates before there is a first basis are not counted.
pub fn stream(
    schema: &Arc<Schema>,
    scene: impl Iterator<Item = (Tick, Arc<Area>)>,
    lane: Lane,
    seed: u64,
    entities_max: u64,
) -> Sent {
    let mut encoder = Encoder::new(schema);
    let mut rng = Rng::new(seed ^ 0x0073_7472_6561_6d00);
    let mut kept: VecDeque<Kept> = VecDeque::new();
    let mut sent = Sent::default();
    for (tick, area) in scene {
        if sent.entities >= entities_max {
            break;
        }
        if matches!(lane, Lane::Reliable { skipped } if rng.below(1000) < skipped)
            || matches!(lane, Lane::AnyBasis) && rng.below(8) == 0
        {
            continue;
        }
        let (ours, theirs) = match choose(&kept, tick, lane, &mut rng) {
            Some(basis) => (basis.ours.clone(), basis.theirs.clone()),
            None => (Basis::nothing(), Basis::nothing()),
        };
        let begun = Instant::now();
        let (bytes, ours_after) = encoder.encode(&ours, &area, tick);
        let encoded = Instant::now();
        let decoded = decode(schema, &theirs, AreaId::ALL, tick, &bytes);
        let decoding = encoded.elapsed();
        let held = decoded.map(|decoded| decoded.basis);
        let right = held.as_ref().is_ok_and(|basis| {
            basis
                .area
                .as_ref()
                .is_some_and(|held| held.hash() == area.hash() && held.same(&area))
        });
        if theirs.area.is_some() || matches!(lane, Lane::AnyBasis) {
            sent.ticks += 1;
            sent.bytes += bytes.len() as u64;
            sent.entities += area.len() as u64;
            sent.encode += encoded - begun;
            sent.decode += decoding;
        }
        sent.wrong += u64::from(!right);
        let arrived = match lane {
            Lane::Reliable { .. } => true,
            Lane::Datagrams { lost, .. } => rng.below(1000) >= lost,
            Lane::AnyBasis => rng.below(8) > 0,
        };
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        if let Ok(theirs) = held {
            kept.push_back(Kept {
                tick,
                ours: ours_after,
                theirs,
                arrived,
            });
        }
    }
    sent
}

fn choose<'a>(kept: &'a VecDeque<Kept>, tick: Tick, lane: Lane, rng: &mut Rng) -> Option<&'a Kept> {
    match lane {
        Lane::Reliable { .. } => kept.back(),
        Lane::Datagrams { lag, .. } => kept
            .iter()
            .rev()
            .find(|update| update.arrived && tick.since(update.tick) >= lag),
        Lane::AnyBasis if rng.below(64) == 0 => None,
        Lane::AnyBasis => {
            // Mostly a young one.
            let most = rng.below(1 + kept.len() as u32);
            let age = rng.below(1 + most) as usize;
            kept.iter().rev().skip(age).find(|update| update.arrived)
        }
    }
}
