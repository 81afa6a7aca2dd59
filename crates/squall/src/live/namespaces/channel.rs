//! One channel, and who may do what in it.

use std::sync::Arc;

use super::NamespaceOptions;

/// What ends a channel's own name before the users it is for.
const USERS: char = '#';
/// What stands between them.
const USER_SEPARATOR: char = ',';

/// A channel with what counted for it when it was asked for.
#[derive(Clone, Debug)]
pub struct Channel<'a> {
    name: &'a str,
    private: bool,
    options: Arc<NamespaceOptions>,
}

impl<'a> Channel<'a> {
    pub(super) fn new(name: &'a str, private: bool, options: Arc<NamespaceOptions>) -> Self {
        Self {
            name,
            private,
            options,
        }
    }

    /// What its namespace says.
    pub fn options(&self) -> &Arc<NamespaceOptions> {
        &self.options
    }

    /// Whether its name begins with `$`: only a subscription token lets in.
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// The users it is for, if its name says so and its namespace allows that.
    pub fn users(&self) -> Option<impl Iterator<Item = &'a str>> {
        let (_, users) = self
            .name
            .rsplit_once(USERS)
            .filter(|_| self.options.user_limited)?;
        Some(users.split(USER_SEPARATOR))
    }

    /// Whether this user (empty: nobody in particular) may subscribe without a token. With a good one anybody may.
    pub fn may_subscribe(&self, user: &str) -> bool {
        if self.private {
            return false;
        }
        match self.users() {
            Some(mut users) => !user.is_empty() && users.any(|one| one == user),
            None => self.options.subscribe.includes(user, false),
        }
    }

    /// Whether this user, subscribed or not, may publish.
    pub fn may_publish(&self, user: &str, subscribed: bool) -> bool {
        self.options.publish.includes(user, subscribed)
    }

    /// Whether this user, subscribed or not, may ask who is there.
    pub fn may_see_presence(&self, user: &str, subscribed: bool) -> bool {
        self.options.presence_for.includes(user, subscribed)
    }

    /// Whether this user, subscribed or not, may read what was published.
    pub fn may_read_history(&self, user: &str, subscribed: bool) -> bool {
        self.options.history_for.includes(user, subscribed)
    }

    /// Whether a subscription of this user has recovery, and whether it has positions, as its client asks for them.
    /// Those who may read the history may ask for both.
    pub fn recovers(&self, user: &str, asked_recovery: bool, asked_position: bool) -> (bool, bool) {
        let may_read = self.may_read_history(user, true);
        let recovers = self.options.recovery.is_on(asked_recovery) || (asked_recovery && may_read);
        let positioned = self.options.positioning.is_on(asked_position) || (asked_position && may_read);
        (recovers, positioned || recovers)
    }

    /// Whether a subscription of this user is told who comes and goes.
    pub fn pushes_join_leave(&self, user: &str, asked: bool) -> bool {
        let may_ask = self.options.join_leave && self.may_see_presence(user, true);
        self.options.force_push_join_leave || (asked && may_ask)
    }
}
