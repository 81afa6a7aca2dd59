//! Who sees what: the rule in `domain`, its SQL, and the topics of a page say the same, for any graph and any posts.

mod common;

use std::collections::HashSet;

use common::Site;
use feed::domain::{Audience, NewPost, Paging, PersonId, PostView, Standing, may_see};
use feed::store::{NotificationFilter, ProfileFilter};
use feed::stream::topic;
use feed::stream::topics::{Page, topics};
use proptest::prelude::*;

/// People in the drawn worlds.
const PEOPLE: usize = 4;

/// Who follows whom, and who says what to which audience (and in answer to which earlier post).
#[derive(Clone, Debug)]
struct World {
    follows: Vec<(usize, usize)>,
    posts: Vec<(usize, Audience, Option<usize>)>,
    /// Followings that end again after all was said.
    unfollows: Vec<(usize, usize)>,
}

fn world() -> impl Strategy<Value = World> {
    let person = 0..PEOPLE;
    let pairs = proptest::collection::vec((person.clone(), person.clone()), 0..10);
    let audience = (0i64..4).prop_map(|number| Audience::from_number(number).unwrap());
    let post = (person, audience, proptest::option::of(0usize..12));
    (
        pairs.clone(),
        proptest::collection::vec(post, 1..12),
        pairs.prop_map(|mut pairs| pairs.split_off(pairs.len() / 2)),
    )
        .prop_map(|(follows, posts, unfollows)| World {
            follows,
            posts,
            unfollows,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rule_sql_and_topics_agree(world in world()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(check(&world));
    }
}

async fn check(world: &World) {
    let site = Site::new();
    let people: [PersonId; PEOPLE] = site.people().await;
    let mut graph = HashSet::new();
    for &(from, to) in world.follows.iter().filter(|(from, to)| from != to) {
        site.store.follow(people[from], people[to]).await.unwrap();
        graph.insert((people[from], people[to]));
    }
    let mut posts: Vec<PostView> = Vec::new();
    for &(author, audience, answered) in &world.posts {
        let in_reply_to = answered.and_then(|index| posts.get(index)).map(|post| post.id);
        let text = "word @person_0 @person_1 @person_2 @person_3";
        let new = NewPost {
            in_reply_to,
            ..NewPost::new(people[author], text, audience)
        };
        match site.store.create_post(new).await {
            Ok(post) => posts.push(post),
            Err(error) => assert!(
                error.is_missing(),
                "only what cannot be seen cannot be answered: {error}"
            ),
        }
    }
    for &(from, to) in &world.unfollows {
        site.store.unfollow(people[from], people[to]).await.unwrap();
        graph.remove(&(people[from], people[to]));
    }
    for viewer in people.into_iter().map(Some).chain([None]) {
        check_viewer(&site, &posts, &people, viewer, &graph).await;
    }
}

async fn check_viewer(
    site: &Site,
    posts: &[PostView],
    people: &[PersonId],
    viewer: Option<PersonId>,
    graph: &HashSet<(PersonId, PersonId)>,
) {
    let store = &site.store;
    let follows = |author| viewer.is_some_and(|viewer| graph.contains(&(viewer, author)));
    let sees = |post: &PostView| {
        may_see(
            Standing::of(viewer, post.author.id, follows(post.author.id)),
            post.audience,
        )
    };
    // Newest first, as every list is.
    let expect = |wanted: &dyn Fn(&PostView) -> bool| -> Vec<_> {
        posts
            .iter()
            .rev()
            .filter(|post| sees(post) && wanted(post))
            .map(|post| post.id)
            .collect()
    };
    let ids = |found: Vec<PostView>| found.into_iter().map(|post| post.id).collect::<Vec<_>>();

    for post in posts {
        assert_eq!(store.post(viewer, post.id).await.is_ok(), sees(post));
        if let Ok(context) = store.context(viewer, post.id).await {
            assert!(context.ancestors.iter().chain(&context.descendants).all(sees));
        }
    }
    let all = posts.iter().map(|post| post.id).rev().collect();
    assert_eq!(ids(store.posts(viewer, all).await.unwrap()), expect(&|_| true));
    assert_eq!(
        ids(store
            .search_posts(viewer, "word", Paging::newest(80))
            .await
            .unwrap()),
        expect(&|_| true)
    );
    let public = store.public(viewer, Paging::newest(80)).await.unwrap().value;
    assert_eq!(ids(public), expect(&|post| post.audience == Audience::Public));
    let followed = |page: Vec<String>| {
        move |post: &PostView| {
            topic::of_post(post.author.id, post.audience)
                .iter()
                .filter(|topic| page.contains(topic))
                .count()
        }
    };
    for &author in people {
        let list = store
            .profile(viewer, author, ProfileFilter::default(), Paging::newest(80))
            .await
            .unwrap()
            .value;
        let expected = expect(&|post| post.author.id == author);
        assert_eq!(ids(list), expected);
        let count = followed(topics(store, viewer, Page::Profile(author)).await.unwrap());
        for post in posts {
            assert_eq!(
                count(post),
                usize::from(expected.contains(&post.id)),
                "a page's topics are its list, once each"
            );
        }
    }
    let Some(viewer) = viewer else {
        assert!(topics(store, None, Page::Home).await.unwrap_err().is_missing());
        return;
    };
    let expected = expect(&|post| post.author.id == viewer || follows(post.author.id));
    assert_eq!(
        ids(store.home(viewer, Paging::newest(80)).await.unwrap().value),
        expected
    );
    let count = followed(topics(store, Some(viewer), Page::Home).await.unwrap());
    for post in posts {
        assert_eq!(
            count(post),
            usize::from(expected.contains(&post.id)),
            "home's topics are its list, once each"
        );
    }
    let told = store
        .notifications(viewer, NotificationFilter::default(), Paging::newest(80))
        .await
        .unwrap()
        .value;
    assert!(
        told.iter().filter_map(|told| told.post.as_ref()).all(sees),
        "nobody is told of what they may not see"
    );
}
