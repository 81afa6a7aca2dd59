//! Long-poll answers.

use serde_json::Value;

use super::Answer;

/// What one long-poll brought.
#[derive(Clone, Debug, PartialEq)]
pub struct PollAnswer {
    /// Where to go on.
    pub cursor: String,
    /// What came, oldest first.
    pub messages: Vec<Value>,
    /// The whole answer.
    pub body: Value,
}

impl PollAnswer {
    /// Reads an answer.
    ///
    /// # Panics
    /// When it is no long-poll's.
    #[track_caller]
    pub fn read(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        let body: Value = answer.json();
        let cursor = body["cursor"]
            .as_str()
            .unwrap_or_else(|| panic!("no cursor in {body}"))
            .to_owned();
        let messages = body["messages"]
            .as_array()
            .unwrap_or_else(|| panic!("no messages in {body}"))
            .clone();
        Self {
            cursor,
            messages,
            body,
        }
    }
}
