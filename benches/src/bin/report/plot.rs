//! Curves as pictures for the docs: both axes by powers of ten. What is measured is not here.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

/// One line of points, by rising x.
pub struct Curve {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// A picture of curves.
pub struct Plot {
    title: String,
    axes: [String; 2],
    curves: Vec<Curve>,
}

const SIZE: (u32, u32) = (720, 420);
pub const INK: RGBColor = RGBColor(60, 66, 78);
/// Told apart by those who do not see all colours too (Okabe and Ito).
pub const COLOURS: [RGBColor; 4] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
];

impl Curve {
    pub fn new(name: &str, points: Vec<(f64, f64)>) -> Curve {
        Curve {
            name: name.to_owned(),
            points,
        }
    }
}

impl Plot {
    pub fn new(title: &str, x: &str, y: &str, curves: Vec<Curve>) -> Plot {
        Plot {
            title: title.to_owned(),
            axes: [x.to_owned(), y.to_owned()],
            curves,
        }
    }

    /// Draws it into a file (SVG).
    pub fn draw(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let bounds = |of: fn(&(f64, f64)) -> f64| {
            let least = points().map(of).fold(f64::INFINITY, f64::min);
            let most = points().map(of).fold(0.0, f64::max);
            let down = libm::pow(10.0, libm::log10(least.max(1e-3)).floor());
            down..libm::pow(10.0, libm::log10(most.max(1.0)).ceil())
        };
        let (x, y) = (bounds(|point| point.0), bounds(|point| point.1));
        let area = SVGBackend::new(path, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(&self.title, ("sans-serif", 20, &INK))
            .margin(14)
            .x_label_area_size(44)
            .y_label_area_size(68)
            .build_cartesian_2d(x.log_scale(), y.log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(INK.mix(0.06))
            .bold_line_style(INK.mix(0.18))
            .axis_style(INK)
            .label_style(("sans-serif", 14, &INK))
            .x_desc(&self.axes[0])
            .y_desc(&self.axes[1])
            .x_label_formatter(&|value| short(*value))
            .y_label_formatter(&|value| short(*value))
            .draw()?;
        for (curve, colour) in self.curves.iter().zip(COLOURS.iter().cycle()) {
            let line = LineSeries::new(curve.points.iter().copied(), colour.stroke_width(3));
            chart
                .draw_series(line)?
                .label(&curve.name)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(3))
                });
            let dots = curve.points.iter();
            chart.draw_series(dots.map(|point| Circle::new(*point, 4, colour.filled())))?;
        }
        if self.curves.len() > 1 {
            legend(&mut chart)?;
        }
        area.present()?;
        Ok(())
    }
}

/// What the colours stand for, in a corner.
pub fn legend<'a, X: Ranged + 'a, Y: Ranged + 'a>(
    chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
) -> Result<(), Box<dyn Error>> {
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.9))
        .border_style(INK.mix(0.3))
        .label_font(("sans-serif", 14, &INK))
        .draw()?;
    Ok(())
}

fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{}M", v / 1e6),
        v if v >= 1e3 => format!("{}k", v / 1e3),
        v => format!("{v}"),
    }
}
