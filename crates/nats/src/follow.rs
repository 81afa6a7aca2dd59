//! The node follows its stream: connects, sees which stream and which life it is, reads on from where it is, and does it all
//! again when anything is not as it should be.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::Message;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use squall_hub::{Cursor, Heard, Hub, Meta};
use tokio::sync::oneshot;

use crate::consumer::{Broken, Consumer};
use crate::delivered::Delivered;
use crate::error::StartError;
use crate::life::{Life, number_beyond};
use crate::link::{Link, LinkError, random_number};
use crate::publish::{ID_HEADER, META_HEADER};
use crate::shared::{Shared, count};
use crate::stream::{self, ApiError, Stream};
use crate::subject::Entry;

/// Between two turns that went wrong, in milliseconds: at most, at the first and at the last.
const PAUSE_MS: (u64, u64) = (50, 2_000);
/// After so many heartbeats without a sign the consumer is taken as gone.
const SILENT_HEARTBEATS_MAX: u32 = 3;
/// After so many turns that went wrong one after the other, another server is tried.
const BAD_TURNS_MAX: u32 = 2;
/// For so long the stream's leader must say that it has less than this node has had, and no more than when it was asked
/// before. A new leader says so while it still brings its own copy up to date, and one that is alone until it knows that.
const BEHIND_MAX: Duration = Duration::from_secs(15);
/// The same of a stream that one server has alone: nobody brings that up to date.
const BEHIND_ALONE_MAX: Duration = Duration::from_secs(2);
/// For so long at most, whatever else others publish meanwhile.
const BEHIND_IN_ALL_MAX: Duration = Duration::from_secs(60);

/// Where the node is in its stream.
struct Place {
    life: Life,
    /// The sequence that comes next.
    next: u64,
    /// When the stream took the message before it: what tells that message from any other with its sequence. `None` if the
    /// node has not seen it.
    last_ns: Option<u64>,
}

pub(crate) struct Follow {
    shared: Arc<Shared>,
    hub: Hub,
    place: Option<Place>,
    /// Told once, when the recent part of the stream has been read or when that can never be.
    ready: Option<oneshot::Sender<Result<(), StartError>>>,
    /// It is certain that the stream lost messages that this node has: what showed it.
    lost: Option<String>,
    behind: Option<Behind>,
    /// What the consumer delivers was seen to go on from where the node is.
    verified: bool,
    /// The last sequence of the stream when it was looked at: the node is up to date when it has that.
    target: u64,
}

/// The stream says that it has less than this node has had.
struct Behind {
    since: Instant,
    /// The last message that it says it has, and since when it says that.
    last: u64,
    unchanged_since: Instant,
}

/// Why a turn ended.
enum End {
    /// To begin anew at once: the stream is to be looked at again.
    Again,
    /// To begin anew after a pause.
    Wrong(String),
    /// Never.
    Never(StartError),
    /// The client has ended.
    Dead,
}

impl From<ApiError> for End {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Ask(crate::ask::AskError::Dead) => Self::Dead,
            other => Self::Wrong(other.to_string()),
        }
    }
}

impl Follow {
    pub(crate) fn new(shared: Arc<Shared>, hub: Hub, ready: oneshot::Sender<Result<(), StartError>>) -> Self {
        Self {
            shared,
            hub,
            place: None,
            ready: Some(ready),
            lost: None,
            behind: None,
            verified: false,
            target: 0,
        }
    }

    /// Until the node stops.
    pub(crate) async fn run(mut self) {
        let mut pause_ms = PAUSE_MS.0;
        loop {
            match Link::connect(&self.shared).await {
                Ok(link) => {
                    pause_ms = PAUSE_MS.0;
                    self.shared.link.send_replace(Some(link.clone()));
                    let over = self.follow(&link).await;
                    self.shared.link.send_replace(None);
                    if over {
                        return;
                    }
                }
                Err(LinkError::Denied(why)) => {
                    self.shared.went_away(&why);
                    if self.fail(StartError::Denied(why)) {
                        return;
                    }
                }
                Err(LinkError::Away(why)) => self.shared.went_away(&why),
            }
            pause(&mut pause_ms).await;
        }
    }

    /// Turn after turn, until the client has ended. Answers whether everything is over.
    async fn follow(&mut self, link: &Arc<Link>) -> bool {
        let mut pause_ms = PAUSE_MS.0;
        let mut bad_turns = 0;
        loop {
            let consumers = self.shared.status().consumers;
            let end = tokio::select! {
                end = self.turn(link) => end,
                () = link.desk.died() => End::Dead,
            };
            match end {
                End::Again => pause_ms = PAUSE_MS.0,
                End::Dead => {
                    self.shared.went_away("the connection has ended");
                    return false;
                }
                End::Never(error) => {
                    self.shared.went_away(&error.to_string());
                    if self.fail(error) {
                        return true;
                    }
                    pause(&mut pause_ms).await;
                }
                End::Wrong(why) => {
                    self.shared.went_away(&why);
                    // A consumer that worked for a while was no bad turn.
                    let worked = self.verified && self.shared.status().consumers > consumers;
                    bad_turns = if worked { 0 } else { bad_turns + 1 };
                    if worked {
                        pause_ms = PAUSE_MS.0;
                    }
                    if bad_turns >= BAD_TURNS_MAX {
                        bad_turns = 0;
                        link.leave().await;
                    }
                    pause(&mut pause_ms).await;
                }
            }
        }
    }

    /// Tells whoever waits for the start that it cannot be. Answers whether somebody did.
    fn fail(&mut self, error: StartError) -> bool {
        match self.ready.take() {
            Some(ready) => {
                let _ = ready.send(Err(error));
                true
            }
            None => {
                tracing::error!(%error, "the node cannot follow its stream");
                false
            }
        }
    }

    async fn turn(&mut self, link: &Arc<Link>) -> End {
        link.connected().await;
        self.verified = false;
        let stream = match self.look(link).await {
            Ok(stream) => stream,
            Err(end) => return end,
        };
        let Some(place) = &self.place else {
            return End::Again;
        };
        // From the last message that the node has, if it has one: that it comes again, the same, is what shows that the
        // stream goes on from where the node is.
        let overlap = place.last_ns.is_some() && stream.first < place.next;
        let from = if overlap { place.next - 1 } else { place.next };
        let mut consumer = match Consumer::create(link, &self.shared.config, from).await {
            Ok(consumer) => consumer,
            Err(error) => return error.into(),
        };
        count(&self.shared.counters.consumers);
        self.target = stream.last;
        if !overlap && stream.last + 1 >= place.next {
            self.verified = true;
            self.came_if_it_did();
        }
        let end = self.consume(link, &mut consumer).await;
        consumer.delete(&self.shared.config).await;
        end
    }

    /// Finds or makes the stream, and sees to it that the node and it are in the same life.
    async fn look(&mut self, link: &Link) -> Result<Stream, End> {
        let shared = self.shared.clone();
        let config = &shared.config;
        let Some(stream) = stream::find(link, config).await? else {
            let Some(settings) = &config.create else {
                let why = format!(
                    "there is no stream {}, and this node may not make it",
                    config.stream
                );
                return Err(End::Never(StartError::Stream(why)));
            };
            tracing::info!(stream = config.stream, "the stream is not there: it is made");
            stream::create(link, config, settings, number_beyond(shared.applied())).await?;
            return Err(End::Again);
        };
        if let Some(why) = stream.unfit(&shared.subjects) {
            return Err(End::Never(StartError::Stream(why)));
        }
        self.see(&stream);
        match &self.place {
            Some(place) if place.life == stream.life && self.lost.is_none() => {
                if stream.first > place.next {
                    self.hole(stream.first);
                }
            }
            _ if self.is_beyond(&stream) => self.begin(&stream),
            _ => {
                let number = number_beyond(shared.applied()).max(stream.life.number.saturating_add(1));
                let why = self.lost.as_deref().unwrap_or("it is another stream");
                shared.note(&format!("a new life of the log begins: {why}"));
                tracing::warn!(
                    stream = config.stream,
                    number,
                    why,
                    "a new life of the log begins"
                );
                stream::set_life(link, config, &stream, number).await?;
                return Err(End::Again);
            }
        }
        Ok(stream)
    }

    /// Whether the stream's life is one that this node was not in, and its offsets are beyond everything that it gave.
    fn is_beyond(&self, stream: &Stream) -> bool {
        let same = self.place.as_ref().is_some_and(|place| place.life == stream.life);
        !same && stream.life.base() >= self.hub.head().max(self.shared.applied())
    }

    /// A new life begins, with the recent part of what the stream holds.
    fn begin(&mut self, stream: &Stream) {
        let recent = (stream.last + 1).saturating_sub(self.shared.config.load_messages_max);
        let next = stream.first.max(recent).max(1);
        let floor = stream.life.offset(next - 1);
        if let Err(error) = self.hub.begin(stream.life.epoch(), floor) {
            // `is_beyond` was asked; only the end of all offsets is left.
            tracing::error!(%error, "a new life of the log cannot begin");
            return;
        }
        let again = self.place.is_some();
        self.place = Some(Place {
            life: stream.life,
            next,
            last_ns: None,
        });
        self.lost = None;
        self.behind = None;
        count(&self.shared.counters.lives);
        self.shared.begin(stream.life, floor);
        if again {
            self.hear(Heard::Missed);
        }
    }

    /// Messages before `next` are not to be had any more.
    fn hole(&mut self, next: u64) {
        let Some(place) = &mut self.place else { return };
        tracing::warn!(
            from = place.next,
            next,
            "the stream no longer has messages that this node needs"
        );
        let floor = place.life.offset(next - 1);
        if let Err(error) = self.hub.begin(place.life.epoch(), floor) {
            tracing::error!(%error, "a hole cannot be told of");
            return;
        }
        place.next = next;
        place.last_ns = None;
        count(&self.shared.counters.holes);
        self.shared.apply(floor);
        self.hear(Heard::Missed);
    }

    fn hear(&self, heard: Heard<'_>) {
        if let Some(ear) = self.shared.ear() {
            ear(heard);
        }
    }

    /// Looks whether the stream has what this node has had.
    fn see(&mut self, stream: &Stream) {
        let Some(place) = &self.place else { return };
        if place.life != stream.life || stream.last + 1 >= place.next {
            self.behind = None;
            return;
        }
        let now = Instant::now();
        let behind = self.behind.get_or_insert(Behind {
            since: now,
            last: stream.last,
            unchanged_since: now,
        });
        if behind.last != stream.last {
            behind.last = stream.last;
            behind.unchanged_since = now;
        }
        let patience = if stream.is_alone() {
            BEHIND_ALONE_MAX
        } else {
            BEHIND_MAX
        };
        if now - behind.unchanged_since >= patience || now - behind.since >= BEHIND_IN_ALL_MAX {
            let (last, has) = (stream.last, place.next - 1);
            self.lost = Some(format!("the stream's last message is {last}, and {has} was here"));
        }
    }

    /// Reads what the consumer delivers, until something is not as it should be.
    async fn consume(&mut self, link: &Arc<Link>, consumer: &mut Consumer) -> End {
        let shared = self.shared.clone();
        let heartbeat = Duration::from_millis(shared.config.heartbeat_ms);
        let check = Duration::from_millis(shared.config.check_ms);
        let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + heartbeat, heartbeat);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut silent = 0;
        let mut since_check = Duration::ZERO;
        let (looked, mut looks) = tokio::sync::mpsc::channel(1);
        loop {
            tokio::select! {
                received = consumer.next() => {
                    silent = 0;
                    match received {
                        Ok(None) => self.came_if_it_did(),
                        Ok(Some((message, delivered))) => {
                            if let Err(end) = self.take(&message, delivered) {
                                return end;
                            }
                        }
                        Err(Broken::Dead) => return End::Dead,
                        Err(Broken::Missing) => return End::Wrong("a message did not arrive".into()),
                        Err(Broken::Odd) => return End::Wrong("the consumer is gone".into()),
                    }
                }
                _ = tick.tick() => {
                    silent += 1;
                    if silent > SILENT_HEARTBEATS_MAX {
                        return End::Wrong("the stream's consumer is silent".into());
                    }
                    since_check += heartbeat;
                    // Often, while it is not certain that the stream is the one that it was.
                    if since_check >= check || !self.verified {
                        since_check = Duration::ZERO;
                        look_beside(link.clone(), shared.clone(), looked.clone());
                    }
                }
                Some(found) = looks.recv() => {
                    match found {
                        Some(stream) if self.place.as_ref().is_some_and(|place| place.life == stream.life) => {
                            self.see(&stream);
                            if self.lost.is_some() {
                                return End::Again;
                            }
                        }
                        _ => return End::Again,
                    }
                }
                // What a consumer delivers that begins anew shows whether it is true.
                () = shared.doubts(shared.life()) => return End::Again,
            }
        }
    }

    /// The node is up to date when it is certain of its stream and has everything that was there when it looked.
    fn came_if_it_did(&mut self) {
        let has_all = self.place.as_ref().is_some_and(|place| place.next > self.target);
        if !self.verified || !has_all || self.shared.is_current() {
            return;
        }
        self.shared.came();
        if let Some(ready) = self.ready.take() {
            let _ = ready.send(Ok(()));
        }
    }

    /// Takes one message of the stream.
    fn take(&mut self, message: &Message, delivered: Delivered) -> Result<(), End> {
        let Some(place) = &mut self.place else {
            return Err(End::Again);
        };
        let sequence = delivered.stream_sequence;
        if sequence < place.next {
            // A server that has not caught up yet delivers more of what the node has.
            if sequence + 1 == place.next {
                if place.last_ns.is_some_and(|last_ns| last_ns != delivered.at_ns) {
                    self.lost = Some(format!("message {sequence} is another one now"));
                    return Err(End::Again);
                }
                self.verified = true;
            }
        } else {
            if sequence > place.next {
                self.hole(sequence);
            }
            self.verified = true;
            self.apply(message, delivered);
        }
        self.came_if_it_did();
        Ok(())
    }

    /// The message that comes next: to the hub, to whoever hears words, or to nobody.
    fn apply(&mut self, message: &Message, delivered: Delivered) {
        let Some(place) = &mut self.place else { return };
        let offset = place.life.offset(delivered.stream_sequence);
        let epoch = place.life.epoch();
        place.next = delivered.stream_sequence + 1;
        place.last_ns = Some(delivered.at_ns);
        let counters = &self.shared.counters;
        match self.shared.subjects.entry(&message.subject) {
            Entry::Topic(topic) => {
                let meta = header(message, META_HEADER).and_then(|meta| STANDARD.decode(meta).ok());
                let meta = meta.and_then(|meta| Meta::from_bytes(&meta).map(Arc::new));
                let at_ms = delivered.at_ns / 1_000_000;
                let appended =
                    self.hub
                        .append_with(&topic, Some(offset), message.payload.clone(), meta, at_ms);
                count(if appended.is_ok() {
                    &counters.received
                } else {
                    &counters.foreign
                });
            }
            Entry::Word => {
                count(&counters.words);
                // What was said before the node began was not said to anybody here.
                if self.ready.is_none() {
                    self.hear(Heard::Word(&message.payload));
                }
            }
            Entry::Foreign => count(&counters.foreign),
        }
        self.shared.apply(offset);
        if let Some(id) = header(message, ID_HEADER) {
            self.shared.arrived(id, Cursor { epoch, offset });
        }
    }
}

fn header<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    message.headers.as_ref()?.get(name).map(|value| value.as_str())
}

/// Looks at the stream while messages go on coming; an answer that does not come says nothing.
fn look_beside(link: Arc<Link>, shared: Arc<Shared>, looked: tokio::sync::mpsc::Sender<Option<Stream>>) {
    let Ok(place) = looked.try_reserve_owned() else {
        return;
    };
    tokio::spawn(async move {
        if let Ok(found) = stream::find(&link, &shared.config).await {
            place.send(found);
        }
    });
}

async fn pause(most_ms: &mut u64) {
    let pause = Duration::from_millis(1 + random_number() % *most_ms);
    *most_ms = (2 * *most_ms).min(PAUSE_MS.1);
    tokio::time::sleep(pause).await;
}
