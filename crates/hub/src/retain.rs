//! Changing what topics keep while everybody goes on.

use crate::config::Retention;
use crate::hub::Hub;

impl Hub {
    /// From now on topics keep `retention`, and those whose names begin with a prefix what `namespaces` says of it (the
    /// longest prefix wins), instead of what [`HubConfig`](crate::HubConfig) said.
    ///
    /// Nobody is disconnected. What is no longer allowed is evicted at once, so a follower that had not received it is
    /// told of a gap, as its [`Policy`](crate::Policy) has it; what was evicted before does not come back. The work is
    /// linear in the topics, and nothing can be published meanwhile.
    pub fn retain(&self, retention: Retention, namespaces: Vec<(String, Retention)>) {
        let mut order = self.order();
        let mut topics = self.topics_mut();
        topics.set_rules(retention, namespaces);
        let config = &self.inner.config;
        order.retain(topics.all(), |name| topics.retention_of(name, config));
    }
}
