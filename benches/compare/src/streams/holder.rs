//! The process that holds streams: opens them, and checks that each receives every post once and in order.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::api::stream_request;
use super::sse::Reader;
use super::{find_post, now_ns};
use crate::load::client;
use crate::load::group::Group;
use crate::stats::Histogram;

/// How long the holder waits for events before it looks whether it shall end.
const TURN: Duration = Duration::from_millis(50);

/// Between two looks at the sockets. Else every single delivery would wake this process, at the cost of the server whose
/// machine we share; so what is received is received up to so much later.
const REST: Duration = Duration::from_millis(3);

/// What all streams of a holder received.
#[derive(Debug, Default)]
struct Received {
    latency: Histogram,
    posts: u64,
    /// Posts that came a second time, or after a later one.
    repeated: u64,
    /// Posts that did not come before a later one did.
    skipped: u64,
    /// Of each post, how long the first and the last stream waited for it, in nanoseconds.
    spans: BTreeMap<u64, (u64, u64)>,
}

struct Stream {
    reader: Reader,
    /// The number of the next post.
    next: u64,
}

/// Runs as a holder: reads its task, a line of JSON, opens the streams, says so, and reports when told to end.
///
/// # Errors
/// When a stream can't be opened, or ends.
pub fn run() -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let task: Value = serde_json::from_str(&line)?;
    let (sockets, mut streams, mut received) = open(&task)?;
    say(&json!({ "open": streams.len() }))?;
    let mut group = Group::new(sockets)?;
    let end = told_to_end();
    while !end.load(Ordering::Acquire) {
        // Streams are silent for as long as nobody posts.
        group.rest();
        group.turn(Instant::now() + TURN, |_, index, bytes| {
            let Stream { reader, next } = &mut streams[index];
            reader.push(bytes, |event| received.note(next, event))
        })?;
        thread::sleep(REST);
    }
    let posts = task["posts"].as_u64().unwrap_or(0);
    let missing: u64 = streams
        .iter()
        .map(|stream| posts.saturating_sub(stream.next))
        .sum();
    let buckets: Vec<_> = received.latency.buckets().collect();
    say(&json!({
        "posts": received.posts,
        "lost": received.skipped + missing,
        "repeated": received.repeated,
        "buckets": buckets,
        "spans": received.spans.iter().map(|(number, (first, last))| [*number, *first, *last]).collect::<Vec<_>>(),
    }))
}

fn open(task: &Value) -> io::Result<(Vec<TcpStream>, Vec<Stream>, Received)> {
    let wrong = || io::Error::other("the task is not as expected");
    let address: SocketAddr = task["address"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(wrong)?;
    let path = task["path"].as_str().ok_or_else(wrong)?;
    let tokens: Vec<_> = task["tokens"]
        .as_array()
        .ok_or_else(wrong)?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let count = task["streams"].as_u64().ok_or_else(wrong)?;
    let (mut sockets, mut streams, mut received) = (Vec::new(), Vec::new(), Received::default());
    for token in tokens
        .iter()
        .cycle()
        .take(usize::try_from(count).map_err(|_| wrong())?)
    {
        let mut socket = client::connect(address)?;
        let answer = client::exchange(&mut socket, &stream_request(address, path, token))?;
        if answer.status != 200 {
            return Err(io::Error::other(format!(
                "{path} is answered with {}",
                answer.head
            )));
        }
        let coding = client::field(&answer.head, "transfer-encoding");
        let mut stream = Stream {
            reader: Reader::new(coding.is_some_and(|coding| coding == "chunked")),
            next: 0,
        };
        stream
            .reader
            .push(&answer.body, |event| received.note(&mut stream.next, event))?;
        sockets.push(socket);
        streams.push(stream);
    }
    Ok((sockets, streams, received))
}

impl Received {
    /// Takes note of an event of a stream that waits for post `next`.
    fn note(&mut self, next: &mut u64, event: &[u8]) {
        let Some((number, sent_ns)) = find_post(event) else {
            return;
        };
        if number < *next {
            self.repeated += 1;
            return;
        }
        self.skipped += number - *next;
        *next = number + 1;
        self.posts += 1;
        let waited_ns = now_ns().saturating_sub(sent_ns);
        self.latency.record(Duration::from_nanos(waited_ns));
        let (first, last) = self.spans.entry(number).or_insert((waited_ns, waited_ns));
        *first = waited_ns.min(*first);
        *last = waited_ns.max(*last);
    }
}

/// Becomes true with the next line of the standard input, or its end.
fn told_to_end() -> Arc<AtomicBool> {
    let end = Arc::new(AtomicBool::new(false));
    let told = end.clone();
    thread::spawn(move || {
        let _ = io::stdin().lock().read_line(&mut String::new());
        told.store(true, Ordering::Release);
    });
    end
}

fn say(value: &Value) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{value}")?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::post_text;

    #[test]
    fn what_is_missing_or_repeated_is_counted() {
        let (mut received, mut next) = (Received::default(), 0);
        for number in [0, 1, 1, 4, 3] {
            received.note(&mut next, post_text(number, 0).as_bytes());
        }
        received.note(&mut next, b"event: other\ndata: {}");
        assert_eq!(
            (received.posts, received.skipped, received.repeated, next),
            (3, 2, 2, 5)
        );
    }
}
