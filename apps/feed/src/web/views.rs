//! Values of the domain as the templates read them.

use serde::Serialize;

use super::house;
use super::text::{Moment, post_text_html};
use crate::app::{Site, now_ms};
use crate::domain::posts::Via;
use crate::domain::{Audience, NotificationKind, NotificationView, Person, PostView};

/// How many colours a person's sign may have: `.hue-0` and so on in the style.
const HUES: u64 = 8;

/// A person, small: name and sign.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PersonCard {
    pub(super) name: String,
    pub(super) display_name: String,
    initial: String,
    hue: u64,
}

impl From<&Person> for PersonCard {
    fn from(person: &Person) -> Self {
        let letter = person.display_name.chars().find(|c| c.is_alphanumeric());
        Self {
            name: person.name.clone(),
            display_name: person.display_name.clone(),
            initial: letter
                .map(|c| c.to_uppercase().to_string())
                .unwrap_or_else(|| "@".to_owned()),
            // The low bits of an id count within a millisecond: they are nearly always the same.
            hue: (person.id.get() >> 16) % HUES,
        }
    }
}

/// An audience in words.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct AudienceWords {
    /// The value in forms; also the name of its icon.
    pub(super) key: &'static str,
    /// To choose it by.
    pub(super) choice: &'static str,
    /// Under a post.
    pub(super) label: &'static str,
    /// In a sentence.
    pub(super) help: &'static str,
}

/// An audience in plain words.
pub(super) fn audience_words(audience: Audience) -> AudienceWords {
    let (choice, label, help) = match audience {
        Audience::Public => (
            "Everyone on the Internet",
            "Public",
            "everyone on the Internet can see this",
        ),
        Audience::Members => (
            "Everyone signed in here",
            "Members",
            "everyone who is signed in here can see this",
        ),
        Audience::Followers => (
            "My followers",
            "Followers",
            "those who follow the author can see this",
        ),
        Audience::Me => ("Only me", "Only me", "nobody but the author can see this"),
    };
    AudienceWords {
        key: audience.word(),
        choice,
        label,
        help,
    }
}

/// All audiences to choose from, widest first.
pub(super) fn audience_choices() -> Vec<AudienceWords> {
    Audience::ALL.into_iter().map(audience_words).collect()
}

#[derive(Clone, Debug, Serialize)]
struct Answered {
    url: String,
    name: Option<String>,
}

/// A post as `_post.html` reads it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PostCard {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) author: PersonCard,
    reply_to: Option<Answered>,
    html: String,
    replies: u64,
    favourites: u64,
    favourited: bool,
    audience: &'static str,
    audience_label: &'static str,
    audience_help: &'static str,
    via: Option<String>,
    #[serde(flatten)]
    moment: Moment,
}

/// The page of a post, on this site.
pub(super) fn post_path(post: &PostView) -> String {
    format!("/@{}/{}", post.author.name, post.id)
}

impl PostCard {
    /// `now_ms` is what "5 min" is counted from.
    pub(super) fn new(post: &PostView, now_ms: u64) -> Self {
        let words = audience_words(post.audience);
        Self {
            id: post.id.to_string(),
            url: post_path(post),
            author: PersonCard::from(&post.author),
            reply_to: post.in_reply_to.map(|answered| Answered {
                url: format!("/posts/{}", answered.post),
                name: name_in_view(post, answered.author),
            }),
            html: post_text_html(&post.text, &post.mentions),
            replies: post.replies_count,
            favourites: post.favourites_count,
            favourited: post.mine.is_some_and(|mine| mine.favourited),
            audience: words.key,
            audience_label: words.label,
            audience_help: words.help,
            via: post.app.as_ref().map(|Via { name, .. }| name.clone()),
            moment: Moment::new(post.created_at_ms, now_ms),
        }
    }

    /// A page of posts: each may also take names from the others.
    pub(super) fn all(posts: &[PostView]) -> Vec<Self> {
        let now_ms = now_ms();
        let mut cards: Vec<Self> = posts.iter().map(|post| Self::new(post, now_ms)).collect();
        for (card, post) in cards.iter_mut().zip(posts) {
            let (Some(answered), Some(to)) = (&mut card.reply_to, post.in_reply_to) else {
                continue;
            };
            if answered.name.is_none() {
                let author = posts
                    .iter()
                    .map(|other| &other.author)
                    .find(|author| author.id == to.author);
                answered.name = author.map(|author| author.name.clone());
            }
        }
        cards
    }
}

/// A name that the post itself knows: its author's, or one that it mentions. Others would cost a look-up each.
fn name_in_view(post: &PostView, person: crate::domain::PersonId) -> Option<String> {
    if post.author.id == person {
        return Some(post.author.name.clone());
    }
    post.mentions
        .iter()
        .find(|mention| mention.id == person)
        .map(|mention| mention.name.clone())
}

/// A notification as `_notification.html` reads it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct NoteCard {
    id: String,
    icon: &'static str,
    words: &'static str,
    person: PersonCard,
    post: Option<PostCard>,
    unread: bool,
    #[serde(flatten)]
    moment: Moment,
}

impl NoteCard {
    pub(super) fn new(note: &NotificationView, unread: bool, now_ms: u64) -> Self {
        let (icon, words) = match note.kind {
            NotificationKind::Follow => ("person", "follows you now"),
            NotificationKind::Favourite => ("star", "likes your post"),
            NotificationKind::Mention => ("reply", "wrote to you"),
        };
        Self {
            id: note.id.to_string(),
            icon,
            words,
            person: PersonCard::from(&note.actor),
            post: note.post.as_ref().map(|post| PostCard::new(post, now_ms)),
            unread,
            moment: Moment::new(note.created_at_ms, now_ms),
        }
    }
}

/// The fragment of `_post.html`: the same for every viewer, so that it is rendered once for a stream.
#[derive(Serialize)]
struct PostAlone {
    post: PostCard,
    viewer: Option<PersonCard>,
    xsrf: &'static str,
    here: &'static str,
}

/// One post as HTML, the same for all viewers: what pages and streams are made of. Empty if the template fails.
pub fn post_html(_site: &Site, post: &PostView) -> String {
    let mut card = PostCard::new(post, now_ms());
    card.favourited = false;
    house::render(
        "_post.html",
        &PostAlone {
            post: card,
            viewer: None,
            xsrf: "",
            here: "",
        },
    )
    .unwrap_or_default()
}

/// One notification as HTML. Empty if the template fails.
pub fn notification_html(_site: &Site, note: &NotificationView) -> String {
    #[derive(Serialize)]
    struct Alone {
        note: NoteCard,
    }
    house::render(
        "_notification.html",
        &Alone {
            note: NoteCard::new(note, true, now_ms()),
        },
    )
    .unwrap_or_default()
}
