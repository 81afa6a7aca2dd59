//! Bytes as a program: what to do to a hub, checked against a plain model. Shared by the property test and the fuzz
//! target, so that what one of them finds is a case for the other.

use squall_hub::{Epoch, Hub, HubConfig, KeyWindow, MESSAGE_OVERHEAD_BYTES, Publish, Retention};

const TOPICS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// A message as the model remembers it: offset, topic, data.
type Entry = (u64, usize, u8);

struct Ops<'a> {
    bytes: &'a [u8],
    hub: Hub,
    now_ms: u64,
    log: Vec<Entry>,
}

/// Runs the program; panics when the hub breaks its word.
pub(crate) fn run(bytes: &[u8]) {
    let hub = Hub::new(HubConfig {
        epoch: Epoch::from_number(7),
        retention: Retention {
            messages_max: 0,
            bytes_max: 8 * MESSAGE_OVERHEAD_BYTES,
            age_ms_max: 100,
        },
        bytes_max: 20 * MESSAGE_OVERHEAD_BYTES,
        topics_max: 3,
        keys: KeyWindow {
            keys_max: 3,
            key_bytes_max: 1,
            age_ms_max: 50,
        },
        ..HubConfig::default()
    });
    let mut ops = Ops {
        bytes,
        hub,
        now_ms: 0,
        log: Vec::new(),
    };
    while ops.step().is_some() {}
}

impl Ops<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn step(&mut self) -> Option<()> {
        match self.byte()? % 6 {
            0 | 1 => self.publish(None)?,
            2 => self.publish(Some("k"))?,
            3 => self.append()?,
            4 => {
                self.now_ms += u64::from(self.byte()?);
                self.hub.sweep(self.now_ms);
            }
            _ => self.read()?,
        }
        assert!(self.hub.counts().bytes <= self.hub.config().bytes_max);
        assert!(self.hub.counts().topics <= self.hub.config().topics_max);
        Some(())
    }

    fn publish(&mut self, key: Option<&str>) -> Option<()> {
        let (topic, data) = (usize::from(self.byte()?) % TOPICS.len(), self.byte()?);
        let head = self.hub.head();
        let publish = Publish {
            topic: TOPICS[topic],
            data: vec![data].into(),
            meta: None,
            key,
            now_ms: self.now_ms,
        };
        let offset = self
            .hub
            .publish_with(publish)
            .ready()?
            .expect("within the limits")
            .offset;
        if offset > head {
            self.log.push((offset, topic, data));
        } else {
            assert!(key.is_some() && self.log.iter().any(|entry| (entry.0, entry.1) == (offset, topic)));
        }
        Some(())
    }

    fn append(&mut self) -> Option<()> {
        let (topic, data) = (usize::from(self.byte()?) % TOPICS.len(), self.byte()?);
        let offset = (self.hub.head() + 3).saturating_sub(u64::from(self.byte()? % 6));
        let answer = self
            .hub
            .append(TOPICS[topic], offset, vec![data].into(), self.now_ms);
        let increasing = self.log.last().is_none_or(|last| offset > last.0) && offset > 0;
        assert_eq!(answer.is_ok(), increasing);
        if increasing {
            self.log.push((offset, topic, data));
        }
        Some(())
    }

    /// Reads a set of topics from anywhere.
    fn read(&mut self) -> Option<()> {
        let (set, back, max) = (self.byte()?, self.byte()?, usize::from(self.byte()?));
        let in_set = |topic: usize| set & (1 << topic) != 0;
        let names: Vec<&str> = (0..TOPICS.len())
            .filter(|topic| in_set(*topic))
            .map(|topic| TOPICS[topic])
            .collect();
        let after = self.hub.head().saturating_sub(u64::from(back));
        let floor = self.hub.floor(&names);
        match self.hub.read(&names, after, max) {
            Ok(found) => {
                assert!(floor <= after);
                let owed = self
                    .log
                    .iter()
                    .filter(|(offset, topic, _)| *offset > after && in_set(*topic))
                    .take(max);
                let owed: Vec<Entry> = owed.copied().collect();
                let found = found.iter().map(|m| {
                    let topic = TOPICS
                        .iter()
                        .position(|name| **name == *m.topic)
                        .expect("a topic that was asked for");
                    (m.offset, topic, m.data[0])
                });
                assert_eq!(found.collect::<Vec<_>>(), owed);
            }
            Err(gap) => assert!(gap.resume == floor && floor > after),
        }
        Some(())
    }
}
