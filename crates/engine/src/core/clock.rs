//! The core's time: read once a turn, not once a use.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use squall_wire::date::imf_fixdate;

use crate::limits::{SWEEP_INTERVAL, Tick};

/// Microseconds since a core began.
pub(crate) type Micros = u64;

const SWEEP_INTERVAL_US: Micros = SWEEP_INTERVAL.as_micros() as Micros;

/// Ticks since the core began, and the `Date` of now.
pub(crate) struct Clock {
    began: Instant,
    turn: Cell<Micros>,
    turn_at: Cell<Instant>,
    pub(super) tick: Cell<Tick>,
    unix_seconds: Cell<u64>,
    date: RefCell<[u8; 29]>,
    /// The same, as HTTP/2 wants it.
    date_value: RefCell<HeaderValue>,
}

impl Default for Clock {
    fn default() -> Self {
        let now = Instant::now();
        let clock = Clock {
            began: now,
            turn_at: Cell::new(now),
            turn: Cell::new(0),
            tick: Cell::new(0),
            unix_seconds: Cell::new(u64::MAX),
            date: RefCell::new([b' '; 29]),
            date_value: RefCell::new(HeaderValue::from_static("")),
        };
        clock.refresh();
        clock
    }
}

impl Clock {
    /// Looks at the clocks of the machine.
    pub(crate) fn refresh(&self) {
        let now = Instant::now();
        let turn = micros(now - self.began);
        self.turn_at.set(now);
        self.turn.set(turn);
        self.tick.set((turn / SWEEP_INTERVAL_US) as Tick);
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_secs());
        if self.unix_seconds.replace(seconds) != seconds {
            let date = imf_fixdate(seconds);
            // Made of letters and digits, so it is one.
            if let Ok(value) = HeaderValue::from_bytes(&date) {
                *self.date_value.borrow_mut() = value;
            }
            *self.date.borrow_mut() = date;
        }
    }

    /// When the core's turn began: no look at the machine's clock.
    pub(crate) fn turn(&self) -> Micros {
        self.turn.get()
    }

    /// Looks at the machine's clock: some 25 ns.
    pub(crate) fn now(&self) -> Micros {
        micros(self.began.elapsed())
    }

    /// As [`Clock::turn`].
    pub(crate) fn turn_at(&self) -> Instant {
        self.turn_at.get()
    }

    /// When a tick began.
    pub(crate) fn at(&self, tick: Tick) -> Instant {
        self.began + SWEEP_INTERVAL * tick
    }

    pub(crate) fn tick(&self) -> Tick {
        self.tick.get()
    }

    /// The value of a `Date` field, shared.
    pub(crate) fn date_value(&self) -> HeaderValue {
        self.date_value.borrow().clone()
    }

    /// The value of a `Date` field.
    pub(crate) fn date(&self) -> [u8; 29] {
        *self.date.borrow()
    }
}

fn micros(duration: Duration) -> Micros {
    duration.as_secs() * 1_000_000 + Micros::from(duration.subsec_micros())
}
