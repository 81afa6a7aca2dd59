//! Key sets that are fetched, from a server of a few lines.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::super::{JwksConfig, TokenConfig, TokenError, Verifier};
use super::{MADE, NOW_S, token, verifier};

/// Answers each connection with the next of its answers (the last one for all that follow), when it is let.
struct Publisher {
    url: String,
    asked: Arc<AtomicUsize>,
    /// One permit for each answer.
    let_answer: Arc<Notify>,
}

impl Publisher {
    async fn new(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/keys.json", listener.local_addr().expect("an address"));
        let asked = Arc::new(AtomicUsize::new(0));
        let let_answer = Arc::new(Notify::new());
        let (count, permit) = (asked.clone(), let_answer.clone());
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.expect("a connection");
                let number = count.fetch_add(1, Ordering::SeqCst);
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    assert_ne!(socket.read_buf(&mut request).await.expect("a request"), 0);
                }
                assert!(
                    request.starts_with(b"GET /keys.json HTTP/1.1\r\nhost: 127.0.0.1:"),
                    "{request:?}"
                );
                permit.notified().await;
                let answer = &answers[number.min(answers.len() - 1)];
                // The client may have had enough of it before its end.
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        Self {
            url,
            asked,
            let_answer,
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn verifier(&self) -> Verifier {
        self.verifier_with(JwksConfig::default())
    }

    fn verifier_with(&self, config: JwksConfig) -> Verifier {
        let jwks_remote = JwksConfig {
            url: self.url.clone(),
            ..config
        };
        verifier(&TokenConfig {
            jwks_remote,
            ..TokenConfig::default()
        })
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn keys() -> String {
    MADE.jwks.to_string()
}

/// The same keys, the RSA one under the name that another token asks for.
fn renamed() -> String {
    let mut jwks = MADE.jwks.clone();
    jwks["keys"][0]["kid"] = "rsa-2".into();
    jwks.to_string()
}

async fn verify(verifier: &Verifier, name: &str) -> Result<(), TokenError> {
    verifier.connection_at(token(name), NOW_S).await.map(drop)
}

#[tokio::test]
async fn a_set_is_fetched_once_however_many_ask_at_once() {
    let publisher = Publisher::new(vec![ok(&keys())]).await;
    let verifier = publisher.verifier();
    let mut first = Box::pin(verify(&verifier, "RS256 kid"));
    let mut second = Box::pin(verify(&verifier, "ES256 kid"));
    let pending = poll_fn(|cx| {
        Poll::Ready(first.as_mut().poll(cx).is_pending() && second.as_mut().poll(cx).is_pending())
    });
    assert!(pending.await, "both wait");
    publisher.let_answer.notify_one();
    assert_eq!((first.await, second.await), (Ok(()), Ok(())));
    assert_eq!(verify(&verifier, "EdDSA kid").await, Ok(()));
    assert_eq!(publisher.asked(), 1);
}

#[tokio::test]
async fn whatever_ends_the_body_is_understood() {
    let (first, second) = (
        keys().split_at(100).0.to_owned(),
        keys().split_at(100).1.to_owned(),
    );
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        second.len()
    );
    let until_close = format!("HTTP/1.0 200 OK\r\n\r\n{}", keys());
    let after_hints = format!("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n{}", ok(&keys()));
    for answer in [chunked, until_close, after_hints] {
        let publisher = Publisher::new(vec![answer.clone()]).await;
        publisher.let_answer.notify_one();
        assert_eq!(
            verify(&publisher.verifier(), "RS256 kid").await,
            Ok(()),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn what_is_no_set_is_unavailable_and_not_asked_for_again_at_once() {
    let large = ok(&format!("{}{}", keys(), " ".repeat(4096)));
    let answers = [
        "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{".to_owned(),
        "SSH-2.0-OpenSSH\r\n\r\n".to_owned(),
        ok("{}"),
        large,
        String::new(),
    ];
    for answer in answers {
        let publisher = Publisher::new(vec![answer.clone()]).await;
        publisher.let_answer.notify_one();
        let verifier = publisher.verifier_with(JwksConfig {
            bytes_max: 4096,
            ..JwksConfig::default()
        });
        for _ in 0..5 {
            let result = verify(&verifier, "RS256 kid").await;
            assert!(
                matches!(result, Err(TokenError::Unavailable(_))),
                "{answer}: {result:?}"
            );
            assert!(result.is_err_and(TokenError::is_temporary));
        }
        assert_eq!(publisher.asked(), 1, "{answer}");
    }
}

#[tokio::test]
async fn a_set_as_large_as_may_be() {
    let body = keys();
    for (bytes_max, good) in [(body.len(), true), (body.len() - 1, false)] {
        let publisher = Publisher::new(vec![ok(&body)]).await;
        publisher.let_answer.notify_one();
        let verifier = publisher.verifier_with(JwksConfig {
            bytes_max,
            ..JwksConfig::default()
        });
        assert_eq!(verify(&verifier, "RS256 kid").await.is_ok(), good);
    }
}

/// Moves the clock that [`tokio::time::Instant`] reads.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn unknown_names_ask_for_the_set_anew_but_not_often() {
    let publisher = Publisher::new(vec![ok(&keys()), ok(&keys()), ok(&renamed())]).await;
    let verifier = publisher.verifier();
    publisher.let_answer.notify_one();
    assert_eq!(verify(&verifier, "RS256 kid").await, Ok(()));
    for _ in 0..50 {
        let unknown = verify(&verifier, "RS256 other kid").await;
        assert!(
            matches!(unknown, Err(TokenError::Unavailable(_))),
            "it may be very new: {unknown:?}"
        );
    }
    assert_eq!(publisher.asked(), 1);

    pass(10).await;
    publisher.let_answer.notify_one();
    let unknown = verify(&verifier, "RS256 other kid").await;
    assert_eq!(unknown, Err(TokenError::Invalid("its key is not in the key set")));
    assert_eq!(publisher.asked(), 2);

    pass(10).await;
    publisher.let_answer.notify_one();
    assert_eq!(
        verify(&verifier, "RS256 other kid").await,
        Ok(()),
        "the key was changed"
    );
    assert_eq!(publisher.asked(), 3);
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_use_up_the_request() {
    let publisher = Publisher::new(vec![ok(&keys())]).await;
    let verifier = publisher.verifier();
    let mut gone = Box::pin(verify(&verifier, "RS256 kid"));
    assert!(poll_fn(|cx| Poll::Ready(gone.as_mut().poll(cx).is_pending())).await);
    drop(gone);
    publisher.let_answer.notify_one();
    assert_eq!(verify(&verifier, "RS256 kid").await, Ok(()));
    assert_eq!(publisher.asked(), 1);
}

#[tokio::test]
async fn an_old_set_is_good_while_no_new_one_can_be_had_and_then_no_longer() {
    let down = "HTTP/1.1 503 Down\r\nContent-Length: 0\r\n\r\n".to_owned();
    let publisher = Publisher::new(vec![ok(&keys()), down]).await;
    let verifier = publisher.verifier();
    publisher.let_answer.notify_one();
    assert_eq!(verify(&verifier, "RS256 kid").await, Ok(()));
    pass(3_600).await;
    assert_eq!(
        verify(&verifier, "RS256 kid").await,
        Ok(()),
        "at once, while a new one is asked for"
    );
    publisher.let_answer.notify_one();
    pass(86_400 - 3_600).await;
    publisher.let_answer.notify_one();
    let result = verify(&verifier, "RS256 kid").await;
    assert!(matches!(result, Err(TokenError::Unavailable(_))), "{result:?}");
}

#[tokio::test]
async fn over_tls_with_a_house_authority() {
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a certificate with its key");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let (socket, _) = listener.accept().await.expect("a connection");
        let mut stream = acceptor.accept(socket).await.expect("a handshake");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut request).await.expect("a request"), 0);
        }
        stream.write_all(ok(&keys()).as_bytes()).await.expect("written");
        stream.shutdown().await.expect("ended");
    });
    let tls = crate::tcp::ClientTls::trusting(made.cert.pem().as_bytes()).expect("trusted");
    let jwks_remote = JwksConfig {
        url: format!("https://localhost:{port}/"),
        ..JwksConfig::default()
    };
    let config = TokenConfig {
        jwks_remote,
        ..TokenConfig::default()
    };
    let verifier = Verifier::with_tls(&config, tls).expect("a verifier");
    assert_eq!(verify(&verifier, "RS256 kid").await, Ok(()));
    server.await.expect("served");
}
