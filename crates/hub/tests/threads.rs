//! Publishers and readers on threads of their own: what the head vouches for is there.

use std::sync::atomic::{AtomicBool, Ordering};

use squall_hub::{Hub, HubConfig};

const MESSAGES: u64 = 3_000;

fn config() -> HubConfig {
    let mut config = HubConfig::default();
    config.retention.messages_max = usize::MAX;
    config
}

/// Reads two topics merged while two threads publish to them. Every offset is in one of the topics, so a reader that
/// trusted one topic before the other had its message would see a hole.
#[test]
fn a_merged_read_never_runs_ahead() {
    let hub = Hub::new(config());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let publishers = ["x", "y"].map(|topic| {
            let hub = hub.clone();
            scope.spawn(move || {
                for n in 0..MESSAGES {
                    hub.publish(topic, n.to_string(), n).ready().unwrap().unwrap();
                }
            })
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut position = 0;
                loop {
                    let last_round = done.load(Ordering::Acquire);
                    let read = hub
                        .read(&["x", "y"], position, 7)
                        .expect("nothing is evicted here");
                    for message in &read {
                        position += 1;
                        assert_eq!(message.offset, position);
                    }
                    if last_round && read.is_empty() {
                        break;
                    }
                }
                assert_eq!(position, 2 * MESSAGES);
            });
        }
        for publisher in publishers {
            publisher.join().unwrap();
        }
        done.store(true, Ordering::Release);
    });
}
