//! Codebooks for the workload and the made-up scenes, from seeds that no row measures. What they save is told by the rows of `codec` and `recorded`.

use std::fs;
use std::io;
use std::path::Path;

use tickwire::prelude::Profile;
use tickwire_benches::game::bookless_workload;
use tickwire_benches::scenes::{Scene, crowd, strategy};
use tickwire_sim::{GameKind, SimOptions, Simulation};
use tickwire_snapshot::{AreaId, Codebook, Trainer};
use tickwire_workload::{Config, HZ};

/// Seeds to train on: far from those that are measured.
const SEEDS: [u64; 2] = [9_001, 9_002];
/// Ticks of each.
const TICKS: u32 = 40 * HZ;

/// Trains all of them into a folder.
pub fn books(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let books = [
        ("workload", workload()),
        ("crowd", scene(crowd)),
        ("strategy", scene(strategy)),
    ];
    for (name, book) in books {
        let path = folder.join(format!("{name}.book"));
        fs::write(&path, book.as_bytes())?;
        println!("{} ({} B)", path.display(), book.as_bytes().len());
    }
    Ok(())
}

fn workload() -> Codebook {
    let mut trainer = None;
    for seed in SEEDS {
        for config in [Config::small(seed), Config::large(seed)] {
            let kind = GameKind::new("workload", bookless_workload(config, 64));
            let options = SimOptions {
                seed,
                ..SimOptions::default()
            };
            let mut sim = Simulation::new(&kind, options);
            let trainer = trainer.get_or_insert_with(|| Trainer::new(sim.schema()));
            trainer.next_room();
            for _ in 0..TICKS {
                sim.step();
                let snapshot = sim.capture();
                if let Some(area) = snapshot.area(AreaId::ALL) {
                    trainer.watch(area, snapshot.tick);
                }
            }
        }
    }
    trainer.map_or_else(Codebook::default, |trainer| trainer.finish())
}

fn scene(make: fn(u64) -> Scene) -> Codebook {
    let plain = make(SEEDS[0]).with(Profile::Dense);
    let mut trainer = Trainer::new(plain.schema());
    for seed in SEEDS {
        trainer.next_room();
        let versions = make(seed).with(Profile::Dense).take(TICKS as usize / 2);
        versions.for_each(|(tick, area)| trainer.watch(&area, tick));
    }
    trainer.finish()
}
