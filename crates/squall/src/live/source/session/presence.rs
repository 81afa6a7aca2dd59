//! Who is there: sessions come and go, ask, and are told of others.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use squall_hub::presence::{Change, Changes, Member, Presence, Present};

use super::job::{Outcome, Told, What, boxed};
use super::{Done, State, To};
use crate::live::session::SessionSpec;
use crate::live::session::codes::{Disconnect, SessionError};
use crate::live::session::policy::{Caller, Deny, SubscribeOptions};
use crate::live::session::protocol::{self, ClientInfo, PresenceResult, PresenceStatsResult, Push, Reply};
use crate::live::session::record::{Sub, SubTraits};
use crate::web::now_ms;

/// Most channels whose changes are told in one tick; the others have theirs in the next.
const CHANGED_MAX: usize = 1_000;

/// Who came to a channel, and who went.
pub(crate) struct Changed {
    channel: Arc<str>,
    /// Whether each came, and who it was.
    changes: Vec<(bool, ClientInfo)>,
}

impl State {
    /// The session is among those who are in the channel, if it is to be.
    pub(super) fn enter(
        &mut self,
        follower: u32,
        spec: &SessionSpec,
        channel: &str,
        options: &SubscribeOptions,
    ) -> Result<(), Deny> {
        let caller = self.session(follower).and_then(|session| session.caller());
        let (true, Some(caller)) = (options.presence, caller) else {
            return Ok(());
        };
        let member = Member {
            user: (*caller.user).into(),
            conn_info: known(&caller.info),
            info: known(&options.info),
        };
        let session = caller.client.session();
        let Err(error) = spec.shared.presence.enter(channel, session, member, now_ms()) else {
            return Ok(());
        };
        self.roster.unfollow(follower, channel, None);
        if error.is_temporary() {
            tracing::warn!(channel, %error, "somebody is not listed as present");
            return Err(SessionError::LIMIT_EXCEEDED.into());
        }
        Err(SessionError::BAD_REQUEST.into())
    }

    /// The session is not in the channel any more.
    pub(super) fn exit(presence: &Presence, caller: &Caller, channel: &str, sub: &Sub) {
        if sub.traits.has(SubTraits::PRESENCE) {
            presence.leave(channel, caller.client.session());
        }
    }

    /// Asks whether it may know who is there.
    pub(super) fn presence(
        &mut self,
        follower: u32,
        spec: &SessionSpec,
        caller: Arc<Caller>,
        channel: String,
    ) -> Result<Done, SessionError> {
        let Some(ask) = self.channel_ask(follower, spec, caller, &channel)? else {
            return Ok(Done::No(Disconnect::BAD_REQUEST));
        };
        let shared = spec.shared.clone();
        Ok(Done::Asked(boxed(async move {
            let read = async {
                shared.policy.clone().presence(ask).await?;
                let presence = members(&shared.presence, &channel, shared.config.presence_members_max);
                Ok(Reply {
                    presence: Some(PresenceResult { presence }),
                    ..Reply::default()
                })
            };
            Outcome::Reply(Box::new(read.await))
        })))
    }

    /// Asks whether it may know how many are there.
    pub(super) fn presence_stats(
        &mut self,
        follower: u32,
        spec: &SessionSpec,
        caller: Arc<Caller>,
        channel: String,
    ) -> Result<Done, SessionError> {
        let Some(ask) = self.channel_ask(follower, spec, caller, &channel)? else {
            return Ok(Done::No(Disconnect::BAD_REQUEST));
        };
        let shared = spec.shared.clone();
        Ok(Done::Asked(boxed(async move {
            let read = async {
                shared.policy.clone().presence(ask).await?;
                let stats = shared.presence.stats(&channel);
                Ok(Reply {
                    presence_stats: Some(PresenceStatsResult {
                        num_clients: u32::try_from(stats.sessions).unwrap_or(u32::MAX),
                        num_users: u32::try_from(stats.users).unwrap_or(u32::MAX),
                    }),
                    ..Reply::default()
                })
            };
            Outcome::Reply(Box::new(read.await))
        })))
    }

    /// Tells every core what changed since the last tick: whichever core asks first, takes it.
    pub(super) fn presence_tick(&mut self, presence: &Presence) {
        presence.sweep(now_ms());
        for (channel, changes) in presence.take_changed(CHANGED_MAX) {
            // When very many changed there are no words for it: who wants to know asks.
            let Changes::Each(changes) = changes else { continue };
            let changes: Vec<(bool, ClientInfo)> = changes.into_iter().filter_map(told).collect();
            if changes.is_empty() {
                continue;
            }
            let changed = Arc::new(Changed { channel, changes });
            for core in self.live.cores() {
                core.tell(Told {
                    to: To::NOBODY,
                    what: What::Changed(changed.clone()),
                });
            }
        }
    }

    /// Tells those who want to hear it.
    pub(super) fn presence_changed(&mut self, changed: &Changed) {
        let Some(topic) = self.roster.topic_number(&changed.channel) else {
            return;
        };
        let hears = |state: &Self, follower: &u32| {
            let sub = state.session(*follower).and_then(|session| session.sub(topic));
            sub.is_some_and(|sub| sub.traits.has(SubTraits::HEARS_JOINS))
        };
        let followers: Vec<u32> = self
            .roster
            .followers_of(topic)
            .filter(|follower| hears(self, follower))
            .collect();
        for follower in followers {
            for (came, info) in &changed.changes {
                let member = Some(protocol::Member {
                    info: Some(info.clone()),
                });
                let (join, leave) = if *came { (member, None) } else { (None, member) };
                let push = Push {
                    channel: changed.channel.to_string(),
                    join,
                    leave,
                    ..Push::default()
                };
                self.push_to(follower, push);
            }
        }
    }
}

fn told(change: Change) -> Option<(bool, ClientInfo)> {
    match change {
        Change::Joined(present) => Some((true, info(&present))),
        Change::Left(present) => Some((false, info(&present))),
        Change::Updated(_) => None,
    }
}

/// Those who are in a channel, at most `max`.
pub(crate) fn members(presence: &Presence, channel: &str, max: usize) -> BTreeMap<String, ClientInfo> {
    let mut all = BTreeMap::new();
    let mut after = None;
    while all.len() < max {
        let page = presence.members(channel, after, max - all.len());
        all.extend(
            page.members
                .iter()
                .map(|present| (present.session.to_string(), info(present))),
        );
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    all
}

fn info(present: &Present) -> ClientInfo {
    let bytes = |info: &Option<Arc<[u8]>>| {
        info.as_ref()
            .map(|info| Bytes::copy_from_slice(info))
            .unwrap_or_default()
    };
    ClientInfo {
        user: present.member.user.to_string(),
        client: present.session.to_string(),
        conn_info: bytes(&present.member.conn_info),
        chan_info: bytes(&present.member.info),
    }
}

fn known(info: &Bytes) -> Option<Arc<[u8]>> {
    (!info.is_empty()).then(|| Arc::from(&info[..]))
}
