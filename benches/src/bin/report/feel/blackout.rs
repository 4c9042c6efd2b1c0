//! L9: how soon a client is well again after its link broke, and after ways on which nothing came for a while.

use std::time::Duration;

use tickwire_benches::row::Row;
use tickwire_lab::{Lab, Profile, Quantiles, Running, Shown, profile};

use super::game::{RATE, game};
use super::measure::CLIENTS;

const TICK_MS: f64 = 1e3 / RATE as f64;
/// Links broken, one after the other, and the time between two of them.
const CUTS: u32 = 12;
const APART: Duration = Duration::from_secs(15);
/// A picture is well again when it moves and is no further behind the truth than this part more than before.
const WELL: f64 = 1.5;

pub fn rows(print: &mut dyn FnMut(Row)) {
    let mut worst: f64 = 0.0;
    let mut lines = Vec::new();
    for profile in profile::ALL {
        let (fresh, keyframes) = resumes(profile);
        let trip = profile.round_trip().as_secs_f64() * 1e3;
        let beyond = (fresh.p50 - trip) / TICK_MS;
        worst = worst.max(beyond);
        let note = format!(
            "first update after the link is open: p50 {:.0} ms, p90 {:.0}, a round trip {trip:.0}; {keyframes} keyframes",
            fresh.p50, fresh.p90,
        );
        lines
            .push(Row::new(&format!("L9.{}", profile.name), beyond, "ticks", note).goals(2.0, 2.0));
    }
    let how = "first update over a new link, in ticks beyond a mean round trip, median; WebSocket, links cut at any byte";
    print(Row::new("L9", worst, "ticks", how).goals(2.0, 2.0));
    lines.into_iter().for_each(&mut *print);
    for span in [1, 5, 30] {
        let lines = profile::ALL.map(|profile| {
            let well = recoveries(profile, Duration::from_secs(span));
            format!("{} {:.0}/{:.0}", profile.name, well.p50, well.max)
        });
        let worst = lines.join(", ");
        let most = profile::ALL
            .map(|profile| recoveries(profile, Duration::from_secs(span)).p50)
            .into_iter()
            .fold(0.0, f64::max);
        let how = format!(
            "from the end of {span} s in which nothing came until pictures are well again, ms p50/max: {worst}"
        );
        print(Row::new(&format!("L9.dark{span}"), most, "ms", how));
    }
}

fn started(profile: Profile) -> Running {
    let lab = Lab::new("feel", game).seed(5).clients(CLIENTS);
    let mut lab = lab.link(profile).record().start();
    go(&mut lab, Duration::from_secs(20));
    lab
}

fn go(lab: &mut Running, span: Duration) {
    lab.advance(span)
        .unwrap_or_else(|violation| panic!("{violation}"));
}

/// From a link's opening to the first update over it, in milliseconds; and how many keyframes that took.
fn resumes(profile: Profile) -> (Quantiles, u64) {
    let mut lab = started(profile);
    let before = lab.room_stats().keyframes;
    for _ in 0..CUTS {
        (0..CLIENTS).for_each(|client| lab.cut(client));
        go(&mut lab, APART);
    }
    (lab.figures().fresh_ms, lab.room_stats().keyframes - before)
}

/// From the end of a blackout until each client's pictures are well again, in milliseconds.
fn recoveries(profile: Profile, span: Duration) -> Quantiles {
    let mut lab = started(profile);
    let usual = |shown: &[Shown]| {
        let late = &shown[shown.len().saturating_sub(300)..];
        late.iter().map(|it| it.truth - it.picture).sum::<f64>() / late.len().max(1) as f64
    };
    let delays: Vec<f64> = (0..CLIENTS)
        .map(|client| lab.recording(client).map_or(0.0, |it| usual(&it.shown)))
        .collect();
    (0..CLIENTS).for_each(|client| lab.blackout(client, span));
    go(&mut lab, span);
    let over = lab.now();
    go(&mut lab, Duration::from_secs(40));
    let each = (0..CLIENTS).map(|client| {
        let shown = lab.recording(client).map_or(&[][..], |it| &it.shown);
        let well = |it: &&Shown| {
            it.at > over && !it.is_frozen() && it.truth - it.picture <= delays[client] * WELL
        };
        let well = shown.iter().find(well).map(|it| it.at - over);
        well.map_or(u32::MAX, |it| it.as_millis() as u32)
    });
    Quantiles::of(&each.collect::<Vec<_>>())
}
