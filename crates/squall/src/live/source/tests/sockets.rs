//! Sockets that are full: what they did not take comes again, once.

use squall_engine::source::Source;
use squall_engine::ws::Message;

use super::rig::{ALL, Rig};
use crate::live::{Busy, Connection, DIRECT_BYTES_MAX, DIRECT_FRAMES_MAX, Grant, WsDoor};

/// A bare WebSocket and a handle to it.
fn with_handle(rig: &mut Rig) -> (usize, Connection) {
    let (send, receive) = std::sync::mpsc::channel();
    let door = WsDoor::new()
        .bare()
        .on_message(move |incoming| send.send(incoming.connection()).unwrap());
    let ws = rig.ws_by(&door, "/", Grant::topics(["t"]));
    let follower = rig.socket(ws).follower;
    rig.source.received(follower, Message::Text(String::new()));
    (ws, receive.recv().unwrap())
}

#[test]
fn frames_beside_the_log_come_once_and_in_order_whatever_the_socket_takes() {
    for capacity in 0..14 {
        for room in 1..5 {
            let mut rig = Rig::new();
            let (ws, connection) = with_handle(&mut rig);
            rig.publish("t", "1");
            connection.send_text("a").unwrap();
            connection.send_text("b").unwrap();
            rig.publish("t", "2");
            rig.drain();
            rig.pump(ws, capacity, room);
            connection.send_text("c").unwrap();
            rig.publish("t", "3");
            rig.drain();
            rig.pump(ws, 2, room);
            rig.drain();
            while rig.socket(ws).blocked {
                rig.pump(ws, 1, room);
            }
            let text: String = rig
                .read(ws)
                .chars()
                .filter(|c| c.is_ascii_alphanumeric())
                .collect();
            let (log, beside): (String, String) = text.chars().partition(char::is_ascii_digit);
            assert_eq!(
                (log.as_str(), beside.as_str()),
                ("123", "abc"),
                "capacity {capacity}, room {room}: {text}"
            );
        }
    }
}

#[test]
fn a_peer_that_does_not_read_is_not_written_to_without_bound() {
    let mut rig = Rig::new();
    let (ws, connection) = with_handle(&mut rig);
    for _ in 0..DIRECT_FRAMES_MAX {
        connection.send_text("x").unwrap();
    }
    assert_eq!(connection.send_text("x"), Err(Busy));
    rig.drain();
    rig.pump(ws, 3, 8);
    assert_eq!(
        connection.send_text("x"),
        Err(Busy),
        "what was offered may not be taken yet"
    );
    rig.pump(ws, ALL, 8);
    rig.pump(ws, ALL, 8);
    assert_eq!(rig.socket(ws).received.len(), 3 * DIRECT_FRAMES_MAX);
    assert_eq!(connection.send_text("x"), Ok(()));
}

#[test]
fn frames_beside_the_log_are_bounded_by_bytes() {
    let mut rig = Rig::new();
    let (ws, connection) = with_handle(&mut rig);
    let header = 10;
    connection
        .send_binary(&vec![0; DIRECT_BYTES_MAX - header])
        .unwrap();
    assert_eq!(connection.send_binary(b""), Err(Busy));
    connection.unfollow("t", None).unwrap();
    rig.drain();
    rig.pump(ws, ALL, 8);
    rig.pump(ws, ALL, 8);
    assert_eq!(
        connection.send_binary(&vec![0; DIRECT_BYTES_MAX - header]),
        Ok(())
    );
    rig.drain();
    rig.pump(ws, ALL, 8);
    rig.pump(ws, ALL, 8);
    assert_eq!(connection.send_binary(&vec![0; DIRECT_BYTES_MAX]), Err(Busy));
}

#[test]
fn the_last_words_of_a_handle_come_before_its_close() {
    for capacity in 0..12 {
        for room in 1..5 {
            let mut rig = Rig::new();
            let (ws, connection) = with_handle(&mut rig);
            connection.send_text("why").unwrap();
            connection.send_text("so").unwrap();
            connection.close(4_000, "bye");
            rig.publish("t", "not any more");
            rig.drain();
            rig.pump(ws, capacity, room);
            while rig.socket(ws).blocked {
                rig.pump(ws, 1, room);
            }
            let received = &rig.socket(ws).received;
            assert_eq!(
                received, b"\x81\x03why\x81\x02so\x88\x05\x0f\xa0bye",
                "capacity {capacity}, room {room}"
            );
            assert!(rig.socket(ws).closed);
        }
    }
}
