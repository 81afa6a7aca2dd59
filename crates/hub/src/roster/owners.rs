//! Which followers belong to whom.

use std::collections::HashMap;

/// Owner to followers. Owner 0 is nobody and has no list.
#[derive(Default)]
pub(super) struct Owners {
    lists: HashMap<u64, Vec<u32>>,
}

impl Owners {
    /// Answers the follower's place in its owner's list.
    pub(super) fn add(&mut self, owner: u64, follower: u32) -> u32 {
        if owner == 0 {
            return 0;
        }
        let list = self.lists.entry(owner).or_default();
        if list.capacity() == 0 {
            list.reserve_exact(1);
        }
        list.push(follower);
        (list.len() - 1) as u32
    }

    /// Answers the follower that took the place, if one did.
    pub(super) fn remove(&mut self, owner: u64, place: u32) -> Option<u32> {
        let list = self.lists.get_mut(&owner)?;
        list.swap_remove(place as usize);
        if list.is_empty() {
            self.lists.remove(&owner);
            return None;
        }
        list.get(place as usize).copied()
    }

    pub(super) fn get(&self, owner: u64) -> &[u32] {
        self.lists.get(&owner).map_or(&[], |list| list)
    }
}
