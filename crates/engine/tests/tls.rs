//! TLS as clients meet it: who is answered with which certificate, what is negotiated, what a handler is told.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;

use axum::extract::Extension;
use axum::routing::get;
use axum::{Router, extract::Request};
use common::tls::{
    AUTHORITY, Authority, BOTH, TLS12, TLS13, ask, ask_on, client, connect, connect_tcp, exchange, serve_tls,
    tls,
};
use common::{Client, Running};
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion};
use squall_engine::metrics::{Handshake, HandshakeFailed};
use squall_engine::tls::{Clients, Tls, TlsInfo, TlsSettings, UnknownNames};

/// Says what a handler is told of its connection.
fn app() -> Router {
    let facts = |info: Extension<TlsInfo>| async move {
        let client = info.client().map_or("nobody", |c| c.subject());
        let resumed = if info.is_resumed() { "resumed" } else { "full" };
        let name = info.server_name().unwrap_or("-");
        format!(
            "{:?} {} {name} {:?} {resumed} {client}",
            info.version(),
            info.cipher_suite(),
            info.alpn()
        )
    };
    Router::new().route("/", get(facts)).route(
        "/clear",
        get(|request: Request| async move { request.extensions().get::<TlsInfo>().is_none().to_string() }),
    )
}

fn settings() -> TlsSettings {
    TlsSettings::new(vec![AUTHORITY.server(&["localhost"])])
}

fn serve(settings: TlsSettings) -> (Running, Tls) {
    let tls = tls(settings);
    (serve_tls(app(), &tls), tls)
}

fn anybody() -> Arc<ClientConfig> {
    Arc::new(client(BOTH, None))
}

#[test]
fn a_handler_is_told_what_was_negotiated() {
    let (server, _) = serve(settings());
    let mut config = client(TLS13, None);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut stream = connect(&server, &Arc::new(config), "localhost").unwrap();
    let suite = stream.conn.negotiated_cipher_suite().unwrap().suite();
    let want = format!(
        "Tls13 {} localhost Some(Http1) full nobody",
        suite.as_str().unwrap()
    );
    assert_eq!(ask_on(&mut stream).unwrap(), want);
    let mut stream = connect(&server, &Arc::new(client(TLS12, None)), "localhost").unwrap();
    let suite = stream.conn.negotiated_cipher_suite().unwrap().suite();
    let want = format!("Tls12 {} localhost None full nobody", suite.as_str().unwrap());
    assert_eq!(ask_on(&mut stream).unwrap(), want);
}

#[test]
fn a_connection_in_clear_has_no_facts() {
    let server = common::serve(app());
    let answer = common::exchange(
        &server,
        "GET /clear HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    assert!(answer.ends_with("\r\n\r\ntrue"), "{answer}");
}

#[test]
fn both_sides_say_that_nothing_more_comes() {
    let (server, _) = serve(settings());
    let mut stream = connect(&server, &anybody(), "localhost").unwrap();
    // Reading to the end fails if the server's end is not said.
    let answer = exchange(
        &mut stream,
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // A client that has said its last is answered all the same.
    let mut stream = connect(&server, &anybody(), "localhost").unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn http2_is_agreed_upon_where_it_is_spoken() {
    let mut config = client(BOTH, None);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let config = Arc::new(config);
    let (server, tls) = serve(settings());
    let mut stream = connect(&server, &config, "localhost").unwrap();
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));
    // Who agreed to it must speak it.
    let answer = exchange(&mut stream, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("HTTP/2"),
        "{answer}"
    );
    // And who did not, must not.
    let mut stream = connect(&server, &anybody(), "localhost").unwrap();
    let answer = exchange(&mut stream, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    let server = squall_engine::Server::new(app().into_service())
        .listen_tls("127.0.0.1:0", &tls)
        .http2(false);
    let server = Running::new(server.start().unwrap());
    let stream = connect(&server, &config, "localhost").unwrap();
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[test]
fn a_client_of_another_protocol_is_told_so() {
    let (server, _) = serve(settings());
    let mut config = client(BOTH, None);
    config.alpn_protocols = vec![b"imap".to_vec()];
    let error = connect(&server, &Arc::new(config), "localhost").unwrap_err();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
}

#[test]
fn the_name_that_is_asked_for_decides_the_certificate() {
    let names = [&["one.test"][..], &["two.test", "*.two.test"]];
    let certificates = names.map(|names| AUTHORITY.server(names));
    let (server, tls) = serve(TlsSettings::new(certificates.to_vec()));
    assert_eq!(
        *tls.names(),
        ["*.two.test", "one.test", "two.test"].map(Box::from)
    );
    // Each of these clients checks that the certificate is for its name.
    for name in ["one.test", "two.test", "deep.two.test", "TWO.test"] {
        let said = ask(&server, &anybody(), name).unwrap();
        assert!(said.contains(&name.to_ascii_lowercase()), "{said}");
    }
}

#[test]
fn a_name_without_a_certificate_gets_the_first_or_an_alert() {
    let certificates = vec![AUTHORITY.server(&["one.test"]), AUTHORITY.server(&["two.test"])];
    let (server, _) = serve(TlsSettings::new(certificates.clone()));
    for name in ["other.test", "x.two.test"] {
        let error = connect(&server, &anybody(), name).unwrap_err();
        assert!(
            error.to_string().contains("one.test"),
            "the client sees the first: {error}"
        );
    }
    let (server, _) = serve(TlsSettings {
        unknown_names: UnknownNames::Refuse,
        ..TlsSettings::new(certificates)
    });
    let error = connect(&server, &anybody(), "other.test").unwrap_err();
    assert!(error.to_string().contains("AccessDenied"), "{error}");
    assert!(ask(&server, &anybody(), "two.test").is_ok());
}

#[test]
fn a_session_is_resumed_in_both_versions() {
    let (server, _) = serve(settings());
    for versions in [TLS12, TLS13] {
        let config = Arc::new(client(versions, None));
        let first = ask(&server, &config, "localhost").unwrap();
        assert!(first.contains(" full "), "{first}");
        let mut stream = connect(&server, &config, "localhost").unwrap();
        assert_eq!(stream.conn.handshake_kind(), Some(HandshakeKind::Resumed));
        let second = ask_on(&mut stream).unwrap();
        assert!(
            second.contains(" localhost ") && second.contains(" resumed "),
            "{second}"
        );
    }
}

#[test]
fn no_session_is_resumed_where_that_is_off() {
    let (server, _) = serve(TlsSettings {
        resumption: false,
        ..settings()
    });
    for versions in [TLS12, TLS13] {
        let config = Arc::new(client(versions, None));
        for _ in 0..2 {
            assert!(ask(&server, &config, "localhost").unwrap().contains(" full "));
        }
    }
}

#[test]
fn early_data_is_not_offered() {
    let (server, _) = serve(settings());
    let mut config = client(TLS13, None);
    config.enable_early_data = true;
    let config = Arc::new(config);
    ask(&server, &config, "localhost").unwrap();
    let mut again = common::tls::session(&config, "localhost");
    assert!(again.early_data().is_none(), "the ticket must not allow it");
}

#[test]
fn new_settings_hold_for_new_connections_and_leave_the_others_alone() {
    let (server, tls) = serve(TlsSettings::new(vec![AUTHORITY.server(&["old.test"])]));
    let config = anybody();
    let mut open = connect(&server, &config, "old.test").unwrap();
    open.write_all(b"GET /clear HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let old = open.conn.peer_certificates().unwrap().to_vec();
    let begun = connect_tcp(&server);
    tls.replace(TlsSettings::new(vec![
        AUTHORITY.server(&["new.test", "old.test"]),
    ]))
    .unwrap();
    // In the middle of its stream, nothing has changed.
    assert!(ask_on(&mut open).unwrap().contains("old.test"));
    let stream = connect(&server, &anybody(), "new.test").unwrap();
    assert_ne!(stream.conn.peer_certificates().unwrap(), old);
    // Its session can be resumed.
    let stream = connect(&server, &config, "old.test").unwrap();
    assert_eq!(stream.conn.handshake_kind(), Some(HandshakeKind::Resumed));
    // A connection that had not begun gets the new one.
    let mut session = common::tls::session(&anybody(), "new.test");
    let mut begun = begun;
    while session.is_handshaking() {
        session.complete_io(&mut begun).unwrap();
    }
}

#[test]
fn settings_that_cannot_be_used_change_nothing() {
    let (server, tls) = serve(settings());
    assert!(tls.replace(TlsSettings::new(Vec::new())).is_err());
    assert!(ask(&server, &anybody(), "localhost").is_ok());
}

#[test]
fn versions_can_be_limited_and_old_ones_never_come() {
    let (server, _) = serve(TlsSettings {
        tls13_only: true,
        ..settings()
    });
    let error = connect(&server, &Arc::new(client(TLS12, None)), "localhost").unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    let stream = connect(&server, &anybody(), "localhost").unwrap();
    assert_eq!(stream.conn.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    // A ClientHello of TLS 1.1 is answered with a fatal alert, and with nothing else.
    let (server, _) = serve(settings());
    let mut hello = vec![0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
    let mut socket = connect_tcp(&server);
    socket.write_all(&hello).unwrap();
    let mut alert = Vec::new();
    socket.read_to_end(&mut alert).unwrap();
    assert!(matches!(alert[..], [0x15, 3, _, 0, 2, 2, _]), "{alert:?}");
}

#[test]
fn http_in_clear_is_answered_in_clear() {
    let (server, _) = serve(settings());
    let mut client = Client {
        socket: connect_tcp(&server),
    };
    client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = client.read_to_end();
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(body.contains("This port speaks HTTPS"), "{answer}");
    assert!(
        head.contains(&format!("Content-Length: {}", body.len())),
        "{answer}"
    );
}

#[test]
fn a_client_may_have_to_show_who_it_is() {
    let known = TlsSettings {
        clients: Clients::Known(AUTHORITY.roots()),
        ..settings()
    };
    let (server, _) = serve(known);
    for versions in [TLS12, TLS13] {
        let alice = Arc::new(client(versions, Some(AUTHORITY.client(|_| {}))));
        let said = ask(&server, &alice, "localhost").unwrap();
        assert!(said.ends_with(" full O=Example,CN=alice"), "{said}");
        // It is known when its session is resumed, too.
        let said = ask(&server, &alice, "localhost").unwrap();
        assert!(said.ends_with(" resumed O=Example,CN=alice"), "{said}");
        let error = ask(&server, &Arc::new(client(versions, None)), "localhost").unwrap_err();
        assert!(
            format!("{error:?}").contains("ertificate") || error.kind() == ErrorKind::ConnectionReset,
            "{error:?}"
        );
    }
}

#[test]
fn a_client_may_show_who_it_is() {
    let asked = TlsSettings {
        clients: Clients::Asked(AUTHORITY.roots()),
        ..settings()
    };
    let (server, _) = serve(asked);
    let said = ask(&server, &anybody(), "localhost").unwrap();
    assert!(said.ends_with(" nobody"), "{said}");
    let alice = Arc::new(client(BOTH, Some(AUTHORITY.client(|_| {}))));
    assert!(ask(&server, &alice, "localhost").unwrap().ends_with("CN=alice"));
}

#[test]
fn certificates_that_prove_nothing_are_refused() {
    let stranger = Authority::new("Somebody Else");
    let expired = |params: &mut rcgen::CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 2, 1);
    };
    for clients in [
        Clients::Known(AUTHORITY.roots()),
        Clients::Asked(AUTHORITY.roots()),
    ] {
        let (server, _) = serve(TlsSettings {
            clients,
            ..settings()
        });
        for identity in [AUTHORITY.client(expired), stranger.client(|_| {})] {
            let config = Arc::new(client(TLS12, Some(identity)));
            let error = connect(&server, &config, "localhost").unwrap_err();
            assert!(error.to_string().contains("received fatal alert"), "{error}");
        }
    }
}

#[test]
fn other_authorities_end_the_sessions_of_clients() {
    let clients = Clients::Known(AUTHORITY.roots());
    let (server, tls) = serve(TlsSettings {
        clients,
        ..settings()
    });
    let alice = Arc::new(client(TLS12, Some(AUTHORITY.client(|_| {}))));
    assert!(ask(&server, &alice, "localhost").is_ok());
    let other = Authority::new("Somebody Else");
    tls.replace(TlsSettings {
        clients: Clients::Known(other.roots()),
        ..settings()
    })
    .unwrap();
    assert!(
        connect(&server, &alice, "localhost").is_err(),
        "its ticket must not let it in"
    );
}

#[test]
fn a_ticket_of_one_name_is_not_good_for_another() {
    let certificates = vec![AUTHORITY.server(&["one.test", "two.test"])];
    let (server, _) = serve(TlsSettings::new(certificates));
    let config = anybody();
    ask(&server, &config, "one.test").unwrap();
    let mut stream = connect(&server, &config, "two.test").unwrap();
    assert_eq!(stream.conn.handshake_kind(), Some(HandshakeKind::Full));
    assert!(ask_on(&mut stream).unwrap().contains(" two.test "));
}

#[test]
fn a_name_does_not_stick_to_the_next_connection() {
    let (server, _) = serve(settings());
    assert!(
        ask(&server, &anybody(), "localhost")
            .unwrap()
            .contains(" localhost ")
    );
    let mut config = client(BOTH, None);
    config.enable_sni = false;
    assert!(
        ask(&server, &Arc::new(config), "localhost")
            .unwrap()
            .contains(" - ")
    );
}

#[test]
fn keys_may_be_changed_at_any_time() {
    let (server, _) = serve(settings());
    let mut stream = connect(&server, &Arc::new(client(TLS13, None)), "localhost").unwrap();
    for _ in 0..3 {
        stream.conn.refresh_traffic_keys().unwrap();
        stream
            .write_all(b"GET /clear HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\nfalse") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
    }
}

#[test]
fn what_is_no_certificate_is_said_at_once() {
    use squall_engine::tls::Certificate;
    let (chain, key) = AUTHORITY.server_pem(&["a.test"]);
    let (_, other_key) = AUTHORITY.server_pem(&["b.test"]);
    let refused = |chain: &str, key: &str| {
        Certificate::from_pem(chain.as_bytes(), key.as_bytes())
            .unwrap_err()
            .to_string()
    };
    assert!(refused("nothing", &key).contains("no certificate"));
    assert!(refused(&chain, "nothing").contains("no private key"));
    assert!(refused(&chain, &other_key).contains("cannot be used"));
    assert!(refused(&key, &chain).contains("no certificate"));
    assert_eq!(*AUTHORITY.server(&["B.test"]).names(), ["b.test".into()]);
}

#[test]
fn a_server_on_several_addresses_serves_some_in_clear() {
    let tls = tls(settings());
    let server = squall_engine::Server::new(app().into_service())
        .bind("127.0.0.1:0")
        .listen_tls("127.0.0.1:0", &tls)
        .cores(1);
    let server = Running::new(server.start().unwrap());
    let answer = common::exchange(
        &server,
        "GET /clear HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    assert!(answer.ends_with("\r\n\r\ntrue"), "{answer}");
    let squall_engine::Address::Tcp(under_tls) = server.handle().local_addrs()[1].clone() else {
        panic!("it is bound to TCP");
    };
    let mut socket = std::net::TcpStream::connect(under_tls).unwrap();
    let mut session = common::tls::session(&anybody(), "localhost");
    while session.is_handshaking() {
        session.complete_io(&mut socket).unwrap();
    }
}

#[test]
fn a_proxy_speaks_before_the_handshake() {
    use squall_engine::{Listen, Peer, Proxied, ProxyProtocol};
    let client_of = |proxied: Extension<Proxied>, info: Extension<TlsInfo>| async move {
        let Some(Peer::Tcp(addr)) = proxied.client() else {
            return String::new();
        };
        format!("{addr} {:?}", info.version())
    };
    let app = Router::new().route("/", get(client_of));
    let listen = Listen::parse("127.0.0.1:0").unwrap();
    let listen = listen.proxy(ProxyProtocol::required_from("127.0.0.0/8".parse().unwrap()));
    let server = squall_engine::Server::new(app.into_service())
        .listen(listen.tls(&tls(settings())))
        .cores(1);
    let server = Running::new(server.start().unwrap());
    let header = b"PROXY TCP4 192.0.2.7 192.0.2.8 4711 443\r\n";
    for together in [true, false] {
        let mut socket = connect_tcp(&server);
        let mut session = common::tls::session(&anybody(), "localhost");
        let mut first = header.to_vec();
        if !together {
            socket.write_all(&first).unwrap();
            first.clear();
        }
        // The beginning of the handshake comes with the header, or after it.
        session.write_tls(&mut first).unwrap();
        socket.write_all(&first).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut socket).unwrap();
        }
        let mut stream = rustls::StreamOwned::new(session, socket);
        assert_eq!(ask_on(&mut stream).unwrap(), "192.0.2.7:4711 Tls13");
    }
}

#[test]
fn a_service_on_the_bare_connection_begins_after_the_handshake() {
    use squall_engine::{Listen, raw};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    // It speaks first, and then says back what it is told.
    let greet = |mut stream: raw::Stream| async move {
        let name = stream
            .tls()
            .and_then(|i| i.server_name())
            .unwrap_or("-")
            .to_owned();
        stream
            .write_all(format!("hello {name};").as_bytes())
            .await
            .unwrap();
        let mut buffer = [0; 7];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            stream.write_all(&buffer[..count]).await.unwrap();
        }
    };
    let listen = Listen::parse("127.0.0.1:0")
        .unwrap()
        .raw(greet)
        .tls(&tls(settings()));
    let server = squall_engine::Server::new(app().into_service())
        .listen(listen)
        .cores(1);
    let server = Running::new(server.start().unwrap());
    let mut stream = connect(&server, &anybody(), "localhost").unwrap();
    let said: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
    let mut hello = [0; 16];
    stream.read_exact(&mut hello).unwrap();
    assert_eq!(&hello, b"hello localhost;");
    for piece in said.chunks(30_000) {
        stream.write_all(piece).unwrap();
        let mut back = vec![0; piece.len()];
        stream.read_exact(&mut back).unwrap();
        assert!(back == piece);
    }
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    assert_eq!(stream.read(&mut hello).unwrap(), 0);
}

/// Counts after something that is expected of them, however late the core is.
fn wait_for_failed(server: &Running, why: HandshakeFailed, count: u64) {
    common::wait_until(|| server.handle().metrics().total().tls_failed.get(why) == count);
}

#[test]
fn handshakes_are_counted_by_version_and_kind() {
    let (server, _) = serve(settings());
    for versions in [TLS12, TLS13] {
        let config = Arc::new(client(versions, None));
        for _ in 0..3 {
            let mut stream = connect(&server, &config, "localhost").unwrap();
            exchange(
                &mut stream,
                "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            )
            .unwrap();
        }
    }
    let total = server.handle().metrics().total();
    for tally in [&total.tls12_handshakes, &total.tls13_handshakes] {
        assert_eq!(tally.get(Handshake::Full), 1);
        assert_eq!(tally.get(Handshake::Resumed), 2);
    }
    assert_eq!(total.tls_failed.total(), 0);
}

#[test]
fn handshakes_that_fail_are_counted_by_reason() {
    let (server, _) = serve(TlsSettings {
        tls13_only: true,
        unknown_names: UnknownNames::Refuse,
        clients: Clients::Known(AUTHORITY.roots()),
        ..settings()
    });
    let clear = |text: &str| {
        let mut socket = connect_tcp(&server);
        socket.write_all(text.as_bytes()).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = socket.read_to_end(&mut Vec::new());
    };
    clear("GET / HTTP/1.1\r\n\r\n");
    wait_for_failed(&server, HandshakeFailed::Clear, 1);
    clear("\x16\x03\x01\x02\x00\x01\x00\x01");
    wait_for_failed(&server, HandshakeFailed::Gone, 1);
    clear("nothing of TLS at all");
    wait_for_failed(&server, HandshakeFailed::Malformed, 1);
    let fails = |config: ClientConfig, name: &str| {
        let stream = connect(&server, &Arc::new(config), name);
        // A client of TLS 1.3 hears only after its own end of the handshake that it was not let in.
        assert!(stream.is_err() || exchange(&mut stream.unwrap(), "GET / HTTP/1.1\r\n\r\n").is_err());
    };
    fails(client(TLS12, None), "localhost");
    wait_for_failed(&server, HandshakeFailed::Version, 1);
    fails(client(TLS13, None), "unknown.example");
    wait_for_failed(&server, HandshakeFailed::Name, 1);
    fails(client(TLS13, None), "localhost");
    wait_for_failed(&server, HandshakeFailed::ClientCertificate, 1);
    let mut other = client(TLS13, None);
    other.alpn_protocols = vec![b"smtp".to_vec()];
    fails(other, "localhost");
    wait_for_failed(&server, HandshakeFailed::Alpn, 1);
    // A client that knows nobody.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let suspicious = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(TLS13)
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    fails(suspicious, "localhost");
    wait_for_failed(&server, HandshakeFailed::Alert, 1);
    // Who looks whether the port is open began nothing.
    drop(connect_tcp(&server));
    common::wait_until(|| server.handle().open_connections() == 0);
    assert_eq!(server.handle().metrics().total().tls_failed.total(), 8);
}

#[test]
fn the_end_of_certificates_is_known() {
    let (server, tls) = serve(settings());
    let ends = server.handle().metrics().certificates;
    assert_eq!(ends.len(), 1);
    assert_eq!(*ends[0].names, ["localhost".into()]);
    // What the maker of certificates writes unless told otherwise: the first of January 4096.
    assert_eq!(ends[0].unix_seconds, 67_090_118_400);
    tls.replace(TlsSettings::new(vec![
        AUTHORITY.server(&["a.example", "b.example"]),
    ]))
    .unwrap();
    let ends = server.handle().metrics().certificates;
    assert_eq!(*ends[0].names, ["a.example".into(), "b.example".into()]);
}
