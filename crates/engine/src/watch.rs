//! The watch: one thread that sees when something holds a core, and says how a drain goes on.
//!
//! Why a thread: a core that is stuck serves nobody and logs nothing. How it knows is in [`crate::core::doing`].

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::core::doing::{Busy, Name};
use crate::core::link::Link;
use crate::metrics::{Activity, CoreMetrics, Protocol, TimedOut};
use crate::shared::Shared;

/// Looks at a core for each threshold: a stall is told between one threshold and one and a quarter after it began.
const LOOKS: u32 = 4;

/// A drain is told of this often.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// What wakes the watch.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    state: Mutex<Rung>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct Rung {
    draining: Option<Instant>,
    /// Cores that are gone.
    ended: usize,
}

impl Bell {
    /// A drain begins.
    pub(crate) fn drain(&self) {
        self.ring(|rung| {
            rung.draining.get_or_insert_with(Instant::now);
        });
    }

    /// A core is gone.
    pub(crate) fn core_ended(&self) {
        self.ring(|rung| rung.ended += 1);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .draining
            .is_some()
    }

    fn ring(&self, change: impl FnOnce(&mut Rung)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Waits until something changes, or for so long.
    fn wait(&self, timeout: Option<Duration>, known: Rung) -> Rung {
        let same =
            |now: &mut Rung| now.ended == known.ended && now.draining.is_some() == known.draining.is_some();
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match timeout {
            Some(timeout) => {
                *self
                    .changed
                    .wait_timeout_while(state, timeout, same)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
            None => *self
                .changed
                .wait_while(state, same)
                .unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// What the thread has.
pub(crate) struct Watch {
    pub(crate) links: Vec<Arc<Link>>,
    pub(crate) shared: Arc<Shared>,
    /// Zero: stalls are nobody's business.
    pub(crate) stall_threshold: Duration,
    /// What the route of a path is called.
    pub(crate) routes: Option<RouteOf>,
}

/// The pattern of the route that a path leads to.
pub(crate) type RouteOf = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Routes whose stalls are counted by name; those of any more are counted with all.
const ROUTES_MAX: usize = 1000;

impl Watch {
    /// Watches until all cores have ended.
    pub(crate) fn run(self) {
        let mut eyes: Vec<Eye> = self.links.iter().map(|_| Eye::default()).collect();
        let interval = (!self.stall_threshold.is_zero()).then(|| self.stall_threshold / LOOKS);
        let mut rung = Rung::default();
        let mut told = None;
        while rung.ended < self.links.len() {
            let timeout = match (interval, rung.draining) {
                (Some(interval), Some(_)) => Some(interval.min(PROGRESS_INTERVAL)),
                (None, Some(_)) => Some(PROGRESS_INTERVAL),
                (interval, None) => interval,
            };
            rung = self.shared.bell.wait(timeout, rung);
            if interval.is_some() {
                self.look(&mut eyes);
            }
            if let Some(began) = rung.draining {
                let now = Instant::now();
                let last = *told.get_or_insert(began);
                if now - last >= PROGRESS_INTERVAL {
                    told = Some(now);
                    self.tell_progress(now - began);
                }
            }
        }
        if let Some(began) = rung.draining {
            self.tell_end(began.elapsed());
        }
    }

    fn look(&self, eyes: &mut [Eye]) {
        let now = Instant::now();
        for (core, (eye, link)) in eyes.iter_mut().zip(&self.links).enumerate() {
            let (step, busy) = link.doing.look();
            let busy = busy != Busy::Idle && !link.is_ended();
            let looked = eye.look(step, busy, now, self.stall_threshold, || link.run_delay());
            match looked {
                Looked::Well => {}
                Looked::Stalled(held) => {
                    let (again, who) = link.doing.look();
                    let name = link.doing.name();
                    let route = self.route_of(who, &name).filter(|_| again == step);
                    eye.what = match &route {
                        Some((method, pattern)) => what(who, &format!("{method} {pattern}")),
                        None => what(who, &name.to_string()),
                    };
                    if again != step {
                        // It ended just now; the next look says so.
                        eye.what = "something".to_owned();
                    }
                    link.counts.stalls.add(1);
                    if let Some((_, pattern)) = route {
                        self.count(pattern);
                    }
                    tracing::warn!(
                        core,
                        held_ms = held.as_millis() as u64,
                        by = eye.what,
                        "a core is held: none of its other connections is served"
                    );
                }
                Looked::Over(held) => tracing::warn!(
                    core,
                    held_ms = held.as_millis() as u64,
                    by = eye.what,
                    "a core was held, and goes on"
                ),
            }
        }
    }

    /// The method of the request that is handled, and the pattern of its route, if that is known.
    ///
    /// Why the pattern and not the path: a path may hold a secret, and there are as many as peers like.
    fn route_of(&self, who: Busy, name: &Name) -> Option<(String, String)> {
        let routes = self
            .routes
            .as_ref()
            .filter(|_| who == Busy::Handler && !name.is_cut())?;
        let name = name.to_string();
        let (method, path) = name.split_once(' ')?;
        Some((method.to_owned(), routes(path)?))
    }

    fn count(&self, pattern: String) {
        let mut stalls = self.shared.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        if stalls.len() < ROUTES_MAX || stalls.contains_key(&pattern) {
            *stalls.entry(pattern).or_default() += 1;
        }
    }

    fn total(&self) -> CoreMetrics {
        let mut total = CoreMetrics::default();
        for link in &self.links {
            total.add(&link.counts.snapshot());
        }
        total
    }

    fn open(&self) -> usize {
        let open = |link: &Arc<Link>| link.open.load(std::sync::atomic::Ordering::Relaxed);
        self.links.iter().map(open).sum()
    }

    fn tell_progress(&self, since: Duration) {
        let total = self.total();
        tracing::info!(
            seconds = since.as_secs(),
            connections = self.open(),
            requests = total.open.get(Protocol::Http1, Activity::Active),
            websockets = total.open.of(Protocol::WebSocket),
            streams = total.open.of(Protocol::Stream) + total.open.of(Protocol::Poll),
            lingering = total.open.in_state(Activity::Lingering),
            "still draining"
        );
    }

    fn tell_end(&self, after: Duration) {
        tracing::info!(
            ms = after.as_millis() as u64,
            cut = self.total().timed_out.get(TimedOut::Drain),
            "drained"
        );
    }
}

fn what(who: Busy, name: &str) -> String {
    match who {
        Busy::Handler => format!("the handler of {name}"),
        Busy::Task => "a task that the application spawned".to_owned(),
        Busy::Engine | Busy::Idle => "what the application gave the engine".to_owned(),
    }
}

/// What the watch remembers of a core.
#[derive(Debug, Default)]
struct Eye {
    step: u64,
    /// When it was first seen at this step.
    since: Option<Instant>,
    /// When it was seen there again, and how long the system had kept it waiting for a CPU by then.
    again: Option<(Instant, Duration)>,
    /// This stall is told.
    told: bool,
    what: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Looked {
    Well,
    Stalled(Duration),
    Over(Duration),
}

impl Eye {
    /// Another look. `delay` is how long the core's thread has waited for a CPU so far: a machine that is too busy to
    /// run it is not the handler's fault.
    fn look(
        &mut self,
        step: u64,
        busy: bool,
        now: Instant,
        threshold: Duration,
        delay: impl FnOnce() -> Duration,
    ) -> Looked {
        let Some(since) = self.since.filter(|_| busy && step == self.step) else {
            let over = match (self.told, self.since) {
                (true, Some(since)) => Looked::Over(now - since),
                _ => Looked::Well,
            };
            self.step = step;
            self.since = busy.then_some(now);
            self.again = None;
            self.told = false;
            return over;
        };
        if self.told {
            return Looked::Well;
        }
        let Some((again, before)) = self.again else {
            self.again = Some((now, delay()));
            return Looked::Well;
        };
        // The first interval is not counted, as the delay in it is not known: it errs for the handler.
        let sure = (now - again) + threshold / LOOKS;
        if sure < threshold || sure.saturating_sub(delay().saturating_sub(before)) < threshold {
            return Looked::Well;
        }
        self.told = true;
        Looked::Stalled(now - since)
    }
}

/// Where the system says how long this thread has waited for a CPU.
pub(crate) fn schedstat_of_this_thread() -> Option<PathBuf> {
    let thread = std::fs::read_link("/proc/thread-self").ok()?;
    Some(PathBuf::from("/proc").join(thread).join("schedstat"))
}

/// Nanoseconds on a CPU, nanoseconds waiting for one, turns (proc(5)). Zero where the system does not say.
pub(crate) fn run_delay(schedstat: &std::path::Path) -> Duration {
    let text = std::fs::read_to_string(schedstat).unwrap_or_default();
    let waited = text
        .split_ascii_whitespace()
        .nth(1)
        .and_then(|ns| ns.parse().ok());
    Duration::from_nanos(waited.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLD: Duration = Duration::from_millis(200);
    const NO_DELAY: fn() -> Duration = || Duration::ZERO;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_holds_a_core_is_told_once_and_its_end_too() {
        let (start, mut eye) = (Instant::now(), Eye::default());
        let mut told = Vec::new();
        for n in 0..10 {
            let now = start + ms(50) * n;
            let step = if n < 8 { 7 } else { 8 };
            match eye.look(step, true, now, THRESHOLD, NO_DELAY) {
                Looked::Well => {}
                other => told.push((n, other)),
            }
        }
        let expected = [(4, Looked::Stalled(ms(200))), (8, Looked::Over(ms(400)))];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_core_that_moves_or_waits_is_well() {
        let (start, mut eye) = (Instant::now(), Eye::default());
        for n in 0..100 {
            let now = start + ms(50) * n;
            assert_eq!(
                eye.look(u64::from(n), true, now, THRESHOLD, NO_DELAY),
                Looked::Well
            );
        }
        for n in 100..200 {
            let now = start + ms(50) * n;
            assert_eq!(eye.look(1000, false, now, THRESHOLD, NO_DELAY), Looked::Well);
        }
    }

    #[test]
    fn a_core_that_gets_no_cpu_is_not_held() {
        let (start, mut eye) = (Instant::now(), Eye::default());
        for n in 0..100 {
            let now = start + ms(50) * n;
            // All the time it is runnable and does not run.
            assert_eq!(eye.look(7, true, now, THRESHOLD, || ms(50) * n), Looked::Well);
        }
    }

    #[test]
    fn a_thread_knows_where_its_delay_stands() {
        let path = schedstat_of_this_thread().unwrap();
        assert!(path.starts_with("/proc"), "{path:?}");
        // Kernels without the file count no delay.
        let _ = run_delay(&path);
        assert_eq!(run_delay(std::path::Path::new("/nowhere")), Duration::ZERO);
    }
}
