//! Pictures of the figures of feel for the docs: bars by link profile, WebSocket beside datagrams. What is measured is not here.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use super::{Lane, OnProfile};
use crate::plot::{COLOURS, INK, legend};

const SIZE: (u32, u32) = (720, 360);
/// What is only there to be compared with.
const PALE: RGBColor = RGBColor(170, 176, 188);

/// A name for the legend, and a value for each profile.
type Series = (&'static str, Vec<f64>);

pub fn draw(measured: &[(Lane, Vec<OnProfile>)], dir: &Path) {
    let names = names(measured.first().map_or(&[][..], |(_, all)| all));
    let each = |lane: usize, of: &dyn Fn(&OnProfile) -> f64| -> Vec<f64> {
        measured[lane].1.iter().map(of).collect()
    };
    let delay = |on: &OnProfile| on.mean(|it| it.delay_ms);
    let oracle = |on: &OnProfile| on.mean(|it| it.oracle_delay_ms);
    let lead = |on: &OnProfile| on.mean(|it| it.lead);
    let series = |of: &dyn Fn(&OnProfile) -> f64, third: Option<Series>| {
        let both = [("WebSocket", each(0, of)), ("datagrams", each(1, of))];
        both.into_iter().chain(third).collect::<Vec<_>>()
    };
    let best = ("the least constant one, WebSocket", each(0, &oracle));
    save(
        &dir.join("delay.svg"),
        ("How far pictures are behind the server, in ms", &names),
        &series(&delay, Some(best)),
    );
    save(
        &dir.join("lead.svg"),
        (
            "How far commands are ahead of the server, in ticks of 1/30 s",
            &names,
        ),
        &series(&lead, None),
    );
}

/// Mispredictions by profile.
pub fn draw_wrong(both: &[(Lane, Vec<(&'static str, f64)>)], dir: &Path) {
    let names: Vec<_> = both[0].1.iter().map(|(name, _)| *name).collect();
    let series: Vec<Series> = both
        .iter()
        .map(|(lane, values)| {
            (
                lane.name(),
                values.iter().map(|(_, value)| *value).collect(),
            )
        })
        .collect();
    let title = "Mispredictions a client and minute, eight players who push one another";
    save(&dir.join("mispredictions.svg"), (title, &names), &series);
}

fn names(all: &[OnProfile]) -> Vec<&'static str> {
    all.iter().map(|on| on.profile.name).collect()
}

fn save(path: &Path, (title, names): (&str, &[&str]), series: &[Series]) {
    match bars(path, title, names, series) {
        Ok(()) => eprintln!("drawn: {}", path.display()),
        Err(error) => eprintln!("{}: {error}", path.display()),
    }
}

fn bars(path: &Path, title: &str, names: &[&str], series: &[Series]) -> Result<(), Box<dyn Error>> {
    let most = series
        .iter()
        .flat_map(|(_, values)| values)
        .fold(0.0f64, |a, b| a.max(*b));
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 19, &INK))
        .margin(14)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..names.len() as f64, 0.0..most.max(1e-3) * 1.25)?;
    let label = |at: &f64| {
        let whole = (at.fract() - 0.5).abs() < 1e-6;
        let name = whole.then(|| names.get(*at as usize).copied()).flatten();
        name.unwrap_or_default().to_owned()
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(INK.mix(0.06))
        .bold_line_style(INK.mix(0.18))
        .axis_style(INK)
        .label_style(("sans-serif", 14, &INK))
        .x_labels(names.len() * 2 + 1)
        .x_label_formatter(&label)
        .y_label_formatter(&|value| format!("{value:.0}"))
        .draw()?;
    let width = 0.8 / series.len() as f64;
    for (number, ((name, values), colour)) in series
        .iter()
        .zip([COLOURS[0], COLOURS[1], PALE])
        .enumerate()
    {
        let left = |at: usize| at as f64 + 0.1 + width * number as f64;
        let rows = values.iter().enumerate();
        chart
            .draw_series(rows.map(|(at, value)| {
                Rectangle::new(
                    [(left(at), 0.0), (left(at) + width * 0.92, *value)],
                    colour.filled(),
                )
            }))?
            .label(*name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], colour.filled()));
    }
    legend(&mut chart)?;
    area.present()?;
    Ok(())
}
