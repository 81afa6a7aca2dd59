//! What is kept on disk, and how much may wait for it.

use squall_hub::HubConfig;

/// Where the messages of a topic are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// On disk, before a publish is acknowledged. What the hub evicts is deleted there too, soon.
    Disk,
    /// In the hub alone: gone when the process ends; then whoever comes back with a cursor is told of a gap. Publishing
    /// does not wait for the disk, but while a commit is under way for its place in the order.
    Memory,
}

/// What to do with a store in which something is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfDamaged {
    /// Opening fails with [`OpenError::Damaged`](crate::OpenError::Damaged), and nothing is changed.
    #[default]
    Refuse,
    /// The store is moved aside (`damaged-1`, `damaged-2`, ... in the same folder) and a new one is made, with a new
    /// epoch, so that everybody who comes back is told of a gap.
    BeginAnew,
}

/// How a durable hub is set up.
#[derive(Clone, Debug)]
pub struct DurableConfig {
    /// The hub: what is kept of each topic, in memory and on disk alike (`retention`, `namespaces`, `bytes_max`,
    /// `topics_max`), which idempotency keys are remembered (`keys`), and limits on messages. Its `epoch`, `floor` and
    /// `floors` are the store's to say; what is set here is not looked at.
    pub hub: HubConfig,
    /// Where topics are kept unless a namespace says otherwise. Default: on disk.
    pub durability: Durability,
    /// Where the topics are kept whose name begins with a prefix (`cursor:`); the longest prefix wins. Default: none.
    ///
    /// When this changes from one start to the next, everybody who follows a topic of which the store holds nothing is
    /// told of a gap once.
    pub namespaces: Vec<(String, Durability)>,
    /// Most messages that wait for the disk; beyond it a publish is answered
    /// [`Busy`](squall_hub::PublishError::Busy). Default: 16,384.
    pub queue_messages_max: usize,
    /// Most bytes of messages that wait for the disk, as [`Message::cost_bytes`](squall_hub::Message::cost_bytes) counts
    /// them; beyond it a publish is answered `Busy`. One message is always let in. Default: 64 MiB.
    pub queue_bytes_max: usize,
    /// Most messages that share a commit. Default: 2,048.
    pub group_messages_max: usize,
    /// What to do with a store in which something is wrong. Default: refuse to open it.
    pub if_damaged: IfDamaged,
}

impl Default for DurableConfig {
    fn default() -> Self {
        Self {
            hub: HubConfig::default(),
            durability: Durability::Disk,
            namespaces: Vec::new(),
            queue_messages_max: 16_384,
            queue_bytes_max: 64 << 20,
            group_messages_max: 2_048,
            if_damaged: IfDamaged::Refuse,
        }
    }
}

impl DurableConfig {
    pub(crate) fn rules(&self) -> Rules {
        Rules {
            default: self.durability,
            prefixes: self.namespaces.clone(),
        }
    }
}

/// Which topics are kept on disk.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    default: Durability,
    prefixes: Vec<(String, Durability)>,
}

impl Rules {
    pub(crate) fn of(&self, topic: &str) -> Durability {
        let fits = self
            .prefixes
            .iter()
            .filter(|(prefix, _)| topic.starts_with(prefix.as_str()));
        fits.max_by_key(|(prefix, _)| prefix.len())
            .map_or(self.default, |(_, durability)| *durability)
    }

    /// Whether there are topics that are kept in memory alone.
    pub(crate) fn any_in_memory(&self) -> bool {
        self.all().any(|(_, durability)| durability == Durability::Memory)
    }

    /// Every rule, the one for all first.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, Durability)> {
        let prefixes = self
            .prefixes
            .iter()
            .map(|(prefix, durability)| (prefix.as_str(), *durability));
        std::iter::once(("", self.default)).chain(prefixes)
    }

    /// The rules as a text that is the same only for the same rules.
    pub(crate) fn text(&self) -> String {
        self.all()
            .map(|(prefix, durability)| format!("{durability:?} {}:{prefix}\n", prefix.len()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_wins() {
        let rules = DurableConfig {
            namespaces: vec![
                ("cursor:".into(), Durability::Memory),
                ("cursor:kept:".into(), Durability::Disk),
            ],
            ..DurableConfig::default()
        }
        .rules();
        assert_eq!(rules.of("room"), Durability::Disk);
        assert_eq!(rules.of("cursor:1"), Durability::Memory);
        assert_eq!(rules.of("cursor:kept:1"), Durability::Disk);
        assert!(rules.any_in_memory());
        assert!(!DurableConfig::default().rules().any_in_memory());
        assert_ne!(rules.text(), DurableConfig::default().rules().text());
    }
}
