//! Sessions among the followers of a core: what they say, what is decided, what they are told.
//!
//! A session is a follower with a box beside its record. Its commands are done one after the other; what the application
//! decides is asked in place, and has a task only while it is awaited. Replies and pushes are collected in the order in
//! which they were made and become one frame at the next write, before anything of the log.
//!
//! Why a subscription's messages never come before its reply, and none is missing between them: the roster gives a
//! subscription the messages past its `from`, which is the head at the moment when the reply is made, and what the reply
//! recovers goes up to exactly there.

mod channel;
mod connect;
mod end;
mod job;
mod order;
mod presence;
mod publish;
mod refresh;
mod subscribe;
mod times;

use squall_engine::ws::Message;

use super::conn::Ending;
use super::state::State;
use crate::live::session::codes::{Disconnect, SessionError};
use crate::live::session::framing::Framing;
use crate::live::session::protocol::{
    Command, ConnectRequest, Empty, Push, Reply, decode_commands, decode_json,
};
use crate::live::session::record::{Phase, Session};
use crate::live::session::shared::{Shared, count};
use crate::live::session::{Deny, SessionSpec};
use crate::live::ticket::SessionTicket;

pub(crate) use channel::page;
pub(crate) use job::{Job, To, Told, What};
use job::{Outcome, boxed};
pub(crate) use order::{Order, OrderFor};
pub(crate) use presence::members;
pub(super) use times::Times;

/// What became of a command in place.
pub(super) enum Done {
    /// It is answered.
    Yes,
    /// The application decides.
    Asked(crate::BoxFuture<'static, Outcome>),
    /// The session ends.
    No(Disconnect),
}

impl State {
    /// A follower is a session from now on; it has said something already, perhaps.
    pub(super) fn session_begins(
        &mut self,
        follower: u32,
        ticket: &SessionTicket,
    ) -> squall_engine::source::Attached {
        let position = self.live.hub().head();
        if let Some(record) = self.roster.get_mut(follower) {
            record.data.session = Some(Box::new(Session::new(ticket.request.clone())));
        }
        if let Some(spec) = self.spec_of(follower) {
            let within_s = spec.shared.config.connect_timeout_s;
            self.session_due_in(follower, u64::from(within_s));
        }
        match &ticket.commands {
            Some(commands) if commands.is_empty() => (),
            Some(commands) => self.session_commands(follower, commands.clone(), ticket.bytes),
            None => self.disconnect(follower, Disconnect::BAD_REQUEST),
        }
        squall_engine::source::Attached { follower, position }
    }

    /// A message came in on a session's WebSocket.
    pub(super) fn session_message(&mut self, follower: u32, message: &Message) {
        let Some(spec) = self.spec_of(follower) else {
            return;
        };
        let framing = spec.framing;
        let bytes = match message {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(data) => data,
        };
        let commands = if framing.transport.is_one_way() {
            self.one_way_commands(follower, bytes)
        } else {
            decode_commands(framing.form, bytes).ok()
        };
        match commands {
            Some(commands) => self.session_commands(follower, commands, bytes.len()),
            None => self.disconnect(follower, Disconnect::BAD_REQUEST),
        }
    }

    /// The first that a one-way client says is its connect request; the rest is nothing to us.
    fn one_way_commands(&self, follower: u32, bytes: &[u8]) -> Option<Vec<Command>> {
        let session = self.session(follower)?;
        if session.inbox.is_some() || !matches!(session.phase, Phase::Opening(_)) {
            return Some(Vec::new());
        }
        let request: ConnectRequest = decode_json(bytes).ok()?;
        Some(vec![connect_command(request)])
    }

    /// Commands came in: they are done after those before them.
    pub(super) fn session_commands(&mut self, follower: u32, commands: Vec<Command>, bytes: usize) {
        let Some(spec) = self.spec_of(follower) else {
            return;
        };
        let Some(session) = self.session_mut(follower) else {
            return;
        };
        let inbox = session.inbox.get_or_insert_default();
        let is_idle = inbox.waiting.is_empty() && inbox.deciding.is_none();
        let share = bytes / commands.len().max(1);
        let mut pongs = 0;
        for command in commands {
            // A pong waits for nobody: a slow decision is not the client's fault.
            if command == Command::default() {
                pongs += 1;
            } else {
                inbox.waiting_bytes += share;
                inbox.waiting.push_back((command, share));
            }
        }
        // What is done at once does not wait: a frame may have more.
        let config = &spec.shared.config;
        let too_many = inbox.waiting.len() > config.commands_waiting_max
            || inbox.waiting_bytes > config.commands_waiting_bytes_max;
        for _ in 0..pongs {
            self.pong(follower);
        }
        if too_many && !is_idle {
            return self.disconnect(follower, Disconnect::TOO_MANY_REQUESTS);
        }
        self.session_step(follower);
        self.mailbox.wake();
    }

    /// Does the session's commands, until one must be decided or too much is owed.
    pub(super) fn session_step(&mut self, follower: u32) {
        let Some(spec) = self.spec_of(follower) else {
            return;
        };
        loop {
            let Some(record) = self.roster.get_mut(follower) else {
                return;
            };
            let conn = &mut record.data;
            if conn.ending.is_some() || conn.owed_bytes() > spec.shared.config.owed_bytes_max {
                return;
            }
            let Some(session) = &mut conn.session else { return };
            let Some(inbox) = &mut session.inbox else { return };
            if inbox.deciding.is_some() {
                return;
            }
            let Some((command, bytes)) = inbox.waiting.pop_front() else {
                session.inbox = None;
                return;
            };
            inbox.waiting_bytes -= bytes;
            count(&spec.shared.counters.commands);
            let id = command.id;
            match self.session_command(follower, &spec, command) {
                Done::Yes => (),
                Done::No(disconnect) => return self.disconnect(follower, disconnect),
                Done::Asked(future) => {
                    if let Some(session) = self.session_mut(follower) {
                        session.inbox.get_or_insert_default().deciding = Some(id);
                    }
                    let to = self.to(follower);
                    return self.jobs.push_back(Job { to, future });
                }
            }
        }
    }

    fn session_command(&mut self, follower: u32, spec: &SessionSpec, command: Command) -> Done {
        let Some(session) = self.session(follower) else {
            return Done::Yes;
        };
        let id = command.id;
        if let Some(request) = command.connect {
            return self.connect(follower, spec, id, request);
        }
        let Some(caller) = session.caller().cloned() else {
            return Done::No(Disconnect::BAD_REQUEST);
        };
        if let Some(request) = command.send {
            let policy = spec.shared.policy.clone();
            let ask = crate::live::session::MessageAsk {
                caller,
                data: request.data,
            };
            return Done::Asked(boxed(async move { Outcome::Sent(policy.message(ask).await) }));
        }
        if id == 0 {
            return Done::No(Disconnect::BAD_REQUEST);
        }
        let done = if command.ping.is_some() {
            Ok(self.answer(
                follower,
                spec.framing,
                Reply {
                    id,
                    ping: Some(Empty {}),
                    ..Reply::default()
                },
            ))
        } else if let Some(request) = command.subscribe {
            self.ask_subscribe(follower, spec, caller, request)
        } else if let Some(request) = command.unsubscribe {
            self.unsubscribe(follower, spec, id, &request.channel)
        } else if let Some(request) = command.publish {
            self.publish(follower, spec, caller, request)
        } else if let Some(request) = command.presence {
            self.presence(follower, spec, caller, request.channel)
        } else if let Some(request) = command.presence_stats {
            self.presence_stats(follower, spec, caller, request.channel)
        } else if let Some(request) = command.history {
            self.history(follower, spec, caller, request)
        } else if let Some(request) = command.rpc {
            let policy = spec.shared.policy.clone();
            Ok(publish::rpc(policy, caller, request))
        } else if let Some(request) = command.refresh {
            self.ask_refresh(follower, spec, caller, request)
        } else if let Some(request) = command.sub_refresh {
            self.ask_sub_refresh(follower, spec, caller, request)
        } else {
            Ok(Done::No(Disconnect::BAD_REQUEST))
        };
        done.unwrap_or_else(|error| self.refuse(follower, spec.framing, id, &error))
    }

    /// A session is told something by another thread, or by a decision that was made in place.
    pub(super) fn session_told(&mut self, told: Told) {
        if let What::Changed(changed) = &told.what {
            return self.presence_changed(changed);
        }
        let To { follower, life } = told.to;
        if self.roster.life(follower) != life || self.session(follower).is_none() {
            return;
        }
        match told.what {
            What::Commands(Some((commands, bytes))) => self.session_commands(follower, commands, bytes),
            What::Commands(None) => self.disconnect(follower, Disconnect::BAD_REQUEST),
            What::Decided(outcome) => self.decided(follower, outcome),
            What::Changed(_) => (),
        }
    }

    /// The command that was asked about is decided.
    fn decided(&mut self, follower: u32, outcome: Outcome) {
        let inbox = self
            .session_mut(follower)
            .and_then(|session| session.inbox.as_mut());
        let Some(id) = inbox.and_then(|inbox| inbox.deciding.take()) else {
            return;
        };
        let Some(spec) = self.spec_of(follower) else {
            return;
        };
        let is_ending = self
            .roster
            .get(follower)
            .is_some_and(|record| record.data.ending.is_some());
        if is_ending {
            return;
        }
        let mut asked_at = None;
        let done = match outcome {
            Outcome::Connect(outcome) => return self.connect_decided(follower, &spec, id, *outcome),
            Outcome::Subscribe(outcome) => {
                asked_at = Some(outcome.moment);
                self.subscribe_decided(follower, &spec, id, *outcome)
            }
            Outcome::Reply(result) => (*result).map(|reply| Reply { id, ..reply }),
            Outcome::Sent(Ok(())) | Outcome::Nothing => return self.session_goes_on(follower),
            Outcome::Sent(Err(disconnect)) => Err(disconnect.into()),
            Outcome::Refresh(result) => self.refresh_decided(follower, &spec, id, result),
            Outcome::SubRefresh(channel, result) => {
                self.sub_refresh_decided(follower, &spec, id, &channel, result)
            }
            Outcome::Panicked => Err(SessionError::INTERNAL.into()),
        };
        match done {
            Ok(reply) => drop(self.answer(follower, spec.framing, reply)),
            Err(Deny::Error(error)) => drop(self.refuse(follower, spec.framing, id, &error)),
            Err(Deny::Disconnect(disconnect)) => return self.disconnect(follower, disconnect),
        }
        // What the server said about the subscription since the application was asked comes after the reply.
        if let Some(moment) = asked_at {
            self.replay(follower, moment);
        }
        self.session_goes_on(follower);
    }

    fn session_goes_on(&mut self, follower: u32) {
        self.session_step(follower);
        self.mailbox.wake();
    }

    /// Answers a command.
    fn answer(&mut self, follower: u32, framing: Framing, reply: Reply) -> Done {
        self.say_to(follower, |out| framing.reply(&reply, out));
        Done::Yes
    }

    fn refuse(&mut self, follower: u32, framing: Framing, id: u32, error: &SessionError) -> Done {
        let reply = Reply {
            id,
            error: Some(error.into()),
            ..Reply::default()
        };
        self.answer(follower, framing, reply)
    }

    /// Tells a session what it did not ask for. One that is owed too much already is closed instead.
    pub(super) fn push_to(&mut self, follower: u32, push: Push) {
        let Some(spec) = self.spec_of(follower) else {
            return;
        };
        let owed = self
            .roster
            .get(follower)
            .map_or(0, |record| record.data.owed_bytes());
        if owed > spec.shared.config.owed_bytes_max {
            return self.disconnect(follower, Disconnect::SLOW);
        }
        self.say_to(follower, |out| spec.framing.push(push, out));
        self.mailbox.wake();
    }

    /// Adds to what a session is told next.
    fn say_to(&mut self, follower: u32, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(record) = self.roster.get_mut(follower) else {
            return;
        };
        let conn = &mut record.data;
        if conn.ending.is_some() {
            return;
        }
        write(&mut conn.extra().said);
        self.named.push(conn.id);
    }

    /// Ends a session.
    pub(super) fn disconnect(&mut self, follower: u32, disconnect: Disconnect) {
        self.end(follower, Ending::Disconnect(disconnect));
        self.mailbox.wake();
    }

    pub(super) fn session(&self, follower: u32) -> Option<&Session> {
        self.roster.get(follower)?.data.session.as_deref()
    }

    pub(super) fn session_mut(&mut self, follower: u32) -> Option<&mut Session> {
        self.roster.get_mut(follower)?.data.session.as_deref_mut()
    }

    fn spec_of(&self, follower: u32) -> Option<SessionSpec> {
        self.roster.get(follower)?.data.spec.session.clone()
    }

    fn to(&self, follower: u32) -> To {
        To {
            follower,
            life: self.roster.life(follower),
        }
    }

    /// Checks the name of a channel.
    fn check_channel(&self, shared: &Shared, channel: &str) -> Result<(), SessionError> {
        let most = shared
            .config
            .channel_bytes_max
            .min(self.live.hub().config().topic_bytes_max);
        // Names that begin with a control character are our own.
        if channel.len() > most || channel.starts_with(|c: char| c.is_control()) {
            return Err(SessionError::BAD_REQUEST);
        }
        Ok(())
    }
}

/// A one-way client's connect request, as the command that it stands for.
pub(crate) fn connect_command(request: ConnectRequest) -> Command {
    Command {
        id: 1,
        connect: Some(request),
        ..Command::default()
    }
}
