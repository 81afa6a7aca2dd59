//! A loop that kills a process which publishes, at random moments, and looks at what is there afterwards.
//!
//! The child publishes and says each acknowledged message on its standard output. The parent kills it with SIGKILL after a
//! random number of lines and a random moment more, opens the log, and requires: the same epoch; every acknowledged
//! message, at its offset, with its bytes; per publisher a contiguous order, each message once; what was withdrawn and
//! acknowledged as such stays away; the idempotency key of the last message still answers its offset.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use squall_durable::{Durability, DurableBroker, DurableConfig, Life};
use squall_hub::{Hub, HubConfig, Publish, Retention};

use crate::measure::data;
use crate::stores::Result;
use crate::wait::wait;

/// Publishers of the child.
const PUBLISHERS: u64 = 8;
/// Messages of a topic that are kept; fewer than are published, so that deleting goes on all the time.
const KEPT: usize = 2_000;
/// Every so many messages one is withdrawn.
const WITHDRAW_EVERY: u64 = 50;

fn config() -> DurableConfig {
    DurableConfig {
        hub: HubConfig {
            retention: Retention {
                messages_max: KEPT,
                ..Retention::default()
            },
            ..HubConfig::default()
        },
        namespaces: vec![("memory:".into(), Durability::Memory)],
        ..DurableConfig::default()
    }
}

fn topic(publisher: u64) -> String {
    format!("p:{publisher}")
}

/// Number and bytes of a publisher's message: the same in every life of the process.
fn message(publisher: u64, number: u64) -> Vec<u8> {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend_from_slice(&data(publisher << 40 | number));
    bytes
}

fn number_of(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?))
}

fn key(number: u64) -> String {
    format!("k{number}")
}

/// What the child does: publishes until it is killed, and says `PUBLISHER NUMBER OFFSET` of each acknowledged message.
pub fn child(folder: &Path) -> Result<()> {
    let (hub, loaded) = DurableBroker::open(folder, config())?;
    let mut out = std::io::stdout();
    writeln!(out, "life {:?} {}", loaded.life, hub.epoch())?;
    let (said, lines) = mpsc::channel::<String>();
    for publisher in 0..PUBLISHERS {
        let (hub, said) = (hub.clone(), said.clone());
        thread::spawn(move || publish_on(&hub, publisher, &said));
    }
    drop(said);
    for line in lines {
        writeln!(out, "{line}")?;
        out.flush()?;
    }
    Ok(())
}

fn publish_on(hub: &Hub, publisher: u64, said: &mpsc::Sender<String>) {
    let topic = topic(publisher);
    let last = hub.history(&topic, 1).pop();
    let mut number = last
        .and_then(|message| number_of(&message.data))
        .map_or(0, |number| number + 1);
    loop {
        let key = key(number);
        let answer = hub.publish_with(Publish {
            topic: &topic,
            data: message(publisher, number).into(),
            meta: None,
            key: Some(&key),
            now_ms: 1,
        });
        let Ok(cursor) = wait(answer) else { return };
        let mut line = format!("{publisher} {number} {}", cursor.offset);
        drop(hub.publish("memory:x", "gone with the process", 1));
        if number % WITHDRAW_EVERY == WITHDRAW_EVERY - 1 {
            let (_, answer) = hub.withdraw_kept(&topic, |message| message.offset == cursor.offset);
            if wait(answer).is_err() {
                return;
            }
            line.push_str(" withdrawn");
        }
        if said.send(line).is_err() {
            return;
        }
        number += 1;
    }
}

/// What was acknowledged, over all lives.
#[derive(Default)]
struct Acknowledged {
    epoch: Option<String>,
    /// Per publisher: number and offset of the last message that was acknowledged.
    last: HashMap<u64, (u64, u64)>,
    /// Offsets of this life, by publisher and number.
    offsets: HashMap<(u64, u64), u64>,
    withdrawn: HashSet<(u64, u64)>,
    total: u64,
}

/// What a loop of kills showed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Killed {
    /// How often.
    pub times: u64,
    /// Messages that were acknowledged, over all lives.
    pub acknowledged: u64,
    /// Messages that were found at the starts and compared byte by byte.
    pub compared: u64,
    /// The longest start.
    pub start_max: Duration,
}

/// Kills `program child FOLDER` so often; `progress` is told after each.
pub fn kill_loop(
    program: &Path,
    folder: &Path,
    times: u64,
    seed: u64,
    mut progress: impl FnMut(&Killed),
) -> Result<Killed> {
    let mut random = seed | 1;
    let mut known = Acknowledged::default();
    let mut out = Killed::default();
    for _ in 0..times {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        one_life(program, folder, random, &mut known)?;
        out.times += 1;
        out.acknowledged = known.total;
        let started = Instant::now();
        out.compared += check(folder, &mut known)?;
        out.start_max = out.start_max.max(started.elapsed());
        progress(&out);
    }
    Ok(out)
}

/// Starts the child, takes in what it says, kills it, takes in the rest.
fn one_life(program: &Path, folder: &Path, random: u64, known: &mut Acknowledged) -> Result<()> {
    let mut child: Child = Command::new(program)
        .arg("child")
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take().ok_or("no standard output")?;
    let mut lines = BufReader::new(stdout).lines();
    let first = lines.next().ok_or("the child said nothing")??;
    let epoch = first.rsplit(' ').next().unwrap_or_default().to_owned();
    if known.epoch.get_or_insert(epoch.clone()) != &epoch {
        child.kill()?;
        return Err(format!("the epoch changed: {first}").into());
    }
    // Sometimes before anything was acknowledged, sometimes long after; then some microseconds more.
    for line in lines.by_ref().take((random % 700) as usize) {
        acknowledged(&line?, known);
    }
    let until = Instant::now() + Duration::from_micros((random >> 32) % 4_000);
    while Instant::now() < until {
        thread::yield_now();
    }
    child.kill()?;
    child.wait()?;
    for line in lines {
        // The last line may be half a line; it was not said then.
        acknowledged(&line?, known);
    }
    Ok(())
}

fn acknowledged(line: &str, known: &mut Acknowledged) {
    let mut words = line.split(' ');
    let mut next = || words.next().and_then(|word| word.parse::<u64>().ok());
    let (Some(publisher), Some(number), Some(offset)) = (next(), next(), next()) else {
        return;
    };
    known.last.insert(publisher, (number, offset));
    known.offsets.insert((publisher, number), offset);
    if line.ends_with(" withdrawn") {
        known.withdrawn.insert((publisher, number));
    }
    known.total += 1;
}

/// Opens the log and compares. Answers how many messages it looked at.
fn check(folder: &Path, known: &mut Acknowledged) -> Result<u64> {
    let (hub, loaded) = DurableBroker::open(folder, config())?;
    if loaded.life != Life::Resumed && known.total > 0 {
        return Err(format!("the log is {:?}", loaded.life).into());
    }
    if known
        .epoch
        .as_deref()
        .is_some_and(|epoch| epoch != hub.epoch().as_str())
    {
        return Err("the epoch changed".into());
    }
    let mut compared = 0;
    for publisher in 0..PUBLISHERS {
        compared += check_publisher(&hub, publisher, known)?;
    }
    known.offsets.clear();
    let messages = hub.history("memory:x", 1).len();
    if messages > 0 {
        return Err("a message in memory alone is there again".into());
    }
    Ok(compared)
}

fn check_publisher(hub: &Hub, publisher: u64, known: &Acknowledged) -> Result<u64> {
    let topic = topic(publisher);
    let messages = hub.history(&topic, usize::MAX);
    let bad =
        |what: &str, number: u64| -> Result<u64> { Err(format!("{topic}: {what}: message {number}").into()) };
    let mut next = None;
    let mut there = HashMap::new();
    for message_there in &messages {
        let Some(number) = number_of(&message_there.data) else {
            return bad("wrong bytes", 0);
        };
        if message_there.data != message(publisher, number) {
            return bad("wrong bytes", number);
        }
        let first = next.unwrap_or(number);
        // In between there may only be messages that were, or were about to be, withdrawn.
        let hole = (first..number).find(|number| number % WITHDRAW_EVERY != WITHDRAW_EVERY - 1);
        if number < first {
            return bad("twice, or out of order", number);
        }
        if let Some(hole) = hole {
            return bad("missing", hole);
        }
        if known.withdrawn.contains(&(publisher, number)) {
            return bad("withdrawn and there again", number);
        }
        if known
            .offsets
            .get(&(publisher, number))
            .is_some_and(|offset| *offset != message_there.offset)
        {
            return bad("at another offset", number);
        }
        there.insert(number, message_there.offset);
        next = Some(number + 1);
    }
    if let Some((number, offset)) = known.last.get(&publisher) {
        if !there.contains_key(number) && !known.withdrawn.contains(&(publisher, *number)) {
            return bad("acknowledged and lost", *number);
        }
        if hub.head() < *offset {
            return bad("beyond the head", *number);
        }
        let again = wait(hub.publish_with(Publish {
            topic: &topic,
            data: message(publisher, *number).into(),
            meta: None,
            key: Some(&key(*number)),
            now_ms: 1,
        }))?;
        if again.offset != *offset {
            return bad("its key was forgotten", *number);
        }
    }
    if messages.len() < KEPT.min(there.len()) {
        return bad("too few are kept", 0);
    }
    Ok(messages.len() as u64)
}

/// For tests in which the disk is full: `go` publishes a message of 16 KiB and `withdraw` withdraws those with even offsets;
/// it says `ok OFFSET` or `no REASON` of each, and then how many messages the hub holds and whether the disk fails. `end` ends.
pub fn steps(folder: &Path) -> Result<()> {
    let (hub, loaded) = DurableBroker::open(folder, DurableConfig::default())?;
    let mut out = std::io::stdout();
    for (number, line) in std::io::stdin().lines().enumerate() {
        let answer = match line?.as_str() {
            "end" => break,
            "withdraw" => hub.withdraw_kept("x", |message| message.offset % 2 == 0).1,
            _ => hub.publish("x", vec![b'a' + number as u8 % 26; 16 << 10], 1),
        };
        match wait(answer) {
            Ok(cursor) => writeln!(out, "ok {}", cursor.offset)?,
            Err(error) => writeln!(out, "no {error} ({})", error.is_temporary())?,
        }
        let failing = loaded.log.counts().failing.is_some();
        writeln!(out, "held {} {failing}", hub.topic_counts("x").messages)?;
        out.flush()?;
    }
    Ok(())
}
