//! What was answered is kept: over a restart, a failed write, a kill -9.

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use common::{Dir, Site, open_when_free};
use feed::domain::{Audience, NewPost, PersonId, PostId};
use feed::store::{Change, EventKind, Store};

/// Set in the child process that is to be killed: its data directory.
const CHILD: &str = "FEED_TEST_CRASH_DIRECTORY";

#[tokio::test]
async fn a_restart_keeps_posts_events_cursor_and_order() {
    let site = Site::new();
    let [ada] = site.people().await;
    let before = site.post(ada, "before", Audience::Public).await;
    let gone = site.post(ada, "gone", Audience::Members).await;
    site.store.delete_post(ada, gone.id).await.unwrap();
    let cursor = site.store.cursor().await.unwrap();
    let events = site.store.retained_events().await.unwrap();
    let site = site.reopen();
    assert_eq!(site.store.cursor().await.unwrap(), cursor);
    assert_eq!(site.store.retained_events().await.unwrap(), events);
    let topics: Vec<_> = events.1.iter().map(|event| event.topic.as_str()).collect();
    let (own, members) = (format!("p:{ada}:public"), format!("p:{ada}:members"));
    assert_eq!(
        topics,
        [own.as_str(), "public", members.as_str()],
        "only the deletion of what is gone is left"
    );
    assert!(matches!(events.1[2].kind, EventKind::Delete { post, .. } if post == gone.id));
    let after = site.post(ada, "after", Audience::Public).await;
    assert!(after.id > before.id && after.seq > cursor.offset);
}

#[tokio::test]
async fn a_data_directory_is_private_and_for_one() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new();
    let mode = std::fs::metadata(site.dir.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let error = Store::open(site.dir.path()).err().unwrap();
    assert!(error.to_string().contains("already using"), "{error}");
    let file = site.dir.path().join("lock");
    let error = Store::open(&file).err().unwrap();
    assert!(
        error.to_string().starts_with("cannot make the data directory"),
        "{error}"
    );
}

#[tokio::test]
async fn a_refused_write_leaves_nothing_and_harms_no_other() {
    let (site, changes) = Site::with_changes();
    let [ada, bob] = site.people().await;
    let nobody = PostId::new(1).unwrap();
    let bad = NewPost {
        in_reply_to: Some(nobody),
        ..NewPost::new(ada, "bad", Audience::Public)
    };
    // Asked for at the same time, so they share a transaction whenever the writer is busy.
    let (good, bad, follow, itself) = tokio::join!(
        site.store.create_post(NewPost::new(ada, "good", Audience::Me)),
        site.store.create_post(bad),
        site.store.follow(ada, bob),
        site.store.follow(ada, ada),
    );
    good.unwrap();
    follow.unwrap();
    assert!(bad.unwrap_err().is_missing() && itself.unwrap_err().is_refused());
    let mut got = Vec::new();
    while got.len() < 3 {
        got.extend(changes.next().unwrap().changes);
    }
    let events = got
        .iter()
        .filter(|change| matches!(change, Change::Event(_)))
        .count();
    assert_eq!(
        (events, got.len()),
        (2, 3),
        "a post, a following, and its notification: {got:?}"
    );
    assert_eq!(site.store.retained_events().await.unwrap().1.len(), 2);
}

#[tokio::test]
async fn many_writes_at_once_are_all_kept() {
    let site = Site::new();
    let [ada] = site.people().await;
    let writes: Vec<_> = (0..500)
        .map(|number| {
            let store = site.store.clone();
            tokio::spawn(async move {
                store
                    .create_post(NewPost::new(ada, format!("{number}"), Audience::Public))
                    .await
                    .unwrap()
            })
        })
        .collect();
    for write in writes {
        write.await.unwrap();
    }
    assert_eq!(site.store.stats().await.unwrap().posts, 500);
    assert_eq!(site.store.person(ada).await.unwrap().posts_count, 500);
}

/// Run by the test below in a process of its own: posts as fast as it can and prints what was acknowledged.
#[test]
fn crash_child() {
    let Ok(directory) = std::env::var(CHILD) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (store, _) = Store::open(directory.as_ref()).unwrap();
        let ada = store.create_person("ada", "x".into()).await.unwrap().id;
        let mut writers = Vec::new();
        for _ in 0..8 {
            let store = store.clone();
            writers.push(tokio::spawn(post_for_ever(store, ada)));
        }
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

async fn post_for_ever(store: Store, author: PersonId) {
    use std::io::Write;
    // Far more than the parent waits for; bounded all the same.
    for number in 0..1_000_000 {
        let post = store
            .create_post(NewPost::new(author, format!("{number}"), Audience::Public))
            .await
            .unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "ACK {} {}", post.id, post.seq).unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test]
async fn kill_9_loses_nothing_acknowledged() {
    let dir = Dir::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash_child", "--nocapture"])
        .env(CHILD, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    let mut note = |line: String| {
        // The test runner may have printed the beginning of a line of its own before.
        if let Some((_, ack)) = line.split_once("ACK ")
            && let Some((id, seq)) = ack.split_once(' ')
            && let (Ok(id), Ok(seq)) = (id.parse::<PostId>(), seq.parse::<u64>())
        {
            acknowledged.push((id, seq));
        }
        acknowledged.len()
    };
    while note(lines.next().unwrap().unwrap()) < 300 {}
    child.kill().unwrap();
    child.wait().unwrap();
    for line in lines {
        let Ok(line) = line else { break };
        note(line);
    }

    let store = open_when_free(dir.path());
    for &(id, seq) in &acknowledged {
        assert_eq!(store.post(None, id).await.unwrap().seq, seq);
    }
    let (_, events) = store.retained_events().await.unwrap();
    let posts = store.stats().await.unwrap().posts;
    assert_eq!(
        events.len() as u64,
        2 * posts,
        "each post that is there was announced, and nothing else"
    );
    let ada = store.person_by_name("ada").await.unwrap();
    assert_eq!(ada.posts_count, posts);
    let next = store
        .create_post(NewPost::new(ada.id, "next", Audience::Public))
        .await
        .unwrap();
    assert!(
        acknowledged
            .iter()
            .all(|&(id, seq)| next.id > id && next.seq > seq)
    );
}
