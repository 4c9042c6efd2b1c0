//! The bots against a real server, and the command as people and scripts call it.

use std::process::{Command, Output};

use bevy_ecs::prelude::*;
use clap::Parser;
use tickwire_bots::{Args, Report, run};
use tickwire_net::{Running, Server};
use tickwire_sim::prelude::*;

#[derive(Replicate, Default)]
struct Dot {
    #[net(range = 0.0..=800.0, step = 0.1)]
    x: f32,
}

#[derive(PlayerCommand, Clone, Copy, Default)]
struct Steer {
    #[net(range = -1..=1)]
    x: i8,
}

fn join(In(player): In<Player>, mut commands: Commands) {
    commands.spawn((Dot { x: 400.0 }, OwnedBy(player)));
}

fn steer(mut dots: Query<(&mut Dot, &Asks<Steer>)>) {
    for (mut dot, ask) in &mut dots {
        dot.x = (dot.x + 6.0 * f32::from(ask.x)).clamp(0.0, 800.0);
    }
}

fn dots(game: &mut Game) {
    game.rate(30)
        .seats(4)
        .replicate::<Dot>()
        .command::<Steer>()
        .on_join(join)
        .systems(steer);
}

fn server() -> Running {
    Server::new("dots", dots)
        .listen("127.0.0.1:0")
        .start()
        .expect("a server on a free port")
}

fn swarm(server: &Running, more: &[&str]) -> Report {
    let url = server.url();
    let base = [
        "tickwire-bots",
        "--url",
        &url,
        "--seconds",
        "2",
        "--ramp",
        "0.3",
        "--quiet",
    ];
    let args = Args::parse_from(base.iter().chain(more));
    run(&args).expect("a run")
}

#[test]
fn bots_play_and_measure() {
    let server = server();
    let report = swarm(&server, &["--clients", "6"]);
    assert_eq!((report.clients, report.failed), (6, 0), "{report}");
    assert!(report.updates_per_client_s > 15.0, "{report}");
    assert!(report.bytes_per_client_s > 50.0, "{report}");
    assert!(
        report.wire_bytes_per_client_s > report.bytes_per_client_s,
        "{report}"
    );
    assert!(
        report.age_ms.p50.is_some_and(|age| age < 1_000.0),
        "{report}"
    );
    assert!(report.effect_ms.p50.is_some(), "{report}");
    assert!(
        report.server_cpu_s.is_some() && report.late_ticks.is_some(),
        "{report}"
    );
}

#[test]
fn bots_whose_server_goes_have_failed() {
    let server = server();
    let url = server.url();
    let stop = std::thread::spawn(move || {
        // In the middle of what counts, and never back.
        std::thread::sleep(std::time::Duration::from_millis(1_300));
        server.stop();
    });
    let args = Args::parse_from([
        "tickwire-bots",
        "--url",
        &url,
        "--seconds",
        "3",
        "--ramp",
        "0.1",
        "--clients",
        "3",
        "--quiet",
    ]);
    let report = run(&args).expect("a run");
    stop.join().expect("the server stops");
    assert_eq!(report.failed, 3, "{report}");
}

#[test]
fn silent_bots_send_no_command() {
    let server = server();
    let report = swarm(&server, &["--clients", "2", "--silent"]);
    assert_eq!(report.failed, 0, "{report}");
    assert_eq!(report.effect_ms.p50, None, "{report}");
}

#[test]
fn rooms_are_spread_as_asked() {
    let server = server();
    let report = swarm(
        &server,
        &["--clients", "9", "--rooms", "3", "--threads", "2"],
    );
    assert_eq!(report.failed, 0, "{report}");
}

fn command(line: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tickwire-bots"))
        .args(line)
        .output()
        .expect("the command runs")
}

/// What went wrong is one line.
fn one_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn nobody_there_is_one_line_and_exit_code_two() {
    let output = command(&["--url", "ws://127.0.0.1:1", "--seconds", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        one_line(&output).contains("no server at ws://127.0.0.1:1"),
        "{output:?}"
    );
}

#[test]
fn wrong_usage_is_one_line_and_exit_code_two() {
    for line in [
        &["--url", "ftp://x"][..],
        &["--clients", "0"],
        &["--frobnicate"],
        &["--url", "wss://127.0.0.1:1"],
    ] {
        let output = command(line);
        assert_eq!(output.status.code(), Some(2), "{line:?}");
        one_line(&output);
    }
}

#[test]
fn one_object_of_json_and_nothing_else() {
    let server = server();
    let output = command(&[
        "--url",
        &server.url(),
        "--clients",
        "2",
        "--seconds",
        "1",
        "--ramp",
        "0",
        "--json",
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON alone");
    assert_eq!(value["clients"], 2);
    assert_eq!(value["failed"], 0);
}

#[test]
fn a_client_that_finds_no_room_of_its_kind_fails_the_run() {
    let server = server();
    let output = command(&[
        "--url",
        &server.url(),
        "--clients",
        "1",
        "--seconds",
        "1",
        "--room",
        "chess",
    ]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(one_line(&output).contains("refused"), "{output:?}");
}
