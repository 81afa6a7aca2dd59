//! How much of the stream is kept, and that what is not kept is known.

mod common;

use common::Dir;
use feed::domain::{Audience, NewPost};
use feed::store::{Retention, Store};

async fn post(store: &Store, count: usize) {
    let ada = store.person_by_name("ada").await.unwrap().id;
    for number in 0..count {
        store
            .create_post(NewPost::new(ada, format!("{number}"), Audience::Me))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn at_the_limit_nothing_goes_and_past_it_the_oldest() {
    let dir = Dir::new();
    let retention = Retention {
        events_max: 5,
        trim_every: 1,
        ..Retention::default()
    };
    let (store, _) = Store::open_with(dir.path(), retention).unwrap();
    store.create_person("ada", "x".into()).await.unwrap();
    post(&store, 5).await;
    let (floor, events) = store.retained_events().await.unwrap();
    assert_eq!((floor, events.len()), (0, 5));
    post(&store, 1).await;
    let (floor, events) = store.retained_events().await.unwrap();
    assert_eq!((floor, events.len()), (1, 5));
    assert_eq!(events[0].seq, 2);
    assert_eq!(store.stats().await.unwrap().posts, 6, "posts are kept for good");
    drop(store);
    let store = common::open_when_free(dir.path());
    assert_eq!(store.retained_events().await.unwrap(), (floor, events));
}

#[tokio::test]
async fn what_is_too_old_goes_and_the_offsets_go_on() {
    let dir = Dir::new();
    let retention = Retention {
        age_ms_max: 0,
        trim_every: 3,
        ..Retention::default()
    };
    let (store, _) = Store::open_with(dir.path(), retention).unwrap();
    store.create_person("ada", "x".into()).await.unwrap();
    post(&store, 1).await;
    assert_eq!(
        store.retained_events().await.unwrap().1.len(),
        1,
        "not looked at yet"
    );
    // Until the clock has moved on since the last event, that event is not too old.
    while store.retained_events().await.unwrap().0 == 0 {
        post(&store, 1).await;
    }
    let cursor = store.cursor().await.unwrap();
    drop(store);
    let store = common::open_when_free(dir.path());
    assert_eq!(store.cursor().await.unwrap(), cursor);
    assert!(store.retained_events().await.unwrap().0 <= cursor.offset);
    post(&store, 1).await;
    assert_eq!(store.cursor().await.unwrap().offset, cursor.offset + 1);
}
