//! The one thread that writes: it takes what waits, commits it together, appends it to the hub, answers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use squall_hub::{Cursor, Hub, Meta, OFFSET_MAX, PublishError, WeakHub};

use crate::broker::{Failing, Shared};
use crate::config::Durability;
use crate::index::{Index, TRIM_MAX};
use crate::keys::{Keys, full_key};
use crate::plan::{Plan, TopicChange};
use crate::queue::{Job, Publishing, Reply, Taken};
use crate::store::{CommitError, KeyRow, Row, Store};

/// How often topics that nothing is published to are looked at.
const PASS_EVERY: Duration = Duration::from_secs(1);
/// How long, as a part of the time that the last commit took, others are waited for to share the next.
const GATHER_PART: u32 = 4;
/// The longest that they are waited for.
const GATHER_TIME_MAX: Duration = Duration::from_millis(1);
/// Offsets that are set aside for messages in memory alone. A start uses up as many, of the 2^53 that JSON can carry.
pub(crate) const RESERVE: u64 = 1 << 20;

pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: Store,
    pub(crate) index: Index,
    pub(crate) keys: Keys,
    /// Keys of messages in memory alone: gone with them.
    pub(crate) keys_in_memory: Keys,
    pub(crate) hub: WeakHub,
    pub(crate) group_messages_max: usize,
    /// Withdrawn messages that could not be deleted yet.
    pub(crate) owed: BTreeMap<u64, Box<str>>,
}

/// What becomes of one job.
enum Fate {
    /// A new message.
    New(New),
    /// It has been published before, or earlier in this group: its offset.
    Again {
        offset: u64,
        in_group: bool,
        reply: Reply,
    },
    /// Messages are to be forgotten.
    Withdrawn {
        topic: Box<str>,
        offsets: Vec<u64>,
        reply: Reply,
    },
    /// It cannot be done.
    Refused(Reply),
}

struct New {
    offset: u64,
    topic: Arc<str>,
    data: Bytes,
    meta: Option<Arc<Meta>>,
    at_ms: u64,
    durability: Durability,
    reply: Reply,
}

/// Jobs that share a commit.
struct Group {
    plan: Plan,
    fates: Vec<Fate>,
    /// Keys of this group.
    keys: HashMap<String, u64>,
    /// Those of messages in memory alone.
    keys_in_memory: Vec<KeyRow>,
    /// The last offset that was given, for disk or memory.
    head: u64,
    /// Jobs for memory alone.
    in_memory: usize,
    now_ms: u64,
}

impl Writer {
    pub(crate) fn run(mut self) {
        let mut passed = Instant::now();
        let mut more = false;
        loop {
            let time = match more {
                true => Duration::ZERO,
                false => PASS_EVERY.saturating_sub(passed.elapsed()),
            };
            let jobs = match self.shared.queue.take(self.group_messages_max, time) {
                Taken::Jobs(jobs) => jobs,
                Taken::Idle => Vec::new(),
                Taken::Ended => return,
            };
            let due = passed.elapsed() >= PASS_EVERY;
            if due && !more {
                self.index.begin_pass();
            }
            let pass = more || due;
            let (count, started) = (jobs.len(), Instant::now());
            more = self.group(jobs, pass);
            if count > 0 {
                let time = (started.elapsed() / GATHER_PART).min(GATHER_TIME_MAX);
                self.shared.queue.gather(count, time);
            }
            if pass {
                passed = Instant::now();
            }
        }
    }

    /// Does some jobs. Answers whether there may be more to delete.
    fn group(&mut self, jobs: Vec<Job>, pass: bool) -> bool {
        let hub = self.hub.upgrade();
        let mut group = self.begin(hub.as_ref());
        for job in jobs {
            self.add(&mut group, job, hub.as_ref());
        }
        let more = self.trim(&mut group, pass, hub.as_ref());
        self.forget_keys(&mut group);
        let result = self.commit(&group.plan);
        // While the disk fails, the next pass is soon enough.
        let more = more && result.is_ok();
        self.finish(group, result, hub);
        more
    }

    /// Takes the turn: from here to [`Writer::finish`] nobody else gives offsets.
    fn begin(&self, hub: Option<&Hub>) -> Group {
        let head = {
            let mut turn = self.shared.turn();
            turn.taken = true;
            turn.head.max(self.store.state.head)
        };
        let mut plan = Plan::of_state(&self.store.state);
        if let Some(hub) = hub {
            plan.unknown_floor = plan.unknown_floor.max(hub.forgotten_floor());
        }
        for (offset, topic) in self.owed.iter().take(TRIM_MAX) {
            self.index.remove(topic, std::iter::once(*offset), &mut plan);
        }
        Group {
            plan,
            fates: Vec::new(),
            keys: HashMap::new(),
            keys_in_memory: Vec::new(),
            head,
            in_memory: 0,
            now_ms: 0,
        }
    }

    fn add(&self, group: &mut Group, job: Job, hub: Option<&Hub>) {
        let fate = match job {
            Job::Publish(publishing) => self.publish(group, publishing, hub),
            Job::Withdraw {
                topic,
                offsets,
                reply,
            } => {
                self.index
                    .remove(&topic, offsets.iter().copied(), &mut group.plan);
                // What was evicted before may have been meant, too, and must not come back with the next start.
                if let Some(hub) = hub {
                    self.index
                        .trim_all(&topic, hub, &self.shared.rules, &mut group.plan);
                }
                Fate::Withdrawn {
                    topic,
                    offsets,
                    reply,
                }
            }
        };
        group.fates.push(fate);
    }

    fn publish(&self, group: &mut Group, publishing: Publishing, hub: Option<&Hub>) -> Fate {
        let Publishing {
            topic,
            data,
            meta,
            key,
            now_ms,
            durability,
            reply,
        } = publishing;
        group.now_ms = group.now_ms.max(now_ms);
        group.in_memory += usize::from(durability == Durability::Memory);
        let key = key.filter(|_| self.keys.any());
        if let Some(key) = &key {
            let of_group = group.keys.get(&full_key(&topic, key)).copied();
            let known = match durability {
                Durability::Disk => &self.keys,
                Durability::Memory => &self.keys_in_memory,
            };
            if let Some(offset) = of_group.or_else(|| known.find(&topic, key, now_ms)) {
                return Fate::Again {
                    offset,
                    in_group: of_group.is_some(),
                    reply,
                };
            }
        }
        if group.head >= OFFSET_MAX {
            return Fate::Refused(reply);
        }
        group.head += 1;
        let offset = group.head;
        let topic = match self.index.name(&topic) {
            Some(name) => name.clone(),
            None => Arc::from(topic),
        };
        let plan = &mut group.plan;
        if durability == Durability::Disk {
            if self.index.name(&topic).is_none() {
                let floor = hub.map_or(plan.unknown_floor, |hub| hub.floor(&[&topic]));
                let new = TopicChange {
                    before: None,
                    after: Some(floor),
                };
                plan.topics.entry(topic.clone()).or_insert(new);
            }
            let meta = meta.as_ref().and_then(|meta| meta.to_bytes());
            plan.rows
                .push(Row::new(offset, now_ms, topic.clone(), meta, data.clone()));
            plan.head = offset;
        }
        if let Some(key) = key {
            group.keys.insert(full_key(&topic, &key), offset);
            let row = KeyRow::new(offset, now_ms, topic.clone(), key.into());
            match durability {
                Durability::Disk => plan.keys.push(row),
                Durability::Memory => group.keys_in_memory.push(row),
            }
        }
        Fate::New(New {
            offset,
            topic,
            data,
            meta,
            at_ms: now_ms,
            durability,
            reply,
        })
    }

    /// Plans deletions, and new offsets for messages in memory alone before the old ones are used up.
    fn trim(&mut self, group: &mut Group, pass: bool, hub: Option<&Hub>) -> bool {
        if self.shared.rules.any_in_memory() && group.head + RESERVE / 2 > self.store.state.reserved {
            group.plan.reserved = group.head + RESERVE;
        }
        let Some(hub) = hub else {
            return false;
        };
        if pass {
            return self.index.trim_step(hub, &self.shared.rules, &mut group.plan);
        }
        self.index.trim_written(hub, &self.shared.rules, &mut group.plan);
        false
    }

    fn forget_keys(&self, group: &mut Group) {
        if !group.plan.keys.is_empty() {
            group.plan.keys_gone = self.keys.gone(group.plan.keys.len(), group.now_ms);
        }
    }

    fn commit(&mut self, plan: &Plan) -> Result<(), PublishError> {
        if plan.is_empty(&self.store.state) {
            return Ok(());
        }
        match self.store.commit(plan) {
            Ok(()) => {
                self.succeeded(plan);
                Ok(())
            }
            Err(error) => {
                self.failed(&error);
                Err(PublishError::Unavailable(error.to_string()))
            }
        }
    }

    /// Takes over what is on the disk now.
    fn succeeded(&mut self, plan: &Plan) {
        self.index.apply(plan);
        self.keys.forget(plan.keys_gone.len());
        plan.keys.iter().for_each(|row| self.keys.remember(row.clone()));
        if !self.owed.is_empty() {
            self.owed.retain(|offset, topic| self.index.holds(topic, *offset));
        }
        let shared = &self.shared;
        shared.commits.fetch_add(1, Ordering::Relaxed);
        shared
            .messages
            .fetch_add(plan.rows.len() as u64, Ordering::Relaxed);
        shared
            .on_disk
            .store(self.index.messages() as u64, Ordering::Relaxed);
        shared.topics.store(self.index.topics() as u64, Ordering::Relaxed);
        if shared.failing().take().is_some() {
            tracing::info!("the durable log can be written again");
        }
    }

    fn failed(&self, error: &CommitError) {
        let failing = Failing {
            why: error.to_string(),
            for_good: matches!(error, CommitError::Unknown(_)),
        };
        let before = self.shared.failing().replace(failing);
        if before.is_none() {
            tracing::error!(%error, "the durable log cannot be written; nothing that was acknowledged is lost");
        }
    }

    /// Appends what is written, tells everybody, gives the turn back.
    fn finish(&mut self, group: Group, result: Result<(), PublishError>, hub: Option<Hub>) {
        let state = &self.store.state;
        let cursor = |offset| Cursor {
            epoch: state.epoch,
            offset,
        };
        let for_good = self
            .shared
            .failing()
            .as_ref()
            .is_some_and(|failing| failing.for_good);
        let mut head = 0;
        let mut replies = Vec::with_capacity(group.fates.len());
        for fate in group.fates {
            match fate {
                Fate::New(new) => {
                    let written = match new.durability {
                        Durability::Disk => result.clone(),
                        // The disk knows that there may be this offset, or it must not be.
                        Durability::Memory if new.offset <= state.reserved && !for_good => Ok(()),
                        Durability::Memory => result.clone().and(Err(unavailable())),
                    };
                    if new.durability == Durability::Memory && written.is_ok() {
                        head = new.offset;
                    }
                    let answer = written
                        .and_then(|()| append(hub.as_ref(), &new))
                        .map(|()| cursor(new.offset));
                    replies.push((new.reply, answer));
                }
                Fate::Again {
                    offset,
                    in_group,
                    reply,
                } => {
                    let answer = match in_group {
                        true => result.clone(),
                        false => Ok(()),
                    };
                    replies.push((reply, answer.map(|()| cursor(offset))));
                }
                Fate::Withdrawn {
                    topic,
                    offsets,
                    reply,
                } => {
                    let kept = offsets.iter().filter(|offset| self.index.holds(&topic, **offset));
                    self.owed.extend(kept.map(|offset| (*offset, topic.clone())));
                    replies.push((reply, result.clone().map(|()| cursor(state.head))));
                }
                Fate::Refused(reply) => {
                    replies.push((reply, Err(squall_hub::AppendError::OffsetTooLarge.into())));
                }
            }
        }
        for row in group.keys_in_memory {
            self.keys_in_memory.remember(row);
        }
        let gone = self.keys_in_memory.gone(0, group.now_ms).len();
        self.keys_in_memory.forget(gone);
        {
            let mut turn = self.shared.turn();
            turn.taken = false;
            turn.waiting -= group.in_memory;
            turn.head = turn.head.max(head);
            turn.reserved = state.reserved;
        }
        // Whoever is answered may drop the last hub and open the store again at once.
        drop(hub);
        for (reply, answer) in replies {
            // Nobody need wait for the answer.
            let _ = reply.send(answer);
        }
    }
}

fn unavailable() -> PublishError {
    PublishError::Unavailable("the durable log cannot be written".into())
}

/// Appends to the hub, if there still is one: what waits at the end is written all the same.
fn append(hub: Option<&Hub>, new: &New) -> Result<(), PublishError> {
    let Some(hub) = hub else {
        return Ok(());
    };
    let (data, meta) = (new.data.clone(), new.meta.clone());
    let appended = hub.append_with(&new.topic, Some(new.offset), data, meta, new.at_ms);
    appended.map(drop).map_err(|error| {
        tracing::error!(%error, offset = new.offset, "the hub did not take a message of the durable log");
        error.into()
    })
}

impl Drop for Writer {
    fn drop(&mut self) {
        // However the thread ends, nobody waits for it any more.
        self.shared.queue.end();
    }
}
