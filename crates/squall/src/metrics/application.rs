//! What the application counts itself.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Exposition;
use super::exposition::{is_counter_name, is_gauge_name};

/// Counters and gauges of an application.
pub const METRICS_MAX: usize = 1000;

/// A number that only grows. Clones are the same; adding costs some nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds to it.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// What it is now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A whole number that rises and falls. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicI64>);

impl Gauge {
    /// What it is from now on.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds to it, or takes away.
    pub fn add(&self, more: i64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// What it is now.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
pub(super) struct Application {
    metrics: Mutex<Vec<Metric>>,
}

struct Metric {
    name: String,
    help: String,
    value: Value,
}

#[derive(Clone)]
enum Value {
    Counter(Counter),
    Gauge(Gauge),
}

impl Application {
    pub(super) fn counter(&self, name: &str, help: &str) -> Counter {
        let new = || Value::Counter(Counter::default());
        match self.get(name, help, is_counter_name(name), new) {
            Some(Value::Counter(counter)) => counter,
            _ => Counter::default(),
        }
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Gauge {
        let new = || Value::Gauge(Gauge::default());
        match self.get(name, help, is_gauge_name(name), new) {
            Some(Value::Gauge(gauge)) => gauge,
            _ => Gauge::default(),
        }
    }

    fn get(&self, name: &str, help: &str, is_name: bool, new: impl FnOnce() -> Value) -> Option<Value> {
        let mut metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = metrics.iter().find(|metric| metric.name == name) {
            return Some(known.value.clone());
        }
        if !is_name || metrics.len() >= METRICS_MAX {
            tracing::error!(
                name,
                "a metric has no name that Prometheus takes, or is one too many; it is not shown"
            );
            return None;
        }
        let value = new();
        metrics.push(Metric {
            name: name.to_owned(),
            help: help.to_owned(),
            value: value.clone(),
        });
        Some(value)
    }

    pub(super) fn write(&self, out: &mut Exposition) {
        for metric in self.metrics.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            match &metric.value {
                Value::Counter(counter) => out.counter(&metric.name, &metric.help, &[(&[], counter.get())]),
                // Exact up to 2^53, which is what Prometheus keeps.
                Value::Gauge(gauge) => out.gauge(&metric.name, &metric.help, &[(&[], gauge.get() as f64)]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Meters, Syntax};
    use crate::testing::LogCapture;

    #[test]
    fn the_same_name_is_the_same_number() {
        let meters = Meters::new();
        meters.counter("a_total", "A.").add(2);
        meters.counter("a_total", "A.").add(3);
        let gauge = meters.gauge("b", "B.");
        gauge.set(5);
        gauge.add(-7);
        let text = meters.render(Syntax::Text);
        assert!(
            text.contains("# TYPE a_total counter\na_total 5\n# HELP b B.\n# TYPE b gauge\nb -2\n"),
            "{text}"
        );
    }

    #[test]
    fn what_cannot_be_shown_is_said_once_and_counts_nowhere() {
        let capture = LogCapture::new();
        capture.expect(tracing::Level::ERROR, "it is not shown");
        capture.collect(|| {
            let meters = Meters::new();
            meters.counter("no_end", "").add(1);
            meters.gauge("no name", "").set(1);
            for n in 0..METRICS_MAX + 1 {
                meters.gauge(&format!("g{n}"), "").set(1);
            }
            let text = meters.render(Syntax::Text);
            assert!(
                text.contains("\ng999 1\n") && !text.contains("g1000") && !text.contains("no"),
                "{text}"
            );
        });
        assert_eq!(capture.lines().len(), 3);
        capture.check();
    }
}
