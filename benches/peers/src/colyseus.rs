//! The arena on Colyseus: writes the trace that `colyseus/arena.mjs` plays, and runs it with Node. What is done with the trace stands there.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tickwire_peers_common::{Measured, TICKS};
use tickwire_workload::{Config, Sim};

/// The same fields as floats, or quantised into small integers.
#[derive(Clone, Copy)]
pub enum Fields {
    Floats,
    Ints,
}

/// Measures it; an error says what is missing, or that a client holds something else.
pub fn run(fields: Fields, config: Config) -> Result<Measured, String> {
    installed()?;
    let name = format!("tickwire-peers-{}.trace", std::process::id());
    let trace = Trace(std::env::temp_dir().join(name));
    write(config, &trace.0).map_err(|error| format!("the trace: {error}"))?;
    let how = match fields {
        Fields::Floats => "floats",
        Fields::Ints => "ints",
    };
    let output = Command::new("node")
        .current_dir(folder())
        .args(["arena.mjs".as_ref(), trace.0.as_os_str(), how.as_ref()])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("node: {error}"))?;
    serde_json::from_slice::<Result<Measured, String>>(&output.stdout)
        .map_err(|_| format!("node ended with {}", output.status))?
}

/// The encoder and what it needs, as its lock file says; fetched once.
fn installed() -> Result<(), String> {
    if folder().join("node_modules/@colyseus/schema").is_dir() {
        return Ok(());
    }
    let status = Command::new("npm")
        .current_dir(folder())
        .args(["ci", "--no-audit", "--no-fund"])
        .stdout(Stdio::null())
        .status()
        .map_err(|error| format!("left out, npm does not start: {error}"))?;
    status
        .success()
        .then_some(())
        .ok_or_else(|| format!("left out, npm ci ended with {status}"))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("colyseus")
}

/// Is gone when it is dropped.
struct Trace(PathBuf);

impl Drop for Trace {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// How many clients; then for each tick how many entities, and 28 bytes of each.
fn write(config: Config, path: &Path) -> std::io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    out.write_all(&config.players.to_le_bytes())?;
    let mut sim = Sim::new(config);
    for _ in 0..TICKS {
        sim.step();
        out.write_all(&(sim.entities().len() as u32).to_le_bytes())?;
        for it in sim.entities() {
            out.write_all(&it.id.to_le_bytes())?;
            for number in [it.pos[0], it.pos[1], it.vel[0], it.vel[1], it.rot] {
                out.write_all(&number.to_le_bytes())?;
            }
            out.write_all(&[it.health, it.team, it.kind, 0])?;
        }
    }
    out.flush()
}
