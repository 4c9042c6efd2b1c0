//! B1 and B2: the arena full of bots, and twenty rooms of sixteen; both commands as people run them, in processes of their own.

use std::process::Command;

use serde_json::Value;
use tickwire_benches::row::Row;
use tickwire_tests::process::{self, Served};

/// Milliseconds from one update of the arena to the next.
const INTERVAL_MS: f64 = 1_000.0 / 30.0;

pub fn rows(seconds: u64, print: &mut dyn FnMut(Row)) {
    let (arena, bots) = (process::release("arena"), process::release("tickwire-bots"));
    for (id, clients, seats, rooms) in [("B1", 64, 64, 1), ("B2", 320, 16, 20)] {
        let seats = format!("{seats}");
        let line = [
            "--listen",
            "127.0.0.1:0",
            "--players",
            "0",
            "--seats",
            &seats,
        ];
        let arena = Served::start(&arena, &line);
        let run = Command::new(&bots)
            .args(["--url", &format!("ws://{}", arena.address())])
            .args(["--clients", &format!("{clients}")])
            .args(["--rooms", &format!("{rooms}")])
            .args(["--seconds", &seconds.to_string(), "--json", "--quiet"])
            .output()
            .expect("the bots start");
        let report: Value = serde_json::from_slice(&run.stdout).unwrap_or_default();
        let figure = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        let failed = figure(&report["failed"]);
        // A client that failed has seen nothing in time.
        let age = if failed == 0.0 {
            figure(&report["age_ms"]["p99"])
        } else {
            f64::INFINITY
        };
        let note = format!(
            "p99 age of {clients} bots in {rooms} room(s); median {:.1} ms, {:.1} updates and {:.0} B a client and second, {failed} failed, {} late ticks, server CPU {:.1} s of {seconds}",
            figure(&report["age_ms"]["p50"]),
            figure(&report["updates_per_client_s"]),
            figure(&report["bytes_per_client_s"]),
            report["late_ticks"],
            figure(&report["server_cpu_s"]),
        );
        print(Row::new(id, age / INTERVAL_MS, "send intervals", note).goals(2.0, 1.0));
    }
}
