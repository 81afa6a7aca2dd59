//! The whiteboard: what was drawn is there for who comes later, and nonsense is nobody's.

use examples::Example;
use squall::testing::{Client, WsEvent};

fn data(text: &str) -> &str {
    let (_, rest) = text.split_once("\"data\":\"").unwrap_or_else(|| panic!("{text}"));
    rest.trim_end_matches("\"}")
}

fn cursor(client: &Client) -> String {
    let page = client.get("/").send().expect(200).text();
    let (_, rest) = page.split_once("data-cursor=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[test]
fn lines_and_pointers_reach_everybody_and_who_comes_later() {
    let board = Example::start("whiteboard");
    let client = board.client();
    let mut one = client.ws("/ws").open_ws();
    let mut other = client.ws("/ws").open_ws();
    for words in ["here 7 1 2", "line 7 1 2 3 4", "line 7 3 4 1000 600"] {
        one.send_text(words);
        assert_eq!(data(&one.text()), words);
        assert_eq!(data(&other.text()), words);
    }
    let mut later = client.ws(&format!("/ws?cursor={}", cursor(&client))).open_ws();
    for words in ["here 7 1 2", "line 7 1 2 3 4", "line 7 3 4 1000 600"] {
        assert_eq!(data(&later.text()), words);
    }
}

#[test]
fn nonsense_closes_its_connection() {
    let board = Example::start("whiteboard");
    let client = board.client();
    for words in [
        "",
        "line 1 2",
        "here 1 2 3 4",
        "here 1 -2 3",
        "here 1 <b> 3",
        "sing 1 2 3",
        &format!("here 1 2 {}", "0".repeat(60)),
    ] {
        let mut one = client.ws("/ws").open_ws();
        one.send_text(words);
        let WsEvent::Close(Some((4000, _))) = one.recv() else {
            panic!("{words} is taken");
        };
    }
}
