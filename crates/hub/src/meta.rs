//! What a message may carry beside its data: tags, and who sent it.
//!
//! Most messages have neither, and pay one pointer for it.

use bytes::Bytes;

/// Longest encoding of a [`Meta`], in bytes.
pub const META_BYTES_MAX: usize = 64 << 10;

/// The first byte of an encoding: another one is another form.
const FORM: u8 = 1;

/// What a message carries beside its data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Names and values that filters look at, in the order of their names.
    pub tags: Vec<(Box<str>, Box<str>)>,
    /// Who sent it, if that is to be known.
    pub sender: Option<Sender>,
}

/// A client that sent a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// The person's id; empty for nobody in particular.
    pub user: Box<str>,
    /// The connection's id.
    pub client: Box<str>,
    /// What is known of the connection; empty for nothing.
    pub conn_info: Bytes,
    /// What is known of the connection in this topic; empty for nothing.
    pub chan_info: Bytes,
}

impl Meta {
    /// The value of a tag.
    pub fn tag(&self, name: &str) -> Option<&str> {
        let found = self.tags.binary_search_by(|(other, _)| (**other).cmp(name));
        found.ok().map(|at| &*self.tags[at].1)
    }

    /// What it counts for in every limit on bytes.
    pub fn cost_bytes(&self) -> usize {
        let tags: usize = self
            .tags
            .iter()
            .map(|(name, value)| name.len() + value.len() + 32)
            .sum();
        let sender = self.sender.as_ref().map_or(0, |sender| {
            sender.user.len() + sender.client.len() + sender.conn_info.len() + sender.chan_info.len() + 96
        });
        tags + sender
    }

    /// Its encoding, for brokers that keep messages elsewhere: a form byte, then every part after its length
    /// (a little-endian `u32`). `None` beyond [`META_BYTES_MAX`].
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let mut out = vec![FORM];
        put(
            &mut out,
            u32::try_from(self.tags.len()).ok()?.to_le_bytes().as_slice(),
        );
        for (name, value) in &self.tags {
            put(&mut out, name.as_bytes());
            put(&mut out, value.as_bytes());
        }
        if let Some(sender) = &self.sender {
            put(&mut out, sender.user.as_bytes());
            put(&mut out, sender.client.as_bytes());
            put(&mut out, &sender.conn_info);
            put(&mut out, &sender.chan_info);
        }
        (out.len() <= META_BYTES_MAX).then_some(out)
    }

    /// Reads an encoding; `None` if it is none, or not exactly one.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > META_BYTES_MAX {
            return None;
        }
        let (form, mut rest) = bytes.split_first()?;
        if *form != FORM {
            return None;
        }
        let count = u32::from_le_bytes(take(&mut rest)?.try_into().ok()?);
        let mut tags = Vec::new();
        for _ in 0..count {
            tags.push((take_text(&mut rest)?, take_text(&mut rest)?));
        }
        if !tags.is_sorted_by(|one, other| one.0 < other.0) {
            return None;
        }
        if rest.is_empty() {
            return Some(Self { tags, sender: None });
        }
        let sender = Sender {
            user: take_text(&mut rest)?,
            client: take_text(&mut rest)?,
            conn_info: Bytes::copy_from_slice(take(&mut rest)?),
            chan_info: Bytes::copy_from_slice(take(&mut rest)?),
        };
        rest.is_empty().then_some(Self {
            tags,
            sender: Some(sender),
        })
    }
}

impl<N: Into<Box<str>>, V: Into<Box<str>>> FromIterator<(N, V)> for Meta {
    /// A message with these tags; the last of equal names counts.
    fn from_iter<I: IntoIterator<Item = (N, V)>>(tags: I) -> Self {
        let mut all: Vec<(Box<str>, Box<str>)> = Vec::new();
        for (name, value) in tags {
            let (name, value) = (name.into(), value.into());
            match all.binary_search_by(|(other, _)| other.cmp(&name)) {
                Ok(at) => all[at].1 = value,
                Err(at) => all.insert(at, (name, value)),
            }
        }
        Self {
            tags: all,
            sender: None,
        }
    }
}

fn put(out: &mut Vec<u8>, part: &[u8]) {
    out.extend_from_slice(&(part.len() as u32).to_le_bytes());
    out.extend_from_slice(part);
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, tail) = rest.split_at_checked(4)?;
    let length = u32::from_le_bytes(length.try_into().ok()?);
    let (part, tail) = tail.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = tail;
    Some(part)
}

fn take_text(rest: &mut &[u8]) -> Option<Box<str>> {
    std::str::from_utf8(take(rest)?).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Meta {
        let mut meta: Meta = [("b", "2"), ("a", "0"), ("a", "1")].into_iter().collect();
        meta.sender = Some(Sender {
            user: "u".into(),
            client: "c".into(),
            conn_info: Bytes::from_static(b"{}"),
            chan_info: Bytes::new(),
        });
        meta
    }

    #[test]
    fn what_is_encoded_is_read_back() {
        assert_eq!((full().tag("a"), full().tag("c")), (Some("1"), None));
        for meta in [Meta::default(), full()] {
            let bytes = meta.to_bytes().unwrap();
            assert_eq!(Meta::from_bytes(&bytes), Some(meta));
            for cut in 0..bytes.len() {
                assert_ne!(Meta::from_bytes(&bytes[..cut]), Some(full()), "cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_encoding_is_refused() {
        let bytes = full().to_bytes().unwrap();
        assert_eq!(Meta::from_bytes(&[bytes.as_slice(), b"x"].concat()), None);
        assert_eq!(Meta::from_bytes(b""), None);
        assert_eq!(
            Meta::from_bytes(&[2, 4, 0, 0, 0, 0, 0, 0, 0]),
            None,
            "another form"
        );
        // Very many tags are said to come, and none does.
        assert_eq!(Meta::from_bytes(&[1, 4, 0, 0, 0, 255, 255, 255, 255]), None);
        let mut twice = full();
        twice.tags.reverse();
        assert_eq!(
            Meta::from_bytes(&twice.to_bytes().unwrap()),
            None,
            "names in their order"
        );
    }

    #[test]
    fn an_encoding_is_bounded() {
        let of = |bytes: usize| -> Meta { [("", "x".repeat(bytes))].into_iter().collect() };
        let overhead = of(0).to_bytes().unwrap().len();
        assert!(of(META_BYTES_MAX - overhead).to_bytes().is_some());
        assert!(of(META_BYTES_MAX - overhead + 1).to_bytes().is_none());
    }
}
