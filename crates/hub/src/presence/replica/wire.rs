//! What nodes tell each other, as bytes.
//!
//! One byte for the format, one for the kind; numbers as LEB128; texts and infos with their length before them. Strict:
//! nothing may follow, and every length is checked against what is there before anything is made.

use std::fmt;
use std::sync::Arc;

use super::{Ask, BUCKETS, Delta, Digest, Origin, Row, Snapshot, Update};
use crate::presence::member::{Member, SessionId};

/// The format's number: the first byte.
const FORMAT: u8 = 1;

/// Largest message that is read, in bytes.
pub const WIRE_BYTES_MAX: usize = 64 << 20;

/// Everything that nodes say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wire {
    /// See [`Update`].
    Update(Update),
    /// See [`Digest`].
    Digest(Digest),
    /// See [`Ask`].
    Ask(Ask),
}

/// The bytes are no message of another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaError(());

impl fmt::Display for ReplicaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a message of presence: cut off, too long or of another version")
    }
}

impl std::error::Error for ReplicaError {}

impl Wire {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        match self {
            Self::Update(Update::Delta(delta)) => {
                head(&mut out, 0, delta.origin);
                out.push(delta.bucket);
                number(&mut out, delta.after);
                number(&mut out, delta.version);
                rows(&mut out, &delta.rows);
            }
            Self::Update(Update::Snapshot(snapshot)) => {
                head(&mut out, 1, snapshot.origin);
                out.push(snapshot.bucket);
                number(&mut out, snapshot.version);
                rows(&mut out, &snapshot.rows);
            }
            Self::Digest(digest) => {
                head(&mut out, 2, digest.origin);
                number(&mut out, digest.versions.len() as u64);
                for (bucket, version) in &digest.versions {
                    out.push(*bucket);
                    number(&mut out, *version);
                }
            }
            Self::Ask(ask) => {
                head(&mut out, 3, ask.origin);
                bytes(&mut out, &ask.buckets);
            }
        }
        out
    }

    /// Reads what [`Wire::encode`] wrote.
    ///
    /// # Errors
    /// The bytes are anything else, or more than [`WIRE_BYTES_MAX`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ReplicaError> {
        if bytes.len() > WIRE_BYTES_MAX {
            return Err(ReplicaError(()));
        }
        let mut input = Input(bytes);
        let wire = input.wire().ok_or(ReplicaError(()))?;
        if input.0.is_empty() {
            Ok(wire)
        } else {
            Err(ReplicaError(()))
        }
    }
}

fn head(out: &mut Vec<u8>, kind: u8, origin: Origin) {
    out.push(kind);
    number(out, origin.node);
    number(out, origin.life);
}

fn number(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// The length and one, or zero for none.
fn info(out: &mut Vec<u8>, info: Option<&Arc<[u8]>>) {
    number(out, info.map_or(0, |info| info.len() as u64 + 1));
    out.extend_from_slice(info.map_or(&[], |info| info));
}

fn rows(out: &mut Vec<u8>, rows: &[Row]) {
    number(out, rows.len() as u64);
    for row in rows {
        out.extend_from_slice(&row.session.to_bytes());
        bytes(out, row.topic.as_bytes());
        out.push(u8::from(row.member.is_some()));
        if let Some(member) = &row.member {
            bytes(out, member.user.as_bytes());
            info(out, member.conn_info.as_ref());
            info(out, member.info.as_ref());
        }
    }
}

/// The rest of what is to be read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn wire(&mut self) -> Option<Wire> {
        if self.byte()? != FORMAT {
            return None;
        }
        let kind = self.byte()?;
        let origin = Origin {
            node: self.number()?,
            life: self.number()?,
        };
        Some(match kind {
            0 => Wire::Update(Update::Delta(Delta {
                origin,
                bucket: self.byte()?,
                after: self.number()?,
                version: self.number()?,
                rows: self.rows()?,
            })),
            1 => Wire::Update(Update::Snapshot(Snapshot {
                origin,
                bucket: self.byte()?,
                version: self.number()?,
                rows: self.rows()?,
            })),
            2 => {
                let count = self.number().filter(|count| *count <= BUCKETS as u64)?;
                let mut versions = Vec::new();
                for _ in 0..count {
                    versions.push((self.byte()?, self.number()?));
                }
                Wire::Digest(Digest { origin, versions })
            }
            3 => {
                let buckets = self.counted()?.to_vec();
                Wire::Ask(Ask { origin, buckets })
            }
            _ => return None,
        })
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Strict: a number has one way to be written.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if part << shift >> shift != part || (byte == 0 && shift > 0) {
                return None;
            }
            number |= part << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, bytes: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(bytes).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn counted(&mut self) -> Option<&'a [u8]> {
        let bytes = self.number()?;
        self.take(bytes)
    }

    fn text(&mut self) -> Option<Arc<str>> {
        std::str::from_utf8(self.counted()?).ok().map(Arc::from)
    }

    fn info(&mut self) -> Option<Option<Arc<[u8]>>> {
        match self.number()? {
            0 => Some(None),
            more => Some(Some(self.take(more - 1)?.into())),
        }
    }

    fn rows(&mut self) -> Option<Vec<Row>> {
        let count = self.number()?;
        // Grows with what is read, not with what is promised.
        let mut rows = Vec::new();
        for _ in 0..count {
            let session = SessionId::from_bytes(self.take(16)?.try_into().ok()?);
            let topic = self.text()?;
            let member = match self.byte()? {
                0 => None,
                1 => Some(Member {
                    user: self.text()?,
                    conn_info: self.info()?,
                    info: self.info()?,
                }),
                _ => return None,
            };
            rows.push(Row {
                session,
                topic,
                member,
            });
        }
        Some(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin { node: 7, life: 300 }
    }

    fn all() -> Vec<Wire> {
        let row = |member| Row {
            session: SessionId::from_number(0x0102),
            topic: "room".into(),
            member,
        };
        let member = Member {
            user: "ann".into(),
            conn_info: Some(b"{}"[..].into()),
            info: None,
        };
        vec![
            Wire::Update(Update::Delta(Delta {
                origin: origin(),
                bucket: 9,
                after: 3,
                version: u64::MAX,
                rows: vec![row(Some(member.clone())), row(None)],
            })),
            Wire::Update(Update::Snapshot(Snapshot {
                origin: origin(),
                bucket: 255,
                version: 128,
                rows: vec![row(Some(member)), row(Some(Member::user("")))],
            })),
            Wire::Digest(Digest {
                origin: origin(),
                versions: vec![(0, 1), (255, 1 << 40)],
            }),
            Wire::Ask(Ask {
                origin: origin(),
                buckets: vec![0, 1, 255],
            }),
        ]
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        for wire in all() {
            let bytes = wire.encode();
            assert_eq!(Wire::decode(&bytes), Ok(wire));
            for cut in 0..bytes.len() {
                assert!(Wire::decode(&bytes[..cut]).is_err(), "{cut} of {bytes:?}");
            }
            let mut more = bytes.clone();
            more.push(0);
            assert!(Wire::decode(&more).is_err());
        }
    }

    #[test]
    fn the_bytes_are_these() {
        let ask = Wire::Ask(Ask {
            origin: origin(),
            buckets: vec![5, 6],
        });
        assert_eq!(ask.encode(), [1, 3, 7, 0xac, 2, 2, 5, 6]);
    }

    #[test]
    fn what_is_promised_is_not_believed() {
        // Rows without end, a text without end, a number of eleven bytes, one with a zero that adds nothing.
        for bad in [
            &[1, 1, 7, 7, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f][..],
            &[
                1, 3, 7, 7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
            ],
            &[
                1, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 7, 0,
            ],
            &[1, 3, 0x80, 0, 7, 0],
            &[2, 3, 7, 7, 0],
            &[1, 4, 7, 7, 0],
        ] {
            assert!(Wire::decode(bad).is_err(), "{bad:?}");
        }
    }
}
