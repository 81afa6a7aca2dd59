//! Content codings: which a request accepts, and which one it gets (RFC 9110, section 12.5.3).

use axum::http::HeaderMap;
use squall_engine::wire::accept_encoding::AcceptEncoding;

/// How the bytes of a representation are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// Not at all.
    Identity,
    Gzip,
    Zstd,
    Brotli,
}

impl Coding {
    /// Those that a file beside the file may have, the best first.
    pub(crate) const BESIDE: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// As it stands in `Content-Encoding`.
    pub(crate) fn token(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Brotli => "br",
        }
    }

    /// What the name of the file ends in.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
            Self::Brotli => ".br",
        }
    }
}

/// What a request accepts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Accepted(AcceptEncoding);

impl Accepted {
    /// Reads `Accept-Encoding`.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self(AcceptEncoding::read(headers))
    }

    /// How much it is wanted; 0: not acceptable. Twice the thousandths, so that an identity which is not named, and
    /// so acceptable, stands below all that is.
    fn rank(&self, coding: Coding) -> u16 {
        let named = match coding {
            Coding::Identity => self.0.identity,
            Coding::Gzip => self.0.gzip,
            Coding::Zstd => self.0.zstd,
            Coding::Brotli => self.0.brotli,
        };
        match (named.or(self.0.any), coding) {
            (Some(weight), _) if self.0.is_stated => weight * 2,
            (_, Coding::Identity) => 1,
            _ => 0,
        }
    }

    /// The coding that is wanted most, of those that there are; among equals the one that packs best. A request that
    /// says nothing of codings gets none. `None`: nothing of it is acceptable, the bare bytes neither.
    pub(crate) fn choose(&self, there: impl Iterator<Item = Coding>) -> Option<Coding> {
        there
            .filter(|coding| self.rank(*coding) > 0)
            .max_by_key(|coding| (self.rank(*coding), *coding as u8))
    }
}
