//! A real browser and compressed WebSocket messages (RFC 7692): it offers them, gets them, and sends them.

use e2e::room::Room;
use e2e::webdriver::{Browser, Driver};

/// Opens a WebSocket in the page and keeps what it hears.
fn open(browser: &Browser, path: &str) {
    browser.script(&format!(
        "window.heard = [];
         window.socket = new WebSocket(location.origin.replace('http', 'ws') + '{path}');
         socket.onmessage = (event) => heard.push(event.data);"
    ));
    browser.wait_for("socket.readyState === WebSocket.OPEN");
    browser.wait_for("socket.extensions.startsWith('permessage-deflate')");
}

#[test]
fn a_browser_talks_compressed_to_a_handler_and_hears_a_topic() {
    let room = Room::start(&[]);
    let driver = Driver::start();
    let browser = driver.browser();
    browser.open(&format!("http://{}/", room.addr()));
    open(&browser, "/ws/echo");
    // Short, long, of many characters, and what becomes no smaller.
    browser.script(
        "window.said = ['hello', 'all happy families are alike; '.repeat(50), '\u{20ac}\u{1d11e}'.repeat(2000),
            [...crypto.getRandomValues(new Uint8Array(3000))].map((byte) => String.fromCharCode(32 + byte % 95)).join('')];
         said.forEach((text) => socket.send(text));",
    );
    browser.wait_for("heard.length === said.length && heard.every((text, at) => text === said[at])");
    open(&browser, "/ws/room");
    browser.script(
        "window.news = 'each one is unhappy in its own way; '.repeat(50);
         fetch('/pub/room', { method: 'POST', body: news });",
    );
    browser.wait_for("heard.length === 1 && JSON.parse(heard[0]).data === news");
}
