//! The arena as both sides run it: whatever tick it goes back to, it comes to the same bits.

use arena::{Options, Steer, arena};
use tickwire::predict::check_replays;
use tickwire::prelude::*;
use tickwire_lab::Chance;
use tickwire_snapshot::OwnedRow;
use tickwire_snapshot::record::{NoRefs, Record};

/// Ticks unless `TICKWIRE_REPLAY_TICKS` says otherwise.
const TICKS: u32 = 6_000;

fn kind(players: u16) -> GameKind {
    let options = Options {
        players,
        ..Options::default()
    };
    GameKind::new("arena", arena(options))
}

/// Somebody who flies about, aims and shoots.
fn play(kind: &GameKind, seed: u64) -> impl FnMut(u32) -> Option<OwnedRow> + use<> {
    let schema = kind.schema().clone();
    let mut chance = Chance::new(seed);
    let mut steer = Steer::default();
    move |tick| {
        if tick % 7 == 0 {
            steer.x = chance.between(-1.5, 1.5) as i8;
            steer.y = chance.between(-1.5, 1.5) as i8;
            steer.aim = chance.between(-3.0, 3.0) as f32;
            steer.fire = chance.happens(0.6);
        }
        let record = schema.command.as_ref()?;
        let mut row = OwnedRow::new(record);
        steer.write(&mut row.row_mut(record), &NoRefs);
        Some(row)
    }
}

/// Each tick is told eight ticks late, rolled back, and stepped again: alone in the arena nothing comes out another way, but where the server alone
/// decides: coming to life.
#[test]
fn each_tick_of_the_arena_comes_out_the_same_again() {
    let told = std::env::var("TICKWIRE_REPLAY_TICKS").ok();
    let ticks = told.and_then(|told| told.parse().ok()).unwrap_or(TICKS);
    let kind = kind(0);
    let outcome = check_replays(&kind, ticks, 8, play(&kind, 5));
    // One ship comes to life once: that is the server's to say, and is known in one update.
    if let Err(faulty) = outcome {
        let more: Vec<_> = faulty.components.iter().filter(|it| it.1 > 1).collect();
        assert!(
            more.is_empty() && faulty.unregistered.is_empty(),
            "{faulty}"
        );
    }
}
