//! What all doors do: read the request, ask, check, make a ticket.

use std::sync::Arc;
use std::time::Instant;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use squall_engine::source::Park;

use super::query::Query;
use crate::live::access::{Ask, Grant, Moment, Topics, problem};
use crate::live::api::Live;
use crate::live::ticket::{Spec, Start, Ticket};

/// Asks the application; answers the grant, or the response that refuses.
pub(super) async fn ask(
    live: &Live,
    spec: &Spec,
    topics: &Topics,
    parts: Parts,
    query: &Query,
) -> Result<Asked, Response> {
    let moment = live.moment();
    let topics = topics.of(&parts, query);
    check_topics(live, topics.iter(), topics.len())?;
    let ask = Ask {
        topics,
        door: spec.door,
        parts,
    };
    let grant = live.ask(ask).await.map_err(IntoResponse::into_response)?;
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
) -> Result<Park, Response> {
    check_topics(
        live,
        grant.topics.iter().map(|(topic, _)| topic),
        grant.topics.len(),
    )?;
    let start = match query.cursor {
        None => Start::At(live.hub().head()),
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
    }
    .park())
}

fn check_topics<'a>(
    live: &Live,
    topics: impl Iterator<Item = &'a String>,
    count: usize,
) -> Result<(), Response> {
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
pub(super) fn bad(detail: &str) -> Response {
    problem(StatusCode::BAD_REQUEST, detail)
}
