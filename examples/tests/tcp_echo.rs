//! The service on the bare connection, beside its site.

use std::io::{Read, Write};
use std::net::TcpStream;

use examples::Example;

#[test]
fn what_is_sent_comes_back_until_the_server_says_bye() {
    let program = Example::start_with("tcp_echo", &["127.0.0.1:0"]);
    let said = program.client().get("/").send().expect(200).text();
    let address = said.trim().strip_prefix("the echo is at ").unwrap();
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(b"over here").unwrap();
    let mut back = [0; 9];
    socket.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"over here");
    let rest = std::thread::spawn(move || {
        let mut rest = String::new();
        socket.read_to_string(&mut rest).unwrap();
        rest
    });
    let ended = program.end();
    assert_eq!(rest.join().unwrap(), "bye\n");
    assert!(ended.0, "{:?}", ended.1);
}
