//! What is measured of a store: appends by several publishers, a start after a kill, forgetting, the disk.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bench_compare::stats::Histogram;

use squall_durable::{DurableBroker, DurableConfig};

use crate::stores::{self, ByHand, Entry, Kind, Result, Store};
use crate::wait::wait;

/// Data of one message, in bytes.
pub const DATA_BYTES: usize = 200;
/// Messages that share a commit, at most.
const GROUP_MAX: usize = 1_024;

/// What publishers saw.
#[derive(Debug, Default)]
pub struct Appended {
    /// Acknowledged messages per second.
    pub per_s: f64,
    /// How long each waited.
    pub latency: Histogram,
}

/// A message of 200 bytes, no two alike.
#[must_use]
pub fn data(number: u64) -> Vec<u8> {
    let mut data = vec![b'.'; DATA_BYTES];
    let text = format!("{{\"number\":{number},\"text\":\"");
    data[..text.len()].copy_from_slice(text.as_bytes());
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for byte in &mut data[text.len()..] {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = b'a' + (state >> 40) as u8 % 26;
    }
    data
}

/// Runs `publishers` threads for `time`, each of which publishes, waits for the acknowledgement, and publishes again.
///
/// `publish` publishes one message and returns when it is on the disk.
pub fn publish_for<P>(publishers: usize, time: Duration, publish: impl Fn(usize) -> P) -> Result<Appended>
where
    P: FnMut(u64) -> Result<()> + Send + 'static,
{
    let started = Instant::now();
    let threads: Vec<_> = (0..publishers)
        .map(|publisher| {
            let mut publish = publish(publisher);
            thread::spawn(move || -> Result<Histogram> {
                let mut latency = Histogram::default();
                let mut number = (publisher as u64) << 32;
                while started.elapsed() < time {
                    let before = Instant::now();
                    publish(number)?;
                    latency.record(before.elapsed());
                    number += 1;
                }
                Ok(latency)
            })
        })
        .collect();
    let mut latency = Histogram::default();
    for thread in threads {
        latency.merge(&thread.join().map_err(|_| "a publisher panicked")??);
    }
    Ok(Appended {
        per_s: latency.count() as f64 / started.elapsed().as_secs_f64(),
        latency,
    })
}

type Job = (Vec<u8>, SyncSender<()>);

/// Appends by publishers that share a writer, which commits what waits together.
pub fn append(kind: Kind, folder: &Path, publishers: usize, time: Duration) -> Result<Appended> {
    let mut store = kind.open(folder)?;
    let (sender, jobs) = sync_channel::<Job>(4_096);
    let writer = thread::spawn(move || write(store.as_mut(), &jobs));
    let appended = publish_for(publishers, time, |_| {
        let sender = sender.clone();
        let (answer, answered) = sync_channel(1);
        move |number| {
            sender.send((data(number), answer.clone()))?;
            Ok(answered.recv()?)
        }
    });
    drop(sender);
    writer.join().map_err(|_| "the writer panicked")??;
    appended
}

fn write(store: &mut dyn Store, jobs: &Receiver<Job>) -> Result<()> {
    let mut offset = 0;
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        group.extend(jobs.try_iter().take(GROUP_MAX - 1));
        let mut entries = Vec::with_capacity(group.len());
        let mut answers = Vec::with_capacity(group.len());
        for (data, answer) in group {
            offset += 1;
            entries.push((offset, 1, data));
            answers.push(answer);
        }
        store.commit(&entries, &[])?;
        for answer in answers {
            let _ = answer.send(());
        }
    }
    Ok(())
}

/// Publishes to durable topics.
pub fn durable(folder: &Path, publishers: usize, time: Duration) -> Result<Appended> {
    let (hub, _) = DurableBroker::open(folder, DurableConfig::default())?;
    publish_for(publishers, time, |publisher| {
        let (hub, topic) = (hub.clone(), format!("t{}", publisher % 10));
        move |number| {
            wait(hub.publish(&topic, data(number), now_ms()))?;
            Ok(())
        }
    })
}

/// The same written by hand.
pub fn by_hand(folder: &Path, publishers: usize, time: Duration) -> Result<Appended> {
    let table = Arc::new(ByHand::open(folder)?);
    publish_for(publishers, time, |publisher| {
        let (table, topic) = (table.clone(), format!("t{}", publisher % 10));
        move |number| {
            table.publish(&topic, now_ms(), &data(number))?;
            Ok(())
        }
    })
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |now| now.as_millis() as u64)
}

/// What a long log costs.
#[derive(Clone, Copy, Debug, Default)]
pub struct LongLog {
    /// Seconds to write it, 1,000 messages a commit.
    pub fill_s: f64,
    /// What it takes on disk, as a multiple of the messages' data.
    pub disk_ratio: f64,
    /// Seconds from opening what a killed process left until every message was read.
    pub recover_s: f64,
    /// Seconds to forget the older half, 1,000 messages a commit, with 100 new ones in each.
    pub forget_s: f64,
    /// The longest of those commits, in milliseconds.
    pub forget_worst_ms: f64,
    /// What it takes on disk afterwards, as a multiple of what is left.
    pub disk_ratio_after: f64,
}

const STEP: u64 = 1_000;
const NEW_PER_STEP: u64 = 100;

/// Fills a store in a process that is killed then, opens what it left, forgets half.
///
/// `fill` runs [`fill_and_die`] in another process and answers what that said.
pub fn long_log(
    kind: Kind,
    folder: &Path,
    messages: u64,
    fill: impl Fn(Kind, &Path, u64) -> Result<f64>,
) -> Result<LongLog> {
    let mut out = LongLog {
        fill_s: fill(kind, folder, messages)?,
        ..LongLog::default()
    };
    let logical = |count: u64| (count * DATA_BYTES as u64) as f64;
    out.disk_ratio = stores::disk_bytes(folder)? as f64 / logical(messages);

    let started = Instant::now();
    let mut seen = 0;
    let mut store = kind.open(folder)?;
    store.scan(&mut |offset, bytes| {
        seen += u64::from(offset == seen + 1 && bytes == data(offset));
    })?;
    out.recover_s = started.elapsed().as_secs_f64();
    if seen != messages {
        return Err(format!("{seen} of {messages} were there").into());
    }

    let started = Instant::now();
    for step in 0..messages / 2 / STEP {
        let old: Vec<u64> = (step * STEP + 1..=(step + 1) * STEP).collect();
        let before = Instant::now();
        store.commit(
            &entries(messages + step * NEW_PER_STEP + 1, NEW_PER_STEP),
            if kind == Kind::File { &[] } else { &old },
        )?;
        out.forget_worst_ms = out.forget_worst_ms.max(before.elapsed().as_secs_f64() * 1e3);
    }
    out.forget_s = started.elapsed().as_secs_f64();
    let left = messages - messages / 2 + messages / 2 / STEP * NEW_PER_STEP;
    out.disk_ratio_after = stores::disk_bytes(folder)? as f64 / logical(left);
    Ok(out)
}

/// Fills a store, says how many seconds that took, and ends the process as a kill would.
pub fn fill_and_die(kind: Kind, folder: &Path, messages: u64) -> Result<()> {
    let mut store = kind.open(folder)?;
    let started = Instant::now();
    for step in 0..messages / STEP {
        store.commit(&entries(step * STEP + 1, STEP), &[])?;
    }
    let mut out = std::io::stdout();
    writeln!(out, "{}", started.elapsed().as_secs_f64())?;
    out.flush()?;
    std::process::abort()
}

fn entries(first: u64, count: u64) -> Vec<Entry> {
    (first..first + count)
        .map(|offset| (offset, (offset % 100) as u32, data(offset)))
        .collect()
}
