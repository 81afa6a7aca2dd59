//! What the tests of the store share: a data directory that goes away, and people in it.

#![allow(dead_code)] // Each test file uses its own part of this.

use std::path::{Path, PathBuf};

use feed::domain::{Audience, NewPost, Person, PersonId, PostView};
use feed::store::{Changes, Store};

/// A directory of its own, removed at the end.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("feed-test-{}", feed::domain::secrets::random_secret()));
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A store in a directory of its own.
pub(crate) struct Site {
    pub(crate) store: Store,
    pub(crate) dir: Dir,
}

impl Site {
    /// A store that works alone: nobody publishes what changes.
    pub(crate) fn new() -> Self {
        Self::with_changes().0
    }

    pub(crate) fn with_changes() -> (Self, Changes) {
        let dir = Dir::new();
        let (store, changes) = Store::open(dir.path()).unwrap();
        (Self { store, dir }, changes)
    }

    /// Closes the store and opens it again.
    pub(crate) fn reopen(self) -> Self {
        let Self { store, dir } = self;
        drop(store);
        Self {
            store: open_when_free(dir.path()),
            dir,
        }
    }

    pub(crate) async fn person(&self, name: &str) -> Person {
        self.store.create_person(name, "no hash".into()).await.unwrap()
    }

    pub(crate) async fn people<const N: usize>(&self) -> [PersonId; N] {
        let mut people = Vec::new();
        for number in 0..N {
            people.push(self.person(&format!("person_{number}")).await.id);
        }
        people.try_into().unwrap()
    }

    pub(crate) async fn post(&self, author: PersonId, text: &str, audience: Audience) -> PostView {
        self.store
            .create_post(NewPost::new(author, text, audience))
            .await
            .unwrap()
    }
}

/// Opens a data directory whose last user is just ending (its threads let go of the lock when they are done).
pub(crate) fn open_when_free(path: &Path) -> Store {
    for _ in 0..100_000 {
        match Store::open(path) {
            Ok((store, _)) => return store,
            Err(error) if error.to_string().contains("already using") => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the data directory stays locked");
}

pub(crate) fn texts(posts: &[PostView]) -> Vec<&str> {
    posts.iter().map(|post| post.text.as_str()).collect()
}
