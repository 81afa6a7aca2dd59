//! Reading one topic by the page, forwards and backwards.

use std::sync::Arc;

use crate::hub::Hub;
use crate::message::Message;
use crate::read::{self, Gap};
use crate::topic::Topic;

/// Which part of a topic's history is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageQuery {
    /// Forwards: messages past this offset; backwards: messages before it. `None`: from the oldest that is kept, or
    /// from the newest.
    pub since: Option<u64>,
    /// At most this many; 0 only asks for [`Page::top`].
    pub max: usize,
    /// The newest first.
    pub reverse: bool,
}

/// A part of a topic's history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In the order that was asked for.
    pub messages: Vec<Message>,
    /// The last offset of the topic: the last message's, if the log holds any.
    pub top: u64,
}

impl Hub {
    /// A page of a topic's history.
    ///
    /// # Errors
    /// Forwards, when the log no longer holds all that comes after `since`: the page would not be contiguous.
    pub fn page(&self, topic: &str, query: PageQuery) -> Result<Page, Gap> {
        let topic = match self.topic(topic) {
            Ok(topic) => topic,
            Err(floor) => return unknown(floor, query),
        };
        let log = topic.read();
        let top = topic.newest().max(topic.lost());
        let messages = &log.messages;
        let messages = if query.reverse {
            let end = query.since.map_or(messages.len(), |since| {
                messages.partition_point(|message| message.offset < since)
            });
            messages.range(..end).rev().take(query.max).cloned().collect()
        } else {
            let start = match query.since {
                Some(since) if since < topic.lost() => return Err(Gap { resume: topic.lost() }),
                Some(since) => messages.partition_point(|message| message.offset <= since),
                None => 0,
            };
            messages.range(start..).take(query.max).cloned().collect()
        };
        Ok(Page { messages, top })
    }

    /// At most `max` messages of one topic in `(after, upto]`, oldest first. `upto` must have been read from
    /// [`Hub::head`] before.
    ///
    /// # Errors
    /// As [`Hub::read`].
    pub fn slice(&self, topic: &str, after: u64, upto: u64, max: usize) -> Result<Vec<Message>, Gap> {
        let mut out = Vec::new();
        match self.topic(topic) {
            Ok(topic) => read::slice(&topic, after, upto, max, |message| out.push(message.clone()))?,
            Err(floor) if floor > after => return Err(Gap { resume: floor }),
            Err(_) => {}
        }
        Ok(out)
    }

    /// The message of a topic before `offset`, if the log holds it and nothing between them was lost.
    pub fn before(&self, topic: &str, offset: u64) -> Option<Message> {
        let topic = self.topic(topic).ok()?;
        let log = topic.read();
        let end = log.messages.partition_point(|message| message.offset < offset);
        log.messages.get(end.checked_sub(1)?).cloned()
    }

    /// The topics that anybody follows and that `wanted` picks by name, each with how many follow it, on all cores; at
    /// most `max`, in no order. Looks at every topic.
    pub fn followed(&self, wanted: impl Fn(&str) -> bool, max: usize) -> Vec<(Arc<str>, usize)> {
        let topics = self.topics();
        let counted = topics.all().map(|topic| {
            let watchers = topic.watchers();
            let followers = watchers.iter().map(|interest| interest.followers() as usize);
            (topic.name().clone(), followers.sum::<usize>())
        });
        counted
            .filter(|(name, followers)| *followers > 0 && wanted(name))
            .take(max)
            .collect()
    }

    /// The topic; or the floor of those that are not known.
    fn topic(&self, name: &str) -> Result<Arc<Topic>, u64> {
        let topics = self.topics();
        topics
            .get(name)
            .cloned()
            .ok_or(topics.unknown_floor(name, self.config()))
    }
}

/// A page of a topic that nothing is known of, but that messages up to `floor` may have been forgotten.
fn unknown(floor: u64, query: PageQuery) -> Result<Page, Gap> {
    match query.since {
        Some(since) if since < floor && !query.reverse => Err(Gap { resume: floor }),
        _ => Ok(Page {
            messages: Vec::new(),
            top: floor,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{HubConfig, Retention};

    /// Six messages, every second to another topic; of ours, 4 are published as 1, 3, 5, 7.
    fn hub(keep: usize) -> Hub {
        let config = HubConfig {
            retention: Retention {
                messages_max: keep,
                bytes_max: keep * 96,
                ..Retention::default()
            },
            ..HubConfig::default()
        };
        let hub = Hub::new(config);
        for topic in ["t", "u", "t", "u", "t", "u", "t"] {
            hub.publish(topic, "", 0).ready().unwrap().unwrap();
        }
        hub
    }

    fn page(hub: &Hub, since: Option<u64>, max: usize, reverse: bool) -> Result<Vec<u64>, u64> {
        let query = PageQuery { since, max, reverse };
        let page = hub.page("t", query).map_err(|gap| gap.resume)?;
        assert_eq!(page.top, 7);
        Ok(page.messages.iter().map(|message| message.offset).collect())
    }

    #[test]
    fn pages_go_both_ways() {
        let hub = hub(10);
        assert_eq!(page(&hub, None, 2, false), Ok(vec![1, 3]));
        assert_eq!(page(&hub, Some(3), 9, false), Ok(vec![5, 7]));
        assert_eq!(page(&hub, Some(4), 1, false), Ok(vec![5]), "between two of ours");
        assert_eq!(page(&hub, None, 0, false), Ok(vec![]));
        assert_eq!(page(&hub, None, 2, true), Ok(vec![7, 5]));
        assert_eq!(page(&hub, Some(5), 9, true), Ok(vec![3, 1]));
        assert_eq!(page(&hub, Some(1), 9, true), Ok(vec![]));
    }

    #[test]
    fn a_page_is_contiguous_or_refused() {
        let hub = hub(2);
        assert_eq!(page(&hub, Some(2), 9, false), Err(3));
        assert_eq!(page(&hub, Some(3), 9, false), Ok(vec![5, 7]));
        assert_eq!(page(&hub, None, 9, false), Ok(vec![5, 7]));
        assert_eq!(page(&hub, Some(2), 9, true), Ok(vec![]));
        assert_eq!(hub.slice("t", 2, 7, 9), Err(Gap { resume: 3 }));
        assert_eq!(hub.slice("t", 3, 6, 9).unwrap().len(), 1);
        assert_eq!(hub.slice("other", 0, 7, 9), Ok(vec![]));
    }

    #[test]
    fn what_came_before_is_known_while_the_log_holds_it() {
        let hub = hub(2);
        assert_eq!(hub.before("t", 7).unwrap().offset, 5);
        assert_eq!(hub.before("t", 5), None);
        assert_eq!(hub.before("other", 5), None);
    }
}
