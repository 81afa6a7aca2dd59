//! The numbers of a `Live` under the names by which Prometheus knows them.

use super::{CURSOR_LAG_BOUNDS, LAG_BOUNDS_MS};
use crate::live::api::Live;
use crate::metrics::{Exposition, Meters};

impl Live {
    /// Shows what is counted here among `meters`. A server that has both does it by itself.
    pub fn measure(&self, meters: &Meters) {
        let live = self.clone();
        meters.collect(move |out| live.write_metrics(out));
    }

    fn write_metrics(&self, out: &mut Exposition) {
        let counts = self.counts();
        out.gauge(
            "squall_live_followers",
            "Connections that follow topics, by door.",
            &[
                (&[("door", "sse")], counts.sse as f64),
                (&[("door", "poll")], counts.poll as f64),
                (&[("door", "ws")], counts.ws as f64),
            ],
        );
        out.counter(
            "squall_live_gaps_total",
            "Gaps that somebody was told of.",
            &[(&[], counts.gaps)],
        );
        out.counter(
            "squall_live_recoveries_total",
            "Followers that came back and had missed something: whether it was there.",
            &[
                (&[("outcome", "whole")], counts.recovered),
                (&[("outcome", "gap")], counts.recovered_with_gap),
            ],
        );
        let closes = self.inner.counters.closes();
        let labels = closes.map(|(code, _)| [("code", code)]);
        let samples: Vec<_> = labels
            .iter()
            .zip(closes)
            .map(|(labels, (_, count))| (&labels[..], count))
            .collect();
        out.counter(
            "squall_live_closes_total",
            "Followers that the server let go of, by close code; `handle` for those that the application closed, `session` for \
             sessions.",
            &samples,
        );
        self.write_lags(out);
        let hub = self.hub().counts();
        for (name, help, value) in [
            ("squall_live_topics", "Topics that the hub knows.", hub.topics),
            (
                "squall_live_log_messages",
                "Messages that the hub holds.",
                hub.messages,
            ),
            ("squall_live_log_bytes", "Bytes that the hub holds.", hub.bytes),
        ] {
            out.gauge(name, help, &[(&[], value as f64)]);
        }
    }

    fn write_lags(&self, out: &mut Exposition) {
        let (counts, sum_ms) = self.inner.samples.lag_ms();
        out.histogram(
            "squall_live_lag_seconds",
            "From publishing to writing, of a sample of followers; not of those that read what they missed.",
            &LAG_BOUNDS_MS.map(|bound| bound as f64 / 1e3),
            &[(&[], &counts, sum_ms as f64 / 1e3)],
        );
        let (counts, sum) = self.inner.samples.cursor_lag();
        out.histogram(
            "squall_live_cursor_lag_offsets",
            "How far behind the newest message of the hub the same followers were when they were served.",
            &CURSOR_LAG_BOUNDS.map(|bound| bound as f64),
            &[(&[], &counts, sum as f64)],
        );
    }
}
