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
    };
    // Strings, numbers and string keys only: this cannot fail; were it to, the offset still moves on.
    Ok(message.and_then(|message| serde_json::to_string(&message).ok()))
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
