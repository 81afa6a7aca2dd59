//! One run: everything that a seed decides.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::RwLock;
use tokio::task::JoinSet;

use crate::check::{self, Tally};
use crate::doors;
use crate::rng::Rng;
use crate::server::{Restart, Servers, TOPICS};
use crate::subscriber::{Plan, Subscriber};
use crate::truth::Published;
use crate::world::{ALL_PUBLISHED, World};

/// How large a run is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Subscribers.
    pub subscribers: usize,
    /// Messages, over all topics.
    pub messages: u32,
    /// Programs that publish at once.
    pub publishers: u32,
    /// How often the server ends and begins again.
    pub restarts: u32,
    /// A run that is not over then is stuck: what is missing is said.
    pub time_max: Duration,
    /// The first subscriber forgets its message with this number: for the test that such a thing is found.
    pub forgets: Option<usize>,
}

impl Default for Size {
    fn default() -> Self {
        Self {
            subscribers: 60,
            messages: 1_500,
            publishers: 3,
            restarts: 3,
            time_max: Duration::from_secs(300),
            forgets: None,
        }
    }
}

/// What a run without a breach met.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Messages that were received, by all.
    pub messages: usize,
    /// Gaps that were told.
    pub gaps: usize,
    /// Gaps among them because the epoch changed.
    pub new_lives: usize,
    /// Connections that were made.
    pub connections: u64,
    /// Lines that were cut.
    pub cuts: u64,
    /// Lines that were not read for a while.
    pub stalls: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} received over {} connections, {} cut, {} stalled; {} gaps told, {} of them for a new epoch",
            self.messages, self.connections, self.cuts, self.stalls, self.gaps, self.new_lives
        )
    }
}

/// Runs a seed on a runtime of its own.
///
/// # Errors
/// The first record that breaks the invariant, in words.
///
/// # Panics
/// When there is no runtime to be had, or a server does not start.
pub fn run(seed: u64, size: Size) -> Result<Report, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(play(seed, size))
}

async fn play(seed: u64, size: Size) -> Result<Report, String> {
    let world = Arc::new(World::new(1));
    let servers = Arc::new(RwLock::new(Servers::start(&world, seed)));
    let mut rng = Rng::new(seed, 0);
    let mut actors = JoinSet::new();
    let mut subscribers = Vec::new();
    for number in 0..size.subscribers {
        let plan = plan(&mut rng, number, size);
        let subscriber = Arc::new(Subscriber::new(world.clone(), plan));
        subscribers.push(subscriber.clone());
        actors.spawn(async move { subscriber.run(seed).await });
    }
    let director = publish_all(seed, size, &world, &servers);
    let all = async {
        director.await;
        while actors.join_next().await.is_some() {}
    };
    let over = tokio::time::timeout(size.time_max, all).await.is_ok();
    drop(actors);
    let Ok(servers) = Arc::try_unwrap(servers) else {
        return Err(format!(
            "seed {seed}: the publishers did not end in {:?}",
            size.time_max
        ));
    };
    servers.into_inner().end().await;
    let report = judge(seed, &world, &subscribers)?;
    if over {
        Ok(report)
    } else {
        Err(format!(
            "seed {seed}: every record is right, but it took longer than {:?}",
            size.time_max
        ))
    }
}

fn plan(rng: &mut Rng, number: usize, size: Size) -> Plan {
    let mut topics: Vec<u16> = (0..TOPICS).filter(|_| rng.one_in(2)).collect();
    if topics.is_empty() {
        topics.push(rng.below(u64::from(TOPICS)) as u16);
    }
    let kind = if rng.one_in(2) {
        &doors::PLAIN[..]
    } else {
        &doors::SESSIONS[..]
    };
    // Half keep to one door, the others change as it comes.
    let doors = if rng.one_in(2) {
        vec![rng.one_of(kind)]
    } else {
        kind.to_vec()
    };
    // Sessions have another word for that: they recover everything, or say that they cannot.
    let latest = rng.one_in(5) && kind.len() == doors::PLAIN.len();
    Plan {
        number,
        doors,
        topics,
        latest,
        from_publication: if rng.one_in(2) {
            0
        } else {
            rng.below(u64::from(size.messages) / 2)
        },
        cuts_max: rng.between(2, 30) as u32,
        forgets: size.forgets.filter(|_| number == 0),
    }
}

/// Publishes everything, in bursts, and ends the server in between; then one last message to each topic.
async fn publish_all(seed: u64, size: Size, world: &Arc<World>, servers: &Arc<RwLock<Servers>>) {
    let mut rng = Rng::new(seed, 1);
    let mut restarts: Vec<(u32, Restart)> = (0..size.restarts)
        .map(|_| {
            let how = match rng.below(3) {
                0 => Restart::SameLog,
                1 => Restart::Restored {
                    messages: usize::try_from(rng.below(400)).unwrap_or(0),
                },
                _ => Restart::NewLife,
            };
            (rng.below(u64::from(size.messages.max(1))) as u32, how)
        })
        .collect();
    restarts.sort_unstable_by_key(|(at, _)| std::cmp::Reverse(*at));
    let (mut number, mut bursts) = (0_u32, 0_u32);
    while number < size.messages {
        while let Some((_, how)) = restarts.pop_if(|(at, _)| *at <= number) {
            servers.write().await.restart(0, how).await;
        }
        let burst = (rng.between(1, 40) as u32).min(size.messages - number);
        let before = *world.received.borrow();
        let mut publishers = JoinSet::new();
        for nth in 0..size.publishers {
            let (world, servers) = (world.clone(), servers.clone());
            let numbers = (number..number + burst).filter(move |n| n % size.publishers == nth);
            let mut rng = Rng::new(seed, (1 << 32) | (u64::from(bursts) << 8) | u64::from(nth));
            publishers.spawn(async move {
                for number in numbers {
                    let message = message(&mut rng, number);
                    servers.read().await.publish(0, message).await;
                    world.published.send_modify(|published| *published += 1);
                    tokio::task::yield_now().await;
                }
            });
        }
        while publishers.join_next().await.is_some() {}
        number += burst;
        bursts += 1;
        heard(world, before, u64::from(burst) * size.subscribers as u64 / 16).await;
    }
    for topic in 0..TOPICS {
        let last = Published {
            topic,
            number: number + u32::from(topic),
            bytes: 10,
        };
        servers.read().await.publish(0, last).await;
    }
    world.published.send_replace(ALL_PUBLISHED);
}

fn message(rng: &mut Rng, number: u32) -> Published {
    // A few are larger than what a socket or a buffer takes at once.
    let bytes = if rng.one_in(200) {
        rng.between(20_000, 70_000)
    } else {
        rng.between(10, 300)
    };
    Published {
        topic: rng.below(u64::from(TOPICS)) as u16,
        number,
        bytes: bytes as u32,
    }
}

/// Waits until somebody has heard some of what was said, so that cuts, stalls and publications are in between each other.
/// When all of them stall there is nobody to wait for.
async fn heard(world: &World, before: u64, count: u64) {
    let mut received = world.received.subscribe();
    let enough = received.wait_for(|received| *received >= before + count);
    let _ = tokio::time::timeout(Duration::from_millis(20), enough).await;
}

/// Holds every record against the truth.
fn judge(seed: u64, world: &World, subscribers: &[Arc<Subscriber>]) -> Result<Report, String> {
    let (connections, cuts, stalls) = world.lines.counts();
    let mut report = Report {
        connections,
        cuts,
        stalls,
        ..Report::default()
    };
    let truth = world.truth();
    for subscriber in subscribers {
        let (records, nonsense) = subscriber.result();
        let Plan { number, doors, .. } = &subscriber.plan;
        let who = format!("seed {seed}, subscriber {number}, {doors:?}");
        if let Some(what) = nonsense {
            return Err(format!("{who}: {what}"));
        }
        for record in records {
            match check::check(&record, &truth) {
                Ok(Tally {
                    messages,
                    gaps,
                    new_lives,
                }) => {
                    report.messages += messages;
                    report.gaps += gaps;
                    report.new_lives += new_lives;
                }
                Err(breach) => return Err(format!("{who}: {}", check::explain(&record, &truth, &breach))),
            }
        }
    }
    Ok(report)
}
