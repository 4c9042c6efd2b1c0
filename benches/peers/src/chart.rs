//! Size L as bars: bytes a client and second, and CPU a tick, both by powers of ten. What is measured is not here.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::table::{Line, Table, bytes, cpu, mean};

const WIDTH: u32 = 960;
const INK: RGBColor = RGBColor(60, 66, 78);
/// Told apart by those who do not see all colours too (Okabe and Ito).
const OWN: RGBColor = RGBColor(0, 114, 178);
const OTHERS: RGBColor = RGBColor(148, 155, 166);

/// The picture in pixels: names on the left, then two panels of bars.
const TOP: i32 = 74;
const STEP: i32 = 30;
const BAR: i32 = 18;
const NAMES: i32 = 270;
const PANELS: [(i32, i32); 2] = [(280, 590), (650, 920)];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws the table into a file.
pub fn draw(table: &Table, path: &Path) -> Result<(), Box<dyn Error>> {
    let lines: Vec<&Line> = table
        .lines
        .iter()
        .filter(|line| mean(&line.large, cpu).is_some())
        .collect();
    let height = (TOP + STEP * lines.len() as i32 + 30) as u32;
    let area = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let title = "The same arena: 64 players, about 1,190 entities, 30 updates a second";
    text(&area, title, (16, 14), (20, HPos::Left, &INK))?;
    let note = "shorter is better; each mark is ten times the one before";
    text(&area, note, (PANELS[1].1, 18), (12, HPos::Right, &INK))?;
    for (at, line) in lines.iter().enumerate() {
        let middle = (NAMES, TOP + STEP * at as i32 + BAR / 2 - 8);
        let own = line.entry.package == "tickwire";
        let name = (14, HPos::Right, if own { &OWN } else { &INK });
        text(&area, line.entry.title, middle, name)?;
    }
    let values = |of: fn(&_) -> Option<f64>| {
        let all = lines.iter().map(|line| (*line, mean(&line.large, of)));
        all.collect::<Vec<_>>()
    };
    panel(
        &area,
        PANELS[0],
        "bytes a client and second",
        &values(bytes),
    )?;
    panel(&area, PANELS[1], "server CPU a tick, ms", &values(cpu))?;
    area.present()?;
    Ok(())
}

/// Bars from the power of ten below the least value to the one above the greatest.
fn panel(
    area: &Area,
    (left, right): (i32, i32),
    title: &str,
    values: &[(&Line, Option<f64>)],
) -> Result<(), Box<dyn Error>> {
    let known = || values.iter().filter_map(|(_, value)| *value);
    let least = known().fold(f64::INFINITY, f64::min).log10().floor();
    let most = known().fold(f64::MIN_POSITIVE, f64::max).log10().ceil();
    let place = |value: f64| {
        let share = (value.log10() - least) / (most - least).max(1.0);
        left + (share * f64::from(right - left)) as i32
    };
    let bottom = TOP + STEP * values.len() as i32 - STEP + BAR;
    text(area, title, (left, TOP - 34), (14, HPos::Left, &INK))?;
    for power in least as i32..=most as i32 {
        let x = place(10_f64.powi(power));
        let line = PathElement::new([(x, TOP - 6), (x, bottom + 4)], INK.mix(0.15));
        area.draw(&line)?;
        text(
            area,
            &short(10_f64.powi(power)),
            (x, bottom + 6),
            (12, HPos::Center, &INK),
        )?;
    }
    for (at, (line, value)) in values.iter().enumerate() {
        let Some(value) = *value else { continue };
        let (top, end) = (TOP + STEP * at as i32, place(value));
        let bar = Rectangle::new([(left, top), (end, top + BAR)], colour(line).filled());
        area.draw(&bar)?;
        text(
            area,
            &told(value),
            (end + 5, top + BAR / 2 - 7),
            (13, HPos::Left, &INK),
        )?;
    }
    Ok(())
}

fn text(
    area: &Area,
    what: &str,
    at: (i32, i32),
    (size, side, colour): (i32, HPos, &RGBColor),
) -> Result<(), Box<dyn Error>> {
    let style = TextStyle::from(("sans-serif", size).into_font());
    let style = style.color(colour).pos(Pos::new(side, VPos::Top));
    area.draw(&Text::new(what.to_owned(), at, style))?;
    Ok(())
}

fn colour(line: &Line) -> &'static RGBColor {
    if line.entry.package == "tickwire" {
        &OWN
    } else {
        &OTHERS
    }
}

/// A mark of an axis.
fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{}M", v / 1e6),
        v if v >= 1e3 => format!("{}k", v / 1e3),
        v => format!("{v}"),
    }
}

/// A value at its bar.
fn told(value: f64) -> String {
    match value {
        v if v >= 1e4 => format!("{:.0}k", v / 1e3),
        v if v >= 1e3 => format!("{:.1}k", v / 1e3),
        v if v >= 10.0 => format!("{v:.0}"),
        v if v >= 1.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}
