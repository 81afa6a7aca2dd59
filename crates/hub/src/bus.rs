//! Words between the nodes of a cluster, in the one order of the log.

use std::sync::Arc;

use bytes::Bytes;

use crate::broker::Answer;

/// Longest word, in bytes.
pub const WORD_BYTES_MAX: usize = 64 << 10;

/// What is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// A node said this.
    Word(&'a Bytes),
    /// Words may have been said that will never be heard here. Whoever takes rights away by words must assume the worst.
    Missed,
}

/// Who hears. Called where messages are appended, between them: it must be quick and must not block.
pub type Ear = Arc<dyn Fn(Heard<'_>) + Send + Sync>;

/// Says things to every node of a cluster: that a right ended, that somebody follows a topic too.
///
/// A word has its place among the messages: on every node it is heard after everything that is before it in the order is
/// in the node's log, and before anything that comes after it is. So what is published after a right was ended, and was
/// said to be, reaches nobody who lost it, on whatever node.
pub trait Bus: Send + Sync {
    /// Says a word of at most [`WORD_BYTES_MAX`] to all nodes, this one too. The answer is its place in the order; when it
    /// is there, the word was heard on this node.
    ///
    /// What is [`Answer::Later`] happens whether or not it is awaited.
    fn say(&self, word: Bytes) -> Answer;

    /// From now on `ear`, and no other, hears what any node says.
    fn hear(&self, ear: Ear);
}
