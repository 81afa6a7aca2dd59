//! Pages of a list that is ordered by id, newest first.

/// Items of a page, at most.
pub const LIMIT_MAX: usize = 80;
/// Items of a page when nobody says how many.
pub const LIMIT_DEFAULT: usize = 20;

/// Which part of a list: by id, so that what is written meanwhile neither shifts nor repeats anything.
///
/// The answer is always newest first. With `min_id` it is the page right above that id (its oldest items);
/// otherwise it is the newest items below `max_id`, cut off at `since_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paging {
    /// Only items with a smaller id.
    pub max_id: Option<u64>,
    /// Only items with a greater id; the newest of them (may skip some).
    pub since_id: Option<u64>,
    /// Only items with a greater id; the oldest of them (skips none).
    pub min_id: Option<u64>,
    /// How many, at most; `1..=`[`LIMIT_MAX`].
    pub limit: usize,
}

impl Default for Paging {
    fn default() -> Self {
        Self {
            max_id: None,
            since_id: None,
            min_id: None,
            limit: LIMIT_DEFAULT,
        }
    }
}

impl Paging {
    /// The newest `limit` items.
    pub fn newest(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
        .clamped()
    }

    /// The newest `limit` items below `max_id`.
    pub fn below(max_id: u64, limit: usize) -> Self {
        Self {
            max_id: Some(max_id),
            limit,
            ..Self::default()
        }
        .clamped()
    }

    /// The same with a limit within `1..=`[`LIMIT_MAX`].
    pub fn clamped(self) -> Self {
        Self {
            limit: self.limit.clamp(1, LIMIT_MAX),
            ..self
        }
    }

    /// Exclusive lower and upper bound and whether to read upwards: what a query needs.
    pub(crate) fn window(&self) -> Window {
        let ceiling = i64::MAX as u64;
        Window {
            above: self.min_id.or(self.since_id).unwrap_or(0).min(ceiling),
            below: self.max_id.unwrap_or(ceiling).min(ceiling),
            upwards: self.min_id.is_some(),
            limit: self.limit.clamp(1, LIMIT_MAX),
        }
    }
}

/// A [`Paging`] as a query uses it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Ids are greater than this.
    pub(crate) above: u64,
    /// Ids are smaller than this.
    pub(crate) below: u64,
    /// Oldest first (the answer is turned round afterwards).
    pub(crate) upwards: bool,
    /// How many.
    pub(crate) limit: usize,
}

impl Window {
    /// Puts what was read in this window's direction into the order that callers get.
    pub(crate) fn newest_first<T>(&self, mut items: Vec<T>) -> Vec<T> {
        if self.upwards {
            items.reverse();
        }
        items
    }

    /// `ASC` or `DESC`.
    pub(crate) fn order(&self) -> &'static str {
        if self.upwards { "ASC" } else { "DESC" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_kept_within_bounds() {
        assert_eq!(Paging::newest(0).limit, 1);
        assert_eq!(Paging::newest(LIMIT_MAX).limit, LIMIT_MAX);
        assert_eq!(Paging::newest(LIMIT_MAX + 1).limit, LIMIT_MAX);
        assert_eq!(
            Paging {
                max_id: Some(u64::MAX),
                ..Paging::default()
            }
            .window()
            .below,
            i64::MAX as u64
        );
    }
}
