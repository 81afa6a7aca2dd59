//! Which topics there are, by name.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::hub::Hub;

impl Hub {
    /// The first `max` topics by name that come after `after` and have `part` in their names: a page of what the hub knows.
    /// Looks at every name, so it is for people and not for each message.
    pub fn topic_names(&self, part: &str, after: &str, max: usize) -> Vec<Arc<str>> {
        let topics = self.topics();
        let mut first = BTreeSet::new();
        for name in topics.all().map(|topic| topic.name()) {
            if &**name <= after || !name.contains(part) {
                continue;
            }
            if first.len() < max {
                first.insert(name.clone());
            } else if first.last().is_some_and(|last| name < last) {
                first.pop_last();
                first.insert(name.clone());
            }
        }
        first.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::{Hub, HubConfig};

    #[test]
    fn names_come_in_pages() {
        let hub = Hub::new(HubConfig::default());
        for name in ["room:2", "b", "room:1", "room:3", "a"] {
            let _ = hub.publish(name, "x", 0).ready();
        }
        let page = |part: &str, after: &str, max| hub.topic_names(part, after, max).join(" ");
        assert_eq!(page("", "", 10), "a b room:1 room:2 room:3");
        assert_eq!(page("", "", 2), "a b");
        assert_eq!(page("", "b", 2), "room:1 room:2");
        assert_eq!(page("oom:", "room:1", 10), "room:2 room:3");
        assert_eq!(page("none", "", 10), "");
        assert_eq!(page("", "", 0), "");
    }
}
