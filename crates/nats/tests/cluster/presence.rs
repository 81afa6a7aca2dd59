//! Who is there, on whatever node.

use std::time::Duration;

use squall_hub::presence::replica::Origin;
use squall_hub::presence::{Member, Presence, PresenceConfig, SessionId};

use crate::reader::{node, soon};
use crate::servers::Cluster;

/// Waits until it is so.
async fn until(mut is_so: impl FnMut() -> bool) {
    let mut look = tokio::time::interval(Duration::from_millis(5));
    soon(async {
        while !is_so() {
            look.tick().await;
        }
    })
    .await;
}

fn presence(node: u64) -> Presence {
    Presence::new(PresenceConfig {
        origin: Some(Origin { node, life: 1 }),
        ..PresenceConfig::default()
    })
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.expect("after 1970").as_millis()).expect("not for long")
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_seen_on_every_node_and_go_with_theirs() {
    let cluster = Cluster::shared();
    let config = cluster.config("present");
    let (_hub, first) = node(config.clone()).await;
    let (_hub, second) = node(config.clone()).await;
    let (one, two) = (presence(1), presence(2));
    first.carry(&one);
    let enter = |presence: &Presence, number: u8| {
        let session = SessionId::from_bytes([number; 16]);
        presence
            .enter("room", session, Member::user(format!("user {number}")), now_ms())
            .expect("there is room");
    };
    // Before the other node is there: it asks for it.
    (1..=50).for_each(|number| enter(&one, number));
    second.carry(&two);
    until(|| two.stats("room").sessions == 50).await;
    // And after: it is told.
    enter(&two, 51);
    enter(&one, 52);
    until(|| one.stats("room").sessions == 52 && two.stats("room").sessions == 52).await;
    one.end(SessionId::from_bytes([1; 16]));
    until(|| two.stats("room").sessions == 51).await;

    soon(first.stop()).await;
    until(|| {
        two.sweep(now_ms());
        two.stats("room").sessions == 1
    })
    .await;
    let (_hub, third) = node(config).await;
    let three = presence(3);
    third.carry(&three);
    until(|| three.stats("room").sessions == 1).await;
}
