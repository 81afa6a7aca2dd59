//! What a process has cost so far: processor time and memory, from `/proc`.

use std::fs;
use std::io;

/// Processor time of a process. Only differences between two readings mean something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// Time run, in nanoseconds, all threads together. Exact.
    pub total_ns: u64,
    /// Clock ticks in user mode. Sampled by the kernel, so good for shares of long runs.
    pub user_ticks: u64,
    /// Clock ticks in the kernel.
    pub system_ticks: u64,
}

/// Time spent between two readings, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuSpent {
    /// In the program itself.
    pub user_ns: f64,
    /// In the kernel on its behalf.
    pub system_ns: f64,
}

impl CpuTime {
    /// Reads the time of process `pid`.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn of(pid: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let (user_ticks, system_ticks) = parse_stat(&stat).ok_or_else(|| unreadable("stat"))?;
        let mut total_ns = 0;
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            // A thread that ends while we read has no file any more: its time is lost to us.
            if let Ok(line) = fs::read_to_string(thread?.path().join("schedstat")) {
                total_ns += parse_schedstat(&line).ok_or_else(|| unreadable("schedstat"))?;
            }
        }
        Ok(Self {
            total_ns,
            user_ticks,
            system_ticks,
        })
    }

    /// What was spent since `earlier`: the exact total, shared out as the ticks were.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> CpuSpent {
        let user = self.user_ticks.saturating_sub(earlier.user_ticks) as f64;
        let system = self.system_ticks.saturating_sub(earlier.system_ticks) as f64;
        let total_ns = self.total_ns.saturating_sub(earlier.total_ns) as f64;
        let user_share = if user + system > 0.0 {
            user / (user + system)
        } else {
            0.5
        };
        CpuSpent {
            user_ns: total_ns * user_share,
            system_ns: total_ns * (1.0 - user_share),
        }
    }
}

/// Resident memory of process `pid`, in bytes.
///
/// # Errors
/// When the process is gone.
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    // The counters in `statm` are kept per CPU and may be off by some hundred pages; the sum of the maps is exact.
    let maps = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    parse_rollup(&maps).ok_or_else(|| unreadable("smaps_rollup"))
}

fn unreadable(file: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("/proc's {file} is not as expected"),
    )
}

/// Fields 14 and 15 of proc_pid_stat(5). The name, field 2, may hold spaces and parentheses.
fn parse_stat(stat: &str) -> Option<(u64, u64)> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn parse_schedstat(line: &str) -> Option<u64> {
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn parse_rollup(maps: &str) -> Option<u64> {
    let line = maps.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_is_skipped() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 12 34 0 0 20 0 1 0 100 1000 10";
        assert_eq!(parse_stat(stat), Some((12, 34)));
        assert_eq!(parse_stat("7 (a) S 1"), None);
    }

    #[test]
    fn memory_is_read_in_kib() {
        assert_eq!(
            parse_rollup("555-777 ---p 0 [rollup]\nRss:      1234 kB\nPss: 1 kB\n"),
            Some(1234 * 1024)
        );
        assert_eq!(parse_rollup("Pss: 1 kB\n"), None);
    }

    #[test]
    fn the_total_is_shared_out_by_ticks() {
        let early = CpuTime {
            total_ns: 1_000,
            user_ticks: 10,
            system_ticks: 10,
        };
        let late = CpuTime {
            total_ns: 5_000,
            user_ticks: 13,
            system_ticks: 11,
        };
        assert_eq!(
            late.since(&early),
            CpuSpent {
                user_ns: 3_000.0,
                system_ns: 1_000.0
            }
        );
    }

    #[test]
    fn we_can_read_ourselves() {
        let me = std::process::id();
        assert!(CpuTime::of(me).is_ok_and(|time| time.total_ns > 0));
        assert!(resident_bytes(me).is_ok_and(|bytes| bytes > 100_000));
    }
}
