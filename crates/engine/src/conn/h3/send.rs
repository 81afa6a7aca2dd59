//! The sending half of a stream of HTTP/3, with the time-outs of a stream: those of HTTP/2 (`conn::h2::life`), looked at
//! by the stream's own task.

use std::rc::Rc;

use bytes::Bytes;
use h3::error::{Code, StreamError};
use h3::server::RequestStream;
use http::{HeaderMap, Response};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::app::App;
use crate::conn::h2::life::{Life, Verdict, Wait};
use crate::core::Core;
use crate::limits::{Limits, SWEEP_INTERVAL};

/// Bytes of a body that are handed over at once: of a larger piece, what a slow peer has taken would not be seen.
const PIECE_BYTES: usize = 16 * 1024;

/// Our half. What is dropped before its end is reset, lest it look complete.
pub(super) struct Sending {
    stream: RequestStream<h3_quinn::SendStream<Bytes>, Bytes>,
    finished: bool,
    pub(super) life: Rc<Life>,
    sweep: Interval,
}

/// The stream is gone, or its peer has used up its time: either way there is nothing more to send.
#[derive(Debug)]
pub(super) struct Gone;

impl Sending {
    pub(super) fn new(stream: RequestStream<h3_quinn::SendStream<Bytes>, Bytes>, life: Rc<Life>) -> Self {
        let mut sweep = interval_at(Instant::now() + SWEEP_INTERVAL, SWEEP_INTERVAL);
        // A core that was held is not its peer's fault.
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Sending {
            stream,
            finished: false,
            life,
            sweep,
        }
    }

    /// The stream ends here, and not as it was meant to.
    pub(super) fn reset(&mut self, code: Code) {
        self.stream.stop_stream(code);
        self.finished = true;
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if !self.finished {
            self.stream.stop_stream(Code::H3_REQUEST_CANCELLED);
        }
    }
}

/// Waits for something, but only for as long as a stream may wait for what it waits for.
pub(super) async fn within<T>(
    life: &Life,
    sweep: &mut Interval,
    limits: &Limits,
    what: impl Future<Output = T>,
) -> Result<T, Verdict> {
    let mut what = std::pin::pin!(what);
    loop {
        tokio::select! {
            biased;
            done = &mut what => return Ok(done),
            _ = sweep.tick() => {
                if let Some(verdict) = life.pass(1, limits) {
                    return Err(verdict);
                }
            }
        }
    }
}

impl<A: App> Core<A> {
    /// Waits for something that is not the peer's window.
    pub(super) async fn h3_wait<T>(
        &self,
        send: &mut Sending,
        what: impl Future<Output = T>,
    ) -> Result<T, Verdict> {
        let waited = within(&send.life, &mut send.sweep, &self.limits, what).await;
        waited.inspect_err(|verdict| self.link.counts.timed_out.add(verdict.kind(), 1))
    }

    async fn h3_sent(
        &self,
        life: &Life,
        sweep: &mut Interval,
        sent: impl Future<Output = Result<(), StreamError>>,
    ) -> Result<(), Gone> {
        life.wait.set(Wait::Write);
        match within(life, sweep, &self.limits, sent).await {
            Ok(sent) => sent.map_err(|_| Gone),
            Err(verdict) => {
                self.link.counts.timed_out.add(verdict.kind(), 1);
                Err(Gone)
            }
        }
    }

    /// Sends a head.
    pub(super) async fn h3_head(&self, send: &mut Sending, head: Response<()>) -> Result<(), Gone> {
        let sent = send.stream.send_response(head);
        self.h3_sent(&send.life, &mut send.sweep, sent).await
    }

    /// Sends a piece of a body.
    pub(super) async fn h3_data(&self, send: &mut Sending, mut data: Bytes) -> Result<(), Gone> {
        while !data.is_empty() {
            let part = data.split_to(data.len().min(PIECE_BYTES));
            let bytes = part.len();
            let sent = send.stream.send_data(part);
            self.h3_sent(&send.life, &mut send.sweep, sent).await?;
            send.life.sent(bytes);
            self.link.counts.bytes_out.add(bytes as u64);
        }
        Ok(())
    }

    /// Sends the fields after a body.
    pub(super) async fn h3_trailers(&self, send: &mut Sending, trailers: HeaderMap) -> Result<(), Gone> {
        let sent = send.stream.send_trailers(trailers);
        self.h3_sent(&send.life, &mut send.sweep, sent).await
    }

    /// All is said.
    pub(super) async fn h3_finish(&self, send: &mut Sending) -> Result<(), Gone> {
        let sent = send.stream.finish();
        self.h3_sent(&send.life, &mut send.sweep, sent).await?;
        send.finished = true;
        Ok(())
    }
}
