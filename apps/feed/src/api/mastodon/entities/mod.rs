//! The JSON that clients read: one struct per entity, every key that a strict client insists on.
//!
//! Why structs: a key that is left out is a crash in somebody's client, so the compiler counts them for us.
//! An `Option` is a key that is always there and may be `null`, unless it says `skip`.
//! Not here: how an entity is made from the domain's values (`render`).

mod account;
mod instance;
mod misc;
mod oauth;
mod status;

pub(crate) use account::{Account, CredentialAccount, Relationship, Source};
pub(crate) use instance::{InstanceFacts, instance_v1, instance_v2, nodeinfo_2_0, nodeinfo_links};
pub(crate) use misc::{Context, Marker, Notification, Preferences, Search, StatusSource};
pub(crate) use oauth::{Application, Token};
pub(crate) use status::{Status, StatusApplication, StatusMention, ViewerFlags};

/// A custom emoji, a poll, a card, a media attachment or a filter result: what this server never has.
///
/// It has no value, so a `Vec` of it serializes as `[]` and an `Option` of it as `null`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Never {}

impl serde::Serialize for Never {
    fn serialize<S: serde::Serializer>(&self, _serializer: S) -> Result<S::Ok, S::Error> {
        match *self {}
    }
}
