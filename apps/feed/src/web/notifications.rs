//! What a person is told about.

use serde::Serialize;
use squall::web::extract::{Query, State};

use super::errors::{Answer, Failure};
use super::page::{SignedIn, Visitor};
use super::streams::{Older, older_link};
use super::views::NoteCard;
use crate::app::{App, now_ms};
use crate::store::{NotificationFilter, Snapshot};

/// Notifications on one page.
pub(super) const NOTES_PER_PAGE: usize = 30;

/// `GET /notifications`: what is new stands out, and is not new any more once it was shown.
pub(super) async fn page(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    mut visitor: Visitor,
    Query(older): Query<Older>,
) -> Answer {
    #[derive(Serialize)]
    struct Content {
        notes: Vec<NoteCard>,
        older: Option<String>,
        live: Option<&'static str>,
        cursor: String,
    }
    if visitor.person.is_none() {
        return Err(Failure::SignInFirst(String::new()));
    }
    let filter = NotificationFilter { kinds: Vec::new() };
    let snapshot = app
        .store()
        .notifications(viewer, filter, older.paging(NOTES_PER_PAGE))
        .await?;
    let Snapshot {
        value: mut notes,
        cursor,
    } = snapshot;
    let older_page = older_link(&mut notes, NOTES_PER_PAGE, "/notifications", |note| note.id.get());
    // Ids grow, and reading marks everything up to one: so the unread are the newest so many.
    let unread = if older.max_id.is_none() {
        visitor.unread()
    } else {
        0
    };
    if let (Some(newest), 1..) = (notes.first(), unread) {
        app.store().read_notifications(viewer, newest.id).await?;
        visitor.has_read();
    }
    let now_ms = now_ms();
    let cards = notes
        .iter()
        .zip(0..)
        .map(|(note, place)| NoteCard::new(note, place < unread, now_ms))
        .collect();
    let live = older.max_id.is_none().then_some("/stream/notifications");
    let content = Content {
        notes: cards,
        older: older_page,
        live,
        cursor: cursor.to_string(),
    };
    Ok(visitor
        .page("Notifications")
        .render("notifications.html", content))
}
