//! Many streams of the running feed, and what they receive of what is posted.
//!
//! One process coordinates: it starts the feed, makes people, posts, and reads what the feed costs. Others hold the streams,
//! as one process may not have enough files open; they are this program again, told what to do on their standard input.

pub mod api;
pub mod clients;
pub mod holder;
pub mod sse;

use rustix::time::ClockId;

/// What every post of ours begins with; its number and the moment it was sent follow.
const MARK: &str = "bench-post ";

/// Now, on the clock that all processes of this machine share, in nanoseconds.
#[must_use]
pub fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// The text of post `number`, sent at `sent_ns`.
#[must_use]
pub fn post_text(number: u64, sent_ns: u64) -> String {
    format!("{MARK}{number} {sent_ns} ")
}

/// Number and moment of the post that `event` is about; `None` if it is about none of ours.
fn find_post(event: &[u8]) -> Option<(u64, u64)> {
    let at = event
        .windows(MARK.len())
        .position(|window| window == MARK.as_bytes())?;
    let rest = &event[at + MARK.len()..];
    let end = rest.len().min(48);
    let text = std::str::from_utf8(&rest[..end]).ok().or_else(|| {
        let valid = rest[..end].utf8_chunks().next()?.valid();
        Some(valid)
    })?;
    let mut words = text.split(|c: char| !c.is_ascii_digit());
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_is_found_in_what_is_made_of_it() {
        let event = format!(
            "event: update\ndata: {{\"content\":\"<p>{}</p>é\"}}",
            post_text(7, 123_456)
        );
        assert_eq!(find_post(event.as_bytes()), Some((7, 123_456)));
        assert_eq!(find_post(b"event: update\ndata: {}"), None);
        assert_eq!(find_post(b"bench-post "), None);
    }
}
