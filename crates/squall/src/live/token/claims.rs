//! What tokens say, once they are believed.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Visitor};
use serde_json::value::RawValue;

use super::TokenError;

/// Most channels of one connection token.
pub const TOKEN_SUBS_MAX: usize = 128;

/// A connection token that was believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionClaims {
    /// `sub`: who it is. Empty for somebody anonymous.
    pub user: String,
    /// Until when the connection is good, in seconds since the Unix epoch: `expire_at`, else `exp`. `None`: without
    /// end (`expire_at` of 0 says so even where there is an `exp`).
    pub expire_at_s: Option<u64>,
    /// `info` (JSON) or `b64info` (any bytes): what others see of this client in presence, join and leave.
    pub info: Option<Bytes>,
    /// `meta` (JSON): for the application alone, never sent to a client.
    pub meta: Option<Bytes>,
    /// What the connection is subscribed to from the start: `subs`, else `channels`.
    pub subs: BTreeMap<String, SubscriptionOptions>,
    /// `jti`: the token's own name.
    pub id: Option<String>,
    /// `iat`: when it was made, in seconds since the Unix epoch.
    pub issued_at_s: Option<u64>,
}

/// A subscription token that was believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionClaims {
    /// `sub`: whom it lets in.
    pub user: String,
    /// `channel`: into what. Never empty.
    pub channel: String,
    /// `client`: for this one connection alone. Empty: for any of the user's.
    pub client: String,
    /// Until when the subscription is good, in seconds since the Unix epoch; as for a connection.
    pub expire_at_s: Option<u64>,
    /// What the subscription is to be like.
    pub options: SubscriptionOptions,
    /// `jti`: the token's own name.
    pub id: Option<String>,
    /// `iat`: when it was made, in seconds since the Unix epoch.
    pub issued_at_s: Option<u64>,
}

impl SubscriptionClaims {
    /// Whether it lets this user, over this connection, into this channel. If not, the connection is closed with 3500,
    /// `invalid token`, as in Centrifugo.
    pub fn permits(&self, channel: &str, user: &str, client: &str) -> bool {
        self.channel == channel && self.user == user && (self.client.is_empty() || self.client == client)
    }
}

/// What a token says of one subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionOptions {
    /// `info` or `b64info`: what others see of this client in this channel.
    pub info: Option<Bytes>,
    /// `data` or `b64data`: what the client gets with the subscription.
    pub data: Option<Bytes>,
    /// Where the token overrules the channel's namespace.
    pub overrides: Overrides,
}

/// Options of a channel's namespace that are otherwise for one subscription. `None`: as the namespace has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Whether the client is in the channel's presence.
    pub presence: Option<bool>,
    /// Whether others are told that the client joins and leaves.
    pub join_leave: Option<bool>,
    /// Whether the client is told of others' joining and leaving without asking for it.
    pub force_push_join_leave: Option<bool>,
    /// Whether the subscription has a position without the client asking for it.
    pub force_positioning: Option<bool>,
    /// Whether what was missed is recovered without the client asking for it.
    pub force_recovery: Option<bool>,
}

/// The claims that both kinds have, and those of either. What is not known is passed over (RFC 7519, section 4).
#[derive(Deserialize)]
pub(super) struct Claims<'a> {
    sub: Option<String>,
    exp: Option<Date>,
    nbf: Option<Date>,
    iat: Option<Date>,
    jti: Option<String>,
    iss: Option<String>,
    #[serde(default)]
    aud: Audience,
    expire_at: Option<i64>,
    #[serde(borrow)]
    info: Option<&'a RawValue>,
    b64info: Option<String>,
    #[serde(borrow)]
    meta: Option<&'a RawValue>,
    channels: Option<Vec<String>>,
    #[serde(borrow)]
    subs: Option<BTreeMap<String, RawOptions<'a>>>,
    channel: Option<String>,
    client: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    b64data: Option<String>,
    #[serde(rename = "override")]
    overrides: Option<RawOverrides>,
}

impl<'a> Claims<'a> {
    pub(super) fn parse(json: &'a [u8]) -> Result<Self, TokenError> {
        serde_json::from_slice(json)
            .map_err(|_| TokenError::Invalid("its claims are not what they should be"))
    }

    /// RFC 7519, sections 4.1.1 and 4.1.3. What is empty is not looked at.
    pub(super) fn check_parties(&self, issuer: &str, audience: &str) -> Result<(), TokenError> {
        if !issuer.is_empty() && self.iss.as_deref() != Some(issuer) {
            return Err(TokenError::Invalid("it is another issuer's"));
        }
        if !audience.is_empty() && !self.aud.0.iter().any(|found| found == audience) {
            return Err(TokenError::Invalid("it is for another audience"));
        }
        Ok(())
    }

    /// RFC 7519, sections 4.1.4 and 4.1.5.
    pub(super) fn check_times(&self, now_s: u64, leeway_s: u64) -> Result<(), TokenError> {
        if self
            .exp
            .is_some_and(|Date(exp_s)| now_s >= exp_s.saturating_add(leeway_s))
        {
            return Err(TokenError::Expired);
        }
        if self
            .nbf
            .is_some_and(|Date(nbf_s)| now_s.saturating_add(leeway_s) < nbf_s)
        {
            return Err(TokenError::NotYet);
        }
        Ok(())
    }

    pub(super) fn into_connection(self) -> Result<ConnectionClaims, TokenError> {
        if self.channel.as_deref().is_some_and(|channel| !channel.is_empty()) {
            return Err(TokenError::Invalid("it is a subscription's, not a connection's"));
        }
        let expire_at_s = self.expire_at_s();
        let subs = match (self.subs, self.channels) {
            (Some(subs), _) if !subs.is_empty() => {
                let options = |(channel, raw): (String, RawOptions<'_>)| Ok((channel, raw.into_options()?));
                subs.into_iter().map(options).collect::<Result<_, TokenError>>()?
            }
            (_, Some(channels)) => {
                let plain = |channel| (channel, SubscriptionOptions::default());
                channels.into_iter().map(plain).collect::<BTreeMap<_, _>>()
            }
            _ => BTreeMap::new(),
        };
        if subs.len() > TOKEN_SUBS_MAX {
            return Err(TokenError::Invalid("it has too many channels"));
        }
        Ok(ConnectionClaims {
            user: self.sub.unwrap_or_default(),
            expire_at_s,
            info: either(self.info, self.b64info)?,
            meta: either(self.meta, None)?,
            subs,
            id: self.jti,
            issued_at_s: self.iat.map(|Date(iat_s)| iat_s),
        })
    }

    pub(super) fn into_subscription(self) -> Result<SubscriptionClaims, TokenError> {
        let expire_at_s = self.expire_at_s();
        let channel = self.channel.unwrap_or_default();
        if channel.is_empty() {
            return Err(TokenError::Invalid("a subscription's token names a channel"));
        }
        let raw = RawOptions {
            info: self.info,
            b64info: self.b64info,
            data: self.data,
            b64data: self.b64data,
            overrides: self.overrides,
        };
        Ok(SubscriptionClaims {
            user: self.sub.unwrap_or_default(),
            channel,
            client: self.client.unwrap_or_default(),
            expire_at_s,
            options: raw.into_options()?,
            id: self.jti,
            issued_at_s: self.iat.map(|Date(iat_s)| iat_s),
        })
    }

    fn expire_at_s(&self) -> Option<u64> {
        match self.expire_at {
            Some(expire_at_s) => u64::try_from(expire_at_s).ok().filter(|at_s| *at_s > 0),
            None => self.exp.map(|Date(exp_s)| exp_s),
        }
    }
}

#[derive(Deserialize)]
struct RawOptions<'a> {
    #[serde(borrow)]
    info: Option<&'a RawValue>,
    b64info: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    b64data: Option<String>,
    #[serde(rename = "override")]
    overrides: Option<RawOverrides>,
}

impl RawOptions<'_> {
    fn into_options(self) -> Result<SubscriptionOptions, TokenError> {
        let raw = self.overrides.unwrap_or_default();
        let value = |raw: Option<RawBool>| raw.map(|raw| raw.value);
        Ok(SubscriptionOptions {
            info: either(self.info, self.b64info)?,
            data: either(self.data, self.b64data)?,
            overrides: Overrides {
                presence: value(raw.presence),
                join_leave: value(raw.join_leave),
                force_push_join_leave: value(raw.force_push_join_leave),
                force_positioning: value(raw.force_positioning),
                force_recovery: value(raw.force_recovery),
            },
        })
    }
}

#[derive(Default, Deserialize)]
struct RawOverrides {
    presence: Option<RawBool>,
    join_leave: Option<RawBool>,
    force_push_join_leave: Option<RawBool>,
    force_positioning: Option<RawBool>,
    force_recovery: Option<RawBool>,
}

/// `{"value":true}`: so that `false` can be told from nothing, in the manner of Protobuf's wrappers.
#[derive(Deserialize)]
struct RawBool {
    #[serde(default)]
    value: bool,
}

/// The bytes if there are any, else the JSON.
fn either(json: Option<&RawValue>, base64: Option<String>) -> Result<Option<Bytes>, TokenError> {
    match base64.filter(|text| !text.is_empty()) {
        Some(text) => {
            let bytes = STANDARD.decode(text);
            let bytes = bytes.map_err(|_| TokenError::Invalid("one of its claims is not base64"))?;
            Ok(Some(bytes.into()))
        }
        None => Ok(json.map(|json| Bytes::copy_from_slice(json.get().as_bytes()))),
    }
}

/// A `NumericDate` (RFC 7519, section 2): seconds since the Unix epoch, perhaps with a fraction, which is cut off.
/// What lies before the epoch counts as its first second.
#[derive(Clone, Copy)]
struct Date(u64);

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        let seconds = number.as_u64().or_else(|| {
            let seconds = number.as_f64().filter(|seconds| seconds.is_finite())?;
            // `as` saturates: below zero is zero.
            Some(seconds.floor() as u64)
        });
        seconds.map(Self).ok_or_else(|| D::Error::custom("no date"))
    }
}

/// One text or several.
#[derive(Default)]
struct Audience(Vec<String>);

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AudienceVisitor)
    }
}

struct AudienceVisitor;

impl<'de> Visitor<'de> for AudienceVisitor {
    type Value = Audience;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or several")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Audience, E> {
        Ok(Audience(vec![text.to_owned()]))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Audience, E> {
        Ok(Audience::default())
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Audience, A::Error> {
        let mut all = Vec::new();
        while let Some(text) = seq.next_element()? {
            all.push(text);
        }
        Ok(Audience(all))
    }
}
