//! Posts, lists, conversations, search, idempotency.

mod common;

use common::{Site, texts};
use feed::domain::{Audience, NewPost, Paging, PostId};
use feed::store::ProfileFilter;

#[tokio::test]
async fn a_post_is_what_was_said() {
    let site = Site::new();
    let [ada, bob] = site.people().await;
    let post = site.post(ada, " hello\r\nworld ", Audience::Members).await;
    assert_eq!(
        (post.text.as_str(), post.audience, post.author.id),
        ("hello\nworld", Audience::Members, ada)
    );
    assert!(post.mine.unwrap().own);
    let seen = site.store.post(Some(bob), post.id).await.unwrap();
    assert!(!seen.mine.unwrap().own);
    assert_eq!(seen.created_at_ms, post.id.made_at_ms());
    assert!(site.store.post(None, post.id).await.unwrap_err().is_missing());
    let long = NewPost::new(ada, "x".repeat(3_001), Audience::Me);
    assert!(site.store.create_post(long).await.unwrap_err().is_refused());
}

#[tokio::test]
async fn counts_follow_posts_and_leave_out_what_is_private() {
    let site = Site::new();
    let [ada] = site.people().await;
    let root = site.post(ada, "root", Audience::Public).await;
    site.post(ada, "note to self", Audience::Me).await;
    let reply = |audience| NewPost {
        in_reply_to: Some(root.id),
        ..NewPost::new(ada, "reply", audience)
    };
    let public = site.store.create_post(reply(Audience::Public)).await.unwrap();
    site.store.create_post(reply(Audience::Followers)).await.unwrap();
    assert_eq!(site.store.person(ada).await.unwrap().posts_count, 3);
    assert_eq!(site.store.post(None, root.id).await.unwrap().replies_count, 1);
    site.store.delete_post(ada, public.id).await.unwrap();
    assert_eq!(site.store.person(ada).await.unwrap().posts_count, 2);
    assert_eq!(site.store.post(None, root.id).await.unwrap().replies_count, 0);
}

#[tokio::test]
async fn only_the_author_deletes() {
    let site = Site::new();
    let [ada, bob] = site.people().await;
    let post = site.post(ada, "mine", Audience::Public).await;
    assert!(
        site.store
            .delete_post(bob, post.id)
            .await
            .unwrap_err()
            .is_missing()
    );
    assert_eq!(site.store.delete_post(ada, post.id).await.unwrap().text, "mine");
    assert!(
        site.store
            .post(Some(ada), post.id)
            .await
            .unwrap_err()
            .is_missing()
    );
    assert!(
        site.store
            .delete_post(ada, post.id)
            .await
            .unwrap_err()
            .is_missing()
    );
    assert!(
        site.store
            .search_posts(Some(ada), "mine", Paging::default())
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn the_same_key_makes_one_post() {
    let site = Site::new();
    let [ada, bob] = site.people().await;
    let with_key = |author, text: &str, key: &str| NewPost {
        idempotency_key: Some(key.to_owned()),
        ..NewPost::new(author, text, Audience::Public)
    };
    let first = site.store.create_post(with_key(ada, "one", "k")).await.unwrap();
    // At the same time, so that they may share a transaction.
    let again = site.store.create_post(with_key(ada, "one, again", "k"));
    let more = site.store.create_post(with_key(ada, "two", "k2"));
    let other = site.store.create_post(with_key(bob, "another's", "k"));
    let (again, more, other) = tokio::join!(again, more, other);
    assert_eq!(again.unwrap().id, first.id);
    assert_ne!(more.unwrap().id, first.id);
    assert_ne!(other.unwrap().id, first.id);
    assert_eq!(site.store.person(ada).await.unwrap().posts_count, 2);
    assert!(
        site.store
            .create_post(with_key(ada, "x", &"k".repeat(255)))
            .await
            .is_ok()
    );
    for bad in ["", &"k".repeat(256)] {
        assert!(
            site.store
                .create_post(with_key(ada, "x", bad))
                .await
                .unwrap_err()
                .is_refused()
        );
    }
    let site = site.reopen();
    assert_eq!(
        site.store
            .create_post(with_key(ada, "one", "k"))
            .await
            .unwrap()
            .id,
        first.id,
        "after a restart too"
    );
}

#[tokio::test]
async fn home_is_own_and_followed() {
    let site = Site::new();
    let [ada, bob, carl] = site.people().await;
    site.store.follow(ada, bob).await.unwrap();
    site.post(ada, "a me", Audience::Me).await;
    site.post(bob, "b members", Audience::Members).await;
    site.post(bob, "b me", Audience::Me).await;
    site.post(carl, "c public", Audience::Public).await;
    site.post(bob, "b followers", Audience::Followers).await;
    let home = site.store.home(ada, Paging::default()).await.unwrap();
    assert_eq!(texts(&home.value), ["b followers", "b members", "a me"]);
    assert_eq!(home.cursor, site.store.cursor().await.unwrap());
    site.store.unfollow(ada, bob).await.unwrap();
    assert_eq!(
        texts(&site.store.home(ada, Paging::default()).await.unwrap().value),
        ["a me"]
    );
    let public = site.store.public(None, Paging::default()).await.unwrap();
    assert_eq!(texts(&public.value), ["c public"]);
    assert!(public.value[0].mine.is_none());
}

#[tokio::test]
async fn a_profile_can_leave_replies_out() {
    let site = Site::new();
    let [ada, bob] = site.people().await;
    let root = site.post(bob, "root", Audience::Public).await;
    let own = site.post(ada, "own", Audience::Public).await;
    for (to, text) in [(root.id, "to bob"), (own.id, "to self")] {
        let reply = NewPost {
            in_reply_to: Some(to),
            ..NewPost::new(ada, text, Audience::Public)
        };
        site.store.create_post(reply).await.unwrap();
    }
    let list = async |no_replies| {
        site.store
            .profile(None, ada, ProfileFilter { no_replies }, Paging::default())
            .await
            .unwrap()
            .value
    };
    assert_eq!(texts(&list(false).await), ["to self", "to bob", "own"]);
    assert_eq!(texts(&list(true).await), ["to self", "own"]);
}

#[tokio::test]
async fn a_conversation_has_only_what_the_viewer_may_see() {
    let site = Site::new();
    let [ada, bob] = site.people().await;
    let reply = async |author, to: PostId, text: &str, audience| {
        let new = NewPost {
            in_reply_to: Some(to),
            ..NewPost::new(author, text, audience)
        };
        site.store.create_post(new).await.unwrap().id
    };
    let root = site.post(ada, "root", Audience::Public).await.id;
    let first = reply(bob, root, "1", Audience::Public).await;
    let second = reply(ada, root, "2", Audience::Public).await;
    reply(ada, first, "1.1", Audience::Public).await;
    let hidden = reply(ada, first, "1.2 mine", Audience::Me).await;
    reply(ada, hidden, "1.2.1", Audience::Public).await;
    reply(bob, second, "2.1", Audience::Members).await;

    let context = site.store.context(None, root).await.unwrap();
    assert_eq!(texts(&context.descendants), ["1", "1.1", "2"]);
    let context = site.store.context(Some(ada), first).await.unwrap();
    assert_eq!(
        (texts(&context.ancestors), texts(&context.descendants)),
        (vec!["root"], vec!["1.1", "1.2 mine", "1.2.1"])
    );
    let stranger = NewPost {
        in_reply_to: Some(hidden),
        ..NewPost::new(bob, "?", Audience::Public)
    };
    assert!(
        site.store.create_post(stranger).await.unwrap_err().is_missing(),
        "what one may not see one cannot answer"
    );
    assert!(site.store.context(None, hidden).await.unwrap_err().is_missing());
}

#[tokio::test]
async fn favourites_are_counted_once_and_need_sight() {
    let site = Site::new();
    let [ada, bob] = site.people().await;
    let post = site.post(ada, "p", Audience::Public).await.id;
    let hidden = site.post(ada, "h", Audience::Followers).await.id;
    for _ in 0..2 {
        let marked = site.store.set_favourite(bob, post, true).await.unwrap();
        assert_eq!(
            (marked.favourites_count, marked.mine.unwrap().favourited),
            (1, true)
        );
    }
    assert_eq!(
        site.store
            .favourited_by(None, post, Paging::default())
            .await
            .unwrap()[0]
            .id,
        bob
    );
    for _ in 0..2 {
        assert_eq!(
            site.store
                .set_favourite(bob, post, false)
                .await
                .unwrap()
                .favourites_count,
            0
        );
    }
    assert!(
        site.store
            .set_favourite(bob, hidden, true)
            .await
            .unwrap_err()
            .is_missing()
    );
}

#[tokio::test]
async fn search_finds_words_within_sight() {
    let site = Site::new();
    let [ada, bob] = site.people().await;
    for number in 0..120 {
        site.post(ada, &format!("hidden treasure {number}"), Audience::Me)
            .await;
    }
    site.post(ada, "Treasure island", Audience::Public).await;
    site.post(ada, "Café treasury", Audience::Public).await;
    for number in 0..120 {
        site.post(ada, &format!("more hidden treasure {number}"), Audience::Me)
            .await;
    }
    let find = async |viewer, query: &str, paging| {
        let found = site.store.search_posts(viewer, query, paging).await.unwrap();
        found.into_iter().map(|post| post.text).collect::<Vec<_>>()
    };
    assert_eq!(
        find(Some(bob), "treasur", Paging::default()).await,
        ["Café treasury", "Treasure island"]
    );
    assert_eq!(find(None, "cafe", Paging::default()).await, ["Café treasury"]);
    assert_eq!(
        find(None, "treasure isl", Paging::newest(1)).await,
        ["Treasure island"]
    );
    assert_eq!(find(Some(ada), "hidden", Paging::newest(5)).await.len(), 5);
    assert!(find(None, "\"*", Paging::default()).await.is_empty());
}
