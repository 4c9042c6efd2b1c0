//! Hello, multiplayer: a dot for every player. `cargo run -p hello`, then open the address in two windows.

use tickwire::prelude::*;

/// Where a dot is: quantised as declared, sent as deltas, the same number on every machine.
#[derive(Replicate, Default)]
struct Dot {
    #[net(range = 0.0..=800.0, step = 0.1)]
    x: f32,
    #[net(range = 0.0..=600.0, step = 0.1)]
    y: f32,
    hue: u8,
}

/// What a player asks for in one tick. Out of range: dropped and counted before the game sees it.
#[derive(PlayerCommand, Clone, Copy, Default)]
struct Steer {
    #[net(range = -1..=1)]
    x: i8,
    #[net(range = -1..=1)]
    y: i8,
}

/// A dot comes with its player, and goes with it: what a player owns is despawned when the player leaves.
fn join(In(player): In<Player>, mut commands: Commands) {
    let dot = Dot {
        x: 400.0,
        y: 300.0,
        hue: player.hue(),
    };
    commands.spawn((dot, OwnedBy(player)));
}

/// `Asks` holds the command in force: the one of this tick, or the last one where none came in time.
fn steer(mut dots: Query<(&mut Dot, &Asks<Steer>)>) {
    for (mut dot, ask) in &mut dots {
        dot.x = (dot.x + 6.0 * f32::from(ask.x)).clamp(0.0, 800.0);
        dot.y = (dot.y + 6.0 * f32::from(ask.y)).clamp(0.0, 600.0);
    }
}

/// The game, in ticks of 1/30 s: the server runs it, and so do tests and the lab.
fn hello(game: &mut Game) {
    game.rate(30)
        .seats(64)
        .replicate::<Dot>()
        .command::<Steer>()
        .on_join(join)
        .systems(steer);
}

/// `--listen`, `--log`, `--help` and more come with it.
fn main() -> ExitCode {
    Server::new("hello", hello).page(PAGE).run()
}

/// Ten seconds of it on a bad 4G link, with four players who all steer to the right, in a moment: `cargo test -p hello`.
#[test]
fn four_players_on_4g_agree_where_they_are() {
    use tickwire::lab::{Lab, profile};
    let lab = Lab::new("hello", hello).clients(4).link(profile::FOUR_G);
    let seconds = std::time::Duration::from_secs(10);
    let run = lab.player(|turn| turn.set("x", 1)).run(seconds);
    let figures = run.unwrap_or_else(|violation| panic!("{violation}"));
    println!("{}", figures.figures());
}

/// The page: `/tickwire.js` is served by every server, and knows the game by its schema.
const PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Hello, multiplayer</title>
<link rel="icon" href="data:,">
<style>
  body { margin: 0; min-height: 100vh; display: grid; place-content: center; justify-items: center; gap: 12px;
    background: #070a12; color: #8fa0bf; font: 15px system-ui, sans-serif }
  canvas { background: #0e1422; border: 1px solid #223052; border-radius: 8px; max-width: 96vw }
  b { color: #e8eef9 }
</style>
<canvas id="board" width="800" height="600"></canvas>
<div id="line" role="status">connecting…</div>
<script type="module">
  import { connect, keys } from '/tickwire.js'

  const line = document.querySelector('#line')
  const g = document.querySelector('#board').getContext('2d')
  const net = connect()
  net.on('state', s => {
    if (s.at === 'away') line.textContent = `the server is away: trying again in ${(s.retryInMs / 1000).toFixed(1)} s`
    if (s.at === 'ended') line.textContent = `${s.reason}: ${s.message}`
  })

  try {
    const room = await net.quick('hello')
    room.command = () => ({ x: keys.axis('KeyA', 'KeyD'), y: keys.axis('KeyW', 'KeyS') })
    room.frame(view => {
      g.clearRect(0, 0, 800, 600)
      for (const { Dot, mine } of view.all('Dot')) {
        g.fillStyle = `hsl(${Dot.hue * 1.41} 90% ${mine ? 70 : 50}%)`
        g.fillRect(Dot.x - 8, Dot.y - 8, 16, 16)
      }
      if (net.state.at === 'online') line.innerHTML = `<b>W A S D</b> to move · ${room.members.length} here · ${room.figures.pingMs | 0} ms`
    })
  } catch (error) {
    line.textContent = [error.message, error.fix].filter(Boolean).join('. ')
  }
</script>
"#;
