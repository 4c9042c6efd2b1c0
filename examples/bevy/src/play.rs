//! Who plays without a window: a Bevy app whose bee flies to the nearest flower and which prints what it sees. Another front end would draw it.

use std::time::Duration;

use bevy_app::{ScheduleRunnerPlugin, TerminalCtrlCHandlerPlugin, prelude::*};
use tickwire::bevy::prelude::*;
use tickwire::client::{ClientEvent, Figures};
use tickwire::prelude::*;

use crate::flowers::{Flower, Visited};
use crate::{Bee, Fly};

/// Updates a second, as a screen would have them.
const FRAMES: f64 = 60.0;

/// Plays for so many seconds, and prints what it sees once in each of them.
#[derive(Clone, Copy, Debug)]
pub struct Headless {
    /// Seconds; `None`: until it is interrupted.
    pub seconds: Option<u32>,
}

/// Updates so far, and how many there are to be.
#[derive(Resource, Default)]
struct Frames {
    done: u64,
    of: Option<u64>,
}

impl Plugin for Headless {
    fn build(&self, app: &mut App) {
        let frame = Duration::from_secs_f64(1.0 / FRAMES);
        let of = self
            .seconds
            .map(|seconds| u64::from(seconds) * FRAMES as u64);
        app.add_plugins((
            ScheduleRunnerPlugin::run_loop(frame),
            TerminalCtrlCHandlerPlugin,
        ))
        .insert_resource(Frames { done: 0, of })
        .add_systems(Update, (seek, (tell, look, stop).chain()));
    }
}

/// What a player does with the keys.
fn seek(
    bees: Query<&Bee, With<Mine>>,
    flowers: Query<&Flower>,
    mut next: ResMut<NextCommand<Fly>>,
) {
    let Ok(bee) = bees.single() else { return };
    let far = |flower: &&Flower| (flower.x - bee.x).abs() + (flower.y - bee.y).abs();
    let nearest = flowers.iter().min_by(|a, b| far(a).total_cmp(&far(b)));
    let towards =
        |there: f32, here: f32| i8::from(there > here + 6.0) - i8::from(there < here - 6.0);
    next.0 = nearest.map_or(Fly::default(), |flower| Fly {
        x: towards(flower.x, bee.x),
        y: towards(flower.y, bee.y),
    });
}

/// Prints what happens.
fn tell(
    mut events: MessageReader<NetEvent>,
    mut faults: MessageReader<NetFault>,
    mut visits: MessageReader<Happened<Visited>>,
) {
    for NetEvent(event) in events.read() {
        match event {
            ClientEvent::State(state) => println!("{state:?}"),
            ClientEvent::Member { change, .. } => println!("{change:?}"),
            ClientEvent::JoinRefused { refusal, .. } => {
                println!("{}: {}", refusal.code, refusal.message)
            }
            _ => {}
        }
    }
    for fault in faults.read() {
        eprintln!("{fault}");
    }
    for Happened { tick, event } in visits.read() {
        println!(
            "tick {}: the bee of seat {} found a flower at {:.0}, {:.0}",
            tick.0, event.seat, event.x, event.y
        );
    }
}

/// Prints who is where.
fn look(
    frames: Res<Frames>,
    net: Res<NetClient>,
    bees: Query<(&Networked, &Bee, Has<Mine>, Has<PredictedHere>)>,
    flowers: Query<(), With<Flower>>,
) {
    if !frames.done.is_multiple_of(FRAMES as u64) {
        return;
    }
    let Figures { ping_ms, .. } = net.figures().unwrap_or_default();
    println!(
        "{} bees, {} flowers, ping {ping_ms:.0} ms",
        bees.iter().len(),
        flowers.iter().len()
    );
    for (networked, bee, mine, predicted) in &bees {
        let whose = if mine { "mine" } else { "another's" };
        let how = if predicted {
            "predicted"
        } else {
            "interpolated"
        };
        println!(
            "  {} ({whose}, {how}): {:.1}, {:.1}, nectar {}",
            networked.id, bee.x, bee.y, bee.nectar
        );
    }
}

fn stop(mut frames: ResMut<Frames>, mut exit: MessageWriter<AppExit>) {
    frames.done += 1;
    if frames.of.is_some_and(|of| frames.done >= of) {
        exit.write(AppExit::Success);
    }
}
