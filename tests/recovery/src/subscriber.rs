//! One subscriber: what it follows, what it was handed, and where it comes back to.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::doors::{self, Door};
use crate::line::{Damage, Line};
use crate::record::{Event, Place, Record};
use crate::rng::Rng;
use crate::server;
use crate::world::World;

/// What is decided of a subscriber before the run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its number; its chance is its own.
    pub number: usize,
    /// The doors that it comes through, by chance.
    pub doors: Vec<Door>,
    /// The numbers of its topics.
    pub topics: Vec<u16>,
    /// It wants the newest message alone after a gap.
    pub latest: bool,
    /// It begins when so many messages were published.
    pub from_publication: u64,
    /// Its connections behave well after so many that did not.
    pub cuts_max: u32,
    /// It forgets its message with this number, as if it had never come: for the test that such a thing is found.
    pub forgets: Option<usize>,
}

/// A subscriber as its actor and the run see it.
pub struct Subscriber {
    world: Arc<World>,
    /// What was decided.
    pub plan: Plan,
    state: Mutex<State>,
}

struct State {
    /// One for all topics together, or one for each topic where each is followed for itself.
    channels: Vec<Channel>,
    /// Something that no client should be handed.
    nonsense: Option<String>,
    connections: u32,
    forgot: bool,
}

/// What is followed with one cursor.
struct Channel {
    record: Record,
    /// The cursor that it comes back with.
    cursor: Option<String>,
}

impl Plan {
    /// Whether each topic is followed for itself, in a session.
    #[must_use]
    pub fn is_session(&self) -> bool {
        self.doors.iter().all(|door| matches!(door, Door::Session(..)))
    }
}

impl Subscriber {
    /// One that has received nothing.
    #[must_use]
    pub fn new(world: Arc<World>, plan: Plan) -> Self {
        let channel = |topics| Channel {
            record: Record {
                topics,
                latest: plan.latest,
                start: None,
                events: Vec::new(),
            },
            cursor: None,
        };
        let channels = if plan.is_session() {
            plan.topics.iter().map(|topic| channel(vec![*topic])).collect()
        } else {
            vec![channel(plan.topics.clone())]
        };
        Self {
            world,
            plan,
            state: Mutex::new(State {
                channels,
                nonsense: None,
                connections: 0,
                forgot: false,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it was handed so far, and what it should never have been.
    #[must_use]
    pub fn result(&self) -> (Vec<Record>, Option<String>) {
        let state = self.state();
        let records = state.channels.iter().map(|channel| channel.record.clone());
        (records.collect(), state.nonsense.clone())
    }

    /// Follows until everything was published and received.
    pub async fn run(&self, seed: u64) {
        let mut rng = Rng::new(seed, 1_000 + self.plan.number as u64);
        self.world.wait_published(self.plan.from_publication).await;
        let with_cursor = rng.one_in(2);
        while !self.is_done() {
            let door = rng.one_of(&self.plan.doors);
            // Over SSE and in a session one may begin without a cursor: it is said where that is.
            if !self.plan.is_session() && self.cursor(0).is_none() && (with_cursor || door != Door::Sse) {
                self.begin(0, &server::cursor(&self.world));
            }
            let connections = {
                let mut state = self.state();
                state.connections += 1;
                state.connections
            };
            let damage = if connections > self.plan.cuts_max || self.world.is_calm() {
                Damage::default()
            } else {
                Damage::draw(&mut rng)
            };
            let nodes = self.world.nodes.borrow().len() as u64;
            let addr = self
                .world
                .addr(usize::try_from(rng.below(nodes)).unwrap_or(0))
                .await;
            // Why a connection ended is no matter: what counts is what was handed over.
            if let Ok(mut line) = Line::connect(&self.world, addr, damage).await {
                let _ = doors::visit(door, &mut line, self, &mut rng).await;
            } else {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Whether it has received the last message of the run that concerns it, or something that it should not.
    pub fn is_done(&self) -> bool {
        let state = self.state();
        if state.nonsense.is_some() {
            return true;
        }
        if !self.world.is_calm() {
            return false;
        }
        let truth = self.world.truth();
        let Some(life) = truth.lives.last() else {
            return false;
        };
        let at_end = |channel: &Channel| {
            let at = match (channel.record.events.last(), channel.record.start) {
                (Some(Event::Message { at, .. }), _) => *at,
                (Some(Event::Gap { resume, .. }), _) => *resume,
                // Who begins after the last message is owed nothing.
                (None, Some(start)) => start,
                (None, None) => return false,
            };
            let mut newest = life.log.iter().rev();
            let last = newest.find(|(_, message)| channel.record.topics.contains(&message.topic));
            at.life as usize + 1 == truth.lives.len() && last.is_none_or(|(offset, _)| at.offset >= *offset)
        };
        state.channels.iter().all(at_end)
    }

    /// The cursor that it comes back with.
    pub fn cursor(&self, channel: usize) -> Option<String> {
        self.state().channels[channel].cursor.clone()
    }

    /// It begins here, if it has not.
    pub fn begin(&self, channel: usize, cursor: &str) {
        let place = self.place(cursor);
        let channel = &mut self.state().channels[channel];
        if channel.record.start.is_none() {
            channel.record.start = place.ok();
        }
        channel.cursor = Some(cursor.to_owned());
    }

    /// It is told where it is, with no message.
    ///
    /// # Errors
    /// The cursor is none.
    pub fn moved(&self, channel: usize, cursor: &str) -> io::Result<()> {
        self.place(cursor)?;
        self.begin(channel, cursor);
        Ok(())
    }

    /// It is handed a message.
    ///
    /// # Errors
    /// The cursor is none, or the data is not what anybody publishes.
    pub fn message(&self, channel: usize, cursor: &str, topic: Option<&str>, data: &str) -> io::Result<()> {
        let at = self.place(cursor)?;
        let number = data.split(':').next().and_then(|number| number.parse().ok());
        let topic_number = topic.map(server::topic_number);
        let (Some(number), false) = (number, topic_number == Some(None)) else {
            return Err(self.nonsense(format!("a message at {cursor} in {topic:?}: {data:?}")));
        };
        let mut state = self.state();
        let handed = state.channels[channel].record.events.len();
        if self.plan.forgets == Some(handed) && !std::mem::replace(&mut state.forgot, true) {
            return Ok(());
        }
        let channel = &mut state.channels[channel];
        channel.record.events.push(Event::Message {
            at,
            topic: topic_number.flatten(),
            number,
            bytes: u32::try_from(data.len()).unwrap_or(u32::MAX),
        });
        channel.cursor = Some(cursor.to_owned());
        drop(state);
        self.world.received(1);
        Ok(())
    }

    /// It is told of a gap.
    ///
    /// # Errors
    /// A cursor is none.
    pub fn gap(&self, channel: usize, after: &str, resume: &str, to_head: bool) -> io::Result<()> {
        let (after, place) = (self.place(after)?, self.place(resume)?);
        let channel = &mut self.state().channels[channel];
        channel.record.events.push(Event::Gap {
            after,
            resume: place,
            to_head,
        });
        channel.cursor = Some(resume.to_owned());
        Ok(())
    }

    fn place(&self, cursor: &str) -> io::Result<Place> {
        let place = cursor.split_once(':').and_then(|(epoch, offset)| {
            let life = self.world.truth().life(epoch)?;
            let offset = offset.parse().ok()?;
            Some(Place { life, offset })
        });
        place.ok_or_else(|| self.nonsense(format!("a cursor {cursor:?}")))
    }

    /// Takes note of what no client should be handed.
    pub fn nonsense(&self, what: String) -> io::Error {
        let mut state = self.state();
        state.nonsense.get_or_insert(what);
        io::ErrorKind::InvalidData.into()
    }
}
