//! What happens to a follower that the log's tail has passed.

/// What a laggard gets: a follower whose next messages the log no longer holds.
///
/// As long as the log holds everything past a follower's cursor, all three are the same: it gets everything, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Policy {
    /// It is told of the gap, then it gets everything that is still there.
    #[default]
    Gap,
    /// It is told of the gap, then it gets the newest message alone: for values where only the latest matters.
    Latest,
    /// It is disconnected in a way that says: come back with your cursor.
    Close,
}
