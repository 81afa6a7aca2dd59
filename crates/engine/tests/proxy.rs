//! The PROXY protocol on a listener, in literal bytes on real sockets.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use axum::routing::{get, post};
use common::{Client, Running, wait_until};
use squall_engine::metrics::Refused;
use squall_engine::{Address, Limits, Listen, Peer, Proxied, ProxyProtocol, Server};

const REQUEST: &str = "GET /who HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const V1: &str = "PROXY TCP4 203.0.113.9 192.0.2.1 51000 443\r\n";
/// LOCAL: a health check.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";
/// From [2001:db8::9]:51000, with the field of SNI (feed.example), and TLS.
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x3b\
    \x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09\
    \x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\
    \xc7\x38\x01\xbb\
    \x02\x00\x0cfeed.example\
    \x20\x00\x05\x01\x00\x00\x00\x00";

async fn who(Extension(peer): Extension<Peer>, proxied: Option<Extension<Proxied>>) -> String {
    let peer = peer
        .addr()
        .map_or("unix".to_owned(), |addr| addr.ip().to_string());
    match proxied {
        None => format!("{peer} alone"),
        Some(Extension(said)) => format!(
            "{peer} for {:?} to {:?} as {:?} tls {}",
            said.client().and_then(|client| client.addr()),
            said.destination(),
            said.tlvs().authority(),
            said.is_tls()
        ),
    }
}

const V1_BODY: &str = "127.0.0.1 for Some(203.0.113.9:51000) to Some(192.0.2.1:443) as None tls false";
const V2_BODY: &str =
    "127.0.0.1 for Some([2001:db8::9]:51000) to Some([2001:db8::1]:443) as Some(\"feed.example\") tls true";

fn app() -> Router {
    Router::new()
        .route("/who", get(who))
        .route("/echo", post(|body: axum::body::Bytes| async move { body }))
}

fn serve(proxy: ProxyProtocol) -> Running {
    serve_with(proxy, Limits::default())
}

fn serve_with(proxy: ProxyProtocol, limits: Limits) -> Running {
    let limits = Limits {
        drain_timeout: Duration::from_secs(1),
        ..limits
    };
    let server = Server::new(app().into_service())
        .listen(Listen::parse("127.0.0.1:0").unwrap().proxy(proxy))
        .cores(1)
        .limits(limits);
    Running::new(server.start().unwrap())
}

fn required() -> ProxyProtocol {
    ProxyProtocol::required_from("loopback".parse().unwrap())
}

fn allowed() -> ProxyProtocol {
    ProxyProtocol::allowed_from("loopback".parse().unwrap())
}

/// The answer's body, or nothing if the server closed without an answer (a reset counts as that).
fn ask(server: &Running, parts: &[&[u8]]) -> String {
    let mut client = Client::connect(server);
    for part in parts {
        if client.socket.write_all(part).is_err() {
            return String::new();
        }
    }
    let mut answer = Vec::new();
    let _ = client.socket.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned())
        .unwrap_or_default()
}

#[test]
fn a_header_says_who_the_client_is() {
    let server = serve(required());
    assert_eq!(ask(&server, &[V1.as_bytes(), REQUEST.as_bytes()]), V1_BODY);
    assert_eq!(ask(&server, &[V2, REQUEST.as_bytes()]), V2_BODY);
    let both = [V2, REQUEST.as_bytes()].concat();
    assert_eq!(ask(&server, &[&both]), V2_BODY, "in one read");
}

#[test]
fn every_request_of_the_connection_has_it() {
    let server = serve(required());
    let mut client = Client::connect(&server);
    client.send(V1.as_bytes());
    for _ in 0..2 {
        client.send(b"GET /who HTTP/1.1\r\nHost: a\r\n\r\n");
        client.read_head();
        client.expect(V1_BODY);
    }
    client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    client.send(b"hello");
    client.read_head();
    client.expect("hello");
}

#[test]
fn wherever_the_bytes_are_cut_it_is_read() {
    let server = serve(required());
    for (header, body) in [(V1.as_bytes(), V1_BODY), (V2, V2_BODY)] {
        let all = [header, REQUEST.as_bytes()].concat();
        for cut in 1..=header.len() + 1 {
            let mut client = Client::connect(&server);
            client.send(&all[..cut]);
            // The server has had the first part before the second is sent.
            settled(&client.socket);
            client.send(&all[cut..]);
            assert!(client.read_to_end().ends_with(body), "cut at {cut}");
        }
        let mut client = Client::connect(&server);
        for byte in &all {
            client.send(std::slice::from_ref(byte));
        }
        assert!(client.read_to_end().ends_with(body), "byte by byte");
    }
}

/// Waits until the peer has read all that was sent.
fn settled(socket: &TcpStream) {
    let port = socket.local_addr().unwrap().port();
    wait_until(|| unread_by_peer_of(port) == Some(0));
}

/// Bytes in the receive queue of the connection whose other end has this port, by the kernel's table.
fn unread_by_peer_of(port: u16) -> Option<u64> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let remote = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let queue = words[2]
            .ends_with(&remote)
            .then(|| words[4].split_once(':').unwrap().1);
        u64::from_str_radix(queue?, 16).ok()
    })
}

#[test]
fn a_proxys_own_connection_is_its_own() {
    let server = serve(required());
    assert_eq!(ask(&server, &[LOCAL, REQUEST.as_bytes()]), "127.0.0.1 alone");
    assert_eq!(
        ask(&server, &[b"PROXY UNKNOWN\r\n", REQUEST.as_bytes()]),
        "127.0.0.1 alone"
    );
    // A health check that says nothing more.
    let mut client = Client::connect(&server);
    client.send(LOCAL);
    client.socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.read_to_end(), "");
}

#[test]
fn where_it_is_required_nothing_else_is_answered() {
    let server = serve(required());
    assert_eq!(ask(&server, &[REQUEST.as_bytes()]), "");
    assert_eq!(ask(&server, &[b"\x16\x03\x01\x02\x00\x01\x00"]), "");
    wait_until(|| server.handle().open_connections() == 0);
}

#[test]
fn attack_proxy_header_from_an_untrusted_peer_is_closed_where_required() {
    let server = serve(ProxyProtocol::required_from(
        "192.0.2.0/24, unix".parse().unwrap(),
    ));
    assert_eq!(ask(&server, &[V1.as_bytes(), REQUEST.as_bytes()]), "");
    assert_eq!(ask(&server, &[REQUEST.as_bytes()]), "");
    assert_eq!(server.handle().metrics().refused.get(Refused::Preface), 2);
}

#[test]
fn attack_proxy_header_from_an_untrusted_peer_is_no_header_where_allowed() {
    let server = serve(ProxyProtocol::allowed_from("192.0.2.0/24".parse().unwrap()));
    let mut client = Client::connect(&server);
    client.send(V1.as_bytes());
    assert!(
        client.read_to_end().starts_with("HTTP/1.1 400 "),
        "it is a malformed request"
    );
    assert_eq!(ask(&server, &[REQUEST.as_bytes()]), "127.0.0.1 alone");
}

#[test]
fn where_it_is_allowed_a_trusted_peer_may_send_none() {
    let server = serve(allowed());
    assert_eq!(ask(&server, &[V1.as_bytes(), REQUEST.as_bytes()]), V1_BODY);
    assert_eq!(ask(&server, &[REQUEST.as_bytes()]), "127.0.0.1 alone");
    // Its beginning could be one of a header, and is held until it is known not to be.
    let request = "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx";
    let mut client = Client::connect(&server);
    client.send(b"P");
    settled(&client.socket);
    client.send(&request.as_bytes()[1..]);
    assert!(client.read_to_end().ends_with("\r\n\r\nx"));
}

#[test]
fn a_second_header_is_the_clients_own() {
    let server = serve(required());
    let twice = [
        V1.as_bytes(),
        b"PROXY TCP4 198.51.100.1 192.0.2.1 1 2\r\n",
        REQUEST.as_bytes(),
    ]
    .concat();
    let mut client = Client::connect(&server);
    client.send(&twice);
    assert!(client.read_to_end().starts_with("HTTP/1.1 400 "));
}

#[test]
fn attack_version_1_without_crlf_for_ever() {
    let server = serve(required());
    let endless = [&b"PROXY TCP4 "[..], &[b'1'; 4096]].concat();
    assert_eq!(ask(&server, &[&endless]), "");
    let mut client = Client::connect(&server);
    for byte in [&b"PROXY UNKNOWN "[..], &[b'x'; 107 - 14]].concat() {
        client.send(&[byte]);
    }
    assert_eq!(read_rest(&mut client), "", "closed at the limit");
    wait_until(|| server.handle().open_connections() == 0);
}

fn read_rest(client: &mut Client) -> String {
    let mut rest = Vec::new();
    // A reset is an end too.
    let _ = client.socket.read_to_end(&mut rest);
    String::from_utf8(rest).unwrap()
}

#[test]
fn attack_version_2_with_bad_lengths() {
    let server = serve(required().v2_bytes_max(64));
    for bad in [
        &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0b"[..],
        b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x0c",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x31",
        b"\r\n\r\n\0\r\nQUIT\n\x20\x00\xff\xff",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0e\xcb\x00\x71\x09\xc0\x00\x02\x01\xc7\x38\x01\xbb\x04\x01",
    ] {
        assert_eq!(ask(&server, &[bad]), "", "{bad:?}");
    }
    wait_until(|| server.handle().open_connections() == 0);
}

#[test]
fn attack_header_that_never_ends_is_cut_in_time() {
    let limits = Limits {
        header_read_timeout: Duration::from_millis(1),
        ..Limits::default()
    };
    let server = serve_with(required(), limits);
    for beginning in [
        &b""[..],
        b"PROXY TCP4 ",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xcb",
    ] {
        let mut client = Client::connect(&server);
        client.send(beginning);
        assert_eq!(read_rest(&mut client), "", "{beginning:?}");
    }
}

#[test]
fn a_drain_closes_what_waits_for_its_header() {
    let server = serve(required());
    let mut client = Client::connect(&server);
    client.send(b"PROXY ");
    wait_until(|| server.handle().open_connections() == 1);
    server.handle().shutdown();
    assert_eq!(read_rest(&mut client), "");
}

/// The balancer stands for all; the limit is each client's.
#[test]
fn connections_are_counted_for_the_client_that_the_proxy_names() {
    let limits = Limits {
        connections_per_address_max: 2,
        ..Limits::default()
    };
    let server = serve_with(required(), limits);
    let connect = |source: &str| {
        let mut client = Client::connect(&server);
        client.send(format!("PROXY TCP4 {source} 192.0.2.1 51000 443\r\n").as_bytes());
        client.send(b"GET /who HTTP/1.1\r\nHost: a\r\n\r\n");
        client
    };
    let answered = |mut client: Client| {
        let head = client.read_head();
        (head.starts_with("HTTP/1.1 200 "), client)
    };
    let (first, second) = (answered(connect("203.0.113.9")), answered(connect("203.0.113.9")));
    assert!(first.0 && second.0);
    assert_eq!(read_rest(&mut connect("203.0.113.9")), "", "one too many");
    assert!(answered(connect("203.0.113.10")).0, "another client");
    drop(first);
    wait_until(|| server.handle().open_connections() == 1);
    assert!(answered(connect("203.0.113.9")).0);
    assert_eq!(server.handle().metrics().refused.get(Refused::PerAddressMax), 1);
}

#[test]
fn a_unix_socket_may_be_the_proxys() {
    let path = std::env::temp_dir().join(format!("squall-proxy-{}.sock", std::process::id()));
    let listen =
        Listen::on(Address::Unix(path.clone())).proxy(ProxyProtocol::required_from("unix".parse().unwrap()));
    let server = Server::new(app().into_service()).listen(listen).cores(1);
    let _server = Running::new(server.start().unwrap());
    let mut socket = UnixStream::connect(&path).unwrap();
    socket
        .write_all(&[V1.as_bytes(), REQUEST.as_bytes()].concat())
        .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(
        answer.ends_with("unix for Some(203.0.113.9:51000) to Some(192.0.2.1:443) as None tls false"),
        "{answer}"
    );
}

#[test]
fn other_listeners_of_the_server_know_nothing_of_it() {
    let server = Server::new(app().into_service())
        .bind("127.0.0.1:0")
        .listen(Listen::parse("127.0.0.1:0").unwrap().proxy(required()))
        .cores(1);
    let server = Running::new(server.start().unwrap());
    let mut plain = Client::connect(&server);
    plain.send(REQUEST.as_bytes());
    assert!(plain.read_to_end().ends_with("127.0.0.1 alone"));
    let mut plain = Client::connect(&server);
    plain.send(V1.as_bytes());
    assert!(plain.read_to_end().starts_with("HTTP/1.1 400 "));
    let Some(Address::Tcp(other)) = server.handle().local_addrs().get(1).cloned() else {
        panic!("it has two")
    };
    let mut proxied = TcpStream::connect(other).unwrap();
    proxied
        .write_all(&[V1.as_bytes(), REQUEST.as_bytes()].concat())
        .unwrap();
    let mut answer = String::new();
    proxied.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with(V1_BODY), "{answer}");
}
