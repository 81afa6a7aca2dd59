//! Bodies of forms with files: `multipart/form-data` (RFC 7578), as bytes that arrive in any pieces.
//!
//! Why our own: the readers that exist keep a part's head, and whatever stands before the first boundary, until they
//! have seen its end, and look through all of it again with every piece, so that a few megabytes cost minutes and the
//! limit on the whole body is the only one there is; and they look for `name=` anywhere in `Content-Disposition`, file
//! names included, so that two programs read one form differently. Here every byte is looked at once, a head is
//! bounded, and what can be read in two ways is refused.
//!
//! ```
//! use bytes::Bytes;
//! use squall_wire::multipart::{Decoder, Limits, Piece, boundary_of};
//!
//! let boundary = boundary_of(b"multipart/form-data; boundary=x").unwrap();
//! let mut decoder = Decoder::new(&boundary, &Limits::default());
//! let mut input = Bytes::from_static(
//!     b"--x\r\nContent-Disposition: form-data; name=\"greeting\"\r\n\r\nhello\r\n--x--\r\n",
//! );
//! let Ok(Piece::Part(head)) = decoder.decode(&mut input) else { panic!("a part") };
//! assert_eq!(head.name, "greeting");
//! assert_eq!(decoder.decode(&mut input), Ok(Piece::Data(Bytes::from_static(b"hello"))));
//! assert_eq!(decoder.decode(&mut input), Ok(Piece::PartEnd));
//! assert_eq!(decoder.decode(&mut input), Ok(Piece::End));
//! ```

mod decode;
mod head;
mod params;

use std::fmt;

pub use decode::{Decoder, Piece};
pub use head::PartHead;
pub use params::boundary_of;

/// Bytes of a boundary (RFC 2046, section 5.1.1).
pub const BOUNDARY_BYTES_MAX: usize = 70;

/// Bytes before the first boundary: no browser sends any, and some programs send an empty line.
pub const PREAMBLE_BYTES_MAX: usize = 1024;

/// White space after a boundary on its line.
pub const PADDING_BYTES_MAX: usize = 64;

/// Fields in the head of one part. Browsers send two.
pub const PART_FIELDS_MAX: usize = 16;

/// What one form may cost, beside its bytes: those are for whoever reads the body to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Parts, fields and files together. Default 100.
    pub parts_max: usize,
    /// The head of one part with its empty line, in bytes. Default 10 KiB.
    pub part_head_bytes_max: usize,
    /// The name of a part, in bytes of UTF-8. Default 256.
    pub name_bytes_max: usize,
    /// The file name of a part as it was sent, with its path if there is one, in bytes of UTF-8. Default 1,024.
    pub file_name_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            parts_max: 100,
            part_head_bytes_max: 10 * 1024,
            name_bytes_max: 256,
            file_name_bytes_max: 1024,
        }
    }
}

/// Why a body is not taken as a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MultipartError {
    /// The media type is another one.
    NotAForm,
    /// The boundary is missing, said twice, too long or has other characters than RFC 2046, section 5.1.1 allows.
    Boundary,
    /// The body is not what RFC 7578 describes; this is how.
    Malformed(&'static str),
    /// The body ended before its last boundary.
    Truncated,
    /// More parts than [`Limits::parts_max`].
    TooManyParts,
    /// A part's head has more bytes than [`Limits::part_head_bytes_max`] or more fields than [`PART_FIELDS_MAX`].
    PartHeadTooLarge,
    /// Longer than [`Limits::name_bytes_max`] or [`Limits::file_name_bytes_max`].
    NameTooLong,
}

impl fmt::Display for MultipartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MultipartError::NotAForm => "the body is no multipart form",
            MultipartError::Boundary => "the form's boundary is missing or is none",
            MultipartError::Malformed(how) => how,
            MultipartError::Truncated => "the form ends before its last boundary",
            MultipartError::TooManyParts => "the form has too many parts",
            MultipartError::PartHeadTooLarge => "the head of a part of the form is too large",
            MultipartError::NameTooLong => "a name in the form is too long",
        })
    }
}

impl std::error::Error for MultipartError {}
