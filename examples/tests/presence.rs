//! The chat with presence: who comes and goes is said to all, and what is said comes with its name.

use examples::Example;

#[test]
fn everybody_is_told_who_is_here() {
    let chat = Example::start("presence");
    let client = chat.client();
    assert!(
        client
            .get("/?name=ann")
            .send()
            .expect(200)
            .text()
            .contains("id=\"here\"")
    );
    let mut stream = client.sse("/sse").open_sse();
    let mut ann = client.ws("/ws?name=ann").open_ws();
    assert_eq!(stream.next_event().data, "here\nann");
    let _bob = client.ws("/ws?name=bob").open_ws();
    assert_eq!(stream.next_event().data, "here\nann\nbob");
    let second = client.ws("/ws?name=ann").open_ws();
    assert_eq!(stream.next_event().data, "here\nann\nbob", "two windows of one");
    ann.send_text("<hello>");
    assert_eq!(stream.next_event().data, "say ann\n<hello>");
    drop(second);
    assert_eq!(stream.next_event().data, "here\nann\nbob", "one is left");
    ann.close(1000);
    assert_eq!(stream.next_event().data, "here\nbob");
}

#[test]
fn names_and_words_have_limits() {
    let chat = Example::start("presence");
    let client = chat.client();
    for name in ["", "%0A", &"x".repeat(31)] {
        let refused = client.ws(&format!("/ws?name={name}")).try_open_ws();
        assert_eq!(refused.err().map(|answer| answer.status), Some(422), "{name}");
    }
    let foreign = client.ws("/ws?name=ann").header("origin", "https://evil.example");
    assert_eq!(foreign.try_open_ws().err().map(|answer| answer.status), Some(403));
    let mut ann = client.ws("/ws?name=ann").open_ws();
    ann.send_text(&"x".repeat(2001));
    let close = format!("{:?}", ann.recv());
    assert!(close.contains("1009"), "{close}");
}
