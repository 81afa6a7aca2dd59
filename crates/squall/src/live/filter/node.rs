//! The nodes of a filter, as they come and as they are asked.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::{Budget, FILTER_VALS_MAX, FilterError, decimal};

/// One node as a client sends it. Nothing of it is believed before [`Filter::new`](super::Filter::new).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FilterNode {
    /// `and`, `or`, `not`; empty for a leaf.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub op: String,
    /// Leaf: which tag.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// Leaf: `eq`, `neq`, `in`, `nin`, `ex`, `nex`, `sw`, `ew`, `ct`, `lt`, `lte`, `gt`, `gte`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cmp: String,
    /// Leaf: what the tag is compared with, but for `in`, `nin`, `ex` and `nex`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub val: String,
    /// Leaf: what the tag is compared with, for `in` and `nin`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vals: Vec<String>,
    /// The nodes below: for `and` and `or` one or more, for `not` one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<FilterNode>,
}

/// A node that was looked at.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum Node {
    All(Box<[Node]>),
    Any(Box<[Node]>),
    Not(Box<Node>),
    Leaf { key: Box<str>, test: Test },
}

/// What a leaf asks of its tag.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum Test {
    Equal(Box<str>),
    NotEqual(Box<str>),
    In(Box<[Box<str>]>),
    NotIn(Box<[Box<str>]>),
    Exists,
    Missing,
    Starts(Box<str>),
    Ends(Box<str>),
    Contains(Box<str>),
    Number(Box<str>, Order),
}

/// Which order of tag and value is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Node {
    /// The node and all below it, at most `depth` deep and within the budget.
    pub(super) fn check(node: FilterNode, depth: usize, budget: &mut Budget) -> Result<Self, FilterError> {
        let below = depth.checked_sub(1).ok_or(FilterError::TooDeep)?;
        budget.nodes = budget.nodes.checked_sub(1).ok_or(FilterError::TooManyNodes)?;
        let is_leaf = node.op.is_empty();
        let says_leaf = [&node.key, &node.cmp, &node.val]
            .into_iter()
            .any(|text| !text.is_empty());
        let mixed = if is_leaf {
            !node.nodes.is_empty()
        } else {
            says_leaf || !node.vals.is_empty()
        };
        if mixed {
            return Err(FilterError::Mixed);
        }
        let mut nodes = |nodes: Vec<FilterNode>| {
            let checked = nodes.into_iter().map(|node| Self::check(node, below, budget));
            checked.collect::<Result<Box<[Self]>, _>>()
        };
        match node.op.as_str() {
            "" => leaf(node, budget),
            "and" if node.nodes.is_empty() => Err(FilterError::WrongNodes("and")),
            "or" if node.nodes.is_empty() => Err(FilterError::WrongNodes("or")),
            "not" if node.nodes.len() != 1 => Err(FilterError::WrongNodes("not")),
            "and" => Ok(Self::All(nodes(node.nodes)?)),
            "or" => Ok(Self::Any(nodes(node.nodes)?)),
            "not" => {
                let only = node
                    .nodes
                    .into_iter()
                    .next()
                    .ok_or(FilterError::WrongNodes("not"))?;
                Ok(Self::Not(Box::new(Self::check(only, below, budget)?)))
            }
            _ => Err(FilterError::UnknownOp),
        }
    }

    pub(super) fn matches<'t>(&self, tag: &impl Fn(&str) -> Option<&'t str>) -> bool {
        match self {
            Self::All(nodes) => nodes.iter().all(|node| node.matches(tag)),
            Self::Any(nodes) => nodes.iter().any(|node| node.matches(tag)),
            Self::Not(node) => !node.matches(tag),
            Self::Leaf { key, test } => test.matches(tag(key)),
        }
    }
}

impl Test {
    /// A tag that is missing is in no set and has no order; `neq` and `nin` hold for it.
    fn matches(&self, tag: Option<&str>) -> bool {
        let among = |vals: &[Box<str>]| tag.is_some_and(|tag| vals.iter().any(|val| **val == *tag));
        match self {
            Self::Equal(val) => tag == Some(val),
            Self::NotEqual(val) => tag != Some(val),
            Self::In(vals) => among(vals),
            Self::NotIn(vals) => !among(vals),
            Self::Exists => tag.is_some(),
            Self::Missing => tag.is_none(),
            Self::Starts(val) => tag.is_some_and(|tag| tag.starts_with(&**val)),
            Self::Ends(val) => tag.is_some_and(|tag| tag.ends_with(&**val)),
            Self::Contains(val) => tag.is_some_and(|tag| tag.contains(&**val)),
            Self::Number(val, order) => tag
                .and_then(|tag| decimal::compare(tag, val))
                .is_some_and(|found| order.holds(found)),
        }
    }
}

impl Order {
    fn holds(self, found: Ordering) -> bool {
        match self {
            Self::Less => found.is_lt(),
            Self::LessOrEqual => found.is_le(),
            Self::Greater => found.is_gt(),
            Self::GreaterOrEqual => found.is_ge(),
        }
    }
}

fn leaf(node: FilterNode, budget: &mut Budget) -> Result<Node, FilterError> {
    let (key, val, vals) = (node.key, node.val, node.vals);
    if vals.len() > FILTER_VALS_MAX {
        return Err(FilterError::TooManyVals);
    }
    let bytes = key.len() + val.len() + vals.iter().map(String::len).sum::<usize>();
    budget.bytes = budget.bytes.checked_sub(bytes).ok_or(FilterError::TooLong)?;
    let (has_val, has_vals) = (!val.is_empty(), !vals.is_empty());
    let one = |name, make: fn(Box<str>) -> Test| {
        if has_val && !has_vals {
            Ok(make(val.into()))
        } else {
            Err(FilterError::NeedsVal(name))
        }
    };
    let many = |name, make: fn(Box<[Box<str>]>) -> Test| {
        if has_vals && !has_val {
            Ok(make(vals.into_iter().map(Into::into).collect()))
        } else {
            Err(FilterError::NeedsVals(name))
        }
    };
    let none = |name, test| {
        if has_val || has_vals {
            Err(FilterError::TakesNothing(name))
        } else {
            Ok(test)
        }
    };
    let test = match node.cmp.as_str() {
        "eq" => one("eq", Test::Equal)?,
        "neq" => one("neq", Test::NotEqual)?,
        "sw" => one("sw", Test::Starts)?,
        "ew" => one("ew", Test::Ends)?,
        "ct" => one("ct", Test::Contains)?,
        "lt" => one("lt", |val| Test::Number(val, Order::Less))?,
        "lte" => one("lte", |val| Test::Number(val, Order::LessOrEqual))?,
        "gt" => one("gt", |val| Test::Number(val, Order::Greater))?,
        "gte" => one("gte", |val| Test::Number(val, Order::GreaterOrEqual))?,
        "in" => many("in", Test::In)?,
        "nin" => many("nin", Test::NotIn)?,
        "ex" => none("ex", Test::Exists)?,
        "nex" => none("nex", Test::Missing)?,
        _ => return Err(FilterError::UnknownCmp),
    };
    // `ex` and `nex` may ask for the tag without a name: Centrifugo allows it.
    if key.is_empty() && !matches!(test, Test::Exists | Test::Missing) {
        return Err(FilterError::NoKey);
    }
    Ok(Node::Leaf {
        key: key.into(),
        test,
    })
}
