//! Where a server listens: Unix sockets and who may open them, both families on one socket, sockets that others opened.

mod common;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::Extension;
use axum::routing::get;
use common::Running;
use squall_engine::{Address, Listen, Peer, Server};

const REQUEST: &[u8] = b"GET /peer HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn app() -> Router {
    Router::new().route(
        "/peer",
        get(|Extension(peer): Extension<Peer>| async move {
            peer.addr()
                .map_or("unix".to_owned(), |addr| addr.ip().to_string())
        }),
    )
}

fn serve(listen: impl Into<Listen>) -> Running {
    let server = Server::new(app().into_service()).listen(listen).cores(1);
    Running::new(server.start().unwrap())
}

fn refused(listen: Listen) -> String {
    let server = Server::new(app().into_service()).listen(listen).cores(1);
    match server.start() {
        Ok(_) => panic!("it must not start"),
        Err(error) => error.to_string(),
    }
}

fn ask(mut socket: impl Read + Write) -> String {
    socket.write_all(REQUEST).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    body.to_owned()
}

/// A directory that goes with the test.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("squall-listen-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_unix_socket_is_its_owners_alone_unless_told_otherwise() {
    let dir = Dir::new("mode");
    let path = dir.socket();
    let server = serve(Address::Unix(path.clone()));
    assert_eq!(mode(&path), 0o600);
    assert_eq!(ask(UnixStream::connect(&path).unwrap()), "unix");
    assert_eq!(server.handle().local_addrs(), [Address::Unix(path.clone())]);
    drop(server);
    assert!(!path.exists(), "it goes with the server");
    let _server = serve(Listen::on(Address::Unix(path.clone())).unix_mode(0o660));
    assert_eq!(mode(&path), 0o660);
}

#[test]
fn a_stale_socket_is_replaced() {
    let dir = Dir::new("stale");
    let path = dir.socket();
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let _server = serve(Address::Unix(path.clone()));
    assert_eq!(ask(UnixStream::connect(&path).unwrap()), "unix");
}

#[test]
fn attack_a_file_that_is_no_socket_is_never_replaced() {
    let dir = Dir::new("file");
    let path = dir.socket();
    std::fs::write(&path, "precious").unwrap();
    let error = refused(Address::Unix(path.clone()).into());
    assert!(error.contains("a file that is not a socket"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    let link = dir.0.join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let error = refused(Address::Unix(link.clone()).into());
    assert!(error.contains("a file that is not a socket"), "{error}");
    assert!(link.is_symlink());
}

#[test]
fn a_socket_that_somebody_listens_on_is_not_taken_over() {
    let dir = Dir::new("used");
    let path = dir.socket();
    let other = UnixListener::bind(&path).unwrap();
    let server = Server::new(app().into_service()).bind_to(Address::Unix(path.clone()));
    assert!(server.start().err().unwrap().is_address_in_use());
    // Not even if it does not get round to accepting.
    let socket = socket2::Socket::from(other);
    socket.listen(0).unwrap();
    let _waiting: Vec<_> = (0..4)
        .map(|_| {
            let client = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
            client.set_nonblocking(true).unwrap();
            let _ = client.connect(&socket2::SockAddr::unix(&path).unwrap());
            client
        })
        .collect();
    let server = Server::new(app().into_service()).bind_to(Address::Unix(path.clone()));
    assert!(server.start().err().unwrap().is_address_in_use());
    assert!(path.exists());
}

#[test]
fn what_is_at_the_path_at_the_end_goes_only_if_it_is_ours() {
    let dir = Dir::new("end");
    let path = dir.socket();
    let server = serve(Address::Unix(path.clone()));
    std::fs::remove_file(&path).unwrap();
    let _successor = UnixListener::bind(&path).unwrap();
    drop(server);
    assert!(path.exists(), "the successor's socket stays");
}

#[test]
fn one_socket_for_both_families_and_ipv4_peers_are_shown_as_such() {
    let any = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);
    let server = serve(Listen::on(any).dual_stack(true));
    let port = server.handle().local_addr().unwrap().port();
    assert_eq!(
        ask(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap()),
        "127.0.0.1"
    );
    assert_eq!(
        ask(TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap()),
        "::1"
    );
}

#[test]
fn an_ipv6_wildcard_is_ipv6_alone_by_default() {
    let any = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);
    let server = serve(any);
    let port = server.handle().local_addr().unwrap().port();
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    assert_eq!(
        ask(TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap()),
        "::1"
    );
}

#[test]
fn a_star_is_everywhere() {
    let server = serve(Listen::parse("*:0").unwrap());
    let port = server.handle().local_addr().unwrap().port();
    assert_eq!(
        ask(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap()),
        "127.0.0.1"
    );
    assert_eq!(
        ask(TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap()),
        "::1"
    );
}

#[test]
fn sockets_that_listen_already_are_served() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = tcp.local_addr().unwrap();
    // Came before the server, and is answered all the same.
    let early = TcpStream::connect(addr).unwrap();
    let server = serve(tcp);
    assert_eq!(server.handle().local_addr(), Some(addr));
    assert_eq!(ask(early), "127.0.0.1");
    let dir = Dir::new("given");
    let server = serve(UnixListener::bind(dir.socket()).unwrap());
    assert_eq!(ask(UnixStream::connect(dir.socket()).unwrap()), "unix");
    drop(server);
    assert!(dir.socket().exists(), "who made it removes it");
}

#[test]
fn a_port_is_known_before_the_server_is_made() {
    let listen = Listen::parse("127.0.0.1:0").unwrap();
    assert_eq!(listen.local_address(), None);
    let listen = listen.open().unwrap();
    let Some(Address::Tcp(addr)) = listen.local_address() else {
        panic!("it is open")
    };
    assert_ne!(addr.port(), 0);
    let early = TcpStream::connect(addr).unwrap();
    let _server = serve(listen);
    assert_eq!(ask(early), "127.0.0.1");
}

#[test]
fn without_a_service_manager_its_sockets_cannot_be_had() {
    for text in ["systemd", "systemd:web"] {
        let error = refused(Listen::parse(text).unwrap());
        assert!(error.contains("the service manager passed no socket"), "{error}");
    }
}

#[test]
fn what_is_no_address_is_said() {
    for text in ["*", "*:x", "*:65536", "nowhere", "127.0.0.1", ""] {
        let error = Listen::parse(text).unwrap_err().to_string();
        assert!(error.contains("is not an address to listen on"), "{error}");
    }
}

/// Whatever a handler starts must not hold our sockets open, or see what comes through them.
#[test]
fn no_descriptor_of_a_server_goes_along_to_programs_that_are_started() {
    let before = sockets();
    let dir = Dir::new("cloexec");
    let inherited = TcpListener::bind("127.0.0.1:0").unwrap();
    socket2::SockRef::from(&inherited).set_cloexec(false).unwrap();
    let server = Server::new(app().into_service())
        .listen(Address::Unix(dir.socket()))
        .bind("*:0")
        .listen(inherited)
        .cores(1);
    let server = Running::new(server.start().unwrap());
    let mut unix = UnixStream::connect(dir.socket()).unwrap();
    let mut tcp = TcpStream::connect(server.handle().local_addr().unwrap()).unwrap();
    // A byte of the answer: both were accepted.
    let keep = b"GET /peer HTTP/1.1\r\nHost: a\r\n\r\n";
    for socket in [&mut unix as &mut dyn ReadWrite, &mut tcp] {
        socket.write_all(keep).unwrap();
        socket.read_exact(&mut [0]).unwrap();
    }
    let leaking: Vec<_> = sockets()
        .into_iter()
        .filter(|fd| !before.contains(fd) && !is_cloexec(fd))
        .collect();
    assert!(leaking.is_empty(), "{leaking:?}");
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// Number and target of this process's sockets, poll sets and event counters.
fn sockets() -> Vec<(String, String)> {
    std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let target = std::fs::read_link(entry.path()).ok()?.display().to_string();
            let ours = ["socket:", "anon_inode:"]
                .iter()
                .any(|kind| target.starts_with(kind));
            ours.then(|| (entry.file_name().display().to_string(), target))
        })
        .collect()
}

fn is_cloexec((fd, _): &(String, String)) -> bool {
    // One that another test closed meanwhile leaks nothing.
    let Ok(info) = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")) else {
        return true;
    };
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
    u32::from_str_radix(flags.trim(), 8).unwrap() & 0o2_000_000 != 0
}
