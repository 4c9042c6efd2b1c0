//! C5 and F9: starts the peers bench, a workspace of its own, as a process of its own, and takes its two rows. What peers are and how they are set up stands in `benches/peers`.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tickwire_benches::row::Row;

/// Who is needed for the two rows.
const ONLY: &str = "tickwire-dense,sockets-dense,replicon-quantised";
/// The rows, with their floor and what we want.
const ROWS: [(&str, f64, f64); 2] = [
    ("C5", 1.0 / 10.0, 1.0 / 16.0),
    ("F9", 1.0 / 10.0, 1.0 / 20.0),
];

/// Builds it, which takes some minutes the first time, and runs it.
pub fn rows(seeds: &[u64], print: &mut dyn FnMut(Row)) {
    let output = run(seeds);
    for (id, pass, top) in ROWS {
        let (value, note) = match &output {
            Ok(rows) => told(rows, id),
            Err(why) => (f64::NAN, why.clone()),
        };
        print(Row::new(id, value, "x replicon", note).goals(pass, top));
    }
}

fn run(seeds: &[u64]) -> Result<Vec<Value>, String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/Cargo.toml");
    let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
    let cargo = |args: &[&str]| {
        let mut command = Command::new("cargo");
        command.args([args[0], "--release", "--locked", "--manifest-path"]);
        command.arg(&manifest).args(&args[1..]);
        command.stderr(Stdio::inherit());
        command
    };
    let built = cargo(&["build"]).status();
    match built {
        Ok(status) if status.success() => {}
        Ok(status) => {
            return Err(format!(
                "the peers bench cannot be built: cargo ended with {status}"
            ));
        }
        Err(error) => return Err(format!("the peers bench cannot be built: cargo: {error}")),
    }
    let output = cargo(&[
        "run",
        "--",
        "--json",
        "--only",
        ONLY,
        "--seeds",
        &seeds.join(","),
    ])
    .output()
    .map_err(|error| format!("the peers bench does not start: {error}"))?;
    let lines = output.stdout.split(|byte| *byte == b'\n');
    Ok(lines
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect())
}

fn told(rows: &[Value], id: &str) -> (f64, String) {
    let row = rows.iter().find(|row| row["id"] == id);
    let told = row.and_then(|row| Some((row["value"].as_f64()?, row["note"].as_str()?.to_owned())));
    told.unwrap_or_else(|| (f64::NAN, "the peers bench did not measure it".to_owned()))
}
