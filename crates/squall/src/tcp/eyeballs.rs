//! Which address is tried when (RFC 8305, sections 4 and 5). The system's resolver has sorted them (RFC 6724), and gives
//! both families at once, so there is no waiting for the other family's answer (section 3).

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// The families in turn, beginning with that of the first; each address once.
pub(super) fn interleaved(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let (mut first, mut second) = (VecDeque::new(), VecDeque::new());
    for addr in addresses {
        let is_first = first
            .front()
            .is_none_or(|have: &SocketAddr| have.is_ipv4() == addr.is_ipv4());
        let queue = if is_first { &mut first } else { &mut second };
        if !queue.contains(&addr) {
            queue.push_back(addr);
        }
    }
    let mut order = Vec::with_capacity(first.len() + second.len());
    while let Some(addr) = first.pop_front() {
        order.push(addr);
        order.extend(second.pop_front());
    }
    order.extend(second);
    order
}

/// An address that was tried, and what came of it; `None` if it had not answered when the next was tried.
pub(super) type Attempt = (SocketAddr, Option<io::Error>);

/// Connects to the first address that answers; the others are given up. `None` if all fail. What was tried is in
/// `attempts`, also when this future is dropped.
pub(super) async fn race<T, D, F>(
    addresses: &[SocketAddr],
    delay: Duration,
    dial: D,
    attempts: &mut Vec<Attempt>,
) -> Option<(T, SocketAddr)>
where
    D: Fn(SocketAddr) -> F,
    F: Future<Output = io::Result<T>>,
{
    let mut race = Race {
        left: addresses.iter(),
        running: Vec::new(),
        next: Box::pin(sleep(delay)),
        delay,
        dial,
        attempts,
    };
    poll_fn(|context| race.poll(context)).await
}

struct Race<'a, D, F> {
    left: std::slice::Iter<'a, SocketAddr>,
    /// Attempts under way, by their place in `attempts`.
    running: Vec<(usize, Pin<Box<F>>)>,
    /// When the next is due.
    next: Pin<Box<Sleep>>,
    delay: Duration,
    dial: D,
    attempts: &'a mut Vec<Attempt>,
}

impl<T, D, F> Race<'_, D, F>
where
    D: Fn(SocketAddr) -> F,
    F: Future<Output = io::Result<T>>,
{
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<(T, SocketAddr)>> {
        loop {
            let mut is_next_due = self.running.is_empty();
            let mut at = 0;
            while let Some((attempt, future)) = self.running.get_mut(at) {
                match future.as_mut().poll(context) {
                    Poll::Pending => at += 1,
                    Poll::Ready(Ok(connected)) => {
                        return Poll::Ready(Some((connected, self.attempts[*attempt].0)));
                    }
                    Poll::Ready(Err(error)) => {
                        self.attempts[*attempt].1 = Some(error);
                        drop(self.running.swap_remove(at));
                        // A failure is an answer: nothing is gained by waiting.
                        is_next_due = true;
                    }
                }
            }
            if self.left.as_slice().is_empty() {
                return if self.running.is_empty() {
                    Poll::Ready(None)
                } else {
                    Poll::Pending
                };
            }
            if !is_next_due && self.next.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if let Some(&addr) = self.left.next() {
                self.attempts.push((addr, None));
                self.running
                    .push((self.attempts.len() - 1, Box::pin((self.dial)(addr))));
                self.next.set(sleep(self.delay));
            }
        }
    }
}
