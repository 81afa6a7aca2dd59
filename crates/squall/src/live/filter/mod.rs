//! Tags filters: which messages of a topic one subscription wants, said by the client when it subscribes.
//!
//! Centrifugo's `FilterNode` (its client protocol, `SubscribeRequest.tf`): a tree whose leaves compare one tag of the
//! message with a text or with several. A filter saves a client what it would throw away; it protects nothing, since
//! the client chose it. It is looked at whole when it comes, and asked of every message after that without a way to fail.

mod decimal;
mod node;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

pub use node::FilterNode;
use node::Node;

/// Most nodes of one filter, leaves and the others. What evaluating it costs is bounded by this and by the tags.
pub const FILTER_NODES_MAX: usize = 64;
/// Most nodes from the root down to a leaf, both counted.
pub const FILTER_DEPTH_MAX: usize = 16;
/// Most texts in one leaf's `vals`.
pub const FILTER_VALS_MAX: usize = 64;
/// Most bytes of all keys and values of one filter together.
pub const FILTER_BYTES_MAX: usize = 4096;

/// A filter that was found to be well-formed. Cheap to clone; equal filters are equal, however they came.
///
/// ```
/// use squall::live::filter::{Filter, FilterNode};
/// let node: FilterNode = serde_json::from_str(
///     r#"{"op":"and","nodes":[{"key":"lang","cmp":"eq","val":"en"},{"key":"price","cmp":"gte","val":"9.50"}]}"#,
/// )?;
/// let filter = Filter::new(node)?;
/// let tags = |name: &str| match name { "lang" => Some("en"), "price" => Some("10"), _ => None };
/// assert!(filter.matches(tags));
/// assert!(!filter.matches(|_| None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Filter {
    root: Arc<Node>,
}

impl Filter {
    /// Looks at the whole tree.
    ///
    /// # Errors
    /// [`FilterError`]: what is wrong with it, or which limit it passes.
    pub fn new(root: FilterNode) -> Result<Self, FilterError> {
        let mut budget = Budget {
            nodes: FILTER_NODES_MAX,
            bytes: FILTER_BYTES_MAX,
        };
        let root = Node::check(root, FILTER_DEPTH_MAX, &mut budget)?;
        Ok(Self { root: Arc::new(root) })
    }

    /// Whether a message with these tags is wanted. `tag` answers the value of the tag with a name.
    pub fn matches<'t>(&self, tag: impl Fn(&str) -> Option<&'t str>) -> bool {
        self.root.matches(&tag)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

/// What a filter may still have while it is looked at.
struct Budget {
    nodes: usize,
    bytes: usize,
}

/// Why a filter is none. A client gets error 107, `bad request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterError {
    /// More than [`FILTER_NODES_MAX`] nodes.
    TooManyNodes,
    /// Deeper than [`FILTER_DEPTH_MAX`].
    TooDeep,
    /// More than [`FILTER_VALS_MAX`] texts in one `vals`.
    TooManyVals,
    /// More than [`FILTER_BYTES_MAX`] bytes of keys and values.
    TooLong,
    /// An `op` that is none of them.
    UnknownOp,
    /// A `cmp` that is none of them, or none where there must be one.
    UnknownCmp,
    /// A leaf's `key` is missing.
    NoKey,
    /// This `cmp` takes a `val` and no `vals`.
    NeedsVal(&'static str),
    /// This `cmp` takes `vals` and no `val`.
    NeedsVals(&'static str),
    /// This `cmp` takes neither `val` nor `vals`.
    TakesNothing(&'static str),
    /// `and`, `or`: no nodes below. `not`: not one.
    WrongNodes(&'static str),
    /// A leaf with nodes below, or another node with a leaf's `key`, `cmp`, `val` or `vals`.
    Mixed,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyNodes => write!(f, "a filter has at most {FILTER_NODES_MAX} nodes"),
            Self::TooDeep => write!(f, "a filter is at most {FILTER_DEPTH_MAX} nodes deep"),
            Self::TooManyVals => write!(f, "a filter's vals are at most {FILTER_VALS_MAX}"),
            Self::TooLong => write!(
                f,
                "a filter's keys and values have at most {FILTER_BYTES_MAX} bytes"
            ),
            Self::UnknownOp => f.write_str("a filter's op is and, or, not, or empty for a leaf"),
            Self::UnknownCmp => f.write_str("a filter's leaf has an unknown cmp"),
            Self::NoKey => f.write_str("a filter's leaf needs a key"),
            Self::NeedsVal(cmp) => write!(f, "a filter's {cmp} takes val, and no vals"),
            Self::NeedsVals(cmp) => write!(f, "a filter's {cmp} takes vals, and no val"),
            Self::TakesNothing(cmp) => write!(f, "a filter's {cmp} takes neither val nor vals"),
            Self::WrongNodes("not") => f.write_str("a filter's not takes one node"),
            Self::WrongNodes(op) => write!(f, "a filter's {op} takes one node or more"),
            Self::Mixed => f.write_str("a filter's node is either a leaf or has nodes"),
        }
    }
}

impl std::error::Error for FilterError {}
