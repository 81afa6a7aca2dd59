//! The example that the README begins with.

use examples::Example;

#[test]
fn what_one_says_the_others_hear() {
    let hello = Example::start("hello");
    let client = hello.client();
    assert_eq!(client.get("/").send().expect(200).text(), "Hello, World!\n");
    let mut room = client.sse("/room").open_sse();
    let cursor = client
        .post("/say")
        .body("text/plain", "over here")
        .send()
        .expect(200)
        .text();
    let heard = room.next_event();
    assert_eq!(
        (heard.data.as_str(), heard.last_event_id.as_str()),
        ("over here", cursor.trim())
    );
    drop(room);
    assert!(hello.end().0, "SIGTERM ends it with status 0");
}

/// The program in the README is this file, less its comment.
#[test]
fn the_readme_shows_the_example() {
    let readme = include_str!("../../README.md");
    let example = include_str!("../hello.rs");
    let code = example
        .split_once("\n\n")
        .map(|(_, code)| code)
        .unwrap_or_default();
    assert!(
        readme.contains(&format!("```rust\n{code}```")),
        "README.md and examples/hello.rs differ"
    );
}
