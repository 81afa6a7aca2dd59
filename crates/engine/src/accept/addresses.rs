//! How many connections each address has.
//!
//! Why: one host must not fill the server. Why exact, and not a sketch: who is refused wants to know why. The table has
//! an entry only for addresses that are connected, so it is bounded by [`crate::Limits::connections_max`].

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::networks::Networks;
use crate::socket::Peer;

/// Cores and the acceptor seldom meet at the same one.
const SHARDS: usize = 16;

type Shard = HashMap<u64, u32>;

/// Shared by the acceptor, which lets in, and the cores, which see connections end.
#[derive(Debug)]
pub(crate) struct Addresses {
    max: usize,
    /// Who is not counted.
    exempt: Networks,
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

impl Addresses {
    pub(crate) fn new(max: usize, exempt: Networks) -> Self {
        Addresses {
            max,
            exempt,
            shards: Default::default(),
            hasher: RandomState::new(),
        }
    }

    /// Counts a connection; or refuses it, and does not count it.
    pub(crate) fn enter(&self, peer: &Peer) -> bool {
        let Some(key) = self.key(peer) else { return true };
        let mut shard = self.shard(key);
        let count = shard.entry(key).or_default();
        let fits = (*count as usize) < self.max;
        *count += u32::from(fits);
        if *count == 0 {
            shard.remove(&key);
        }
        fits
    }

    /// A connection that was counted has ended.
    pub(crate) fn leave(&self, peer: &Peer) {
        let Some(key) = self.key(peer) else { return };
        let mut shard = self.shard(key);
        let Some(count) = shard.get_mut(&key) else {
            debug_assert!(false, "only what came in leaves");
            return;
        };
        *count -= 1;
        if *count == 0 {
            shard.remove(&key);
            if shard.capacity() > 4 * (shard.len() + 64) {
                // What an attack has filled is given back.
                shard.shrink_to_fit();
            }
        }
    }

    /// By what an address is counted; none for those that are not.
    fn key(&self, peer: &Peer) -> Option<u64> {
        match peer {
            Peer::Tcp(addr) if self.max < usize::MAX && !self.exempt.contains(addr.ip()) => {
                Some(key(addr.ip()))
            }
            _ => None,
        }
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, Shard> {
        let at = self.hasher.hash_one(key) as usize % SHARDS;
        // A panic cannot leave a count half way.
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn entries(&self) -> usize {
        self.shards.iter().map(|s| s.lock().unwrap().len()).sum()
    }
}

/// A whole v4 address, or the /64 that a v6 subscriber gets.
///
/// A v4 key cannot be a v6 one: the prefix that has its bits is reserved (RFC 4291), but for loopback (::1), which is
/// beside the v4 address 0.0.0.0.
fn key(ip: IpAddr) -> u64 {
    match ip.to_canonical() {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(max: usize) -> Addresses {
        Addresses::new(max, Networks::own())
    }

    fn peer(ip: &str) -> Peer {
        Peer::Tcp((ip.parse::<IpAddr>().unwrap(), 4711).into())
    }

    #[test]
    fn an_address_has_its_share_and_no_more() {
        let addresses = addresses(2);
        let (one, other) = (peer("192.0.2.1"), peer("192.0.2.2"));
        assert!(addresses.enter(&one));
        assert!(addresses.enter(&one));
        assert!(!addresses.enter(&one));
        assert!(addresses.enter(&other));
        addresses.leave(&one);
        assert!(addresses.enter(&one));
        assert!(!addresses.enter(&one));
    }

    #[test]
    fn a_v6_subscriber_is_a_64() {
        let addresses = addresses(1);
        assert!(addresses.enter(&peer("2001:db8:0:1::1")));
        assert!(!addresses.enter(&peer("2001:db8:0:1:ffff::2")));
        assert!(addresses.enter(&peer("2001:db8:0:2::1")));
    }

    #[test]
    fn a_v4_address_is_the_same_in_v6_clothes() {
        let addresses = addresses(1);
        assert!(addresses.enter(&peer("192.0.2.1")));
        assert!(!addresses.enter(&peer("::ffff:192.0.2.1")));
        assert!(addresses.enter(&peer("::ffff:192.0.2.2")));
    }

    #[test]
    fn ones_own_network_is_not_counted() {
        let addresses = addresses(0);
        for ip in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "::1",
            "fd00::1",
            "fe80::1",
        ] {
            assert!(addresses.enter(&peer(ip)), "{ip}");
            addresses.leave(&peer(ip));
        }
        assert!(addresses.enter(&Peer::Unix));
        for ip in ["172.32.0.1", "192.0.2.1", "2001:db8::1"] {
            assert!(!addresses.enter(&peer(ip)), "{ip}");
        }
    }

    #[test]
    fn who_is_exempt_can_be_chosen() {
        let addresses = Addresses::new(0, "192.0.2.0/28, 2001:db8::/32".parse().unwrap());
        for ip in ["192.0.2.15", "::ffff:192.0.2.1", "2001:db8:1::1"] {
            assert!(addresses.enter(&peer(ip)), "{ip}");
            addresses.leave(&peer(ip));
        }
        for ip in [
            "192.0.2.16",
            "127.0.0.1",
            "10.1.2.3",
            "::1",
            "fd00::1",
            "2001:db9::1",
        ] {
            assert!(!addresses.enter(&peer(ip)), "{ip}");
        }
        let everybody = Addresses::new(0, Networks::none());
        assert!(!everybody.enter(&peer("127.0.0.1")));
        assert!(everybody.enter(&Peer::Unix), "no address");
    }

    #[test]
    fn who_is_gone_leaves_no_entry() {
        let addresses = addresses(3);
        let peers: Vec<_> = (0..1000u32)
            .map(|n| Peer::Tcp((IpAddr::from((0xcb00_7100 + n).to_be_bytes()), 1).into()))
            .collect();
        peers.iter().for_each(|p| assert!(addresses.enter(p)));
        assert_eq!(addresses.entries(), 1000);
        peers.iter().for_each(|p| addresses.leave(p));
        assert_eq!(addresses.entries(), 0);
        assert!(!Addresses::new(0, Networks::own()).enter(&peers[0]));
    }
}
