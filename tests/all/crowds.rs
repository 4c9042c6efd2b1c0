//! A whole arena of bots over real sockets: nobody fails, and what they see is fresh. What one bot does is the bots' own test.

use std::process::Command;

use serde_json::Value;
use tickwire_tests::process::{self, Served};

/// Two send intervals of the arena, in milliseconds.
const FRESH_MS: f64 = 2.0 * 1_000.0 / 30.0;
/// This machine may be busy with other tests: deadlines have fourfold slack, and a run may be had again.
const SLACK: f64 = 4.0;
const TRIES: u32 = 3;

#[test]
fn sixty_four_bots_play_in_one_arena_and_see_what_is_fresh() {
    let (arena, bots) = (process::binary("arena"), process::binary("tickwire-bots"));
    let arena = Served::start(&arena, &["--listen", "127.0.0.1:0", "--players", "0"]);
    let url = format!("ws://{}", arena.address());
    let mut told = Vec::new();
    for _ in 0..TRIES {
        let line = ["--clients", "64", "--seconds", "6", "--json", "--quiet"];
        let run = Command::new(&bots)
            .args(["--url", &url])
            .args(line)
            .output();
        let run = run.expect("the bots start");
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        let errors = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(run.status.success(), "{said}{errors}");
        let report: Value = serde_json::from_str(&said).expect("one JSON object");
        assert_eq!(report["clients"], 64);
        assert_eq!(report["failed"], 0, "{errors}");
        let age = report["age_ms"]["p99"].as_f64().expect("ages were told");
        let updates = report["updates_per_client_s"].as_f64();
        if age < SLACK * FRESH_MS && updates.is_some_and(|updates| updates > 30.0 / SLACK) {
            return;
        }
        told.push(said);
    }
    panic!("what bots see is old, every time: {told:?}");
}
