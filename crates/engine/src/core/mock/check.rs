//! What must hold of all that a server wrote on a connection, whatever the peer sent.

use http::Method;
use squall_wire::ws::{DecodeLimits, Decoder, History, Inflate, Inflater, Role, WINDOW_BITS_MAX};

use super::Outcome;
use super::app::{NUMBER, Seen};
use super::script::Script;

#[path = "../../../tests/common/answers.rs"]
mod answers;

use answers::Answer;

/// Reads the output as a strict client, and holds it against what reached the application.
pub(super) fn check(script: &Script, output: &[u8], seen: &Seen) -> Outcome {
    let mut outcome = Outcome {
        output: output.to_vec(),
        requests: seen.methods.len(),
        answers: 0,
    };
    let stream = script.stream.strip_prefix(b"\r\n").unwrap_or(&script.stream);
    if stream.starts_with(b"PRI * HTTP/2.0\r\n\r\n") {
        return outcome;
    }
    let is_head = |number: usize| seen.methods.get(number) == Some(&Method::HEAD);
    let (answers, rest) = match answers::read_what_came(output, is_head) {
        Ok(read) => read,
        Err(error) => panic!("{error}\nin {}", output.escape_ascii()),
    };
    let finals: Vec<&Answer> = answers
        .iter()
        .filter(|answer| answer.status >= 200 || answer.status == 101)
        .collect();
    outcome.answers = finals.len();
    let requests = seen.methods.len();
    for (number, answer) in finals.iter().enumerate() {
        check_answer(number, answer, requests);
        let is_last = number + 1 == finals.len();
        assert!(
            is_last || answer.whole,
            "something follows half an answer: {answer:?}"
        );
        assert!(
            is_last || !answer.closes(),
            "something follows the last answer: {answer:?}"
        );
    }
    assert!(
        finals.len() <= requests + 1,
        "{} answers to {requests} requests",
        finals.len()
    );
    if script.is_patient() && !seen.streams {
        assert!(
            finals.len() >= requests,
            "{} answers to {requests} requests",
            finals.len()
        );
    }
    if let Some(answer) = answers.last()
        && answer.status == 101
    {
        check_frames(rest, answer.field("sec-websocket-extensions"));
    } else {
        assert!(
            rest.is_empty() || seen.streams || !script.is_patient(),
            "half a head: {}",
            rest.escape_ascii()
        );
    }
    outcome
}

/// Each answer belongs to the request of its place, unless it is the refusal of one.
fn check_answer(number: usize, answer: &Answer, requests: usize) {
    match answer.field(NUMBER.as_str()) {
        Some(text) => assert_eq!(
            text,
            number.to_string(),
            "an answer to another request: {answer:?}"
        ),
        None => {
            let refusal = [400, 408, 413, 414, 417, 431, 500, 501, 503, 505].contains(&answer.status);
            assert!(refusal && answer.closes(), "an answer of nobody's: {answer:?}");
            assert!(number <= requests, "a refusal too many: {answer:?}");
        }
    }
}

/// What follows a 101 are frames of a server: none is masked or malformed.
fn check_frames(mut rest: Vec<u8>, extensions: Option<&str>) {
    let limits = DecodeLimits::default();
    let mut decoder = Decoder::new(Role::Client);
    let mut inflater = Inflater::new();
    let takeover = extensions.is_some_and(|value| !value.contains("server_no_context_takeover"));
    let mut history = takeover.then(|| History::new(WINDOW_BITS_MAX));
    let mut at = 0;
    while at < rest.len() {
        let inflate = extensions.map(|_| Inflate {
            inflater: &mut inflater,
            history: history.as_mut(),
        });
        match decoder.decode_with(&mut rest[at..], &limits, inflate) {
            Ok((used, _)) => at += used,
            Err(violation) => panic!("the server breaks the protocol: {violation}"),
        }
    }
}
