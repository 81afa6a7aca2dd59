//! Files that were cut off or changed: everything that was acknowledged is there, or somebody is told. Never wrong bytes.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{open, publish, publish_all, reopen, texts, wait};
use squall_durable::{DurableBroker, DurableConfig, IfDamaged, Life};
use squall_hub::{Epoch, Hub, Publish};

const MESSAGES: u32 = 300;

/// Data that fills some pages.
fn data(number: u32) -> String {
    format!("{number} {}", "x".repeat(number as usize % 200))
}

/// A store in which something is in every table, in the database and in the write-ahead log.
fn fill(path: &Path) -> Epoch {
    let (hub, _) = open(path, &DurableConfig::default());
    for number in 0..MESSAGES {
        let answer = hub.publish(&format!("t{}", number % 7), data(number), 0);
        if number % 30 == 0 {
            wait(answer).unwrap();
        }
    }
    let publish = Publish {
        topic: "keyed",
        data: "k".into(),
        meta: None,
        key: Some("key"),
        now_ms: 0,
    };
    wait(hub.publish_with(publish)).unwrap();
    hub.withdraw("t3", |message| message.offset % 2 == 0);
    hub.epoch()
}

/// What a killed process leaves: the files as they are while it runs.
fn killed(path: &Path) -> (PathBuf, Epoch) {
    let (live, image) = (path.join("live"), path.join("image"));
    let (hub, _) = open(&live, &DurableConfig::default());
    let epoch = hub.epoch();
    drop(hub);
    fill(&live);
    // Everything is acknowledged, and nothing copied back from the write-ahead log as a proper end would.
    let (hub, _) = open(&live, &DurableConfig::default());
    publish_all(&hub, "t0", 0..20);
    fs::create_dir(&image).unwrap();
    for name in ["log.db", "log.db-wal", "witness"] {
        fs::copy(live.join(name), image.join(name)).unwrap();
    }
    drop(hub);
    (image, epoch)
}

/// Everything that a hub holds.
fn held(hub: &Hub) -> String {
    let topics: Vec<String> = (0..7).map(|number| format!("t{number}")).collect();
    let mut topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    topics.push("keyed");
    texts(hub, &topics, 0).unwrap()
}

/// What came of opening a damaged copy.
#[derive(Default, Debug)]
struct Seen {
    whole: u32,
    new_epoch: u32,
    refused: u32,
}

/// Opens a copy of `image` after `change` has been at one of its files.
fn check(
    image: &Path,
    name: &str,
    good: &str,
    epoch: Epoch,
    seen: &mut Seen,
    what: &str,
    change: &dyn Fn(&mut Vec<u8>),
) {
    let folder = tempfile::tempdir().unwrap();
    for file in ["log.db", "log.db-wal", "witness"] {
        let mut bytes = fs::read(image.join(file)).unwrap();
        if file == name {
            change(&mut bytes);
        }
        fs::write(folder.path().join(file), bytes).unwrap();
    }
    match DurableBroker::open(folder.path(), DurableConfig::default()) {
        Err(error) => {
            assert!(error.is_damaged(), "{what}: {error}");
            assert!(!error.to_string().contains('\n'), "{what}: {error}");
            seen.refused += 1;
        }
        Ok((hub, loaded)) if loaded.life == Life::Resumed => {
            assert_eq!(hub.epoch(), epoch, "{what}");
            assert_eq!(
                held(&hub),
                good,
                "{what}: nothing is missing and nothing is wrong"
            );
            seen.whole += 1;
        }
        Ok((hub, loaded)) => {
            assert_eq!(loaded.life, Life::EndLost, "{what}");
            assert_ne!(hub.epoch(), epoch, "{what}: what is lost is said");
            // What is there is what was written.
            let kept = held(&hub);
            assert!(
                kept.split_inclusive(' ').count() <= good.split_inclusive(' ').count(),
                "{what}"
            );
            let wrong = kept
                .split_terminator(' ')
                .filter(|part| part.contains('='))
                .find(|part| !good.contains(part));
            // A withdrawn message may be back when the commit that took it away is lost; it is what was written, too.
            assert!(wrong.is_none_or(written), "{what}: {wrong:?}");
            seen.new_epoch += 1;
        }
    }
}

/// Whether `offset=number` was ever written.
fn written(part: &str) -> bool {
    let (offset, number) = part.split_once('=').unwrap();
    offset.parse::<u32>().unwrap() == number.parse::<u32>().unwrap() + 1
}

#[test]
fn what_is_cut_off_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (image, epoch) = killed(folder.path());
    let good = held(&reopen_copy(&image));
    let mut seen = Seen::default();
    for name in ["log.db", "log.db-wal", "witness"] {
        let bytes = fs::metadata(image.join(name)).unwrap().len() as usize;
        for step in 0..40 {
            let keep = bytes * step / 40;
            let what = format!("{name} cut at {keep} of {bytes}");
            check(&image, name, &good, epoch, &mut seen, &what, &|bytes| {
                bytes.truncate(keep)
            });
        }
    }
    assert!(seen.new_epoch > 20 && seen.refused > 20, "{seen:?}");
}

#[test]
fn bits_that_flip_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (image, epoch) = killed(folder.path());
    let good = held(&reopen_copy(&image));
    let mut seen = Seen::default();
    // The same places in every run, spread over the whole of each file.
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for name in ["log.db", "log.db-wal", "witness"] {
        let bytes = fs::metadata(image.join(name)).unwrap().len() as usize;
        for step in 0..80 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let at = (bytes * step / 80 + random as usize % (bytes / 80 + 1)).min(bytes - 1);
            let bit = 1 << ((random >> 32) % 8);
            let what = format!("{name}, byte {at} of {bytes} xor {bit}");
            check(&image, name, &good, epoch, &mut seen, &what, &|bytes| {
                bytes[at] ^= bit
            });
        }
    }
    assert!(
        seen.whole > 30 && seen.new_epoch > 10 && seen.refused > 10,
        "{seen:?}"
    );
}

#[test]
fn blocks_that_read_as_zeros_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (image, epoch) = killed(folder.path());
    let good = held(&reopen_copy(&image));
    let mut seen = Seen::default();
    for name in ["log.db", "log.db-wal"] {
        let blocks = fs::metadata(image.join(name)).unwrap().len() as usize / 4_096;
        for block in 0..blocks {
            let what = format!("{name}, block {block} of {blocks}");
            check(&image, name, &good, epoch, &mut seen, &what, &|bytes| {
                let end = bytes.len().min((block + 1) * 4_096);
                bytes[block * 4_096..end].fill(0);
            });
        }
    }
    assert!(seen.new_epoch + seen.refused > 10, "{seen:?}");
}

fn reopen_copy(image: &Path) -> Hub {
    let copy = image.with_file_name("good");
    fs::create_dir(&copy).unwrap();
    for name in ["log.db", "log.db-wal", "witness"] {
        fs::copy(image.join(name), copy.join(name)).unwrap();
    }
    reopen(&copy, &DurableConfig::default())
}

#[test]
fn without_its_witness_a_log_is_of_a_new_life() {
    let folder = tempfile::tempdir().unwrap();
    let epoch = fill(folder.path());
    fs::remove_file(folder.path().join("witness")).unwrap();
    let (hub, loaded) = open(folder.path(), &DurableConfig::default());
    assert_eq!(loaded.life, Life::EndLost);
    assert_ne!(hub.epoch(), epoch);
    assert_eq!(hub.topic_counts("t0").messages, 43, "what is there is kept");
    let epoch = hub.epoch();
    drop(hub);
    assert_eq!(reopen(folder.path(), &DurableConfig::default()).epoch(), epoch);
}

#[test]
fn a_log_that_is_gone_is_not_taken_for_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    fs::remove_file(folder.path().join("log.db")).unwrap();
    let error = DurableBroker::open(folder.path(), DurableConfig::default())
        .err()
        .unwrap();
    assert!(error.is_damaged(), "{error}");
}

#[test]
fn an_older_copy_of_a_log_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let epoch = fill(folder.path());
    let copy = fs::read(folder.path().join("log.db")).unwrap();
    let hub = reopen(folder.path(), &DurableConfig::default());
    let after = publish(&hub, "t0", "newer", 0);
    drop(hub);
    fs::write(folder.path().join("log.db"), copy).unwrap();
    let (hub, loaded) = open(folder.path(), &DurableConfig::default());
    assert_eq!(loaded.life, Life::EndLost);
    assert_ne!(hub.epoch(), epoch);
    assert_eq!(hub.head(), after, "no offset is given twice");
    let epoch = hub.epoch();
    drop(hub);
    assert_eq!(
        reopen(folder.path(), &DurableConfig::default()).epoch(),
        epoch,
        "once is enough"
    );
}

#[test]
fn a_damaged_log_is_begun_anew_when_so_wished() {
    let folder = tempfile::tempdir().unwrap();
    let epoch = fill(folder.path());
    let path = folder.path().join("log.db");
    let mut bytes = fs::read(&path).unwrap();
    bytes[4_096..].fill(7);
    fs::write(&path, &bytes).unwrap();
    let error = DurableBroker::open(folder.path(), DurableConfig::default())
        .err()
        .unwrap();
    assert!(error.is_damaged(), "{error}");
    let config = DurableConfig {
        if_damaged: IfDamaged::BeginAnew,
        ..DurableConfig::default()
    };
    let (hub, loaded) = open(folder.path(), &config);
    assert_eq!((loaded.life, loaded.messages), (Life::BegunAnew, 0));
    assert_ne!(hub.epoch(), epoch);
    assert_eq!(
        fs::read(folder.path().join("damaged-1/log.db")).unwrap(),
        bytes,
        "nothing is thrown away"
    );
    publish(&hub, "x", "a", 0);
    drop(hub);
    assert_eq!(
        texts(&reopen(folder.path(), &config), &["x"], 0),
        Ok("1=a ".into())
    );
}

#[test]
fn a_log_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let connection = rusqlite::Connection::open(folder.path().join("log.db")).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
    drop(connection);
    let error = DurableBroker::open(folder.path(), DurableConfig::default())
        .err()
        .unwrap();
    assert!(error.to_string().contains("is of version 2"), "{error}");
}

#[test]
fn a_row_that_is_missing_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let connection = rusqlite::Connection::open(folder.path().join("log.db")).unwrap();
    for sql in [
        "DELETE FROM messages WHERE seq = 5",
        "DELETE FROM topics WHERE name = 't1'",
        "DELETE FROM keys",
        "UPDATE messages SET data = x'00' WHERE seq = 5",
        "UPDATE topics SET floor = 1",
        "UPDATE state SET head = 1",
        "DELETE FROM state",
    ] {
        let copy = tempfile::tempdir().unwrap();
        let copied = copy.path().join("log.db");
        connection
            .execute("VACUUM INTO ?1", [copied.to_str().unwrap()])
            .unwrap();
        fs::copy(folder.path().join("witness"), copy.path().join("witness")).unwrap();
        let changed = rusqlite::Connection::open(copy.path().join("log.db")).unwrap();
        let rows = changed.execute(sql, []).unwrap();
        drop(changed);
        let opened = DurableBroker::open(copy.path(), DurableConfig::default());
        match opened {
            Ok(_) => panic!("{sql} changed {rows} rows and was not noticed"),
            Err(error) => assert!(error.is_damaged(), "{sql}: {error}"),
        }
    }
}
