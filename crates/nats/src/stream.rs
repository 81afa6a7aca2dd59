//! What is asked of JetStream: the stream, its description, consumers.
//!
//! In JSON, and what this node does not know in a stream's configuration stays as it is when the description is written.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ask::AskError;
use crate::config::{NatsConfig, Storage, StreamSettings};
use crate::life::{Life, describe, id_in, number_in, parse_time_ns, with_number};
use crate::link::{Link, random_number};
use crate::subject::Subjects;

/// `stream not found`, of the errors that JetStream lists.
const STREAM_NOT_FOUND: u64 = 10_059;
/// `stream name already in use`.
const STREAM_NAME_EXISTS: u64 = 10_058;

/// What a stream is, and what it holds.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    /// Which, and which of its lives.
    pub(crate) life: Life,
    /// The first sequence that it holds; one beyond the last if it holds none.
    pub(crate) first: u64,
    /// The last sequence that was given; 0 before the first.
    pub(crate) last: u64,
    config: Value,
}

/// Why JetStream did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// There was no answer.
    Ask(AskError),
    /// It refused.
    Refused {
        /// JetStream's own number for it.
        code: u64,
        /// And words.
        why: String,
    },
    /// The answer was none that is known.
    Odd(&'static str),
}

impl From<AskError> for ApiError {
    fn from(error: AskError) -> Self {
        Self::Ask(error)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask(error) => error.fmt(f),
            Self::Refused { code, why } => write!(f, "JetStream refuses: {why} ({code})"),
            Self::Odd(what) => write!(f, "JetStream's answer makes no sense: {what}"),
        }
    }
}

/// The part of every answer that says what went wrong, as [ADR-1] has it.
///
/// [ADR-1]: https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-1.md
#[derive(Deserialize)]
struct Wrong {
    error: Option<WrongError>,
}

#[derive(Deserialize)]
struct WrongError {
    #[serde(default)]
    code: u64,
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

/// What of an acknowledgement of a publish is of use.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) seq: u64,
    #[serde(default)]
    pub(crate) duplicate: bool,
}

/// Reads the answer to a publish.
pub(crate) fn read_ack(payload: &[u8]) -> Result<Ack, ApiError> {
    refused(payload)?;
    serde_json::from_slice(payload).map_err(|_| ApiError::Odd("of a publish"))
}

fn refused(payload: &[u8]) -> Result<(), ApiError> {
    let wrong: Wrong = serde_json::from_slice(payload).map_err(|_| ApiError::Odd("not JSON"))?;
    match wrong.error {
        Some(error) => Err(ApiError::Refused {
            code: if error.err_code > 0 {
                error.err_code
            } else {
                error.code
            },
            why: error.description,
        }),
        None => Ok(()),
    }
}

/// Asks the API.
pub(crate) async fn api(
    link: &Link,
    config: &NatsConfig,
    what: &str,
    body: &Value,
) -> Result<Bytes, ApiError> {
    let within = Duration::from_millis(config.request_timeout_ms);
    let payload = if body.is_null() {
        Bytes::new()
    } else {
        Bytes::from(body.to_string())
    };
    let answer = link
        .desk
        .ask(format!("$JS.API.{what}"), None, payload, within)
        .await?;
    refused(&answer.payload)?;
    Ok(answer.payload)
}

/// The stream; `None` if there is none.
pub(crate) async fn find(link: &Link, config: &NatsConfig) -> Result<Option<Stream>, ApiError> {
    match api(
        link,
        config,
        &format!("STREAM.INFO.{}", config.stream),
        &Value::Null,
    )
    .await
    {
        Ok(payload) => Stream::read(&payload).map(Some),
        Err(ApiError::Refused {
            code: STREAM_NOT_FOUND,
            ..
        }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes the stream, in its life `number`. That somebody else made it meanwhile is fine: it is to be looked at anyway.
pub(crate) async fn create(
    link: &Link,
    config: &NatsConfig,
    settings: &StreamSettings,
    number: u32,
) -> Result<(), ApiError> {
    let body = new_config(config, settings, number);
    match api(link, config, &format!("STREAM.CREATE.{}", config.stream), &body).await {
        Ok(_)
        | Err(ApiError::Refused {
            code: STREAM_NAME_EXISTS,
            ..
        }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes the number of the stream's life where all nodes find it.
pub(crate) async fn set_life(
    link: &Link,
    config: &NatsConfig,
    stream: &Stream,
    number: u32,
) -> Result<(), ApiError> {
    let mut body = stream.config.clone();
    let description = body["description"].as_str().unwrap_or_default();
    body["description"] = with_number(description, number).into();
    api(link, config, &format!("STREAM.UPDATE.{}", config.stream), &body)
        .await
        .map(drop)
}

fn new_config(config: &NatsConfig, settings: &StreamSettings, number: u32) -> Value {
    let nanos = |ms: u64| ms.saturating_mul(1_000_000).min(i64::MAX as u64);
    json!({
        "name": config.stream,
        "description": describe(number, random_number()),
        "subjects": Subjects::new(&config.prefix).all(),
        "retention": "limits",
        "discard": "old",
        "storage": match settings.storage {
            Storage::File => "file",
            Storage::Memory => "memory",
        },
        "num_replicas": settings.replicas,
        "max_age": nanos(settings.max_age_ms),
        "max_bytes": settings.max_bytes,
        "max_msgs": settings.max_messages,
        "max_msgs_per_subject": -1,
        "max_consumers": -1,
        "duplicate_window": nanos(settings.duplicate_window_ms),
    })
}

impl Stream {
    fn read(payload: &[u8]) -> Result<Self, ApiError> {
        #[derive(Deserialize)]
        struct Info {
            config: Value,
            created: String,
            state: State,
        }
        #[derive(Deserialize)]
        struct State {
            messages: u64,
            first_seq: u64,
            last_seq: u64,
        }
        let info: Info = serde_json::from_slice(payload).map_err(|_| ApiError::Odd("of a stream"))?;
        let created_ns = parse_time_ns(&info.created).ok_or(ApiError::Odd("a stream's time of creation"))?;
        let description = info.config["description"].as_str().unwrap_or_default();
        let life = Life {
            stream: id_in(description).unwrap_or(created_ns),
            number: number_in(description),
        };
        let first = if info.state.messages == 0 {
            info.state.last_seq + 1
        } else {
            info.state.first_seq
        };
        Ok(Self {
            life,
            first,
            last: info.state.last_seq,
            config: info.config,
        })
    }

    /// Whether one server has it alone.
    pub(crate) fn is_alone(&self) -> bool {
        self.config["num_replicas"].as_u64().unwrap_or(1) == 1
    }

    /// What about it cannot work, if anything.
    pub(crate) fn unfit(&self, subjects: &Subjects) -> Option<String> {
        let takes: Vec<&str> = self.config["subjects"]
            .as_array()
            .map(|all| all.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        for wanted in subjects.all() {
            if !takes.iter().any(|taken| covers(taken, &wanted)) {
                return Some(format!("the stream does not take the subjects {wanted}"));
            }
        }
        (self.config["retention"] != "limits")
            .then(|| "the stream must keep messages by limits, not until they are consumed".into())
    }
}

/// Whether everything that `wanted` (with `*` at most) matches is matched by `taken`.
fn covers(taken: &str, wanted: &str) -> bool {
    let mut taken = taken.split('.');
    let mut wanted = wanted.split('.');
    loop {
        match (taken.next(), wanted.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = r#"{"type":"io.nats.jetstream.api.v1.stream_info_response","config":{"name":"S",
        "description":"x squall-life=2","subjects":["s.t.*","s.w"],"retention":"limits","future":7},
        "created":"2026-11-22T18:40:00.5Z","state":{"messages":3,"bytes":9,"first_seq":8,"last_seq":10}}"#;

    #[test]
    fn a_stream_is_read() {
        let stream = Stream::read(INFO.as_bytes()).unwrap();
        assert_eq!((stream.first, stream.last, stream.life.number), (8, 10, 2));
        assert_eq!(stream.config["future"], 7, "what is not known here is kept");
        assert_eq!(stream.unfit(&Subjects::new("s")), None);
        assert!(stream.unfit(&Subjects::new("other")).is_some());
        let empty = INFO.replace(r#""messages":3"#, r#""messages":0"#);
        assert_eq!(Stream::read(empty.as_bytes()).unwrap().first, 11);
        let queue = INFO.replace("limits", "workqueue");
        let queue = Stream::read(queue.as_bytes()).unwrap();
        assert!(queue.unfit(&Subjects::new("s")).is_some());
        assert!(Stream::read(b"{}").is_err());
    }

    #[test]
    fn an_acknowledgement_is_read() {
        assert_eq!(
            read_ack(br#"{"stream":"S","seq":12,"duplicate":true}"#),
            Ok(Ack {
                seq: 12,
                duplicate: true
            })
        );
        assert_eq!(
            read_ack(
                br#"{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},"seq":0}"#
            ),
            Err(ApiError::Refused {
                code: 10_077,
                why: "maximum bytes exceeded".into()
            })
        );
        assert!(read_ack(b"").is_err());
        assert!(read_ack(b"{}").is_err());
    }

    #[test]
    fn wildcards_cover() {
        for (taken, wanted) in [("s.t.*", "s.t.*"), ("s.>", "s.t.*"), (">", "s.w"), ("*.w", "s.w")] {
            assert!(covers(taken, wanted), "{taken} {wanted}");
        }
        for (taken, wanted) in [
            ("s.t.*", "s.w"),
            ("s", "s.w"),
            ("s.t.a", "s.t.*"),
            ("s.t.*.>", "s.t.*"),
        ] {
            assert!(!covers(taken, wanted), "{taken} {wanted}");
        }
    }
}
