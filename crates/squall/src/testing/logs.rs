//! What was logged, for tests: a warning that nobody announced is a failure.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

/// Lines kept; a test that logs more has another problem.
const LINES_MAX: usize = 10_000;

/// One event, as a subscriber saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How grave.
    pub level: Level,
    /// Which part of the program.
    pub target: String,
    /// The message, then the other fields as `name=value`.
    pub text: String,
}

/// A line that is no failure.
#[derive(Clone, Debug)]
struct Announced {
    level: Level,
    text: String,
    /// Whether its absence is one.
    required: bool,
}

impl Announced {
    fn is(&self, line: &LogLine) -> bool {
        line.level == self.level && line.text.contains(&self.text)
    }
}

/// Collects what is logged while its [`LogCapture::dispatch`] is the current one.
#[derive(Clone, Debug)]
pub struct LogCapture {
    lines: Arc<Mutex<Vec<LogLine>>>,
    announced: Arc<Mutex<Vec<Announced>>>,
    dispatch: Dispatch,
}

impl Default for LogCapture {
    fn default() -> Self {
        Self::new()
    }
}

impl LogCapture {
    /// Nothing collected yet.
    pub fn new() -> Self {
        let lines: Arc<Mutex<Vec<LogLine>>> = Arc::default();
        let dispatch = Dispatch::new(Registry::default().with(Collector { lines: lines.clone() }));
        Self {
            lines,
            announced: Arc::default(),
            dispatch,
        }
    }

    /// Where events must go to be collected.
    pub fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    /// Runs something, collecting what it logs on this thread.
    pub fn collect<T>(&self, run: impl FnOnce() -> T) -> T {
        tracing::dispatcher::with_default(&self.dispatch, run)
    }

    /// What was logged so far.
    pub fn lines(&self) -> Vec<LogLine> {
        lock(&self.lines).clone()
    }

    /// Announces a line of that level with that text in it, once or more often: it is no failure, but its absence is.
    pub fn expect(&self, level: Level, text: &str) {
        self.announce(level, text, true);
    }

    /// Announces a line that may come or not.
    pub fn allow(&self, level: Level, text: &str) {
        self.announce(level, text, false);
    }

    fn announce(&self, level: Level, text: &str, required: bool) {
        let text = text.to_owned();
        lock(&self.announced).push(Announced {
            level,
            text,
            required,
        });
    }

    /// What is wrong: warnings and errors that were not announced, and announced lines that did not come.
    pub fn complaints(&self) -> Vec<String> {
        let (lines, announced) = (self.lines(), lock(&self.announced).clone());
        let unexpected = lines
            .iter()
            .filter(|line| line.level <= Level::WARN && !announced.iter().any(|announced| announced.is(line)))
            .map(|line| format!("not announced: {} {}: {}", line.level, line.target, line.text));
        let missing = announced
            .iter()
            .filter(|announced| announced.required && !lines.iter().any(|line| announced.is(line)))
            .map(|announced| {
                format!(
                    "announced, but did not come: {} {}",
                    announced.level, announced.text
                )
            });
        unexpected.chain(missing).collect()
    }

    /// Fails the test with all [`LogCapture::complaints`].
    ///
    /// # Panics
    /// When there are any.
    #[track_caller]
    pub fn check(&self) {
        let complaints = self.complaints();
        assert!(complaints.is_empty(), "the log:\n{}", complaints.join("\n"));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Collector {
    lines: Arc<Mutex<Vec<LogLine>>>,
}

impl<S: Subscriber> Layer<S> for Collector {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let meta = event.metadata();
        let line = LogLine {
            level: *meta.level(),
            target: meta.target().to_owned(),
            text: text.0,
        };
        let mut lines = lock(&self.lines);
        if lines.len() < LINES_MAX {
            lines.push(line);
        }
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let gap = if self.0.is_empty() { "" } else { " " };
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{gap}{value:?}"),
            name => write!(self.0, "{gap}{name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}
