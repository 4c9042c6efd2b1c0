//! One row of the report: a figure with its goals, for people and for machines. How it was measured is the caller's matter.

use serde::Serialize;

/// A figure and what it should be. Smaller is better in every row.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub id: String,
    pub value: f64,
    pub unit: &'static str,
    /// The floor.
    pub pass: Option<f64>,
    /// What we want.
    pub top: Option<f64>,
    /// Whether the value reached `pass`.
    pub ok: bool,
    pub note: String,
}

impl Row {
    pub fn new(id: &str, value: f64, unit: &'static str, note: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            value,
            unit,
            pass: None,
            top: None,
            ok: value.is_finite(),
            note: note.into(),
        }
    }

    /// The goals beside the figure.
    pub fn goals(mut self, pass: f64, top: f64) -> Self {
        (self.pass, self.top, self.ok) = (Some(pass), Some(top), self.value <= pass);
        self
    }

    /// Prints the row: a line of JSON, or a line of a table.
    pub fn print(&self, json: bool) {
        if json {
            println!(
                "{}",
                serde_json::to_string(self).expect("a row is plain data")
            );
            return;
        }
        let goal = |goal: Option<f64>| goal.map_or_else(String::new, show);
        let mark = match (self.pass, self.ok) {
            (None, true) => " ",
            (_, true) if self.top.is_some_and(|top| self.value <= top) => "\x1b[32m★\x1b[0m",
            (_, true) => "\x1b[32m✓\x1b[0m",
            (_, false) => "\x1b[31m✗\x1b[0m",
        };
        let (value, pass, top) = (show(self.value), goal(self.pass), goal(self.top));
        println!(
            "{mark} {:<10} {value:>10} {:<12} {pass:>9} {top:>9}  {}",
            self.id, self.unit, self.note
        );
    }
}

/// The head of the table.
pub fn head() {
    println!(
        "\x1b[1m  {:<10} {:>10} {:<12} {:>9} {:>9}  how\x1b[0m",
        "row", "value", "unit", "pass", "top"
    );
}

fn show(value: f64) -> String {
    match value.abs() {
        v if !v.is_finite() => "none".to_owned(),
        v if v >= 1000.0 => {
            let digits = format!("{value:.0}");
            let (head, tail) = digits.split_at(digits.len() - 3);
            format!("{head},{tail}")
        }
        v if v >= 100.0 || v == 0.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
