//! People, following, notifications, sessions.

mod common;

use common::Site;
use feed::domain::people::ProfileChange;
use feed::domain::{Audience, NewPost, NotificationKind, Paging};
use feed::store::NotificationFilter;

#[tokio::test]
async fn names_are_unique_whatever_the_case() {
    let site = Site::new();
    let ada = site.person("Ada").await;
    assert_eq!((ada.name.as_str(), ada.display_name.as_str()), ("ada", "ada"));
    assert!(
        site.store
            .create_person("aDa", "x".into())
            .await
            .unwrap_err()
            .is_taken()
    );
    assert!(
        site.store
            .create_person("a b", "x".into())
            .await
            .unwrap_err()
            .is_refused()
    );
    assert_eq!(site.store.person_by_name("ADA").await.unwrap(), ada);
    assert!(site.store.person_by_name("bob").await.unwrap_err().is_missing());
    assert_eq!(
        site.store.credentials("Ada").await.unwrap(),
        Some((ada.id, "no hash".to_owned()))
    );
    assert_eq!(site.store.credentials("bob").await.unwrap(), None);
    assert_eq!(site.store.stats().await.unwrap().people, 1);
}

#[tokio::test]
async fn a_profile_changes_only_where_asked() {
    let site = Site::new();
    let ada = site.person("ada").await;
    let change = ProfileChange {
        display_name: Some("Ada L.".into()),
        ..ProfileChange::default()
    };
    site.store.update_profile(ada.id, change).await.unwrap();
    let change = ProfileChange {
        bio: Some("Numbers.".into()),
        default_audience: Some(Audience::Followers),
        ..ProfileChange::default()
    };
    let changed = site.store.update_profile(ada.id, change).await.unwrap();
    assert_eq!(
        (
            changed.display_name.as_str(),
            changed.bio.as_str(),
            changed.default_audience
        ),
        ("Ada L.", "Numbers.", Audience::Followers)
    );
    let empty = ProfileChange {
        display_name: Some(" ".into()),
        ..ProfileChange::default()
    };
    assert_eq!(
        site.store
            .update_profile(ada.id, empty)
            .await
            .unwrap()
            .display_name,
        "ada"
    );
}

#[tokio::test]
async fn following_is_idempotent_counted_and_told_once() {
    let site = Site::new();
    let [ada, bob] = site.people().await;
    for _ in 0..2 {
        let relation = site.store.follow(ada, bob).await.unwrap();
        assert!(relation.following && !relation.followed_by);
    }
    assert!(site.store.follow(ada, ada).await.unwrap_err().is_refused());
    let counts = |person: feed::domain::Person| (person.following_count, person.followers_count);
    assert_eq!(counts(site.store.person(ada).await.unwrap()), (1, 0));
    assert_eq!(counts(site.store.person(bob).await.unwrap()), (0, 1));
    assert!(site.store.relationship(bob, ada).await.unwrap().followed_by);
    let followers = site.store.followers(bob, Paging::default()).await.unwrap();
    assert_eq!(
        followers.iter().map(|(_, person)| person.id).collect::<Vec<_>>(),
        [ada]
    );

    site.store.unfollow(ada, bob).await.unwrap();
    site.store.unfollow(ada, bob).await.unwrap();
    assert_eq!(counts(site.store.person(bob).await.unwrap()), (0, 0));
    site.store.follow(ada, bob).await.unwrap();
    let told = site
        .store
        .notifications(bob, NotificationFilter::default(), Paging::default())
        .await
        .unwrap()
        .value;
    assert_eq!(told.len(), 1, "undone and done again is not told again");
    assert_eq!((told[0].kind, told[0].actor.id), (NotificationKind::Follow, ada));

    let relation = site.store.remove_follower(bob, ada).await.unwrap();
    assert!(!relation.followed_by);
    assert_eq!(counts(site.store.person(ada).await.unwrap()), (0, 0));
}

#[tokio::test]
async fn lists_of_followers_page_without_skipping() {
    let site = Site::new();
    let [star, a, b, c, d] = site.people().await;
    for fan in [a, b, c, d] {
        site.store.follow(fan, star).await.unwrap();
    }
    let first = site.store.followers(star, Paging::newest(3)).await.unwrap();
    let rest = site
        .store
        .followers(star, Paging::below(first[2].0.get(), 3))
        .await
        .unwrap();
    let all: Vec<_> = first.iter().chain(&rest).map(|(_, person)| person.id).collect();
    assert_eq!(all, [d, c, b, a]);
    let up = Paging {
        min_id: Some(rest[0].0.get()),
        limit: 2,
        ..Paging::default()
    };
    let up = site.store.followers(star, up).await.unwrap();
    assert_eq!(up.iter().map(|(_, person)| person.id).collect::<Vec<_>>(), [c, b]);
}

#[tokio::test]
async fn notifications_tell_of_mentions_answers_and_favourites() {
    let site = Site::new();
    let [ada, bob] = site.people().await;
    let store = &site.store;
    let hello = site
        .post(ada, "hello @Person_1 @person_1 @nobody_here", Audience::Public)
        .await;
    assert_eq!(hello.mentions.len(), 1);
    assert_eq!(hello.mentions[0].id, bob);
    site.post(ada, "secret @person_1", Audience::Me).await;
    site.post(ada, "friends @person_1", Audience::Followers).await;
    store.set_favourite(bob, hello.id, true).await.unwrap();
    store.set_favourite(bob, hello.id, true).await.unwrap();
    let answer = NewPost {
        in_reply_to: Some(hello.id),
        ..NewPost::new(bob, "hi", Audience::Public)
    };
    store.create_post(answer).await.unwrap();

    let of = async |person, kinds| {
        let filter = NotificationFilter { kinds };
        let told = store
            .notifications(person, filter, Paging::default())
            .await
            .unwrap()
            .value;
        told.iter()
            .map(|told| (told.kind, told.post.as_ref().map(|post| post.text.clone())))
            .collect::<Vec<_>>()
    };
    use NotificationKind::{Favourite, Follow, Mention};
    assert_eq!(
        of(bob, vec![]).await,
        [(Mention, Some(hello.text.clone()))],
        "only what bob may see"
    );
    assert_eq!(
        of(ada, vec![]).await,
        [
            (Mention, Some("hi".into())),
            (Favourite, Some(hello.text.clone()))
        ]
    );
    assert_eq!(of(ada, vec![Favourite]).await.len(), 1);
    assert_eq!(of(ada, vec![Follow]).await, []);

    assert_eq!(store.unread_notifications(ada).await.unwrap(), 2);
    let newest = store
        .notifications(ada, NotificationFilter::default(), Paging::newest(1))
        .await
        .unwrap()
        .value;
    store.read_notifications(ada, newest[0].id).await.unwrap();
    assert_eq!(store.unread_notifications(ada).await.unwrap(), 0);
    assert!(
        store
            .notification(bob, newest[0].id)
            .await
            .unwrap_err()
            .is_missing(),
        "another's"
    );
    store.dismiss_notification(ada, newest[0].id).await.unwrap();
    assert_eq!(of(ada, vec![]).await.len(), 1);
    store.clear_notifications(ada).await.unwrap();
    assert_eq!(of(ada, vec![]).await, []);
}

#[tokio::test]
async fn a_deleted_post_takes_its_notifications_along() {
    let site = Site::new();
    let [ada, _bob] = site.people().await;
    let bob = site.store.person_by_name("person_1").await.unwrap().id;
    let post = site.post(ada, "@person_1", Audience::Public).await;
    site.store.delete_post(ada, post.id).await.unwrap();
    let told = site
        .store
        .notifications(bob, NotificationFilter::default(), Paging::default())
        .await
        .unwrap();
    assert!(told.value.is_empty());
}

#[tokio::test]
async fn people_are_found_by_the_beginning_of_either_name() {
    let site = Site::new();
    let ada = site.person("ada").await.id;
    site.person("adam_99").await;
    let bob = site.person("bob").await.id;
    let change = ProfileChange {
        display_name: Some("Adalbert".into()),
        ..ProfileChange::default()
    };
    site.store.update_profile(bob, change).await.unwrap();
    let find = async |query: &str| {
        let found = site.store.search_people(query, 10, 0).await.unwrap();
        found.into_iter().map(|person| person.name).collect::<Vec<_>>()
    };
    assert_eq!(find("ada").await, ["ada", "adam_99", "bob"]);
    assert_eq!(find("@ADAL").await, ["bob"]);
    assert_eq!(find("adam").await, ["adam_99"]);
    for nothing in ["", "%", "_", "x", &"a".repeat(51)] {
        assert!(find(nothing).await.is_empty(), "{nothing:?}");
    }
    assert_eq!(site.store.search_people("ada", 1, 1).await.unwrap().len(), 1);
    let lookup = vec![bob, feed::domain::PersonId::new(1).unwrap(), ada];
    let people = site.store.people_by_id(lookup.clone()).await.unwrap();
    assert_eq!(
        people.iter().map(|person| person.id).collect::<Vec<_>>(),
        [bob, ada]
    );
    assert_eq!(site.store.relationships(ada, lookup).await.unwrap().len(), 2);
    assert_eq!(site.store.directory(Paging::newest(2)).await.unwrap()[0].id, bob);
}

#[tokio::test]
async fn sessions_are_kept_updated_and_revoked() {
    use squall::sessions::{Key, Record, Store as _};
    let site = Site::new();
    let record = |key: u8, owner: Option<u64>, ms: u64| Record {
        key: Key([key; 32]),
        owner,
        created_ms: ms,
        seen_ms: ms,
        data: "{}".into(),
    };
    let store = &site.store;
    for (key, owner, ms) in [
        (1, Some(7), 10),
        (2, Some(7), 20),
        (3, None, 30),
        (4, Some(8), 40),
    ] {
        store.insert(record(key, owner, ms)).await.unwrap();
    }
    assert_eq!(store.load(&Key([1; 32])).await.unwrap().unwrap().owner, Some(7));
    assert!(
        store
            .update(Record {
                seen_ms: 99,
                ..record(1, Some(7), 10)
            })
            .await
            .unwrap()
    );
    assert_eq!(store.load(&Key([1; 32])).await.unwrap().unwrap().seen_ms, 99);
    assert_eq!(store.remove_owner(7, Some(Key([2; 32]))).await.unwrap(), 1);
    assert!(
        !store.update(record(1, Some(7), 10)).await.unwrap(),
        "what is gone is not made again"
    );
    assert_eq!(store.remove_expired(0, 35).await.unwrap(), 2);
    assert!(store.load(&Key([3; 32])).await.unwrap().is_none());
    store.remove(&Key([4; 32])).await.unwrap();
    assert!(store.load(&Key([4; 32])).await.unwrap().is_none());
}
