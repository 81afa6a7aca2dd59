//! Who the client is, through a whole server: layers, handlers and the log agree.

use std::io::{Read, Write};
use std::net::TcpStream;

use squall::testing::{TestServer, serve, serve_with};
use squall::web::routing::{get, post};
use squall::web::{ClientAddr, ClientInfo, Router, TrustedProxies};
use squall::{Address, Listen, ProxyProtocol};

fn app() -> Router {
    Router::new()
        .route("/ip", get(async |ClientAddr(ip): ClientAddr| ip.to_string()))
        .route(
            "/origin",
            get(async |client: ClientInfo| client.origin().unwrap_or_default()),
        )
        .route("/form", post(async || "taken"))
        .layer(squall::xsrf::Xsrf::new())
        .layer(squall::log::access())
}

fn trusting(networks: &str) -> TestServer {
    let networks = networks.parse().unwrap();
    serve_with(app(), |server| {
        server.behind(TrustedProxies::x_forwarded(networks).with_host())
    })
}

fn said(server: &TestServer, path: &str) -> String {
    let client = server.client();
    let request = client
        .get(path)
        .header("x-forwarded-for", "198.51.100.1, 203.0.113.9")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "feed.example");
    request.send().expect(200).text()
}

#[test]
fn a_trusted_proxy_is_believed() {
    let server = trusting("loopback");
    assert_eq!(said(&server, "/ip"), "203.0.113.9");
    assert_eq!(said(&server, "/origin"), "https://feed.example");
    let lines = server.log_lines();
    let line = lines.iter().find(|line| line.text.contains("/ip")).unwrap();
    assert!(line.text.contains("peer=203.0.113.9"), "{line:?}");
}

#[test]
fn attack_spoofed_fields_from_a_stranger_are_not() {
    for server in [trusting("192.0.2.0/24, unix"), serve(app())] {
        assert_eq!(said(&server, "/ip"), "127.0.0.1");
        assert_eq!(said(&server, "/origin"), format!("http://{}", server.addr()));
        let lines = server.log_lines();
        let line = lines.iter().find(|line| line.text.contains("/ip")).unwrap();
        assert!(line.text.contains("peer=127.0.0.1"), "{line:?}");
    }
}

#[test]
fn attack_a_chain_that_cannot_be_read_is_400_before_any_handler() {
    let server = trusting("loopback");
    for path in ["/ip", "/nowhere"] {
        let answer = server
            .client()
            .get(path)
            .header("x-forwarded-for", "garbage")
            .send();
        assert_eq!(answer.status, 400, "{path}");
    }
    assert!(server.log_lines().iter().all(|line| !line.text.contains("/ip")));
}

#[test]
fn a_form_of_our_own_page_is_known_by_the_host_that_the_client_asked_for() {
    let server = trusting("loopback");
    let client = server.client();
    let post = |host: &str| {
        let request = client
            .post("/form")
            .header("origin", "https://feed.example")
            .header("x-forwarded-for", "203.0.113.9")
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-host", host);
        request.send().status
    };
    assert_eq!(post("feed.example"), 200);
    assert_eq!(post("other.example"), 403);
}

/// What a balancer of TCP forwards are the client's own fields, however much the balancer itself is trusted.
#[test]
fn attack_fields_behind_a_proxy_header_are_believed_only_from_whom_it_names() {
    let server = serve_with(app(), |server| {
        let loopback = || "loopback, 10.0.0.0/8".parse().unwrap();
        let listen = Listen::on(Address::parse("127.0.0.1:0").unwrap());
        server
            .behind(TrustedProxies::x_forwarded(loopback()))
            .listen(listen.proxy(ProxyProtocol::required_from(loopback())))
    });
    // The kit's own listener comes last.
    let Address::Tcp(addr) = server.handle().local_addrs()[0] else {
        panic!("it is TCP")
    };
    let ask = |source: &str| {
        let mut socket = TcpStream::connect(addr).unwrap();
        let request = format!(
            "PROXY TCP4 {source} 192.0.2.1 51000 443\r\nGET /ip HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
             X-Forwarded-For: 198.51.100.7\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    };
    assert_eq!(ask("203.0.113.9"), "203.0.113.9", "a client writes what it likes");
    assert_eq!(
        ask("10.0.0.5"),
        "198.51.100.7",
        "a proxy behind the balancer is believed"
    );
}
