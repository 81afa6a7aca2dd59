//! The durable example: followers of all doors resume after a kill.

use examples::Example;
use squall::testing::Client;

fn start(folder: &std::path::Path) -> Example {
    Example::start_with("durable", &[folder.to_str().unwrap()])
}

fn post(client: &Client, path: &str, text: &str) -> String {
    let answer = client.post(path).body("text/plain", text).send().expect(200);
    answer.text().trim().to_owned()
}

#[test]
fn whoever_follows_resumes_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let room = start(folder.path());
    let client = room.client();
    let mut sse = client.sse("/room").open_sse();
    let mut ws = client.ws("/ws").open_ws();
    let first = post(&client, "/say", "one");
    assert_eq!(sse.next_event().data, "one");
    assert_eq!(sse.last_event_id(), first);
    assert!(ws.text().contains("\"data\":\"one\""));
    // Nobody has read these when the process is killed.
    for number in 2..50 {
        post(&client, "/say", &format!("line {number}"));
    }
    // Dropping an example kills it.
    drop(room);

    let room = start(folder.path());
    let client = room.client();
    let last = post(&client, "/say", "after the kill");
    let mut sse = client.sse(&format!("/room?cursor={first}")).open_sse();
    let mut ws = client.ws(&format!("/ws?cursor={first}")).open_ws();
    for number in 2..50 {
        assert_eq!(sse.next_event().data, format!("line {number}"));
        assert!(ws.text().contains(&format!("\"data\":\"line {number}\"")));
    }
    assert_eq!(sse.next_event().data, "after the kill");
    assert_eq!(sse.last_event_id(), last);
    assert!(ws.text().contains("after the kill"));
    let polled = client.poll("/poll", Some(&first));
    assert_eq!(polled.messages.len(), 49);
    // What is in memory alone is gone, and whoever followed it is told.
    let mut pointers = client.sse(&format!("/pointers?cursor={first}")).open_sse();
    assert_eq!(pointers.next_event().event, "gap");
    post(&client, "/point", "1,2");
    assert_eq!(pointers.next_event().data, "1,2");
}
