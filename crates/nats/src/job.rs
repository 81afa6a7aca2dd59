//! One message on its way to the stream, with all its attempts.

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use squall_hub::{AppendError, Cursor, PublishError};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use crate::ask::AskError;
use crate::life::Life;
use crate::link::{Link, random_number};
use crate::publish::{ID_HEADER, META_HEADER, Prepared};
use crate::shared::{Shared, count};
use crate::stream::{Ack, ApiError, read_ack};

/// Between two attempts, in milliseconds: at most, at the first and at the last.
const PAUSE_MS: (u64, u64) = (50, 500);

/// `message size exceeds maximum allowed`, of the errors that JetStream lists: the same again will be refused again.
const TOO_BIG: u64 = 10_054;

pub(crate) struct Job {
    pub(crate) what: Prepared,
    pub(crate) answers: oneshot::Sender<Result<Cursor, PublishError>>,
    /// Given back when it is done.
    pub(crate) room: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

/// What came of one attempt.
enum Attempt {
    /// The stream has it.
    Done(Cursor),
    /// It will never take it.
    Never(PublishError),
    /// The stream certainly does not have it from this attempt.
    Not(String),
    /// It may have it.
    Perhaps(String),
    /// It has it, at a place that in this life was taken before: the stream has lost messages.
    Doubted(Life),
}

/// Sends what is to be sent, in its order; what is sent again may find itself behind what came after it.
pub(crate) async fn send_all(shared: Arc<Shared>, mut jobs: mpsc::UnboundedReceiver<Job>) {
    while let Some(job) = jobs.recv().await {
        tokio::spawn(job.run(shared.clone()));
    }
}

impl Job {
    async fn run(self, shared: Arc<Shared>) {
        // A message that comes from the stream is published, whatever became of its acknowledgement.
        let mut expected = shared.expect(&self.what.id);
        let result = tokio::select! {
            biased;
            cursor = expected.cursor() => Ok(cursor),
            result = self.send(&shared) => result,
        };
        drop(expected);
        shared.answered(result.is_ok());
        let counters = &shared.counters;
        match &result {
            Ok(_) => count(&counters.published),
            Err(PublishError::TimedOut) => count(&counters.timed_out),
            Err(PublishError::Unavailable(_)) => count(&counters.unavailable),
            Err(_) => {}
        }
        // Whoever hears the answer finds the room that this one had; and may not want to hear.
        let Self { answers, room, .. } = self;
        drop(room);
        let _ = answers.send(result);
    }

    /// Attempts until it is done or time is up.
    async fn send(&self, shared: &Shared) -> Result<Cursor, PublishError> {
        let deadline = Instant::now() + Duration::from_millis(shared.config.publish_timeout_ms);
        let mut last = "no connection".to_owned();
        let mut perhaps = false;
        let mut pause_ms = PAUSE_MS.0;
        let mut first = true;
        // Whatever place the message gets is beyond what was applied before it was sent.
        let before = shared.applied();
        while Instant::now() < deadline {
            let Ok(link) = tokio::time::timeout_at(deadline, shared.linked()).await else {
                break;
            };
            if !std::mem::take(&mut first) {
                count(&shared.counters.attempts_again);
            }
            match self.attempt(shared, &link, before, deadline).await {
                Attempt::Done(cursor) => {
                    shared.answered(true);
                    return Ok(cursor);
                }
                Attempt::Never(error) => return Err(error),
                Attempt::Not(why) => last = why,
                Attempt::Perhaps(why) => {
                    perhaps = true;
                    last = why;
                }
                Attempt::Doubted(life) => {
                    perhaps = true;
                    last = "the stream has lost messages".into();
                    shared.answered(true);
                    shared.doubt(life);
                    // In which place the message is, is to be said in the life that comes now.
                    let soon = Instant::now() + Duration::from_millis(shared.config.attempt_timeout_ms);
                    let _ = tokio::time::timeout_at(soon.min(deadline), shared.life_after(life)).await;
                }
            }
            shared.note(&last);
            if shared.answered(false) {
                link.leave().await;
            }
            let pause = Duration::from_millis(1 + random_number() % pause_ms);
            pause_ms = (2 * pause_ms).min(PAUSE_MS.1);
            tokio::time::sleep_until(deadline.min(Instant::now() + pause)).await;
        }
        if perhaps {
            return Err(PublishError::TimedOut);
        }
        Err(PublishError::Unavailable(last))
    }

    async fn attempt(&self, shared: &Shared, link: &Link, before: u64, deadline: Instant) -> Attempt {
        let life = shared.life();
        let within = Duration::from_millis(shared.config.attempt_timeout_ms);
        let within = within.min(deadline.saturating_duration_since(Instant::now()));
        let asked = link.desk.ask(
            self.what.subject.clone(),
            Some(self.headers(&shared.config.stream)),
            self.what.data.clone(),
            within,
        );
        let answer = match asked.await {
            Ok(answer) => answer,
            Err(AskError::TooBig) => return Attempt::Never(AppendError::TooBig.into()),
            Err(error @ AskError::NoResponders) => return Attempt::Not(error.to_string()),
            Err(error) => return Attempt::Perhaps(error.to_string()),
        };
        match read_ack(&answer.payload) {
            Ok(ack) => self.acknowledged(shared, &ack, life, before, deadline).await,
            Err(ApiError::Refused { code: TOO_BIG, .. }) => Attempt::Never(AppendError::TooBig.into()),
            Err(error @ ApiError::Refused { .. }) => {
                shared.answered(true);
                Attempt::Not(error.to_string())
            }
            Err(error) => Attempt::Perhaps(error.to_string()),
        }
    }

    /// The stream has the message. Where that is follows from the life that the stream is in: if that is not certain, the
    /// message is sent again, which tells (it is a duplicate then, or was lost).
    async fn acknowledged(
        &self,
        shared: &Shared,
        ack: &Ack,
        life: Option<Life>,
        before: u64,
        deadline: Instant,
    ) -> Attempt {
        let Some(life) = life.filter(|life| shared.life() == Some(*life)) else {
            return Attempt::Perhaps("the log began a new life".into());
        };
        if ack.seq == 0 {
            // A leader answers so as long as it does not know whether the others have what it was sent before.
            return Attempt::Perhaps("the stream is not certain yet".into());
        }
        let offset = life.offset(ack.seq);
        if ack.duplicate {
            count(&shared.counters.duplicates);
        }
        // What has a key may have been published long ago. Anything else has a place of its own.
        let is_new = !(ack.duplicate && self.what.keyed);
        if is_new && offset <= before {
            return Attempt::Doubted(life);
        }
        // Whoever publishes and then reads on this node finds the message. It is acknowledged: if the node cannot have it in
        // time, that is no failure of the publish.
        let _ = tokio::time::timeout_at(deadline, shared.applied_to(offset)).await;
        Attempt::Done(Cursor {
            epoch: life.epoch(),
            offset,
        })
    }

    fn headers(&self, stream: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ID_HEADER, self.what.id.as_str());
        headers.insert("Nats-Expected-Stream", stream);
        if let Some(meta) = &self.what.meta {
            headers.insert(META_HEADER, meta.as_str());
        }
        headers
    }
}
