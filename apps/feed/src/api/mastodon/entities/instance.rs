//! What this server says of itself, in the four shapes that clients ask for.

use serde_json::{Value, json};

/// What clients compare to find out which endpoints exist. They cut at the first space and read three numbers:
/// a higher one would switch on endpoints that are not here (grouped notifications came with 4.3).
pub(crate) const VERSION: &str = concat!("4.2.0 (compatible; Squall Feed ", env!("CARGO_PKG_VERSION"), ")");

/// The program behind the protocol, as nodeinfo names it.
const SOFTWARE: &str = "squall-feed";

/// What varies from one server to another.
#[derive(Debug, Clone)]
pub(crate) struct InstanceFacts {
    /// `http://host:port`, no slash at the end.
    pub(crate) origin: String,
    /// The most characters of a status update.
    pub(crate) status_chars_max: usize,
    /// How many people have signed up.
    pub(crate) people: u64,
    /// How many status updates there are.
    pub(crate) posts: u64,
    /// How many people have posted within the last month.
    pub(crate) active_month: u64,
    /// A picture for lists of servers.
    pub(crate) thumbnail: String,
}

impl InstanceFacts {
    /// The origin without its scheme: `host:port`.
    fn domain(&self) -> &str {
        self.origin
            .split_once("://")
            .map_or(&*self.origin, |(_, host)| host)
    }

    /// Where WebSocket streams are: the origin with `ws` in place of `http`.
    fn streaming(&self) -> String {
        match self.origin.strip_prefix("http") {
            Some(rest) => format!("ws{rest}"),
            None => self.origin.clone(),
        }
    }

    /// The limits that composers show.
    fn limits(&self) -> (Value, Value, Value) {
        let statuses = json!({
            "max_characters": self.status_chars_max,
            "max_media_attachments": 0,
            "characters_reserved_per_url": 23,
        });
        let media = json!({
            "supported_mime_types": [],
            "description_limit": 1500,
            "image_size_limit": 0, "image_matrix_limit": 0,
            "video_size_limit": 0, "video_frame_rate_limit": 0, "video_matrix_limit": 0,
        });
        let polls = json!({
            "max_options": 0, "max_characters_per_option": 0, "min_expiration": 0, "max_expiration": 0,
        });
        (statuses, media, polls)
    }
}

const TITLE: &str = "Squall Feed";
const DESCRIPTION: &str = "Status updates, seen the moment they are posted.";

/// `GET /api/v1/instance`.
#[must_use]
pub(crate) fn instance_v1(facts: &InstanceFacts) -> Value {
    let (statuses, media_attachments, polls) = facts.limits();
    json!({
        "uri": facts.domain(),
        "title": TITLE,
        "short_description": DESCRIPTION,
        "description": DESCRIPTION,
        "email": "",
        "version": VERSION,
        "urls": { "streaming_api": facts.streaming() },
        "stats": { "user_count": facts.people, "status_count": facts.posts, "domain_count": 1 },
        "thumbnail": facts.thumbnail,
        "languages": ["en"],
        "registrations": true,
        "approval_required": false,
        "invites_enabled": false,
        "configuration": {
            "accounts": { "max_featured_tags": 0 },
            "statuses": statuses, "media_attachments": media_attachments, "polls": polls,
        },
        "contact_account": null,
        "rules": [],
    })
}

/// `GET /api/v2/instance`.
#[must_use]
pub(crate) fn instance_v2(facts: &InstanceFacts) -> Value {
    let (statuses, media_attachments, polls) = facts.limits();
    json!({
        "domain": facts.domain(),
        "title": TITLE,
        "version": VERSION,
        "source_url": "",
        "description": DESCRIPTION,
        "usage": { "users": { "active_month": facts.active_month } },
        "thumbnail": { "url": facts.thumbnail, "blurhash": null, "versions": {} },
        "icon": [],
        "languages": ["en"],
        "configuration": {
            "urls": { "streaming": facts.streaming(), "about": null, "privacy_policy": null, "terms_of_service": null },
            "vapid": { "public_key": "" },
            "accounts": { "max_featured_tags": 0, "max_pinned_statuses": 0 },
            "statuses": statuses, "media_attachments": media_attachments, "polls": polls,
            "translation": { "enabled": false },
        },
        "registrations": { "enabled": true, "approval_required": false, "message": null, "url": null },
        "contact": { "email": "", "account": null },
        "rules": [],
        "api_versions": { "mastodon": 0 },
    })
}

/// `GET /.well-known/nodeinfo`.
#[must_use]
pub(crate) fn nodeinfo_links(facts: &InstanceFacts) -> Value {
    json!({ "links": [{
        "rel": "http://nodeinfo.diaspora.software/ns/schema/2.0",
        "href": format!("{}/nodeinfo/2.0", facts.origin),
    }] })
}

/// `GET /nodeinfo/2.0`.
#[must_use]
pub(crate) fn nodeinfo_2_0(facts: &InstanceFacts) -> Value {
    json!({
        "version": "2.0",
        "software": { "name": SOFTWARE, "version": env!("CARGO_PKG_VERSION") },
        "protocols": [],
        "services": { "inbound": [], "outbound": [] },
        "openRegistrations": true,
        "usage": { "users": { "total": facts.people, "activeMonth": facts.active_month }, "localPosts": facts.posts },
        "metadata": { "nodeName": TITLE, "nodeDescription": DESCRIPTION },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_streaming_address_keeps_the_security_of_the_origin() {
        let facts = |origin: &str| InstanceFacts {
            origin: origin.into(),
            status_chars_max: 3000,
            people: 2,
            posts: 3,
            active_month: 1,
            thumbnail: "x".into(),
        };
        assert_eq!(
            instance_v1(&facts("http://a:1"))["urls"]["streaming_api"],
            "ws://a:1"
        );
        assert_eq!(
            instance_v2(&facts("https://b"))["configuration"]["urls"]["streaming"],
            "wss://b"
        );
        assert_eq!(instance_v1(&facts("https://b"))["uri"], "b");
        assert_eq!(VERSION.split(' ').next(), Some("4.2.0"));
    }
}
