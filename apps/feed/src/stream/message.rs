//! What a message in the hub says: one compact JSON object, the same for every door.

use serde::Serialize;

use crate::app::{Render, Site};
use crate::domain::{Audience, NotificationId, NotificationView, PersonId, PostId, PostView};
use crate::store::{Event, EventKind, Store, StoreError};

/// A message. `html` is what pages insert, `status` and `notification` what programs receive.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Message {
    /// A new post.
    Update {
        id: PostId,
        author: PersonId,
        audience: Audience,
        html: String,
        status: serde_json::Value,
    },
    /// A post is gone.
    Delete {
        id: PostId,
        author: PersonId,
        audience: Audience,
    },
    /// A person is told of something.
    Notification {
        id: NotificationId,
        kind: &'static str,
        html: String,
        notification: serde_json::Value,
    },
}

/// What is published for an event; `None` when there is nothing (any more) to say: the post is gone already.
pub(crate) async fn of_event(
    store: &Store,
    site: &Site,
    render: &Render,
    event: &Event,
) -> Result<Option<String>, StoreError> {
    let message = match event.kind {
        EventKind::Update { post, .. } => store
            .post_for_stream(post)
            .await?
            .map(|post| update(site, render, &post)),
        EventKind::Delete {
            post,
            author,
            audience,
        } => Some(Message::Delete {
            id: post,
            author,
            audience,
        }),
        EventKind::Notification { id, .. } => store
            .notification_for_stream(id)
            .await?
            .map(|told| notification(site, render, &told)),
        EventKind::Quiet => None,
    };
    // Strings, numbers and string keys only: this cannot fail; were it to, the offset still moves on.
    Ok(message.and_then(|message| serde_json::to_string(&message).ok()))
}

/// What a message tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// That there is a new post.
    Post(PostId),
    /// Something that happened to a person.
    Notification(NotificationId),
}

/// What a message of [`of_event`] tells of, read off its beginning; `None` for what says that a post is gone.
pub(crate) fn subject(message: &[u8]) -> Option<Subject> {
    let rest = message.strip_prefix(b"{\"event\":\"")?;
    let id = |kind: &str| {
        let rest = rest
            .strip_prefix(kind.as_bytes())?
            .strip_prefix(b"\",\"id\":\"")?;
        let digits = rest.split(|byte| *byte == b'"').next()?;
        std::str::from_utf8(digits).ok()
    };
    match id("update") {
        Some(post) => post.parse().ok().map(Subject::Post),
        None => id("notification")?.parse().ok().map(Subject::Notification),
    }
}

fn update(site: &Site, render: &Render, post: &PostView) -> Message {
    Message::Update {
        id: post.id,
        author: post.author.id,
        audience: post.audience,
        html: (render.post_html)(site, post),
        status: (render.post_json)(site, post),
    }
}

fn notification(site: &Site, render: &Render, told: &NotificationView) -> Message {
    Message::Notification {
        id: told.id,
        kind: told.kind.word(),
        html: (render.notification_html)(site, told),
        notification: (render.notification_json)(site, told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_begin_with_what_they_tell_of() {
        let (post, author) = (PostId::new(7).unwrap(), PersonId::new(8).unwrap());
        let read = |message: &Message| subject(serde_json::to_string(message).unwrap().as_bytes());
        let update = Message::Update {
            id: post,
            author,
            audience: Audience::Public,
            html: String::new(),
            status: serde_json::Value::Null,
        };
        assert_eq!(read(&update), Some(Subject::Post(post)));
        let id = NotificationId::new(9).unwrap();
        let told = Message::Notification {
            id,
            kind: "mention",
            html: String::new(),
            notification: serde_json::Value::Null,
        };
        assert_eq!(read(&told), Some(Subject::Notification(id)));
        let delete = Message::Delete {
            id: post,
            author,
            audience: Audience::Public,
        };
        assert_eq!(read(&delete), None);
        assert_eq!(subject(b"{\"event\":\"update\",\"id\":\"x\"}"), None);
        assert_eq!(subject(b""), None);
    }
}
