//! The chat example: the page, and all three doors to its room.

use examples::Example;
use squall::testing::Client;

/// The value of the first attribute of that name.
fn attribute(page: &str, name: &str) -> String {
    let (_, rest) = page
        .split_once(&format!("{name}=\""))
        .unwrap_or_else(|| panic!("no {name} in {page}"));
    rest.split('"').next().unwrap_or_default().to_owned()
}

fn say(client: &Client, text: &str) {
    assert_eq!(client.post("/say").form(&[("text", text)]).send().status, 303);
}

#[test]
fn all_doors_bring_the_same_from_the_pages_cursor_on() {
    let chat = Example::start("chat");
    let client = chat.client().browser();
    say(&client, "before");
    let page = client.get("/").send().expect(200).text();
    assert!(page.contains("<li>before</li>"));
    let cursor = attribute(&page, "data-cursor");
    say(&client, "after the page");

    let mut sse = client.sse(&format!("/sse/room?cursor={cursor}")).open_sse();
    let mut ws = client.ws(&format!("/ws/room?cursor={cursor}")).open_ws();
    say(&client, "<live> & \u{fc}");
    for text in ["after the page", "<live> & \u{fc}"] {
        assert_eq!(sse.next_event().data, text);
        assert!(ws.text().contains(&format!("\"data\":\"{text}\"")));
    }
    let polled = client.poll("/poll/room", Some(&cursor));
    let texts: Vec<_> = polled
        .messages
        .iter()
        .map(|message| message["data"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["after the page", "<live> & \u{fc}"]);

    say(&client, "last");
    let again = client.poll("/poll/room", Some(sse.last_event_id()));
    assert_eq!(
        again.messages[0]["data"], "last",
        "a cursor of one door is good for another"
    );
    assert_eq!(again.messages.len(), 1);
}

#[test]
fn without_script_the_form_does_it() {
    let chat = Example::start("chat");
    let client = chat.client();
    let page = client.get("/").send().expect(200).text();
    let token = page
        .split_once("name=\"_xsrf\" ")
        .map(|(_, rest)| attribute(rest, "value"))
        .unwrap();
    let posted = client
        .post("/say")
        .form(&[("_xsrf", &token), ("text", "<b>plain</b>")])
        .send();
    assert_eq!((posted.status, posted.location()), (303, "/"));
    assert!(
        client.get("/").send().text().contains("<li>&lt;b&gt;plain&lt;"),
        "and it is escaped"
    );
    assert_eq!(
        client.post("/say").form(&[("text", "no token")]).send().status,
        403
    );
    let foreign = chat.client().with_header("sec-fetch-site", "cross-site");
    assert_eq!(foreign.post("/say").form(&[("text", "x")]).send().status, 403);
    for bad in ["", " ", &"x".repeat(2001)] {
        assert_eq!(
            client
                .post("/say")
                .form(&[("_xsrf", &token), ("text", bad)])
                .send()
                .status,
            422
        );
    }
}

#[test]
fn its_log_tells_requests_and_no_queries() {
    let chat = Example::start("chat");
    chat.client().get("/?token=hunter2").send().expect(200);
    for url in ["chat.js", "chat.css"] {
        let page = chat.client().get("/").send().text();
        let name = url.split_once('.').unwrap();
        let hashed = page
            .split('"')
            .find(|part| part.contains("/static/chat.") && part.ends_with(name.1))
            .unwrap();
        assert!(
            chat.client()
                .get(hashed)
                .send()
                .expect(200)
                .header("cache-control")
                .contains("immutable")
        );
    }
    let (ended_well, lines) = chat.end();
    assert!(ended_well);
    assert!(
        lines
            .iter()
            .any(|line| line.contains("method=GET path=/ status=200")),
        "{lines:?}"
    );
    assert!(!lines.iter().any(|line| line.contains("hunter2")));
}
