//! The followers of one core: coming, going, being named.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use squall_engine::source::{Attached, ConnId};
use squall_engine::wire::ws::Deflate;
use squall_hub::Cursor;
use squall_hub::roster::{Join, Roster};

use super::batch::Batch;
use super::cache::{Frames, Make};
use super::conn::{Conn, Ending, Poll};
use super::session::{Job, Times};
use crate::live::access::Door;
use crate::live::api::Live;
use crate::live::connection::{Direct, Window};
use crate::live::counts::Closed;
use crate::live::doors::SSE_RETRY_MS;
use crate::live::encode::Lost;
use crate::live::mailbox::CoreMailbox;
use crate::live::seeing::Sampling;
use crate::live::ticket::{OnMessage, Spec, Start, Ticket};

/// How many different slices of the log are kept ready: followers of different doors and places come interleaved.
const BATCHES: usize = 4;

pub(super) struct State {
    pub(super) live: Live,
    pub(super) mailbox: Arc<CoreMailbox>,
    pub(super) roster: Roster<Conn>,
    pub(super) frames: Frames,
    pub(super) batches: [Batch; BATCHES],
    /// The batch that is given up next.
    pub(super) oldest_batch: usize,
    /// The number of the last command that was applied.
    pub(super) applied: u64,
    /// Connections that have something next beside what moved; named at the next drain.
    pub(super) named: Vec<ConnId>,
    /// When each long-poll ends.
    pub(super) polls: BTreeSet<(Instant, u32)>,
    pub(super) shutting_down: bool,
    /// Decisions about sessions that nobody has asked for yet.
    pub(super) jobs: VecDeque<Job>,
    /// When something is due for a session.
    pub(super) times: Times,
    /// Spare vectors.
    pub(super) directs: Vec<Direct>,
    tags: Vec<u32>,
    /// Whom to look at for the metrics.
    pub(super) sampling: Sampling,
}

/// What to do with a message.
pub(super) enum Received {
    /// It has commands.
    Session,
    /// A door wants it; whose it is.
    Message(OnMessage, u64, u32),
}

impl State {
    pub(super) fn new(live: Live, mailbox: Arc<CoreMailbox>) -> Self {
        Self {
            roster: Roster::new(live.hub().clone(), mailbox.clone()),
            frames: Frames::new(live.clone()),
            batches: std::array::from_fn(|_| Batch::new()),
            oldest_batch: 0,
            applied: live.inner.commands.head(),
            named: Vec::new(),
            polls: BTreeSet::new(),
            shutting_down: false,
            jobs: VecDeque::new(),
            times: Times::default(),
            directs: Vec::new(),
            tags: Vec::new(),
            sampling: Sampling::default(),
            mailbox,
            live,
        }
    }

    pub(super) fn attach(
        &mut self,
        id: ConnId,
        ticket: &Ticket,
        deflate: Option<&Deflate>,
    ) -> Option<Attached> {
        if ticket.live != self.live.id() {
            return None;
        }
        self.catch_up();
        self.changed();
        let spec = match deflate {
            Some(deflate) => ticket.spec.deflated(self.frames.agreed(deflate)),
            None => ticket.spec.clone(),
        };
        let (door, style) = (spec.door, spec.style);
        let data = Conn {
            id,
            spec,
            bias: 0,
            ending: None,
            extra: None,
            session: None,
        };
        let grant = &ticket.grant;
        let follower = self.roster.join(Join {
            owner: grant.owner,
            kind: grant.kind,
            policy: grant.policy,
            data,
        });
        if let Some(session) = &ticket.session {
            return Some(self.session_begins(follower, session));
        }
        self.live.inner.counters.came(door);
        for (topic, own) in &grant.topics {
            let style = own.unwrap_or(style);
            if self.roster.follow(follower, topic, style.0, 0).is_err() {
                debug_assert!(false, "doors check topics");
                self.end(follower, Ending::ComeBack);
            }
        }
        self.replay(follower, ticket.moment);
        let (position, gap_after) = self.begin(follower, ticket.start);
        self.sampling.came(follower, self.live.hub().head());
        if door != Door::Poll && !matches!(ticket.start, Start::Now(_)) {
            self.count_recovery(position, gap_after.is_some());
        }
        self.greet(follower, ticket, position, gap_after);
        Some(Attached { follower, position })
    }

    fn count_recovery(&self, position: u64, gap: bool) {
        let counters = &self.live.inner.counters;
        if gap {
            counters.add(&counters.recovered_with_gap);
        } else if position < self.live.hub().head() {
            counters.add(&counters.recovered);
        }
    }

    /// Where the follower begins; and after what, if that is not where its cursor was.
    fn begin(&self, follower: u32, start: Start) -> (u64, Option<Cursor>) {
        let hub = self.live.hub();
        let upto = hub.head();
        let (after, cursor) = match start {
            Start::At(offset) | Start::Now(offset) => (offset, hub.cursor_at(offset)),
            Start::Foreign(cursor) => (self.roster.floor(follower), cursor),
        };
        let lost = self.roster.read(follower, after, upto, 0, &mut Vec::new());
        // Whoever comes with a cursor that is too old is told, whatever its policy: to be closed and to come back with
        // the same cursor again would go on forever.
        let resume = lost
            .err()
            .map(|gap| self.roster.resume(follower, gap, upto).unwrap_or(gap.resume));
        let gap = resume.is_some() || matches!(start, Start::Foreign(_));
        (resume.unwrap_or(after), gap.then_some(cursor))
    }

    /// What a connection is sent before anything of the log.
    fn greet(&mut self, follower: u32, ticket: &Ticket, position: u64, gap_after: Option<Cursor>) {
        let resume = self.live.hub().cursor_at(position);
        let spec = &ticket.spec;
        let Some(record) = self.roster.get_mut(follower) else {
            return;
        };
        let conn = &mut record.data;
        if let (Door::Poll, Some(deadline)) = (spec.door, ticket.deadline) {
            let due = deadline <= Instant::now();
            conn.extra().poll = Some(Poll {
                deadline,
                due,
                gap_after,
            });
            self.polls.insert((deadline, follower));
            return;
        }
        if spec.door == Door::Sse {
            let hello = hello(spec, gap_after.is_none().then_some(&resume));
            if !hello.is_empty() {
                conn.aside(hello, false);
            }
        }
        let Some(after) = gap_after else { return };
        // Not the ticket's: what the connection agreed to stands in its own.
        let make = Make::new(spec.style.0, &conn.spec);
        match self.frames.gap(&Lost { after, resume }, make) {
            Some(frame) => {
                conn.aside(frame, false);
                self.live.inner.counters.add(&self.live.inner.counters.gaps);
            }
            None => self.end(follower, Ending::Behind),
        }
    }

    pub(super) fn detach(&mut self, follower: u32) {
        self.changed();
        self.session_ends(follower);
        let Some(conn) = self.roster.leave(follower) else {
            return;
        };
        if conn.spec.session.is_some() {
            return;
        }
        self.live.inner.counters.left(conn.spec.door);
        if let Some(poll) = conn.extra.and_then(|extra| extra.poll) {
            self.polls.remove(&(poll.deadline, follower));
        }
    }

    pub(super) fn drain(&mut self, ready: &mut Vec<ConnId>) {
        let mut tags = std::mem::take(&mut self.tags);
        self.mailbox.take_moved(&mut tags);
        self.catch_up();
        self.roster
            .moved(&tags, |_, follower| ready.push(follower.data.id));
        tags.clear();
        self.tags = tags;
        ready.append(&mut self.named);
    }

    pub(super) fn tick(&mut self, now: Instant, ready: &mut Vec<ConnId>) {
        while let Some(first) = self
            .polls
            .first()
            .copied()
            .filter(|(deadline, _)| *deadline <= now)
        {
            self.polls.remove(&first);
            if let Some(record) = self.roster.get_mut(first.1) {
                ready.push(record.data.id);
                if let Some(poll) = record.data.poll() {
                    poll.due = true;
                }
            }
        }
        self.session_tick(now);
        ready.append(&mut self.named);
    }

    pub(super) fn sweep(&self, now_ms: u64) {
        self.live.hub().sweep(now_ms);
    }

    pub(super) fn shutdown(&mut self) {
        let left = self.roster.len() as u64;
        self.live.inner.counters.closed(Closed::Restart, left);
        self.shutting_down = true;
    }

    pub(super) fn heartbeat(&self, follower: u32) -> Option<Bytes> {
        let spec = &self.roster.get(follower)?.data.spec;
        (spec.door == Door::Sse && !spec.heartbeat.is_empty()).then(|| spec.heartbeat.clone())
    }

    /// A message of `bytes` came in: what to do with it.
    pub(super) fn received(&mut self, follower: u32, bytes: usize) -> Option<Received> {
        let record = self.roster.get(follower)?;
        if record.data.ending.is_some() {
            return None;
        }
        if bytes > record.data.spec.message_bytes_max {
            self.end(follower, Ending::TooBig);
            self.mailbox.wake();
            return None;
        }
        if record.data.session.is_some() {
            return Some(Received::Session);
        }
        let on_message = record.data.spec.on_message.clone()?;
        Some(Received::Message(on_message, record.owner, record.kind))
    }

    /// What a handle to the connection is made of.
    pub(super) fn window(&mut self, follower: u32) -> (u32, Arc<Window>) {
        let life = self.roster.life(follower);
        let window = self.roster.get_mut(follower).map(|record| record.data.window());
        (life, window.unwrap_or_default())
    }

    /// The connection is to be closed; it is named at the next drain.
    pub(super) fn end(&mut self, follower: u32, ending: Ending) {
        let Some(record) = self.roster.get_mut(follower) else {
            return;
        };
        let conn = &mut record.data;
        if conn.ending.is_some() {
            return;
        }
        let counters = &self.live.inner.counters;
        match ending {
            Ending::Behind => counters.add(&counters.closed_behind),
            Ending::Revoked => counters.add(&counters.ended),
            Ending::ComeBack => counters.add(&counters.sent_back),
            Ending::TooBig | Ending::Said(_) | Ending::Disconnect(_) => (),
        }
        let closed = match ending {
            Ending::Behind => Closed::Behind,
            Ending::Revoked => Closed::Ended,
            Ending::ComeBack => Closed::ComeBack,
            Ending::TooBig => Closed::TooBig,
            Ending::Said(_) => Closed::Handle,
            Ending::Disconnect(_) => Closed::Session,
        };
        counters.closed(closed, 1);
        conn.ending = Some(Box::new(ending));
        self.named.push(conn.id);
    }

    /// Somebody's topics, or the topics' numbers, are not what they were.
    pub(super) fn changed(&mut self) {
        for batch in &mut self.batches {
            batch.forget();
        }
    }
}

/// The first bytes of a stream. The `id` has no event: browsers remember it all the same. So there is none where a gap is
/// told next: a stream that broke between the two would have moved the cursor in silence.
fn hello(spec: &Spec, resume: Option<&Cursor>) -> Bytes {
    if let Some(hello) = &spec.hello {
        return hello.clone();
    }
    let jitter =
        u64::from(u16::from_le_bytes(crate::random_bytes())) * (SSE_RETRY_MS / 2) / u64::from(u16::MAX);
    // No `data:` line, not even an empty one: that would be an event.
    let id = resume.map_or(String::new(), |resume| format!("id: {resume}\n"));
    format!("retry: {}\n{id}\n", SSE_RETRY_MS + jitter).into()
}
