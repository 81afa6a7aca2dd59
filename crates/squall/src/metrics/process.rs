//! The process itself, under the names that Prometheus' client libraries have agreed on. From `/proc`; what is not there
//! is left out.

use std::fs;

use super::Exposition;

/// The kernel counts time for user space in hundredths of a second (`USER_HZ`), whatever its own clock does.
const TICKS_PER_S: f64 = 100.0;
/// Of the resident set, as `/proc/self/statm` counts it. Linux on x86-64 and most arm64.
const PAGE_BYTES: f64 = 4096.0;

pub(super) fn write(out: &mut Exposition) {
    if let Some((cpu, started)) = times() {
        out.counter_f64(
            "process_cpu_seconds_total",
            "Total user and system CPU time spent in seconds.",
            &[(&[], cpu)],
        );
        if let Some(booted) = booted() {
            let name = "process_start_time_seconds";
            out.gauge(
                name,
                "Start time of the process since unix epoch in seconds.",
                &[(&[], booted + started)],
            );
        }
    }
    if let Some(pages) = resident_pages() {
        out.gauge(
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            &[(&[], pages * PAGE_BYTES)],
        );
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // One of them is the directory that is being read.
        let open = open.count().saturating_sub(1);
        out.gauge(
            "process_open_fds",
            "Number of open file descriptors.",
            &[(&[], open as f64)],
        );
    }
    if let Some(most) = descriptors_max() {
        out.gauge(
            "process_max_fds",
            "Maximum number of open file descriptors.",
            &[(&[], most)],
        );
    }
}

/// CPU time, and the start after the system's, in seconds.
fn times() -> Option<(f64, f64)> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in brackets, and may have blanks and brackets in it.
    let (_, rest) = stat.rsplit_once(')')?;
    let field = |number: usize| rest.split_whitespace().nth(number - 3)?.parse::<f64>().ok();
    Some(((field(14)? + field(15)?) / TICKS_PER_S, field(22)? / TICKS_PER_S))
}

fn booted() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()
}

fn resident_pages() -> Option<f64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    statm.split_whitespace().nth(1)?.parse().ok()
}

fn descriptors_max() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_plausible() {
        let (cpu, _) = times().unwrap();
        assert!((0.0..1e6).contains(&cpu));
        assert!(booted().unwrap() > 1.5e9);
        assert!(resident_pages().unwrap() * PAGE_BYTES > 1e6);
        assert!(descriptors_max().unwrap() >= 64.0);
    }
}
