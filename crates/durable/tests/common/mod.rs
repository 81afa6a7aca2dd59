//! What the tests of a durable log share.

#![allow(dead_code, reason = "each file of tests uses its own part")]

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use squall_durable::{DurableBroker, DurableConfig, Life, Loaded};
use squall_hub::{Answer, Cursor, Hub, PublishError};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for an answer.
pub(crate) fn wait(answer: Answer) -> Result<Cursor, PublishError> {
    let mut answer = pin!(answer);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        if let Poll::Ready(result) = answer.as_mut().poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        thread::park();
    }
}

pub(crate) fn open(path: &Path, config: &DurableConfig) -> (Hub, Loaded) {
    DurableBroker::open(path, config.clone()).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn reopen(path: &Path, config: &DurableConfig) -> Hub {
    let (hub, loaded) = open(path, config);
    assert_eq!(loaded.life, Life::Resumed);
    hub
}

/// Publishes and waits until it is on the disk.
pub(crate) fn publish(hub: &Hub, topic: &str, data: &str, now_ms: u64) -> u64 {
    wait(hub.publish(topic, data.to_owned(), now_ms)).unwrap().offset
}

/// Publishes all at once, then waits for all.
pub(crate) fn publish_all(hub: &Hub, topic: &str, numbers: std::ops::Range<u32>) -> Vec<u64> {
    let answers: Vec<Answer> = numbers
        .map(|number| hub.publish(topic, number.to_string(), 0))
        .collect();
    answers
        .into_iter()
        .map(|answer| wait(answer).unwrap().offset)
        .collect()
}

/// What is past `after`, as `offset=data `; or the offset of the gap.
pub(crate) fn texts(hub: &Hub, topics: &[&str], after: u64) -> Result<String, u64> {
    let read = hub.read(topics, after, usize::MAX).map_err(|gap| gap.resume)?;
    Ok(read
        .iter()
        .map(|m| format!("{}={} ", m.offset, String::from_utf8_lossy(&m.data)))
        .collect())
}
