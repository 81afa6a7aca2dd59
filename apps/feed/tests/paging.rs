//! Paging neither skips nor repeats while others write; ids and offsets only grow.

mod common;

use common::Site;
use feed::domain::{Audience, NewPost, Paging, PersonId, PostView};
use feed::store::{ProfileFilter, Store};

/// Which list is paged.
#[derive(Clone, Copy, Debug)]
enum List {
    Home,
    Public,
    Profile,
}

const LISTS: [List; 3] = [List::Home, List::Public, List::Profile];

async fn page(store: &Store, list: List, viewer: PersonId, paging: Paging) -> Vec<PostView> {
    match list {
        List::Home => store.home(viewer, paging).await.unwrap().value,
        List::Public => store.public(Some(viewer), paging).await.unwrap().value,
        List::Profile => {
            store
                .profile(None, viewer, ProfileFilter::default(), paging)
                .await
                .unwrap()
                .value
        }
    }
}

/// The reader and two followed authors; before and while paging, everybody posts.
async fn authors(site: &Site) -> [PersonId; 3] {
    let [reader, ada, bob] = site.people().await;
    site.store.follow(reader, ada).await.unwrap();
    site.store.follow(reader, bob).await.unwrap();
    [reader, ada, bob]
}

#[tokio::test]
async fn going_down_neither_skips_nor_repeats_under_writes() {
    let site = Site::new();
    let people = authors(&site).await;
    for list in LISTS {
        let mut expected = Vec::new();
        for number in 0..50 {
            site.post(people[number % 3], &format!("{number}"), Audience::Public)
                .await;
        }
        let newest = page(&site.store, list, people[0], Paging::newest(1)).await[0].id;
        let mut seen = Vec::new();
        let mut below = newest.get() + 1;
        loop {
            let (found, written) = tokio::join!(
                page(&site.store, list, people[0], Paging::below(below, 7)),
                site.store.create_post(NewPost::new(
                    people[seen.len() % 3],
                    "meanwhile",
                    Audience::Public
                )),
            );
            written.unwrap();
            let Some(last) = found.last() else { break };
            below = last.id.get();
            assert!(found.is_sorted_by(|a, b| a.id > b.id));
            seen.extend(found.into_iter().map(|post| post.id));
        }
        let mut all = page(&site.store, list, people[0], Paging::below(newest.get() + 1, 80)).await;
        while let Some(last) = all.last().map(|post| post.id.get()) {
            expected.extend(all.iter().map(|post| post.id));
            all = page(&site.store, list, people[0], Paging::below(last, 80)).await;
        }
        assert_eq!(seen, expected, "{list:?}");
        assert!(expected.len() >= 16);
    }
}

#[tokio::test]
async fn going_up_sees_every_post_once_while_writers_race() {
    let site = Site::new();
    let people = authors(&site).await;
    for list in LISTS {
        let start = site.post(people[0], "start", Audience::Public).await.id;
        let mut writers = Vec::new();
        for writer in 0..4usize {
            let store = site.store.clone();
            let author = people[if matches!(list, List::Profile) {
                0
            } else {
                writer % 3
            }];
            writers.push(tokio::spawn(async move {
                let mut made = Vec::new();
                for number in 0..25 {
                    let new = NewPost::new(author, format!("{writer} {number}"), Audience::Public);
                    made.push(store.create_post(new).await.unwrap().id);
                }
                made
            }));
        }
        let mut seen = Vec::new();
        let mut above = start.get();
        while seen.len() < 100 {
            let paging = Paging {
                min_id: Some(above),
                limit: 9,
                ..Paging::default()
            };
            let mut found = page(&site.store, list, people[0], paging).await;
            found.reverse();
            above = found.last().map_or(above, |post| post.id.get());
            seen.extend(found.into_iter().map(|post| post.id));
            tokio::task::yield_now().await;
        }
        let mut made = Vec::new();
        for writer in writers {
            made.extend(writer.await.unwrap());
        }
        made.sort();
        assert_eq!(seen, made, "{list:?}");
    }
}

#[tokio::test]
async fn since_id_gives_the_newest_above() {
    let site = Site::new();
    let people = authors(&site).await;
    let mut ids = Vec::new();
    for number in 0..6 {
        ids.push(
            site.post(people[0], &format!("{number}"), Audience::Public)
                .await
                .id,
        );
    }
    for list in LISTS {
        let get = async |paging| {
            page(&site.store, list, people[0], paging)
                .await
                .into_iter()
                .map(|post| post.id)
                .collect::<Vec<_>>()
        };
        let since = Paging {
            since_id: Some(ids[1].get()),
            limit: 2,
            ..Paging::default()
        };
        assert_eq!(get(since).await, [ids[5], ids[4]]);
        let min = Paging {
            min_id: Some(ids[1].get()),
            limit: 2,
            ..Paging::default()
        };
        assert_eq!(get(min).await, [ids[3], ids[2]]);
        let between = Paging {
            min_id: Some(ids[1].get()),
            max_id: Some(ids[3].get()),
            ..Paging::default()
        };
        assert_eq!(get(between).await, [ids[2]]);
    }
}

#[tokio::test]
async fn ids_and_offsets_grow_in_commit_order() {
    let site = Site::new();
    let people: [PersonId; 8] = site.people().await;
    let mut writers = Vec::new();
    for author in people {
        let store = site.store.clone();
        writers.push(tokio::spawn(async move {
            for number in 0..20 {
                store
                    .create_post(NewPost::new(author, format!("{number}"), Audience::Members))
                    .await
                    .unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let (_, events) = site.store.retained_events().await.unwrap();
    assert_eq!(events.len(), 160);
    assert!(events.is_sorted_by(|a, b| a.seq < b.seq));
    let mut by_id = Vec::new();
    for author in people {
        let list = site
            .store
            .profile(Some(author), author, ProfileFilter::default(), Paging::newest(80))
            .await;
        by_id.extend(list.unwrap().value.into_iter().map(|post| (post.id, post.seq)));
    }
    by_id.sort();
    assert!(
        by_id.is_sorted_by(|a, b| a.1 < b.1),
        "ids and offsets are in the same order"
    );
}
