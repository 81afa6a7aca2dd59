//! What is measured, in which unit, and how it is written.

use std::collections::BTreeMap;

/// One measured quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Resident memory per connection, in bytes.
    Memory,
    /// Processor time per unit, in nanoseconds.
    Cpu,
    /// Its part in the program itself.
    CpuUser,
    /// Its part in the kernel.
    CpuSystem,
    /// Units per second.
    Rate,
    /// The latency that half of all units did not exceed, in nanoseconds.
    P50,
    /// The latency that 99 of 100 did not exceed, in nanoseconds.
    P99,
}

/// What one run of one server gave, or the medians of several.
pub type Sample = BTreeMap<Metric, f64>;

impl Metric {
    /// All of them, in the order in which they are printed.
    pub const ALL: [Self; 7] = [
        Self::Memory,
        Self::Cpu,
        Self::CpuUser,
        Self::CpuSystem,
        Self::Rate,
        Self::P50,
        Self::P99,
    ];

    /// The head of its column.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "CPU",
            Self::CpuUser => "user",
            Self::CpuSystem => "system",
            Self::Rate => "rate",
            Self::P50 => "p50",
            Self::P99 => "p99",
        }
    }

    /// Whether the larger value is the better one.
    #[must_use]
    pub fn more_is_better(self) -> bool {
        self == Self::Rate
    }

    /// `value` with its unit.
    #[must_use]
    pub fn format(self, value: f64) -> String {
        match self {
            Self::Memory => format!("{} KiB", digits(value / 1024.0)),
            Self::Rate if value >= 1e6 => format!("{} M/s", digits(value / 1e6)),
            Self::Rate => format!("{} k/s", digits(value / 1e3)),
            _ if value >= 1e6 => format!("{} ms", digits(value / 1e6)),
            _ => format!("{} µs", digits(value / 1e3)),
        }
    }
}

/// Three digits that count, but never more than three after the point.
#[must_use]
pub fn digits(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_short_and_have_their_unit() {
        assert_eq!(Metric::Memory.format(40.0), "0.039 KiB");
        assert_eq!(Metric::Cpu.format(5_700.0), "5.70 µs");
        assert_eq!(Metric::P99.format(12_345_678.0), "12.3 ms");
        assert_eq!(Metric::Rate.format(185_400.0), "185 k/s");
        assert_eq!(Metric::Rate.format(1_660_000.0), "1.66 M/s");
    }
}
