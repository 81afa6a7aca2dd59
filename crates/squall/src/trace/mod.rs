//! Traces across programs (W3C Trace Context): which trace a request belongs to, and how to pass that on.
//!
//! [`crate::log::access`] gives every request a [`TraceContext`]: that of the caller, if the caller is trusted, else a new
//! one. It is in the access log and in the fields of every line that the request's handler logs.
//!
//! ```
//! use squall::trace::TraceContext;
//! use squall::web::http::HeaderMap;
//!
//! async fn handler(trace: TraceContext) {
//!     let mut fields = HeaderMap::new();
//!     trace.propagate(&mut fields); // into the request to the next program
//! }
//! ```

mod parent;
mod state;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};

pub use parent::{ParseTraceError, TraceParent};
pub use state::{STATE_BYTES_MAX, STATE_MEMBERS_MAX, TraceState};

use crate::log::random;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Where a request stands in its trace: the trace, our part of it (a span), and whose part asked us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    parent_id: Option<[u8; 8]>,
    sampled: bool,
    state: TraceState,
}

impl TraceContext {
    /// The beginning of a trace.
    pub fn new(sampled: bool) -> Self {
        Self {
            trace_id: nonzero(),
            span_id: nonzero(),
            parent_id: None,
            sampled,
            state: TraceState::default(),
        }
    }

    /// The trace that a request's fields tell of, with a span of our own; `None` if they tell of none, or are not what
    /// the specification demands. A `tracestate` that is not right is left out, and the trace goes on without
    /// (section 3.3).
    pub fn of(fields: &HeaderMap) -> Option<Self> {
        let mut parents = fields.get_all(TRACEPARENT).iter();
        let (parent, None) = (parents.next()?, parents.next()) else {
            return None;
        };
        let parent: TraceParent = parent.to_str().ok()?.parse().ok()?;
        Some(Self {
            trace_id: parent.trace_id,
            span_id: nonzero(),
            parent_id: Some(parent.parent_id),
            sampled: parent.sampled,
            state: TraceState::of(fields.get_all(TRACESTATE).iter().map(HeaderValue::as_bytes)),
        })
    }

    /// The trace, as 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        crate::hex(&self.trace_id)
    }

    /// Our part of it, as 16 hexadecimal digits.
    pub fn span_id(&self) -> String {
        crate::hex(&self.span_id)
    }

    /// Whose part asked us, as 16 hexadecimal digits; `None` where the trace begins with us.
    pub fn parent_id(&self) -> Option<String> {
        self.parent_id.map(|id| crate::hex(&id))
    }

    /// Whether it is recorded, as far as the caller (or, where the trace begins, we) decided.
    pub fn sampled(&self) -> bool {
        self.sampled
    }

    /// What the programs of the trace keep there for themselves.
    pub fn state(&self) -> &TraceState {
        &self.state
    }

    /// The field `traceparent` for requests that this one causes: our span is their parent.
    pub fn traceparent(&self) -> String {
        let (trace_id, span_id) = (self.trace_id(), self.span_id());
        format!("00-{trace_id}-{span_id}-0{}", u8::from(self.sampled))
    }

    /// Sets `traceparent` and, if there is any, `tracestate`, on a request that this one causes.
    pub fn propagate(&self, fields: &mut HeaderMap) {
        if let Ok(parent) = HeaderValue::try_from(self.traceparent()) {
            fields.insert(TRACEPARENT, parent);
        }
        fields.remove(TRACESTATE);
        if let Ok(state) = HeaderValue::try_from(self.state.as_str())
            && !state.is_empty()
        {
            fields.insert(TRACESTATE, state);
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for TraceContext {
    type Rejection = std::convert::Infallible;

    /// The request's; without [`crate::log::access`] a new one that is not sampled.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let known = parts.extensions.get::<Self>().cloned();
        Ok(known.unwrap_or_else(|| Self::new(false)))
    }
}

/// Random, and not all zeros, which means "none" (section 3.2.2.3).
fn nonzero<const N: usize>() -> [u8; N] {
    loop {
        let id = random::<N>();
        if id != [0; N] {
            return id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn of(lines: &[(&'static str, &str)]) -> Option<TraceContext> {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            fields.append(*name, HeaderValue::from_str(value).unwrap());
        }
        TraceContext::of(&fields)
    }

    #[test]
    fn a_trace_goes_on_with_a_span_of_ours() {
        let state = [
            ("traceparent", PARENT),
            ("tracestate", "rojo=00f067aa0ba902b7"),
            ("tracestate", "congo=t61rcWkgMzE"),
        ];
        let trace = of(&state).unwrap();
        assert_eq!(trace.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace.parent_id().unwrap(), "00f067aa0ba902b7");
        assert!(trace.sampled() && trace.span_id() != "00f067aa0ba902b7");
        let mut onward = HeaderMap::new();
        onward.insert("tracestate", HeaderValue::from_static("old=1"));
        trace.propagate(&mut onward);
        let parent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", trace.span_id());
        assert_eq!(onward["traceparent"], parent);
        assert_eq!(onward["tracestate"], "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE");
    }

    #[test]
    fn a_wrong_parent_is_none_and_a_wrong_state_is_left_out() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("traceparent", PARENT), ("traceparent", PARENT)]), None);
        assert_eq!(of(&[("traceparent", "00-0-0-00"), ("tracestate", "a=1")]), None);
        let trace = of(&[("traceparent", PARENT), ("tracestate", "A=1")]).unwrap();
        assert_eq!(trace.state().as_str(), "");
        let mut onward = HeaderMap::new();
        trace.propagate(&mut onward);
        assert!(!onward.contains_key("tracestate"));
    }

    #[test]
    fn a_new_trace_is_well_formed() {
        for sampled in [true, false] {
            let trace = TraceContext::new(sampled);
            let parsed: TraceParent = trace.traceparent().parse().unwrap();
            assert_eq!((parsed.sampled, trace.parent_id()), (sampled, None));
        }
    }
}
