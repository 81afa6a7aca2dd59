//! Idempotency keys that were seen lately.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::config::KeyWindow;
use crate::error::PublishError;

/// The keys of one broker, oldest first.
pub(crate) struct Window {
    limits: KeyWindow,
    offsets: HashMap<Arc<str>, u64>,
    order: VecDeque<(u64, Arc<str>)>,
}

impl Window {
    pub(crate) fn new(limits: KeyWindow) -> Self {
        Self {
            limits,
            offsets: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// The offset that was given to the first message with this key, if it is still known.
    pub(crate) fn find(&mut self, topic: &str, key: &str, now_ms: u64) -> Result<Option<u64>, PublishError> {
        if key.is_empty() || key.len() > self.limits.key_bytes_max {
            return Err(PublishError::BadKey);
        }
        while let Some((at_ms, _)) = self.order.front() {
            if now_ms.saturating_sub(*at_ms) <= self.limits.age_ms_max {
                break;
            }
            self.forget_first();
        }
        Ok(self.offsets.get(full_key(topic, key).as_str()).copied())
    }

    /// Remembers the offset. The key must not be known.
    pub(crate) fn remember(&mut self, topic: &str, key: &str, offset: u64, now_ms: u64) {
        if self.limits.keys_max == 0 {
            return;
        }
        while self.order.len() >= self.limits.keys_max {
            self.forget_first();
        }
        let full: Arc<str> = full_key(topic, key).into();
        self.offsets.insert(full.clone(), offset);
        self.order.push_back((now_ms, full));
    }

    fn forget_first(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.offsets.remove(&key);
        }
    }
}

/// Keys are per topic; the length in front keeps `("ab", "c")` and `("a", "bc")` apart.
fn full_key(topic: &str, key: &str) -> String {
    format!("{}:{topic}{key}", topic.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_bounded_by_count_age_and_length() {
        let mut window = Window::new(KeyWindow {
            keys_max: 2,
            key_bytes_max: 3,
            age_ms_max: 10,
        });
        assert_eq!(window.find("t", "", 0), Err(PublishError::BadKey));
        assert_eq!(window.find("t", "abcd", 0), Err(PublishError::BadKey));
        assert_eq!(window.find("t", "abc", 0), Ok(None));
        window.remember("t", "abc", 1, 0);
        window.remember("t", "b", 2, 5);
        assert_eq!(window.find("t", "abc", 10), Ok(Some(1)));
        assert_eq!(window.find("t", "abc", 11), Ok(None), "one past its age");
        window.remember("t", "c", 3, 11);
        window.remember("t", "d", 4, 11);
        assert_eq!(
            window.find("t", "b", 11),
            Ok(None),
            "the third pushes the first out"
        );
        assert_eq!(window.find("t", "d", 11), Ok(Some(4)));
        assert_eq!(window.find("td", "", 11), Err(PublishError::BadKey));
        assert_eq!(window.offsets.len(), window.order.len());
    }
}
