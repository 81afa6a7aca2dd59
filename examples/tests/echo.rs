//! The echo example, over a real WebSocket.

use examples::Example;
use squall::testing::WsEvent;

#[test]
fn it_says_back_what_it_is_told() {
    let echo = Example::start("echo");
    let client = echo.client();
    assert!(
        client
            .get("/")
            .send()
            .expect(200)
            .text()
            .contains("/static/echo.js")
    );
    assert!(
        client
            .get("/static/echo.js")
            .send()
            .expect(200)
            .text()
            .contains("new WebSocket")
    );
    let mut socket = client.ws("/ws").open_ws();
    socket.send_text("over here");
    assert_eq!(socket.text(), "over here");
    socket.send_binary(&[0, 1, 255]);
    assert_eq!(socket.recv(), WsEvent::Binary(vec![0, 1, 255]));
    socket.close(1000);
    assert!(matches!(socket.recv(), WsEvent::Close(Some((1000, _)))));
}

#[test]
fn pages_of_others_are_refused() {
    let echo = Example::start("echo");
    let refused = echo
        .client()
        .ws("/ws")
        .header("origin", "https://evil.example")
        .try_open_ws();
    assert_eq!(refused.err().map(|answer| answer.status), Some(403));
    assert_eq!(echo.client().get("/ws").send().status, 426);
}
