//! Filters as clients send them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::decimal::{self, DECIMAL_BYTES_MAX};
use super::{
    FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_NODES_MAX, FILTER_VALS_MAX, Filter, FilterError, FilterNode,
};

fn filter(json: &str) -> Result<Filter, FilterError> {
    Filter::new(serde_json::from_str(json).expect("a node"))
}

fn matches(json: &str, tags: &[(&str, &str)]) -> bool {
    let tags: BTreeMap<&str, &str> = tags.iter().copied().collect();
    filter(json)
        .expect("a filter")
        .matches(|name| tags.get(name).copied())
}

fn leaf(cmp: &str, val: &str) -> String {
    format!(r#"{{"key":"k","cmp":"{cmp}","val":"{val}"}}"#)
}

#[test]
fn each_comparison_with_a_tag_that_fits_one_that_does_not_and_none() {
    let cases = [
        (leaf("eq", "abc"), "abc", "ab", false),
        (leaf("neq", "abc"), "ab", "abc", true),
        (leaf("sw", "ab"), "abc", "cab", false),
        (leaf("ew", "bc"), "abc", "bca", false),
        (leaf("ct", "b"), "abc", "ac", false),
        (leaf("lt", "10"), "9", "10", false),
        (leaf("lte", "10"), "10.0", "10.01", false),
        (leaf("gt", "-1"), "-0.5", "-1", false),
        (leaf("gte", "1.5"), "1.50", "1.49", false),
        (leaf("gt", "1"), "2", "two", false),
        (
            r#"{"key":"k","cmp":"in","vals":["a","b"]}"#.into(),
            "b",
            "c",
            false,
        ),
        (
            r#"{"key":"k","cmp":"nin","vals":["a","b"]}"#.into(),
            "c",
            "a",
            true,
        ),
    ];
    for (json, fits, does_not, without) in cases {
        assert!(matches(&json, &[("k", fits)]), "{json} {fits}");
        assert!(!matches(&json, &[("k", does_not)]), "{json} {does_not}");
        assert_eq!(
            matches(&json, &[("other", fits)]),
            without,
            "{json} without the tag"
        );
    }
    let (exists, missing) = (r#"{"key":"k","cmp":"ex"}"#, r#"{"key":"k","cmp":"nex"}"#);
    assert!(matches(exists, &[("k", "")]) && !matches(exists, &[]));
    assert!(!matches(missing, &[("k", "")]) && matches(missing, &[]));
}

#[test]
fn nodes_combine() {
    let json = r#"{"op":"or","nodes":[
        {"op":"and","nodes":[{"key":"env","cmp":"eq","val":"prod"},{"key":"n","cmp":"gt","val":"5"}]},
        {"op":"not","nodes":[{"key":"env","cmp":"ex"}]}]}"#;
    assert!(matches(json, &[("env", "prod"), ("n", "6")]));
    assert!(!matches(json, &[("env", "prod"), ("n", "5")]));
    assert!(!matches(json, &[("env", "test"), ("n", "6")]));
    assert!(matches(json, &[("n", "6")]), "no env at all");
}

#[test]
fn what_is_no_filter_is_refused_with_a_reason() {
    let cases = [
        (r#"{}"#, FilterError::UnknownCmp),
        (r#"{"key":"k","cmp":"like","val":"a"}"#, FilterError::UnknownCmp),
        (
            r#"{"op":"xor","nodes":[{"key":"k","cmp":"ex"}]}"#,
            FilterError::UnknownOp,
        ),
        (r#"{"cmp":"eq","val":"a"}"#, FilterError::NoKey),
        (r#"{"key":"k","cmp":"eq"}"#, FilterError::NeedsVal("eq")),
        (
            r#"{"key":"k","cmp":"lt","val":"1","vals":["1"]}"#,
            FilterError::NeedsVal("lt"),
        ),
        (r#"{"key":"k","cmp":"in"}"#, FilterError::NeedsVals("in")),
        (
            r#"{"key":"k","cmp":"nin","val":"a","vals":["a"]}"#,
            FilterError::NeedsVals("nin"),
        ),
        (
            r#"{"key":"k","cmp":"ex","val":"a"}"#,
            FilterError::TakesNothing("ex"),
        ),
        (r#"{"op":"and"}"#, FilterError::WrongNodes("and")),
        (r#"{"op":"or","nodes":[]}"#, FilterError::WrongNodes("or")),
        (r#"{"op":"not"}"#, FilterError::WrongNodes("not")),
        (
            r#"{"op":"not","nodes":[{"key":"k","cmp":"ex"},{"key":"k","cmp":"ex"}]}"#,
            FilterError::WrongNodes("not"),
        ),
        (
            r#"{"key":"k","cmp":"ex","nodes":[{"key":"k","cmp":"ex"}]}"#,
            FilterError::Mixed,
        ),
        (
            r#"{"op":"not","key":"k","nodes":[{"key":"k","cmp":"ex"}]}"#,
            FilterError::Mixed,
        ),
    ];
    for (json, error) in cases {
        assert_eq!(filter(json), Err(error), "{json}");
    }
    assert!(filter(r#"{"cmp":"nex"}"#).is_ok(), "the tag without a name");
}

fn exists() -> FilterNode {
    FilterNode {
        key: "k".into(),
        cmp: "ex".into(),
        ..FilterNode::default()
    }
}

fn all(nodes: Vec<FilterNode>) -> FilterNode {
    FilterNode {
        op: "and".into(),
        nodes,
        ..FilterNode::default()
    }
}

#[test]
fn every_limit_at_it_and_one_past_it() {
    let wide = |nodes: usize| Filter::new(all(vec![exists(); nodes - 1])).err();
    assert_eq!(wide(FILTER_NODES_MAX), None);
    assert_eq!(wide(FILTER_NODES_MAX + 1), Some(FilterError::TooManyNodes));

    let deep = |depth: usize| {
        let node = (1..depth).fold(exists(), |node, _| all(vec![node]));
        Filter::new(node).err()
    };
    assert_eq!(deep(FILTER_DEPTH_MAX), None);
    assert_eq!(deep(FILTER_DEPTH_MAX + 1), Some(FilterError::TooDeep));

    let vals = |count: usize| {
        let vals = vec!["v".to_owned(); count];
        Filter::new(FilterNode {
            cmp: "in".into(),
            vals,
            ..exists()
        })
        .err()
    };
    assert_eq!(vals(FILTER_VALS_MAX), None);
    assert_eq!(vals(FILTER_VALS_MAX + 1), Some(FilterError::TooManyVals));

    let long = |bytes: usize| {
        let val = "v".repeat(bytes - "k".len());
        Filter::new(FilterNode {
            cmp: "eq".into(),
            val,
            ..exists()
        })
        .err()
    };
    assert_eq!(long(FILTER_BYTES_MAX), None);
    assert_eq!(long(FILTER_BYTES_MAX + 1), Some(FilterError::TooLong));

    let number = |bytes: usize| decimal::compare(&"9".repeat(bytes), "1");
    assert!(number(DECIMAL_BYTES_MAX).is_some());
    assert_eq!(number(DECIMAL_BYTES_MAX + 1), None);
}

#[test]
fn numbers_are_exact_and_nothing_else_is_one() {
    let close = ("0.1000000000000000000000000000000000001", "0.1");
    assert!(decimal::compare(close.0, close.1).is_some_and(std::cmp::Ordering::is_gt));
    assert!(decimal::compare("-0", "0.000").is_some_and(std::cmp::Ordering::is_eq));
    assert!(decimal::compare("+007.10", "7.1").is_some_and(std::cmp::Ordering::is_eq));
    for not in [
        "", "-", ".", "1.", ".5", "1e3", "0x1", " 1", "1 ", "--1", "1.2.3", "NaN", "١",
    ] {
        assert_eq!(decimal::compare(not, "1"), None, "{not:?}");
    }
}

proptest! {
    #[test]
    fn numbers_compare_as_they_do_elsewhere(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000) {
        let text = |number: i64| {
            let sign = if number < 0 { "-" } else { "" };
            format!("{sign}{}.{:03}", number.abs() / 1000, number.abs() % 1000)
        };
        prop_assert_eq!(decimal::compare(&text(a), &text(b)), Some(a.cmp(&b)));
    }
}
