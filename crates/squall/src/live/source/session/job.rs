//! Decisions of the application: asked where they are due, and told to the core when they are made.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::presence::Changed;
use crate::BoxFuture;
use crate::live::access::Moment;
use crate::live::mailbox::CoreMailbox;
use crate::live::session::protocol::{Command, ConnectRequest, Reply, SubscribeRequest};
use crate::live::session::record::ClientId;
use crate::live::session::{Connected, Deny, Disconnect, Refreshed, SubscribeOptions};

/// Which follower, as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct To {
    pub(crate) follower: u32,
    pub(crate) life: u32,
}

impl To {
    /// What is told to all.
    pub(crate) const NOBODY: Self = Self {
        follower: u32::MAX,
        life: 0,
    };
}

/// What a core is told about its sessions.
pub(crate) struct Told {
    pub(crate) to: To,
    pub(crate) what: What,
}

pub(crate) enum What {
    /// What it asked for was decided.
    Decided(Outcome),
    /// Commands came beside its connection, of so many bytes; none if they made no sense.
    Commands(Option<(Vec<Command>, usize)>),
    /// Others came or went.
    Changed(Arc<Changed>),
}

/// What became of a command.
pub(crate) enum Outcome {
    Connect(Box<ConnectOutcome>),
    Subscribe(Box<SubscribeOutcome>),
    /// It is answered, whatever it was.
    Reply(Box<Result<Reply, Deny>>),
    Sent(Result<(), Disconnect>),
    Refresh(Result<Refreshed, Deny>),
    SubRefresh(String, Result<Refreshed, Deny>),
    /// Nobody waits for it.
    Nothing,
    /// The application's code panicked.
    Panicked,
}

pub(crate) struct ConnectOutcome {
    pub(crate) client: ClientId,
    pub(crate) request: ConnectRequest,
    /// Before the application was asked.
    pub(crate) moment: Moment,
    pub(crate) result: Result<Connected, Deny>,
}

pub(crate) struct SubscribeOutcome {
    pub(crate) request: SubscribeRequest,
    /// Before the application was asked.
    pub(crate) moment: Moment,
    pub(crate) result: Result<SubscribeOptions, Deny>,
}

/// A decision that is due.
pub(crate) struct Job {
    pub(crate) to: To,
    pub(crate) future: BoxFuture<'static, Outcome>,
}

impl Job {
    /// Asks. Answers what was decided in place; what was not has a task, which tells the core.
    pub(crate) fn start(mut self, core: &Arc<CoreMailbox>) -> Option<Told> {
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let mut cx = Context::from_waker(Waker::noop());
            self.future.as_mut().poll(&mut cx)
        }));
        let outcome = match polled {
            Ok(Poll::Ready(outcome)) => outcome,
            Ok(Poll::Pending) => {
                self.spawn(core.clone());
                return None;
            }
            Err(_) => {
                tracing::error!("a decision about a session panicked");
                Outcome::Panicked
            }
        };
        Some(Told {
            to: self.to,
            what: What::Decided(outcome),
        })
    }

    fn spawn(self, core: Arc<CoreMailbox>) {
        let answer = Answer {
            core,
            to: self.to,
            outcome: Outcome::Panicked,
        };
        match tokio::runtime::Handle::try_current() {
            // It is polled there again at once: so the first poll needed no waker.
            Ok(runtime) => drop(runtime.spawn(async move {
                answer.is(self.future.await);
            })),
            Err(_) => tracing::error!("a decision about a session awaits, and there is no runtime"),
        }
    }
}

/// Tells the core when it is dropped: also if the task panicked, or was never run.
struct Answer {
    core: Arc<CoreMailbox>,
    to: To,
    outcome: Outcome,
}

impl Answer {
    fn is(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.core.tell(Told {
            to: self.to,
            what: What::Decided(std::mem::replace(&mut self.outcome, Outcome::Panicked)),
        });
    }
}

/// A boxed future of an outcome.
pub(crate) fn boxed(future: impl Future<Output = Outcome> + Send + 'static) -> BoxFuture<'static, Outcome> {
    let future: Pin<Box<dyn Future<Output = Outcome> + Send>> = Box::pin(future);
    future
}
