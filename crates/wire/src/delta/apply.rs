//! From a source and a delta, the target.

use std::fmt;

use super::number;

/// The target that `delta` makes of `source`.
///
/// Never more than `bytes_max` bytes are made, whatever the delta says of itself; the work is linear in the target and
/// the delta.
///
/// # Errors
/// When it is no delta, one for another source (as far as size and checksum tell), or the target is too large.
pub fn apply(source: &[u8], delta: &[u8], bytes_max: usize) -> Result<Vec<u8>, DeltaError> {
    let mut rest = delta;
    let size = number::take(&mut rest).ok_or(DeltaError::Malformed)? as usize;
    if size > bytes_max {
        return Err(DeltaError::TooLarge);
    }
    expect(&mut rest, b'\n')?;
    // No more is set aside than the parts can fill: a delta of ten bytes may speak of gigabytes.
    let mut target = Vec::with_capacity(size.min(source.len() + delta.len()));
    loop {
        let count = number::take(&mut rest).ok_or(DeltaError::Malformed)?;
        let length = count as usize;
        let (command, after) = rest.split_first().ok_or(DeltaError::Malformed)?;
        rest = after;
        let part = match command {
            b'@' => {
                let from = number::take(&mut rest).ok_or(DeltaError::Malformed)? as usize;
                expect(&mut rest, b',')?;
                let end = from.checked_add(length).ok_or(DeltaError::Malformed)?;
                source.get(from..end).ok_or(DeltaError::OtherSource)?
            }
            b':' => {
                let (part, after) = rest.split_at_checked(length).ok_or(DeltaError::Malformed)?;
                rest = after;
                part
            }
            b';' if target.len() != size => return Err(DeltaError::Malformed),
            b';' if number::checksum(&target) != count => return Err(DeltaError::OtherSource),
            b';' if rest.is_empty() => return Ok(target),
            _ => return Err(DeltaError::Malformed),
        };
        if part.len() > size - target.len() {
            return Err(DeltaError::Malformed);
        }
        target.extend_from_slice(part);
    }
}

fn expect(rest: &mut &[u8], byte: u8) -> Result<(), DeltaError> {
    *rest = rest.strip_prefix(&[byte]).ok_or(DeltaError::Malformed)?;
    Ok(())
}

/// Why a delta could not be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeltaError {
    /// It is no delta.
    Malformed,
    /// It was made for another source: it copies what is not there, or the checksum is another.
    OtherSource,
    /// The target would be larger than was allowed.
    TooLarge,
}

impl fmt::Display for DeltaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a Fossil delta",
            Self::OtherSource => "the delta was made for another source",
            Self::TooLarge => "the delta's target is too large",
        })
    }
}

impl std::error::Error for DeltaError {}
