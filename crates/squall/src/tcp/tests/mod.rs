//! Which address is tried when, by a clock that is moved; and real sockets, some of which never answer.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::{Instant, sleep};

use super::*;

mod tls;

const V6: [&str; 3] = ["[2001:db8::1]:80", "[2001:db8::2]:80", "[2001:db8::3]:80"];
const V4: [&str; 2] = ["192.0.2.1:80", "192.0.2.2:80"];

fn addrs(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn families_take_turns_from_the_first_on() {
    let order = |texts: &[&str]| eyeballs::interleaved(addrs(texts).into_iter());
    assert_eq!(
        order(&[V6[0], V6[1], V6[2], V4[0], V4[1]]),
        addrs(&[V6[0], V4[0], V6[1], V4[1], V6[2]])
    );
    assert_eq!(
        order(&[V4[0], V6[0], V6[1], V4[1]]),
        addrs(&[V4[0], V6[0], V4[1], V6[1]])
    );
    assert_eq!(order(&[V4[0], V4[1]]), addrs(&[V4[0], V4[1]]));
    assert_eq!(
        order(&[V6[0], V6[0], V4[0], V6[0]]),
        addrs(&[V6[0], V4[0]]),
        "each once"
    );
    assert!(order(&[]).is_empty());
}

/// What an address does, and after how many milliseconds.
#[derive(Clone, Copy)]
enum Does {
    Answer(u64),
    Fail(u64),
    Nothing,
}

/// Runs a race; gives who won, when, and when each was tried, in milliseconds.
async fn race(does: &[Does]) -> (Option<usize>, u64, Vec<u64>) {
    let all = addrs(&[V6[0], V4[0], V6[1], V4[1], V6[2]])[..does.len()].to_vec();
    let began = Instant::now();
    let tried = RefCell::new(Vec::new());
    let dial = |addr: SocketAddr| {
        tried.borrow_mut().push(began.elapsed().as_millis() as u64);
        let at = all.iter().position(|have| *have == addr).unwrap();
        let does = does[at];
        async move {
            match does {
                Does::Answer(ms) => {
                    sleep(Duration::from_millis(ms)).await;
                    Ok(at)
                }
                Does::Fail(ms) => {
                    sleep(Duration::from_millis(ms)).await;
                    Err(io::ErrorKind::ConnectionRefused.into())
                }
                Does::Nothing => std::future::pending().await,
            }
        }
    };
    let mut attempts = Vec::new();
    let won = eyeballs::race(&all, Duration::from_millis(250), dial, &mut attempts).await;
    assert_eq!(attempts.len(), tried.borrow().len());
    let took = began.elapsed().as_millis() as u64;
    (won.map(|(at, _)| at), took, tried.into_inner())
}

#[tokio::test(start_paused = true)]
async fn the_next_is_tried_when_the_last_has_not_answered() {
    use Does::{Answer, Fail, Nothing};
    assert_eq!(race(&[Answer(10), Answer(0)]).await, (Some(0), 10, vec![0]));
    assert_eq!(race(&[Nothing, Answer(10)]).await, (Some(1), 260, vec![0, 250]));
    assert_eq!(
        race(&[Nothing, Nothing, Answer(1)]).await,
        (Some(2), 501, vec![0, 250, 500])
    );
    // An early one may still win.
    assert_eq!(
        race(&[Answer(300), Answer(100)]).await,
        (Some(0), 300, vec![0, 250])
    );
    // A failure is followed at once, and begins the wait anew.
    assert_eq!(
        race(&[Fail(20), Nothing, Answer(0)]).await,
        (Some(2), 270, vec![0, 20, 270])
    );
    assert_eq!(
        race(&[Nothing, Fail(5), Answer(0)]).await,
        (Some(2), 255, vec![0, 250, 255])
    );
    assert_eq!(race(&[Fail(1), Fail(2), Fail(3)]).await, (None, 6, vec![0, 1, 3]));
    assert_eq!(
        race(&[Fail(400), Answer(200)]).await,
        (Some(1), 450, vec![0, 250])
    );
}

/// A listener whose queue is full: what connects to it gets no answer at all.
struct BlackHole {
    addr: SocketAddr,
    _held: (TcpListener, Vec<tokio::net::TcpStream>),
}

impl BlackHole {
    async fn new(ip: &str) -> Self {
        let socket = TcpSocket::new_v6().unwrap();
        socket.bind(SocketAddr::new(ip.parse().unwrap(), 0)).unwrap();
        let listener = socket.listen(1).unwrap();
        let addr = listener.local_addr().unwrap();
        let mut held = Vec::new();
        // Until one does not come through at once: then none does.
        loop {
            let attempt =
                tokio::time::timeout(Duration::from_millis(300), tokio::net::TcpStream::connect(addr));
            match attempt.await {
                Ok(connected) => held.push(connected.unwrap()),
                Err(_) => break,
            }
        }
        BlackHole {
            addr,
            _held: (listener, held),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_of_ipv6_costs_a_quarter_of_a_second() {
    let hole = BlackHole::new("::1").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let works = listener.local_addr().unwrap();
    let began = Instant::now();
    let stream = connect("two.example", 80).at([hole.addr, works]).await.unwrap();
    assert_eq!(stream.peer_addr(), works);
    assert!(!stream.is_tls() && stream.alpn().is_none());
    assert_eq!(began.elapsed().as_millis() / 250, 1);
}

#[tokio::test(start_paused = true)]
async fn what_never_answers_is_given_up_in_time_and_the_error_says_what_was_tried() {
    let hole = BlackHole::new("::1").await;
    let began = Instant::now();
    let error = connect("hole.example", 80)
        .at([hole.addr])
        .timeout(Duration::from_secs(3))
        .await
        .unwrap_err();
    assert_eq!(began.elapsed().as_secs(), 3);
    assert!(error.is_timeout() && !error.is_refused() && !error.is_not_found());
    assert_eq!(error.attempts().collect::<Vec<_>>(), [hole.addr]);
    let text = error.to_string();
    let said = format!(
        "cannot connect to hole.example:80: no connection in 3s ({}: no answer)",
        hole.addr
    );
    assert!(text.starts_with(&said), "{text}");
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn bytes_go_both_ways() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut socket, peer) = listener.accept().await.unwrap();
        let mut said = String::new();
        socket.read_to_string(&mut said).await.unwrap();
        socket.write_all(said.to_uppercase().as_bytes()).await.unwrap();
        peer
    });
    let mut stream = connect("localhost", port).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "HELLO");
    assert_eq!(server.await.unwrap(), stream.local_addr().unwrap());
}

#[tokio::test]
async fn where_nothing_listens_the_error_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let error = connect("127.0.0.1", closed.port()).await.unwrap_err();
    assert!(error.is_refused() && !error.is_timeout());
    assert!(error.to_string().contains("nothing listens there"), "{error}");
    let error = connect("[::1]", closed.port())
        .from_ip("127.0.0.1".parse().unwrap())
        .await
        .unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert!(
        error
            .to_string()
            .ends_with("it has no address that could be tried"),
        "{error}"
    );
}

#[tokio::test]
async fn a_name_that_is_none_is_an_error_for_people() {
    // RFC 6761, section 6.4: never found.
    let error = connect("nobody.invalid", 80).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(error.host(), "nobody.invalid");
    assert!(
        error
            .to_string()
            .starts_with("cannot connect to nobody.invalid:80: "),
        "{error}"
    );
    let error = connect("not a name", 80).tls(ClientTls::new()).await.unwrap_err();
    assert!(
        error.is_tls() && error.to_string().contains("this is none"),
        "{error}"
    );
}

#[tokio::test]
async fn connections_come_from_the_address_that_was_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stream = connect("127.0.0.1", port)
        .from_ip("127.0.0.2".parse().unwrap())
        .await
        .unwrap();
    let (_, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, stream.local_addr().unwrap());
    assert_eq!(peer.ip().to_string(), "127.0.0.2");
}

#[tokio::test]
async fn only_so_many_addresses_are_tried() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let all = (1..=9).map(|last| SocketAddr::new([127, 0, 0, last].into(), closed.port()));
    let error = connect("many.example", 80)
        .at(all)
        .addresses_max(3)
        .await
        .unwrap_err();
    assert_eq!(error.attempts().count(), 3);
}
