//! How sessions end: what they are told, who else is.

use std::sync::atomic::Ordering;

use squall_engine::source::{After, Frame};
use squall_engine::wire::ws::close_frame;

use super::job::{Job, Outcome, boxed};
use super::{Ending, State};
use crate::live::CLOSE_TOO_BIG;
use crate::live::session::codes::Disconnect;
use crate::live::session::framing::Carrier;
use crate::live::session::policy::Gone;
use crate::live::session::record::{Phase, Session};

impl State {
    /// What is collected for a session becomes a frame; commands that waited for room go on.
    pub(in crate::live::source) fn session_next(&mut self, follower: u32, after: u64) {
        self.first_messages(follower, after);
        self.session_step(follower);
        let Some(record) = self.roster.get_mut(follower) else {
            return;
        };
        let conn = &mut record.data;
        let Some(spec) = &conn.spec.session else { return };
        let framing = spec.framing;
        let Some(extra) = &mut conn.extra else { return };
        if extra.said.is_empty() {
            return;
        }
        let said = std::mem::take(&mut extra.said);
        conn.aside(framing.frame(&said), false);
    }

    /// The last words to a session, and its end.
    pub(in crate::live::source) fn session_farewell(
        &mut self,
        follower: u32,
        position: u64,
        room: usize,
        out: &mut Vec<Frame>,
    ) -> After {
        let Some(record) = self.roster.get_mut(follower) else {
            return After::Close;
        };
        let conn = &mut record.data;
        let Some(spec) = conn.spec.session.clone() else {
            return After::Close;
        };
        let why = reason(conn.ending.as_deref());
        if why == Disconnect::SLOW {
            conn.forget_owed();
        }
        // A reply that says why comes before the end.
        let asides = conn.offer(position, room, out);
        if asides as usize == room && room > 0 {
            return After::Stay;
        }
        let mut last = spec
            .framing
            .farewell(&why)
            .map_or_else(Vec::new, |frame| frame.to_vec());
        if spec.framing.transport.carrier() == Carrier::Ws {
            let (code, reason) = match conn.ending.as_deref() {
                Some(Ending::TooBig) => (CLOSE_TOO_BIG, "the message is too big"),
                _ => (why.code, &*why.reason),
            };
            last.extend_from_slice(&close_frame(code, reason));
        }
        if !last.is_empty() {
            out.push(Frame {
                bytes: last.into(),
                position: position + asides,
            });
        }
        After::Close
    }

    /// The follower leaves: if it was a session, others are told.
    pub(in crate::live::source) fn session_ends(&mut self, follower: u32) {
        let to = self.to(follower);
        let Some(record) = self.roster.get_mut(follower) else {
            return;
        };
        let (Some(session), Some(spec)) = (record.data.session.take(), record.data.spec.session.clone())
        else {
            return;
        };
        let owner = record.owner;
        let disconnect = match record.data.ending.as_deref() {
            Some(ending) => reason(Some(ending)),
            None if self.shutting_down => Disconnect::SHUTDOWN,
            None => Disconnect::CONNECTION_CLOSED,
        };
        spec.shared.counters.closed(disconnect.code);
        let Session { phase, subs, .. } = *session;
        let Phase::Connected(caller) = phase else { return };
        let presence = &spec.shared.presence;
        let mut channels = Vec::with_capacity(subs.len());
        for sub in &subs {
            let name = self.roster.topic_name_of(sub.topic).clone();
            Self::exit(presence, &caller, &name, sub);
            spec.shared.counters.subscriptions.fetch_sub(1, Ordering::Relaxed);
            channels.push(name);
        }
        spec.shared.counters.left(spec.framing.transport);
        if !caller.user.is_empty() {
            spec.shared.user_left(owner);
        }
        let gone = Gone {
            caller,
            disconnect,
            channels,
        };
        let policy = spec.shared.policy.clone();
        let future = boxed(async move {
            policy.disconnected(gone).await;
            Outcome::Nothing
        });
        self.jobs.push_back(Job { to, future });
    }
}

/// What a session is told of its end; none: the server goes away.
fn reason(ending: Option<&Ending>) -> Disconnect {
    match ending {
        Some(Ending::Disconnect(disconnect)) => disconnect.clone(),
        Some(Ending::Behind) => Disconnect::INSUFFICIENT_STATE,
        Some(Ending::Revoked) => Disconnect::FORCE_NO_RECONNECT,
        Some(Ending::ComeBack | Ending::Said(_)) => Disconnect::FORCE_RECONNECT,
        Some(Ending::TooBig) => Disconnect::BAD_REQUEST,
        None => Disconnect::SHUTDOWN,
    }
}
