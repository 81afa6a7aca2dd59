//! What all doors do: read the request, ask, check, make a ticket.

use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;
use http::request::Parts;
use squall_engine::source::Park;

use super::query::Query;
use crate::live::access::{Ask, Grant, Moment, Refusal, Topics};
use crate::live::api::Live;
use crate::live::encode::Lost;
use crate::live::ticket::{Spec, Start, Ticket};

/// Asks the application; answers the grant, or the response that refuses.
pub(super) async fn ask(
    live: &Live,
    spec: &Spec,
    topics: &Topics,
    parts: Parts,
    query: &Query,
) -> Result<Asked, Refusal> {
    // Who asks was found out before this, by a layer: what was ended since then must stay ended too.
    let moment = parts.extensions.get().copied().unwrap_or_else(|| live.moment());
    let topics = topics.of(&parts, query);
    check_topics(live, topics.iter(), topics.len())?;
    let ask = Ask {
        topics,
        door: spec.door,
        parts,
    };
    let grant = live.ask(ask).await?;
    Ok(Asked { moment, grant })
}

/// What was granted, and the moment before it was.
pub(super) struct Asked {
    pub(super) moment: Moment,
    pub(super) grant: Grant,
}

/// The way to park a connection that may follow.
pub(super) fn park(
    live: &Live,
    spec: &Arc<Spec>,
    Asked { moment, grant }: Asked,
    query: &Query,
    deadline: Option<Instant>,
) -> Result<Park, Refusal> {
    check_topics(
        live,
        grant.topics.iter().map(|(topic, _)| topic),
        grant.topics.len(),
    )?;
    let start = match query.cursor {
        None => Start::Now(live.hub().head()),
        Some(cursor) => live
            .hub()
            .offset_of(&cursor)
            .map_or(Start::Foreign(cursor), Start::At),
    };
    Ok(Ticket {
        live: live.id(),
        spec: spec.clone(),
        grant,
        moment,
        start,
        deadline,
        session: None,
    }
    .park())
}

/// Refuses a stream that would begin with a gap which its style cannot tell of. Closing it would not do: a browser would
/// come back with the same cursor again and again. 410 makes it stop, and the page can load itself anew.
pub(super) fn check_gap(live: &Live, spec: &Spec, grant: &Grant, query: &Query) -> Result<(), Refusal> {
    let Some(cursor) = query.cursor else { return Ok(()) };
    let hub = live.hub();
    let topics: Vec<&str> = grant.topics.iter().map(|(topic, _)| topic.as_str()).collect();
    let floor = hub.floor(&topics);
    let lost = Lost {
        after: cursor,
        resume: hub.cursor_at(floor),
    };
    let gone = hub.offset_of(&cursor).is_none_or(|offset| offset < floor);
    if gone && !live.inner.styles.has_words_for(spec.style, &lost) {
        return Err(Refusal::problem(
            StatusCode::GONE,
            "What follows this cursor is no longer kept. Load anew.",
        ));
    }
    Ok(())
}

fn check_topics<'a>(
    live: &Live,
    topics: impl Iterator<Item = &'a String>,
    count: usize,
) -> Result<(), Refusal> {
    if count > live.inner.config.follower_topics_max {
        return Err(bad("There are too many topics."));
    }
    let bytes_max = live.hub().config().topic_bytes_max;
    for topic in topics {
        if topic.is_empty() || topic.len() > bytes_max {
            return Err(bad("A topic is empty or too long."));
        }
    }
    Ok(())
}

/// 400.
pub(super) fn bad(detail: &str) -> Refusal {
    Refusal::problem(StatusCode::BAD_REQUEST, detail)
}
