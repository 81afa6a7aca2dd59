//! What both peers share: the command line and the room. The rest of each peer is written as its framework's own
//! documentation and examples write it, so that it is a fair peer.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

/// What `GET /` answers.
pub const HELLO: &str = "Hello, World!";

/// The command line that every server of the comparison takes.
#[derive(Parser, Debug)]
pub struct Args {
    /// TCP port of 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// A directory that is served below `/files/`, by those that do.
    #[arg(long)]
    pub files: Option<std::path::PathBuf>,
    /// Serves over TLS: a certificate in PEM.
    #[arg(long, requires = "tls_key")]
    pub tls_cert: Option<std::path::PathBuf>,
    /// The certificate's key in PEM.
    #[arg(long, requires = "tls_cert")]
    pub tls_key: Option<std::path::PathBuf>,
    /// Threads that serve.
    #[arg(long, default_value_t = 1)]
    pub cores: usize,
}

impl Args {
    /// What TLS is served with, if it is: sessions can be resumed by tickets, as both frameworks leave to who makes this.
    ///
    /// # Panics
    /// When the files are not what they should be.
    #[must_use]
    pub fn tls(&self) -> Option<rustls::ServerConfig> {
        let (certificate, key) = (self.tls_cert.as_ref()?, self.tls_key.as_ref()?);
        let chain = CertificateDer::pem_file_iter(certificate).expect("a certificate in PEM");
        let chain = chain
            .collect::<Result<Vec<_>, _>>()
            .expect("a certificate in PEM");
        let key = PrivateKeyDer::from_pem_file(key).expect("a key in PEM");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider does what is safe")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a key for the certificate");
        config.ticketer = rustls::crypto::ring::Ticketer::new().expect("a ticketer");
        Some(config)
    }
}

/// What `GET /json` answers.
#[derive(Serialize)]
pub struct Greeting {
    /// The greeting.
    pub message: &'static str,
}

/// The parameters of `GET /poll/room`.
#[derive(Deserialize)]
pub struct PollQuery {
    /// Everything up to here has been received.
    #[serde(default)]
    pub cursor: u64,
    /// How long to wait for a message, in milliseconds.
    #[serde(default)]
    pub timeout_ms: u64,
}

/// The answer of `GET /poll/room`.
#[derive(Serialize)]
pub struct Page {
    /// What to ask with next.
    pub cursor: u64,
    /// What came after the cursor asked with, oldest first.
    pub messages: Vec<String>,
}

/// One message of the room.
#[derive(Clone, Debug)]
pub struct Entry<T> {
    /// Its place in the room, from 1.
    pub offset: u64,
    /// Its text, shared by all who receive it.
    pub text: T,
}

/// A broadcast channel for those who are there, and a short log for those who poll.
pub struct Room<T> {
    log: Mutex<Log<T>>,
    live: broadcast::Sender<Entry<T>>,
}

struct Log<T> {
    head: u64,
    entries: VecDeque<Entry<T>>,
}

/// Messages that the log keeps, and that a slow follower may be behind.
pub const ROOM_MESSAGES_MAX: usize = 1024;
/// The longest wait of a poll, in milliseconds.
pub const POLL_TIMEOUT_MS_MAX: u64 = 60_000;

impl<T: Clone + Deref<Target = str>> Room<T> {
    /// An empty room.
    #[must_use]
    pub fn new() -> Self {
        let log = Log {
            head: 0,
            entries: VecDeque::with_capacity(ROOM_MESSAGES_MAX),
        };
        Self {
            log: Mutex::new(log),
            live: broadcast::channel(ROOM_MESSAGES_MAX).0,
        }
    }

    /// Gives `text` to all who follow.
    pub fn publish(&self, text: T) {
        let mut log = self.log.lock().expect("no holder panics");
        log.head += 1;
        let entry = Entry {
            offset: log.head,
            text,
        };
        if log.entries.len() == ROOM_MESSAGES_MAX {
            log.entries.pop_front();
        }
        log.entries.push_back(entry.clone());
        // Under the lock, so that all followers see one order. An error says that nobody follows.
        let _ = self.live.send(entry);
    }

    /// Follows the room from now on.
    #[must_use]
    pub fn follow(&self) -> Follower<T> {
        Follower(self.live.subscribe())
    }

    /// Waits until there is a message after `query.cursor`, or for the time that the query allows.
    pub async fn poll(&self, query: &PollQuery) -> Page {
        let mut live = self.live.subscribe();
        let wait_ms = query.timeout_ms.min(POLL_TIMEOUT_MS_MAX);
        let until = Instant::now() + Duration::from_millis(wait_ms);
        let page = self.since(query.cursor);
        if !page.messages.is_empty() {
            return page;
        }
        let _ = tokio::time::timeout_at(until, live.recv()).await;
        self.since(query.cursor)
    }

    fn since(&self, cursor: u64) -> Page {
        let log = self.log.lock().expect("no holder panics");
        let news = log.entries.iter().filter(|entry| entry.offset > cursor);
        Page {
            cursor: log.head,
            messages: news.map(|entry| (*entry.text).to_owned()).collect(),
        }
    }
}

impl<T: Clone + Deref<Target = str>> Default for Room<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// One who follows the room.
pub struct Follower<T>(broadcast::Receiver<Entry<T>>);

impl<T: Clone> Follower<T> {
    /// The next message; a follower that was too slow goes on with the oldest one there is.
    pub async fn next(&mut self) -> Option<Entry<T>> {
        loop {
            match self.0.recv().await {
                Ok(entry) => return Some(entry),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
