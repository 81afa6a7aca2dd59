//! What was said about followers: commands to an owner's, and what handles say to single connections.

use std::sync::Arc;

use super::conn::Ending;
use super::state::State;
use crate::live::access::{Grant, Moment};
use crate::live::commands::{Command, What};
use crate::live::connection::{Direct, Say};
use crate::live::style::Style;

impl State {
    /// Does everything that was said and is not done yet. Must come before the log is read.
    pub(super) fn catch_up(&mut self) {
        if self.live.inner.commands.head() != self.applied {
            self.apply_commands();
        }
        if self.mailbox.has_direct() {
            self.apply_directs();
        }
    }

    fn apply_commands(&mut self) {
        let (head, commands) = self.live.inner.commands.since(self.applied);
        self.applied = head;
        self.changed();
        let Ok(commands) = commands else {
            tracing::warn!(
                "a core has missed commands to its followers; those that have an owner must come back"
            );
            return self.send_everybody_back();
        };
        for command in &commands {
            for follower in self.roster.owned_by(command.owner).to_vec() {
                self.apply(follower, command);
            }
        }
    }

    /// Does what was said about a new follower between the moment before its rights were looked at and now.
    pub(super) fn replay(&mut self, follower: u32, moment: Moment) {
        if moment.0 >= self.applied {
            return;
        }
        // What is beyond `applied` comes again with everybody's; doing it twice does no harm.
        match self.live.inner.commands.since(moment.0).1 {
            Ok(commands) => commands.iter().for_each(|command| self.apply(follower, command)),
            Err(_) => self.end(follower, Ending::ComeBack),
        }
    }

    fn apply(&mut self, follower: u32, command: &Command) {
        let Some(record) = self.roster.get(follower) else {
            return;
        };
        if !command.is_for(record.owner, record.kind) {
            return;
        }
        match &command.what {
            What::End => self.end(follower, Ending::Revoked),
            What::Session(order) => self.session_order(follower, order),
            What::Follow { topic, style, from } => self.follow(follower, topic, *style, *from),
            What::Unfollow { topic } => {
                self.roster.unfollow(follower, topic, None);
            }
        }
    }

    /// The follower follows more. It is named: what was published since `from` made no note here.
    fn follow(&mut self, follower: u32, topic: &str, style: Option<Style>, from: u64) {
        let Some(record) = self.roster.get(follower) else {
            return;
        };
        let style = style.unwrap_or(record.data.spec.style);
        self.named.push(record.data.id);
        let full = record.subscriptions().len() >= self.live.inner.config.follower_topics_max;
        // Not to follow in silence would be a loss that nobody is told of.
        if full || self.roster.follow(follower, topic, style.0, from).is_err() {
            self.end(follower, Ending::ComeBack);
        }
    }

    fn send_everybody_back(&mut self) {
        let all: Vec<u32> = self.roster.numbers().collect();
        for follower in all {
            if self.roster.get(follower).is_some_and(|record| record.owner != 0) {
                self.end(follower, Ending::ComeBack);
            }
        }
    }

    fn apply_directs(&mut self) {
        self.changed();
        let mut directs = std::mem::take(&mut self.directs);
        self.mailbox.take_direct(&mut directs);
        for direct in directs.drain(..) {
            self.apply_direct(direct);
        }
        self.directs = directs;
        for told in self.mailbox.take_told() {
            self.session_told(told);
        }
    }

    fn apply_direct(&mut self, direct: Direct) {
        let Direct {
            follower,
            life,
            bytes,
            what,
            window,
        } = direct;
        let is_here = self.roster.get(follower).is_some() && self.roster.life(follower) == life;
        if let (true, Say::Frame(frame)) = (is_here, &what) {
            if let Some(record) = self.roster.get_mut(follower) {
                record.data.aside(frame.clone(), true);
                self.named.push(record.data.id);
            }
            return;
        }
        if !matches!(what, Say::Close(_)) {
            window.give_back(bytes);
        }
        if !is_here {
            return;
        }
        match what {
            Say::Frame(_) => (),
            Say::Follow {
                moment,
                topic,
                style,
                from,
            } => self.follow_since(follower, moment, &topic, style, from),
            Say::Unfollow { topic, style } => {
                self.roster.unfollow(follower, &topic, style.map(|style| style.0));
            }
            Say::Add { moment, grant, from } => self.add_grant(follower, moment, *grant, from),
            Say::Remove { style, kind } => self.remove_style(follower, style, kind),
            Say::Close(frame) => self.end(follower, Ending::Said(frame)),
        }
    }

    /// The follower follows all this too, as one of the grant's kind. First the kind: what is said from now on to that
    /// kind must find it.
    fn add_grant(&mut self, follower: u32, moment: Moment, grant: Grant, from: u64) {
        if let Some(record) = self.roster.get_mut(follower) {
            record.kind = grant.kind;
        }
        for (topic, style) in grant.topics {
            self.follow(follower, &topic, style, from);
        }
        self.replay(follower, moment);
    }

    fn remove_style(&mut self, follower: u32, style: Style, kind: u32) {
        let Some(record) = self.roster.get_mut(follower) else {
            return;
        };
        record.kind = kind;
        let gone = record
            .subscriptions()
            .iter()
            .filter(|s| s.style == style.0)
            .copied();
        let gone: Vec<_> = gone.collect();
        let gone: Vec<_> = gone.iter().map(|s| self.roster.topic_name(s).clone()).collect();
        for topic in gone {
            self.roster.unfollow(follower, &topic, Some(style.0));
        }
    }

    /// The follower follows more, unless that was ended since `moment`.
    fn follow_since(
        &mut self,
        follower: u32,
        moment: Moment,
        topic: &Arc<str>,
        style: Option<Style>,
        from: u64,
    ) {
        let Ok(commands) = self.live.inner.commands.since(moment.0).1 else {
            return self.end(follower, Ending::ComeBack);
        };
        let Some(record) = self.roster.get(follower) else {
            return;
        };
        let (owner, kind) = (record.owner, record.kind);
        let ended =
            commands
                .iter()
                .filter(|command| command.is_for(owner, kind))
                .any(|command| match &command.what {
                    What::End => true,
                    What::Unfollow { topic: ended } => ended == topic,
                    What::Follow { .. } | What::Session(_) => false,
                });
        if !ended {
            self.follow(follower, topic, style, from);
        }
    }
}
