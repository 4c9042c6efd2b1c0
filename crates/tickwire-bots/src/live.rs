//! What a person sees while the bots play: a bar and one line of figures on stderr; nothing on stdout.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::tally::Tally;

const TEMPLATE: &str = "{prefix:>8.bold.cyan} [{bar:28.yellow/blue}] {elapsed:>4} {wide_msg}";

/// The bar of a run.
pub(crate) struct Live {
    bar: ProgressBar,
    clients: u32,
    last_updates: u64,
}

impl Live {
    /// A bar; hidden where it is not wanted, and where stderr is no terminal.
    pub fn new(clients: u32, quiet: bool) -> Self {
        let bar = if quiet {
            ProgressBar::hidden()
        } else {
            ProgressBar::new(1)
        };
        let style =
            ProgressStyle::with_template(TEMPLATE).expect("a template that indicatif can read");
        bar.set_style(style.progress_chars("━╸─"));
        Live {
            bar,
            clients,
            last_updates: 0,
        }
    }

    /// While bots come in.
    pub fn ramp(&self, tally: &Tally) {
        self.bar.set_prefix("joining");
        self.bar.set_length(u64::from(self.clients));
        self.bar.set_position(u64::from(tally.playing));
        self.bar.set_message(format!(
            "{} of {} in{}",
            tally.playing,
            self.clients,
            failed(tally)
        ));
    }

    /// While all play.
    pub fn play(&mut self, tally: &Tally, played: Duration, of: Duration, since_last: Duration) {
        let updates = tally.updates.saturating_sub(self.last_updates) as f64
            / since_last.as_secs_f64().max(1e-3);
        self.last_updates = tally.updates;
        self.bar.set_prefix("playing");
        self.bar.set_length(of.as_millis() as u64);
        self.bar.set_position(played.min(of).as_millis() as u64);
        self.bar.set_message(format!(
            "{} in{} · {:.1} updates/s each · age p99 {:.1} ms · effect p99 {:.1} ms",
            tally.playing,
            failed(tally),
            updates / f64::from(self.clients.max(1)),
            tally.age.value_at_quantile(0.99) as f64 / 1_000.0,
            tally.effect.value_at_quantile(0.99) as f64 / 1_000.0,
        ));
    }

    /// Away with it.
    pub fn end(self) {
        self.bar.finish_and_clear();
    }
}

fn failed(tally: &Tally) -> String {
    if tally.failed == 0 {
        String::new()
    } else {
        format!(", {} FAILED", tally.failed)
    }
}
