//! A test for a game's author: every tick is rolled back and stepped again, and what does not come out the same is named. Not the rollback itself.

use std::collections::VecDeque;

use tickwire_sim::{GameKind, Mirror, OwnTruth, PlayerInfo, SimOptions, Simulation, Truth};
use tickwire_snapshot::{OwnedRow, Snapshot};

/// What is not the same when it is stepped again, or on the other side: the game's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faulty {
    /// Components, with how often they differed.
    pub components: Vec<(String, u64)>,
    /// Components that stand on entities and are not registered: nobody can put them back.
    pub unregistered: Vec<String>,
    /// Ticks that were checked.
    pub ticks: u32,
}

impl std::fmt::Display for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "of {} ticks:", self.ticks)?;
        for (name, count) in &self.components {
            writeln!(
                f,
                "  {name} came out differently {count} times: a system that changes it reads something that is not registered, \
                 not the same on both sides (chance, time, the order of a query), or decided by the server alone (give it `run_if(on_server)`)"
            )?;
        }
        for name in &self.unregistered {
            writeln!(
                f,
                "  {name} is not registered: replicate it, or keep it as state, else a rollback loses it"
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for Faulty {}

/// Plays a game for so many ticks with one player, as a server and as a client that is told the truth of each tick `behind` ticks late and goes back to
/// it every time, whether it was right or not.
///
/// `play` says what the player asks for in each tick, as a row of the schema's command; `None`: nothing.
///
/// # Errors
/// What came out differently, by component.
///
/// # Panics
/// Where the game is not sound, or a system panics.
pub fn check_replays(
    kind: &GameKind,
    ticks: u32,
    behind: u32,
    mut play: impl FnMut(u32) -> Option<OwnedRow>,
) -> Result<(), Faulty> {
    let mut room = Simulation::new(kind, SimOptions::default());
    room.join(PlayerInfo::default())
        .expect("the first seat is free");
    room.step();
    let mut mirror = Mirror::new(kind, 0);
    let mut wire: VecDeque<(std::sync::Arc<Snapshot>, u16, Vec<u8>)> = VecDeque::new();
    tell(&mut room, &mut wire);
    hear(&mut mirror, &mut wire);
    for tick in 0..ticks {
        let row = play(tick);
        mirror.step(row.as_ref());
        if let Some(row) = &row {
            let _ = room.command(0, Some(row));
        } else {
            let _ = room.command(0, None);
        }
        room.step();
        tell(&mut room, &mut wire);
        if wire.len() > behind as usize {
            hear(&mut mirror, &mut wire);
            mirror.replay();
        }
    }
    let faulty = Faulty {
        components: mirror.stats().causes.clone(),
        unregistered: room.unkept_components(),
        ticks,
    };
    match faulty.components.is_empty() && faulty.unregistered.is_empty() {
        true => Ok(()),
        false => Err(faulty),
    }
}

fn tell(room: &mut Simulation, wire: &mut VecDeque<(std::sync::Arc<Snapshot>, u16, Vec<u8>)>) {
    let snapshot = room.capture();
    room.gather_own();
    let mut rows = Vec::new();
    room.write_own(0, &mut rows);
    wire.push_back((snapshot, room.own_number(0), rows));
}

fn hear(mirror: &mut Mirror, wire: &mut VecDeque<(std::sync::Arc<Snapshot>, u16, Vec<u8>)>) {
    if let Some((snapshot, number, rows)) = wire.pop_front() {
        mirror.truth(&Truth {
            tick: snapshot.tick,
            areas: &snapshot.areas,
            own: OwnTruth::Told {
                number,
                rows: &rows,
            },
        });
    }
}
