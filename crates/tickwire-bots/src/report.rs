//! What a run of the bots found, as a table for people and as one JSON object for machines; nothing that measures.

use std::fmt;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The result of a run. As JSON it is one object with exactly these keys.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Clients that were started.
    pub clients: u32,
    /// Clients that never got in, or were lost.
    pub failed: u32,
    /// Updates that a client decoded, a second.
    pub updates_per_client_s: f64,
    /// Bytes of frames that a client received, a second.
    pub bytes_per_client_s: f64,
    /// Bytes that a client read from its socket, a second.
    pub wire_bytes_per_client_s: f64,
    /// How old what an update tells was on its arrival, by the capture stamp: exact where server and bots share a clock.
    pub age_ms: Quantiles,
    /// From the making of a command to the update whose tick frame says that it was applied.
    pub effect_ms: Quantiles,
    /// Ticks that the server ran late in the run; `null` where its `/metrics` is closed.
    pub late_ticks: Option<u64>,
    /// CPU seconds of the server in the run; `null` where its `/metrics` is closed.
    pub server_cpu_s: Option<f64>,
    /// CPU seconds of this process in the run; `null` where the system does not tell.
    pub client_cpu_s: Option<f64>,
}

/// Quantiles of one thing, in milliseconds; `null` where nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// The median.
    pub p50: Option<f64>,
    /// 90 % are at most this.
    pub p90: Option<f64>,
    /// 99 % are at most this.
    pub p99: Option<f64>,
    /// The greatest.
    pub max: Option<f64>,
}

impl Quantiles {
    /// Of a histogram of microseconds.
    pub fn of(micros: &Histogram<u64>) -> Quantiles {
        if micros.is_empty() {
            return Quantiles::default();
        }
        let ms = |value: u64| Some(value as f64 / 1_000.0);
        let at = |part| ms(micros.value_at_quantile(part).min(micros.max()));
        Quantiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: ms(micros.max()),
        }
    }
}

impl fmt::Display for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for value in [self.p50, self.p90, self.p99, self.max] {
            match value {
                Some(ms) => write!(f, "{ms:>9.1}")?,
                None => write!(f, "{:>9}", "-")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = if self.failed == 0 {
            "none failed".to_owned()
        } else {
            format!("{} FAILED", self.failed)
        };
        writeln!(f, "{} clients, {failed}", self.clients)?;
        writeln!(f)?;
        writeln!(f, "  per client and second")?;
        writeln!(f, "    updates         {:>12.1}", self.updates_per_client_s)?;
        writeln!(f, "    bytes           {:>12.0}", self.bytes_per_client_s)?;
        writeln!(
            f,
            "    bytes on wire   {:>12.0}",
            self.wire_bytes_per_client_s
        )?;
        writeln!(f)?;
        writeln!(f, "  milliseconds           p50      p90      p99      max")?;
        writeln!(f, "    age            {}", self.age_ms)?;
        writeln!(f, "    effect         {}", self.effect_ms)?;
        writeln!(f)?;
        writeln!(f, "  in all")?;
        writeln!(
            f,
            "    late ticks      {:>12}",
            self.late_ticks
                .map_or("closed".into(), |ticks| ticks.to_string())
        )?;
        writeln!(
            f,
            "    server CPU      {:>12}",
            cpu(self.server_cpu_s, "closed")
        )?;
        write!(
            f,
            "    bots' CPU       {:>12}",
            cpu(self.client_cpu_s, "unknown")
        )
    }
}

fn cpu(seconds: Option<f64>, none: &str) -> String {
    seconds.map_or(none.to_owned(), |seconds| format!("{seconds:.2} s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut age = Histogram::new(3).unwrap();
        (1..=1_000).for_each(|value| age.record(value * 100).unwrap());
        Report {
            clients: 64,
            failed: 0,
            updates_per_client_s: 30.0,
            bytes_per_client_s: 5_000.0,
            wire_bytes_per_client_s: 5_240.0,
            age_ms: Quantiles::of(&age),
            effect_ms: Quantiles::default(),
            late_ticks: None,
            server_cpu_s: None,
            client_cpu_s: Some(1.25),
        }
    }

    #[test]
    fn the_object_has_exactly_these_keys() {
        let value = serde_json::to_value(report()).unwrap();
        let keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        let mut wanted = [
            "clients",
            "failed",
            "updates_per_client_s",
            "bytes_per_client_s",
            "wire_bytes_per_client_s",
            "age_ms",
            "effect_ms",
            "late_ticks",
            "server_cpu_s",
            "client_cpu_s",
        ];
        wanted.sort_unstable();
        let mut keys: Vec<_> = keys.iter().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, wanted);
        assert!(value["server_cpu_s"].is_null() && value["effect_ms"]["p99"].is_null());
        assert!((value["age_ms"]["p99"].as_f64().unwrap() - 99.0).abs() < 0.2);
    }

    #[test]
    fn the_table_says_what_is_closed() {
        let text = report().to_string();
        assert!(
            text.contains("none failed") && text.contains("closed") && text.contains("1.25 s"),
            "{text}"
        );
    }
}
