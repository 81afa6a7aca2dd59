//! The job with a progress bar: each step comes once and in order from where the page was, and a reload shows it too.

use examples::Example;

#[test]
fn a_job_tells_how_far_it_is_until_it_is_done() {
    let jobs = Example::start("progress");
    let client = jobs.client().browser();
    let started = client.post("/jobs").send();
    assert_eq!((started.status, started.location()), (303, "/jobs/1"));
    let page = client.get("/jobs/1").send().expect(200).text();
    let (_, rest) = page.split_once("data-stream=\"").unwrap();
    let stream = rest.split('"').next().unwrap().to_owned();
    let (_, rest) = page.split_once("value=\"").unwrap();
    let mut done: u32 = rest.split('"').next().unwrap().parse().unwrap();
    let mut events = client.sse(&stream).open_sse();
    while done < 100 {
        done += 5;
        assert_eq!(events.next_event().data, done.to_string());
    }
    let page = client.get("/jobs/1").send().expect(200).text();
    assert!(page.contains("<output>100 %</output>"), "{page}");
}

#[test]
fn there_is_no_page_of_no_job_and_no_job_without_a_token() {
    let jobs = Example::start("progress");
    let client = jobs.client();
    assert_eq!(client.get("/jobs/9").send().status, 404);
    assert_eq!(client.post("/jobs").send().status, 403);
    let page = client.get("/").send().expect(200).text();
    assert!(
        page.contains("name=\"_xsrf\""),
        "the form works without script: {page}"
    );
}
