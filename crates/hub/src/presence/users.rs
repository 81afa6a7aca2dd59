//! The names of users, each held once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::slab::Slab;

/// What a user costs beside its name, in bytes: counted twice in the tree and the slab, once on the heap.
pub(super) const USER_BYTES: usize = 96;

/// Numbers for the names of users, for as long as a session has them.
#[derive(Default)]
pub(super) struct Users {
    numbers: BTreeMap<Arc<str>, u32>,
    /// The name, and how many sessions have it.
    names: Slab<(Arc<str>, u32)>,
}

impl Users {
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.numbers.contains_key(name)
    }

    pub(super) fn name(&self, number: u32) -> &Arc<str> {
        &self.names.get(number).0
    }

    /// One more session has this name. Answers how many bytes more are held.
    pub(super) fn take(&mut self, name: &str) -> (u32, usize) {
        if let Some(&number) = self.numbers.get(name) {
            self.names.get_mut(number).1 += 1;
            return (number, 0);
        }
        // A copy of its own: what was given may be a part of something larger.
        let name: Arc<str> = name.into();
        let number = self.names.add((name.clone(), 1));
        let bytes = USER_BYTES + name.len();
        self.numbers.insert(name, number);
        (number, bytes)
    }

    /// One session less has it. Answers how many bytes are given back.
    pub(super) fn release(&mut self, number: u32) -> usize {
        let (_, sessions) = self.names.get_mut(number);
        *sessions -= 1;
        if *sessions > 0 {
            return 0;
        }
        let (name, _) = self.names.remove(number);
        self.numbers.remove(&name);
        USER_BYTES + name.len()
    }
}
