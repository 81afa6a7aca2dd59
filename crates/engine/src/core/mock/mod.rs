//! One core without a thread, a socket without a system, and a clock that is set by hand: a whole connection as a
//! function of bytes. For tests and fuzzing alone.
//!
//! [`run`] takes a program: what the peer sends, cut where the program says, and what happens in between (see
//! [`script`]). Whatever the program, nothing panics that was not meant to, what was written can be read in one way,
//! memory is bounded, and the connection ends. The core's code is that of production, from the read of the socket to
//! the write; only what waits for the system is left out.

mod app;
mod check;
mod script;
mod source;
mod wire;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use tokio::task::LocalSet;

use crate::core::clock::Clock;
use crate::core::link::Link;
use crate::core::slab::State;
use crate::core::{Core, Parts, READ_BUFFER_BYTES, Until};
use crate::limits::{BUFFER_BYTES_MAX, Limits, Tick};
use crate::listen::Options;
use crate::shared::Shared;
use crate::socket::{Peer, Socket};
use crate::source::ConnId;
use app::MockApp;
use script::{Op, Script};
use source::MockSource;
use wire::Wire;

/// Rounds of time at the end, after which a connection must be gone.
const LAST_ROUNDS_MAX: usize = 24;
/// Time of one of them, in ticks: longer than any time-out of [`limits`].
const LAST_ROUND_TICKS: Tick = 2_000;
/// Rounds of work that one event may lead to before something else must happen.
const SETTLE_ROUNDS_MAX: usize = 10_000;
/// What one connection may hold that is not in the socket: a read, a head, what is owed and the piece that crosses
/// the bound, on either side of a handler.
const HELD_BYTES_MAX: usize = 2 * READ_BUFFER_BYTES + 2 * BUFFER_BYTES_MAX + app::PIECE_BYTES_MAX + 16 * 1024;

/// What came of a program.
#[derive(Debug, Default)]
pub struct Outcome {
    /// All that the server wrote.
    pub output: Vec<u8>,
    /// Requests that reached the application.
    pub requests: usize,
    /// Answers that were written, whole or not.
    pub answers: usize,
}

/// Small limits, so that short programs reach them.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.head.head_bytes_max = 1024;
    limits.head.target_bytes_max = 128;
    limits.head.fields_max = 16;
    limits.body.body_bytes_max = 4096;
    limits.body.extension_bytes_max = 128;
    limits.body.chunk_line_bytes_max = 64;
    limits.body.trailer_bytes_max = 256;
    limits.body.trailer_fields_max = 4;
    limits.ws.frame_bytes_max = 1024;
    limits.ws.message_bytes_max = 2048;
    limits.ws.fragments_max = 16;
    limits.pipelined_burst_max = 4;
    limits
}

/// Runs a program, and checks all that must hold.
///
/// # Panics
/// When something does not hold.
pub fn run(program: &[u8]) -> Outcome {
    let script = Script::decode(program);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without a driver needs nothing of the system");
    let local = LocalSet::new();
    let wire = Wire::new(script.faults);
    let seen = Rc::new(RefCell::new(app::Seen::default()));
    let app = MockApp::new(&seen);
    let source = Rc::new(MockSource::default());
    local.block_on(&runtime, async {
        let mut bench = Bench::new(app, source.clone(), wire.clone());
        bench.play(&script).await;
        bench.finish().await;
    });
    // Tasks that are still there hold the core: they go first.
    drop(local);
    assert_eq!(source.following(), 0, "a follower was not let go");
    check::check(&script, &wire.take_output(), &seen.borrow())
}

/// A core, and one connection of it.
struct Bench {
    core: Rc<Core<MockApp>>,
    id: ConnId,
    wire: Wire,
    source: Rc<MockSource>,
    buffer: Vec<u8>,
    tick: Tick,
}

thread_local! {
    /// Connections of the wire are never registered; but a core has a registry.
    static REGISTRY: mio::Registry = mio::Poll::new()
        .and_then(|poll| poll.registry().try_clone())
        .expect("the system gives a poll set");
}

impl Bench {
    fn new(app: MockApp, source: Rc<MockSource>, wire: Wire) -> Self {
        let parts = Parts {
            app,
            limits: limits(),
            peer_info: true,
            link: Arc::new(Link::default()),
            options: Arc::new([Options::default()]),
            http2: true,
            shared: Arc::new(Shared::new(&limits(), None, Vec::new())),
            source: source.clone(),
            prelude: None,
        };
        let registry = REGISTRY.with(mio::Registry::try_clone).expect("a descriptor");
        let core = Rc::new(Core::new(parts, registry));
        let socket = Socket::Virtual(Box::new(Box::new(wire.clone())));
        let id = core.accept(socket, Peer::Unix, 0).expect("nothing can fail");
        Bench {
            core,
            id,
            wire,
            source,
            buffer: vec![0; READ_BUFFER_BYTES],
            tick: 0,
        }
    }

    /// Does what the script says, then gives the peer what is left of its bytes.
    async fn play(&mut self, script: &Script) {
        let mut rest = &script.stream[..];
        for op in &script.ops {
            match *op {
                Op::Send(bytes) => {
                    let (now, later) = rest.split_at(bytes.min(rest.len()));
                    rest = later;
                    self.send(now);
                }
                Op::Room(bytes) => {
                    self.wire.give_room(bytes);
                    self.writable();
                }
                Op::Ticks(ticks) => self.pass(ticks),
                Op::Work => {}
                Op::Publish(bytes) => {
                    self.source.publish(bytes);
                    self.moved();
                }
                Op::Finish => {
                    self.wire.end();
                    self.readable(Until::Blocked);
                }
                Op::Reset => {
                    self.wire.reset();
                    self.readable(Until::Blocked);
                    self.writable();
                }
                Op::Drain => self.core.begin_drain(&mut self.buffer),
            }
            self.settle().await;
        }
        self.wire.open_wide();
        self.writable();
        self.settle().await;
        for part in rest.chunks(script.cut) {
            self.send(part);
            self.settle().await;
        }
    }

    /// The peer has said all: whatever is under way ends, by itself or by a time-out.
    async fn finish(&mut self) {
        for round in 0..LAST_ROUNDS_MAX {
            if self.core.conns.borrow().len() == 0 {
                return;
            }
            if round == 1 {
                self.wire.end();
                self.readable(Until::Blocked);
            }
            self.pass(LAST_ROUND_TICKS);
            self.settle().await;
        }
        assert_eq!(self.core.conns.borrow().len(), 0, "the connection does not end");
    }

    fn send(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.wire.send(bytes);
            self.readable(Until::Short);
        }
    }

    fn readable(&mut self, until: Until) {
        let (core, id) = (self.core.clone(), self.id);
        core.guarded(id, || core.readable(id, &mut self.buffer, until));
    }

    fn writable(&mut self) {
        let (core, id) = (self.core.clone(), self.id);
        core.guarded(id, || core.writable(id));
    }

    fn moved(&mut self) {
        let mut ready = Vec::new();
        self.core.asked(|| self.core.source.drain(&mut ready));
        self.core.pump_all(&mut ready);
    }

    /// Time passes, in steps of which each is looked at: a deadline may follow from another.
    fn pass(&mut self, ticks: Tick) {
        const STEPS: Tick = 8;
        for _ in 0..STEPS {
            self.tick += ticks.div_ceil(STEPS);
            self.core.clock.set_tick(self.tick);
            self.core.sweep(&mut Vec::new());
        }
    }

    /// Lets everything run that has something to do, as the core's own loop does.
    async fn settle(&mut self) {
        let (mut notes, mut again) = (Vec::new(), Vec::new());
        let mut idle_rounds = 0;
        for _ in 0..SETTLE_ROUNDS_MAX {
            let woken = self.core.link.poll_woken(std::task::Waker::noop());
            self.core.link.take_notes(&mut notes);
            let mut busy = woken || !notes.is_empty();
            for note in notes.drain(..) {
                self.core.hear(note, &mut self.buffer);
            }
            std::mem::swap(&mut again, &mut *self.core.again.borrow_mut());
            again.sort_unstable();
            again.dedup();
            busy |= !again.is_empty();
            for id in again.drain(..) {
                let core = self.core.clone();
                core.guarded(id, || core.turn(id, &mut self.buffer));
            }
            if self.core.link.take_moved() {
                self.moved();
            }
            busy |= self.core.tasks_due.replace(false);
            if self.wire.has_more() {
                // What a short read left is as bytes that came just now.
                self.readable(Until::Short);
                busy = true;
            }
            self.check_memory();
            idle_rounds = if busy { 0 } else { idle_rounds + 1 };
            if idle_rounds == 2 {
                return;
            }
            let_tasks_run().await;
        }
        panic!("the core does not come to rest");
    }

    fn check_memory(&self) {
        assert!(
            self.core.out.borrow().is_empty(),
            "an answer is left for another connection"
        );
        if let Some(conn) = self.core.conns.borrow_mut().get_mut(self.id) {
            let held = held_bytes(&conn.state);
            assert!(held <= HELD_BYTES_MAX, "{held} bytes are held for one connection");
        }
        let conns = self.core.conns.borrow().len();
        assert!(
            conns <= 1 + wire::STREAMS_MAX,
            "{conns} records for one connection"
        );
    }
}

impl Clock {
    /// Time is what the test says.
    fn set_tick(&self, tick: Tick) {
        self.tick.set(tick);
    }
}

/// Bytes that are held for a connection, and not by its socket or its handler.
fn held_bytes(state: &State) -> usize {
    match state {
        State::Http(http) => http.input.len() + http.partial.len() + http.outbox.bytes(),
        State::WebSocket(ws) => ws.owed.len() + ws.channel.outbound_bytes(),
        _ => 0,
    }
}

/// Gives every task some turns; whether one was woken meanwhile can't be seen, so this is more than any needs.
async fn let_tasks_run() {
    let mut turns = 0;
    poll_fn(|cx| {
        turns += 1;
        if turns > 8 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
