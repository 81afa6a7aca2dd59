//! The access log as an operator reads it.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use axum::routing::get;
use tower::ServiceExt;

use super::*;
use crate::testing::LogCapture;

async fn ask(router: Router, request: Request<Body>) -> (Response<Body>, LogCapture) {
    use tracing::instrument::WithSubscriber;
    let capture = LogCapture::new();
    let future = router
        .layer(access())
        .oneshot(request)
        .with_subscriber(capture.dispatch().clone());
    (future.await.unwrap(), capture)
}

fn line(capture: &LogCapture) -> String {
    let lines = capture.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0].target, "squall::access");
    lines[0].text.clone()
}

#[tokio::test]
async fn one_line_says_what_happened_and_keeps_secrets() {
    let router = Router::new().route("/a", get(async |id: axum::Extension<RequestId>| id.to_string()));
    let request = Request::get("/a?access_token=hunter2")
        .header("cookie", "sid=hunter2")
        .header("authorization", "Bearer hunter2")
        .extension(crate::web::ConnectInfo(std::net::SocketAddr::from((
            [192, 0, 2, 7],
            1,
        ))))
        .body(Body::empty())
        .unwrap();
    let (response, capture) = ask(router, request).await;
    let text = line(&capture);
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert!(
        text.starts_with(&format!(
            "peer=192.0.2.7 id={id} method=GET path=/a status=200 bytes=36 micros="
        )),
        "{text}"
    );
    assert!(!text.contains("hunter2"));
    let body = axum::body::to_bytes(response.into_body(), 100).await.unwrap();
    assert_eq!(body, id.as_bytes(), "handlers see the same id");
}

#[test]
fn a_stream_is_counted_until_it_ends_or_is_given_up() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (read, bytes) in [(true, "bytes=5"), (false, "bytes=0")] {
        let router = Router::new().route("/s", get(async || Body::new(Frames(vec!["cde", "ab"]))));
        let (response, capture) =
            runtime.block_on(ask(router, Request::get("/s").body(Body::empty()).unwrap()));
        assert!(capture.lines().is_empty(), "not over yet");
        capture.collect(|| {
            if read {
                let all = runtime
                    .block_on(axum::body::to_bytes(response.into_body(), 100))
                    .unwrap();
                assert_eq!(all, "abcde");
            } else {
                drop(response);
            }
        });
        assert!(line(&capture).contains(bytes));
    }
}

#[tokio::test]
async fn nobody_writes_lines_into_the_log() {
    let (_, capture) = ask(
        Router::new(),
        Request::get("/%0aERROR?x").body(Body::empty()).unwrap(),
    )
    .await;
    let text = line(&capture);
    assert!(
        text.contains("path=/%0aERROR status=404") && !text.contains('\n'),
        "{text}"
    );
}

#[test]
fn filters_are_checked() {
    for good in ["info", "WARN", "off", "info,squall::access=off", "squall=debug"] {
        assert!(filter(good).is_ok(), "{good}");
    }
    assert_eq!(
        filter("inof").unwrap_err().to_string(),
        "`inof` is not a log level: error, warn, info, debug, trace, off"
    );
    assert!(
        filter("a=loud")
            .unwrap_err()
            .to_string()
            .starts_with("`a=loud` is not a log filter")
    );
    assert_eq!("json".parse(), Ok(Format::Json));
    assert!("xml".parse::<Format>().is_err());
}

/// The only call of `init` in this process.
#[test]
fn logs_are_set_up_once() {
    let options = Options {
        filter: "off".to_owned(),
        format: Format::Json,
    };
    assert_eq!(init(&options), Ok(()));
    assert!(init(&options).is_err());
}

/// A body of unknown length; the last one comes first.
struct Frames(Vec<&'static str>);

impl http_body::Body for Frames {
    type Data = axum::body::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        let frame = self.0.pop().map(|text| Ok(http_body::Frame::data(text.into())));
        std::task::Poll::Ready(frame)
    }
}
