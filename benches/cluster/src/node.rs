//! A node: a process that publishes, follows, and writes down what it saw.
//!
//! It says `ready`, waits for a line on its standard input, does its work, says `done`, waits for another line, publishes the
//! last message if it is the one that does, and says `over` when its follower has that.

use std::fs::File;
use std::io::{self, BufRead, BufWriter, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use squall_hub::{Cursor, Hub, HubConfig, Mailbox, PublishError, Retention};
use squall_nats::{NatsConfig, Node, StreamSettings};

use crate::Result;

/// The topic of everything.
const TOPIC: &str = "bench";
/// What the last message begins with.
const LAST: &str = "last ";

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// Servers, with commas between; none: alone, with the log in memory.
    #[arg(long, default_value = "")]
    pub(crate) servers: String,
    #[arg(long)]
    pub(crate) name: String,
    #[arg(long)]
    pub(crate) stream: String,
    /// Messages to publish at most; 0 for a node that only follows.
    #[arg(long, default_value_t = 0)]
    pub(crate) messages: u64,
    #[arg(long, default_value_t = 500)]
    pub(crate) rate: u64,
    #[arg(long, default_value_t = 200)]
    pub(crate) bytes: usize,
    /// How long it publishes at most, in seconds.
    #[arg(long, default_value_t = 3_600)]
    pub(crate) seconds: u64,
    /// Publishes the last message.
    #[arg(long)]
    pub(crate) ends: bool,
    /// Where the record goes.
    #[arg(long)]
    pub(crate) out: PathBuf,
}

struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Mailbox for Bell {
    fn moved(&self, _tag: u32) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.heard.notify_one();
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let retention = Retention {
        messages_max: 10_000_000,
        bytes_max: usize::MAX,
        age_ms_max: u64::MAX,
    };
    let config = HubConfig {
        retention,
        bytes_max: 2 << 30,
        ..HubConfig::default()
    };
    let (hub, _node) = if options.servers.is_empty() {
        (Hub::new(config), None)
    } else {
        let (hub, node) = Node::start_blocking(nats_config(options), config)?;
        (hub, Some(node))
    };
    let record = Arc::new(Mutex::new(BufWriter::new(File::create(&options.out)?)));
    let follower = follow(&hub, record.clone())?;
    step("ready")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(publish_all(&hub, options, &record));
    step("done")?;
    if options.ends {
        let end = format!("{LAST}{}", now_ns());
        let begun = Instant::now();
        loop {
            match runtime.block_on(hub.publish(TOPIC, end.clone(), now_ms())) {
                Ok(_) => break,
                Err(error) if begun.elapsed() > Duration::from_secs(120) => return Err(error.into()),
                Err(_) => {}
            }
        }
    }
    follower.join().map_err(|_| "the follower failed")?;
    record.lock().unwrap_or_else(PoisonError::into_inner).flush()?;
    writeln!(io::stdout(), "over")?;
    Ok(())
}

fn nats_config(options: &Options) -> NatsConfig {
    NatsConfig {
        servers: options.servers.split(',').map(str::to_owned).collect(),
        name: options.name.clone(),
        stream: options.stream.clone(),
        prefix: options.stream.to_lowercase(),
        create: Some(StreamSettings {
            replicas: 3,
            ..StreamSettings::default()
        }),
        heartbeat_ms: 500,
        load_messages_max: 10_000_000,
        ..NatsConfig::default()
    }
}

/// Says a word, and waits for whoever drives this.
fn step(word: &str) -> Result<()> {
    writeln!(io::stdout(), "{word}")?;
    io::stdout().flush()?;
    io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

/// Publishes at its rate, whatever becomes of what was published before: as many are on their way as it takes.
async fn publish_all(hub: &Hub, options: &Options, record: &Arc<Mutex<BufWriter<File>>>) {
    let begun = Instant::now();
    let mut waiting = Vec::new();
    for number in 0..options.messages {
        if begun.elapsed().as_secs() >= options.seconds {
            break;
        }
        let due = Duration::from_nanos(number * 1_000_000_000 / options.rate.max(1));
        tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
        let mut text = format!("{} {number} {} ", options.name, now_ns());
        let rest = options.bytes.saturating_sub(text.len());
        text.extend(std::iter::repeat_n('x', rest));
        let (answer, record) = (hub.publish(TOPIC, text.clone(), now_ms()), record.clone());
        waiting.push(tokio::spawn(async move {
            let answer = answer.await;
            note(&record, &answer, &text);
        }));
    }
    for one in waiting {
        let _ = one.await;
    }
}

fn note(record: &Mutex<BufWriter<File>>, answer: &std::result::Result<Cursor, PublishError>, text: &str) {
    let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
    let key = key_of(text);
    let _ = match answer {
        Ok(cursor) => writeln!(record, "acked {cursor} {key}"),
        Err(PublishError::TimedOut) => writeln!(record, "unknown {key}"),
        Err(_) => writeln!(record, "failed {key}"),
    };
}

/// Follows from the beginning, in a thread that the hub wakes; ends with the last message.
fn follow(hub: &Hub, record: Arc<Mutex<BufWriter<File>>>) -> Result<thread::JoinHandle<()>> {
    let bell = Arc::new(Bell {
        rung: Mutex::new(true),
        heard: Condvar::new(),
    });
    let watch = hub.watch(TOPIC, bell.clone(), 0)?;
    let hub = hub.clone();
    let over = AtomicBool::new(false);
    Ok(thread::spawn(move || {
        let mut after = 0;
        while !over.load(Ordering::Relaxed) {
            {
                let rung = bell.rung.lock().unwrap_or_else(PoisonError::into_inner);
                let mut rung = bell
                    .heard
                    .wait_while(rung, |rung| !*rung)
                    .unwrap_or_else(PoisonError::into_inner);
                *rung = false;
            }
            watch.take();
            loop {
                let read = hub.read(&[TOPIC], after, 1_000);
                let at_ns = now_ns();
                let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
                let messages = match read {
                    Ok(messages) => messages,
                    Err(gap) => {
                        after = gap.resume;
                        let _ = writeln!(record, "gap {}", hub.cursor_at(after));
                        continue;
                    }
                };
                if messages.is_empty() {
                    break;
                }
                for message in messages {
                    after = message.offset;
                    let text = String::from_utf8_lossy(&message.data);
                    let cursor = hub.cursor_at(after);
                    let _ = writeln!(record, "seen {cursor} {at_ns} {}", key_of(&text));
                    if text.starts_with(LAST) {
                        over.store(true, Ordering::Relaxed);
                    }
                }
            }
        }
    }))
}

/// What tells a message from others, with the moment before it was published: its first three words.
fn key_of(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').take(3).collect();
    words.join("/")
}

/// The machine's clock: the same for all processes.
fn now_ns() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos())
}

fn now_ms() -> u64 {
    u64::try_from(now_ns() / 1_000_000).unwrap_or(u64::MAX)
}
