//! What another node says of its members: bytes that are read are the bytes that would be written, and whatever they say
//! leaves a replica that counts right.
#![no_main]

use squall_hub::presence::replica::{Origin, Wire};
use squall_hub::presence::{Presence, PresenceConfig};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(wire) = Wire::decode(bytes) else { return };
    assert_eq!(wire.encode(), bytes);
    let presence = Presence::new(PresenceConfig {
        origin: Some(Origin { node: 1, life: 1 }),
        bytes_max: 100_000,
        ..PresenceConfig::default()
    });
    match wire {
        Wire::Update(update) => drop(presence.apply(&update, 0)),
        Wire::Digest(digest) => drop(presence.compare(&digest, 0)),
        Wire::Ask(ask) => drop(presence.answer(&ask)),
    }
    assert!(presence.counts().bytes <= 100_000);
    for node in presence.nodes() {
        presence.node_gone(node.node);
    }
    presence.sweep(0);
    presence.take_changed(usize::MAX);
    assert_eq!(presence.counts().bytes, 0);
});
