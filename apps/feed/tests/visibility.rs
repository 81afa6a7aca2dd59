//! Who sees what: the rule in `domain`, its SQL, and the topics of a page say the same, for any graph and any posts.

mod common;

use std::collections::HashSet;

use common::Site;
use feed::domain::{Audience, NewPost, Paging, PersonId, PostId, PostView, Standing, may_see};
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
        Looking {
            site: &site,
            posts: &posts,
            viewer,
            graph: &graph,
        }
        .check(&people)
        .await;
    }
}

/// One viewer of a world, and what the rule says that they see of it.
struct Looking<'a> {
    site: &'a Site,
    posts: &'a [PostView],
    viewer: Option<PersonId>,
    graph: &'a HashSet<(PersonId, PersonId)>,
}

impl Looking<'_> {
    fn follows(&self, author: PersonId) -> bool {
        self.viewer
            .is_some_and(|viewer| self.graph.contains(&(viewer, author)))
    }

    fn sees(&self, post: &PostView) -> bool {
        may_see(
            Standing::of(self.viewer, post.author.id, self.follows(post.author.id)),
            post.audience,
        )
    }

    /// The posts that are seen and wanted, newest first, as every list is.
    fn expect(&self, wanted: impl Fn(&PostView) -> bool) -> Vec<PostId> {
        let seen = self
            .posts
            .iter()
            .rev()
            .filter(|post| self.sees(post) && wanted(post));
        seen.map(|post| post.id).collect()
    }

    async fn check(&self, people: &[PersonId]) {
        self.check_single().await;
        self.check_lists(people).await;
        match self.viewer {
            Some(viewer) => self.check_home(viewer).await,
            None => assert!(
                topics(&self.site.store, None, Page::Home)
                    .await
                    .unwrap_err()
                    .is_missing()
            ),
        }
    }

    async fn check_single(&self) {
        let store = &self.site.store;
        for post in self.posts {
            assert_eq!(store.post(self.viewer, post.id).await.is_ok(), self.sees(post));
            if let Ok(context) = store.context(self.viewer, post.id).await {
                assert!(
                    context
                        .ancestors
                        .iter()
                        .chain(&context.descendants)
                        .all(|post| self.sees(post))
                );
            }
        }
        let all = self.posts.iter().map(|post| post.id).rev().collect();
        assert_eq!(
            ids(store.posts(self.viewer, all).await.unwrap()),
            self.expect(|_| true)
        );
        let found = store
            .search_posts(self.viewer, "word", Paging::newest(80))
            .await
            .unwrap();
        assert_eq!(ids(found), self.expect(|_| true));
    }

    async fn check_lists(&self, people: &[PersonId]) {
        let store = &self.site.store;
        let public = store.public(self.viewer, Paging::newest(80)).await.unwrap().value;
        assert_eq!(ids(public), self.expect(|post| post.audience == Audience::Public));
        for &author in people {
            let filter = ProfileFilter::default();
            let list = store
                .profile(self.viewer, author, filter, Paging::newest(80))
                .await
                .unwrap()
                .value;
            let expected = self.expect(|post| post.author.id == author);
            assert_eq!(ids(list), expected);
            self.check_topics(Page::Profile(author), &expected).await;
        }
    }

    async fn check_home(&self, viewer: PersonId) {
        let store = &self.site.store;
        let expected = self.expect(|post| post.author.id == viewer || self.follows(post.author.id));
        assert_eq!(
            ids(store.home(viewer, Paging::newest(80)).await.unwrap().value),
            expected
        );
        self.check_topics(Page::Home, &expected).await;
        let told = store
            .notifications(viewer, NotificationFilter::default(), Paging::newest(80))
            .await
            .unwrap();
        let posts: Vec<_> = told.value.iter().filter_map(|told| told.post.as_ref()).collect();
        assert!(
            posts.into_iter().all(|post| self.sees(post)),
            "nobody is told of what they may not see"
        );
    }

    /// What the page's stream brings is what the page lists, each post once.
    async fn check_topics(&self, page: Page, expected: &[PostId]) {
        let followed = topics(&self.site.store, self.viewer, page).await.unwrap();
        for post in self.posts {
            let published = topic::of_post(post.author.id, post.audience);
            let received = published.iter().filter(|topic| followed.contains(topic)).count();
            assert_eq!(received, usize::from(expected.contains(&post.id)), "{page:?}");
        }
    }
}

fn ids(posts: Vec<PostView>) -> Vec<PostId> {
    posts.into_iter().map(|post| post.id).collect()
}
