//! The domain's values as the entities that clients read.

use squall::templates::iso8601;

use super::content;
use super::entities::{
    Account, CredentialAccount, Notification, Relationship, Source, Status, StatusApplication, StatusMention,
    ViewerFlags,
};
use crate::app::Site;
use crate::domain::{self, NotificationView, Person, PostView};

/// Where the picture of people who have none is served.
pub(crate) const AVATAR_PATH: &str = "/avatars/missing.svg";
/// Where the wide picture of people who have none is served.
pub(crate) const HEADER_PATH: &str = "/headers/missing.svg";

/// A person.
#[must_use]
pub(crate) fn account(site: &Site, person: &Person) -> Account {
    let avatar = format!("{}{AVATAR_PATH}", site.origin);
    let header = format!("{}{HEADER_PATH}", site.origin);
    let url = site.profile_url(&person.name);
    Account {
        id: person.id.to_string(),
        username: person.name.clone(),
        acct: person.name.clone(),
        display_name: person.display_name.clone(),
        locked: false,
        bot: false,
        discoverable: Some(true),
        indexable: false,
        group: false,
        created_at: iso8601(person.created_at_ms),
        note: content::plain(&person.bio),
        uri: url.clone(),
        url,
        avatar_static: avatar.clone(),
        avatar,
        header_static: header.clone(),
        header,
        followers_count: person.followers_count,
        following_count: person.following_count,
        statuses_count: person.posts_count,
        last_status_at: person.last_post_at_ms.map(day),
        emojis: Vec::new(),
        fields: Vec::new(),
    }
}

/// Oneself.
#[must_use]
pub(crate) fn credential_account(site: &Site, person: &Person) -> CredentialAccount {
    CredentialAccount {
        account: account(site, person),
        source: Source {
            privacy: person.default_audience.mastodon_word(),
            sensitive: false,
            language: None,
            note: person.bio.clone(),
            fields: Vec::new(),
            follow_requests_count: 0,
        },
    }
}

/// A post for one viewer: with the viewer's flags if there is a viewer.
#[must_use]
pub(crate) fn status(site: &Site, post: &PostView) -> Status {
    let viewer = post.mine.map(|mine| ViewerFlags {
        favourited: mine.favourited,
        pinned: mine.own.then_some(false),
        ..ViewerFlags::default()
    });
    Status {
        viewer,
        ..shared_status(site, post)
    }
}

/// A post for everybody who may see it.
#[must_use]
pub(crate) fn shared_status(site: &Site, post: &PostView) -> Status {
    let id = post.id.to_string();
    let url = site.post_url(&post.author.name, post.id);
    let mention = |mention: &domain::posts::Mention| StatusMention {
        id: mention.id.to_string(),
        username: mention.name.clone(),
        url: site.profile_url(&mention.name),
        acct: mention.name.clone(),
    };
    Status {
        id,
        created_at: iso8601(post.created_at_ms),
        in_reply_to_id: post.in_reply_to.map(|reply| reply.post.to_string()),
        in_reply_to_account_id: post.in_reply_to.map(|reply| reply.author.to_string()),
        sensitive: false,
        spoiler_text: String::new(),
        visibility: post.audience.mastodon_word(),
        language: None,
        uri: url.clone(),
        url: Some(url),
        replies_count: post.replies_count,
        reblogs_count: 0,
        favourites_count: post.favourites_count,
        edited_at: None,
        viewer: None,
        content: content::html(site, &post.text, &post.mentions),
        reblog: None,
        application: post.app.as_ref().map(|via| StatusApplication {
            name: via.name.clone(),
            website: via.website.clone(),
        }),
        account: account(site, &post.author),
        media_attachments: Vec::new(),
        mentions: post.mentions.iter().map(mention).collect(),
        tags: Vec::new(),
        emojis: Vec::new(),
        card: None,
        poll: None,
        text: None,
    }
}

/// Something that happened to somebody.
#[must_use]
pub(crate) fn notification(site: &Site, notification: &NotificationView) -> Notification {
    let id = notification.id.to_string();
    Notification {
        group_key: format!("ungrouped-{id}"),
        id,
        kind: notification.kind.word(),
        created_at: iso8601(notification.created_at_ms),
        account: account(site, &notification.actor),
        status: notification.post.as_ref().map(|post| status(site, post)),
    }
}

/// What holds between the viewer and another.
#[must_use]
pub(crate) fn relationship(relationship: &domain::Relationship) -> Relationship {
    Relationship {
        id: relationship.id.to_string(),
        following: relationship.following,
        showing_reblogs: relationship.following,
        followed_by: relationship.followed_by,
        ..Relationship::default()
    }
}

/// `2026-01-02`.
fn day(at_ms: u64) -> String {
    let mut text = iso8601(at_ms);
    text.truncate("2026-01-02".len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_no_time() {
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(iso8601(1_767_323_045_678), "2026-01-02T03:04:05.678Z");
    }
}
