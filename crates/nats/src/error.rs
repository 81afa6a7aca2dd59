//! Why a node could not start.

use std::fmt;

/// Why [`Node::start`](crate::Node::start) did not. One line, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration cannot work: what is wrong with it.
    Config(String),
    /// The servers do not let this node in, or it could not prove who it is.
    Denied(String),
    /// There is no such stream, and the node may not make it; or it does not fit: it takes other subjects, or keeps messages
    /// in another way than by limits.
    Stream(String),
    /// No server could be reached in time, or JetStream did not answer in time: the last that was heard.
    TimedOut(String),
    /// The thread could not be started.
    Thread(String),
}

impl StartError {
    /// Whether the same may succeed later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::TimedOut(_))
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(why) => write!(f, "NATS: the configuration cannot work: {why}"),
            Self::Denied(why) => write!(f, "NATS: the servers do not let this node in: {why}"),
            Self::Stream(why) => write!(f, "NATS: {why}"),
            Self::TimedOut(last) => write!(f, "NATS: not ready in time; the last was: {last}"),
            Self::Thread(why) => write!(f, "NATS: no thread: {why}"),
        }
    }
}

impl std::error::Error for StartError {}
