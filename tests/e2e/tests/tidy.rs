//! The house rules that no lint can say: who imports whom, and what must not be in a file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::program::root;

/// Longest source file, in lines. Most are far shorter; what comes near to this wants to be two files.
const FILE_LINES_MAX: usize = 700;
/// Longest example, in lines.
const EXAMPLE_LINES_MAX: usize = 119;

/// Who may import which of our crates, and which libraries they may not.
const ROOMS: &[(&str, &[&str], &[&str])] = &[
    ("crates/wire", &[], &["tokio", "mio", "socket2", "axum"]),
    ("crates/hub", &[], &["tokio", "mio", "socket2", "axum", "http"]),
    (
        "crates/durable",
        &["squall-hub"],
        &["mio", "socket2", "axum", "http"],
    ),
    ("crates/engine", &["squall-wire"], &["axum"]),
    (
        "crates/nats",
        &["squall-hub"],
        &["mio", "socket2", "axum", "http"],
    ),
    (
        "crates/squall",
        &["squall-durable", "squall-engine", "squall-hub"],
        &["mio", "socket2"],
    ),
    ("apps/feed", &["squall"], &["axum", "mio", "socket2"]),
    ("examples", &["squall"], &["axum", "mio", "socket2"]),
    ("benches/target", &["squall"], &["axum", "mio", "socket2"]),
    ("benches/cluster", &["squall-nats", "squall-hub"], &[]),
    ("benches/compare", &["squall"], &[]),
    (
        "benches/durable",
        &["squall-durable", "squall-hub", "bench-compare"],
        &[],
    ),
    ("tests/e2e", &["squall"], &[]),
    ("tests/recovery", &["squall"], &[]),
];

/// What a room's sources must not say: it would need what the room must not have.
const ABSENT: &[(&str, &[&str])] = &[
    (
        "crates/wire/src",
        &[
            "Instant::now",
            "SystemTime",
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "std::fs",
            "std::thread",
            "tokio::",
        ],
    ),
    (
        "crates/hub/src",
        &[
            "Instant::now",
            "SystemTime",
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "std::fs",
            "tokio::",
            "http::",
        ],
    ),
];

/// Every file that the project keeps.
fn files() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached"])
        .current_dir(root())
        .output()
        .expect("git runs");
    assert!(output.status.success(), "the tree is a git checkout");
    let names = String::from_utf8(output.stdout).expect("names are UTF-8");
    // Deleted but not yet committed is not there.
    names
        .split_terminator('\0')
        .map(PathBuf::from)
        .filter(|name| root().join(name).is_file())
        .collect()
}

fn rust_files() -> Vec<PathBuf> {
    files()
        .into_iter()
        .filter(|name| name.extension().is_some_and(|end| end == "rs"))
        .collect()
}

fn read(name: &Path) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{}: {error}", name.display()))
}

fn manifest(room: &str) -> toml::Table {
    read(&Path::new(room).join("Cargo.toml"))
        .parse()
        .expect("a manifest is TOML")
}

/// Each breach on a line of its own.
fn check(breaches: &[String]) {
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

#[test]
fn every_room_imports_only_what_it_may() {
    let names = [
        "squall",
        "squall-wire",
        "squall-hub",
        "squall-durable",
        "squall-engine",
        "squall-nats",
        "feed",
        "bench-target",
        "bench-cluster",
        "bench-compare",
    ];
    let mut breaches = Vec::new();
    for (room, ours, not) in ROOMS {
        let manifest = manifest(room);
        for section in ["dependencies", "build-dependencies"] {
            let Some(table) = manifest.get(section).and_then(toml::Value::as_table) else {
                continue;
            };
            for name in table.keys() {
                let foreign = names.contains(&name.as_str()) && !ours.contains(&name.as_str());
                if foreign || not.contains(&name.as_str()) {
                    breaches.push(format!("{room} imports {name}"));
                }
            }
        }
    }
    check(&breaches);
}

#[test]
fn every_member_of_the_workspace_has_its_rule() {
    let root = manifest(".");
    let members = root["workspace"]["members"]
        .as_array()
        .expect("a list of members");
    let members: BTreeSet<&str> = members.iter().filter_map(toml::Value::as_str).collect();
    let rooms: BTreeSet<&str> = ROOMS.iter().map(|(room, ..)| *room).collect();
    assert_eq!(members, rooms);
    for room in rooms {
        assert_eq!(
            manifest(room)["lints"]["workspace"].as_bool(),
            Some(true),
            "{room} takes the workspace's lints"
        );
    }
}

#[test]
fn wire_and_hub_have_no_clock_and_no_socket() {
    let mut breaches = Vec::new();
    for name in rust_files() {
        for (room, words) in ABSENT.iter().filter(|(room, _)| name.starts_with(room)) {
            let text = read(&name);
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for (word, line) in code.flat_map(|line| words.iter().map(move |word| (word, line))) {
                if line.contains(word) {
                    breaches.push(format!("{room}: {} says {word}: {}", name.display(), line.trim()));
                }
            }
        }
    }
    check(&breaches);
}

#[test]
fn nothing_is_left_undone_ignored_or_unsafe() {
    // Put together here, so that this file does not breach its own rule.
    let words = [
        ["todo", "!("].concat(),
        ["unimplemented", "!("].concat(),
        ["#[ign", "ore"].concat(),
    ];
    let keyword = ["un", "safe"].concat();
    let architecture = read(Path::new("ARCHITECTURE.md"));
    let mut breaches = Vec::new();
    for name in rust_files() {
        let text = read(&name);
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let place = format!("{}:{}", name.display(), number + 1);
            if words.iter().any(|word| code.contains(word.as_str())) {
                breaches.push(format!("{place}: {}", line.trim()));
            }
            let blocks = [" {", " fn", " impl", " extern", "_code)]"].map(|end| format!("{keyword}{end}"));
            let opens = blocks.iter().any(|block| code.contains(block.as_str()));
            if opens && !architecture.contains(&name.display().to_string()) {
                breaches.push(format!(
                    "{place}: {keyword}, but ARCHITECTURE.md does not list the file"
                ));
            }
        }
    }
    check(&breaches);
}

#[test]
fn no_file_is_too_long() {
    let counted = rust_files()
        .into_iter()
        .map(|name| (read(&name).lines().count(), name));
    let long = counted.filter(|(lines, _)| *lines > FILE_LINES_MAX);
    check(
        &long
            .map(|(lines, name)| format!("{}: {lines} lines", name.display()))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn no_test_sleeps() {
    let sleep = ["thread::", "sleep("].concat();
    let mut breaches = Vec::new();
    // The load programs keep a rhythm, which is what they are for, and so may an example.
    for name in rust_files()
        .into_iter()
        .filter(|name| !name.starts_with("benches"))
        .filter(|name| !name.starts_with("examples") || name.starts_with("examples/tests"))
    {
        if read(&name).contains(&sleep) {
            breaches.push(format!("{} sleeps", name.display()));
        }
    }
    check(&breaches);
}

#[test]
fn every_example_is_short_says_how_to_run_it_and_is_built() {
    let manifest = manifest("examples");
    let built: Vec<&toml::Value> = manifest["example"].as_array().expect("examples").iter().collect();
    let mut breaches = Vec::new();
    for name in rust_files()
        .into_iter()
        .filter(|name| name.parent() == Some(Path::new("examples")))
    {
        let text = read(&name);
        let stem = name.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        if text.lines().count() > EXAMPLE_LINES_MAX {
            breaches.push(format!("{}: {} lines", name.display(), text.lines().count()));
        }
        let command = format!("cargo run --release -p examples --example {stem}");
        if !text
            .lines()
            .take(10)
            .any(|line| line.contains("Run with") && line.contains(&command))
        {
            breaches.push(format!("{}: no line `Run with {command}` on top", name.display()));
        }
        if !built.iter().any(|example| example["name"].as_str() == Some(stem)) {
            breaches.push(format!("{}: not in the manifest", name.display()));
        }
    }
    check(&breaches);
}

#[test]
fn every_fuzz_target_is_built() {
    let manifest = manifest("fuzz");
    let built = manifest["bin"].as_array().expect("targets").iter();
    let built: BTreeSet<&str> = built.filter_map(|bin| bin["path"].as_str()).collect();
    let files = rust_files();
    let targets = files
        .iter()
        .filter_map(|name| name.strip_prefix("fuzz").ok())
        .filter_map(Path::to_str);
    assert_eq!(targets.collect::<BTreeSet<&str>>(), built);
}

/// Every `cargo run` of README, CONTRIBUTING and docs names a package and a program that exist.
#[test]
fn every_command_in_the_documents_exists() {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value =
        serde_json::from_slice(&metadata.stdout).expect("cargo's metadata is JSON");
    let mut known = BTreeSet::new();
    for package in metadata["packages"].as_array().expect("packages") {
        known.insert((
            "-p".to_owned(),
            package["name"].as_str().expect("a name").to_owned(),
        ));
        for target in package["targets"].as_array().expect("targets") {
            let kind = target["kind"][0].as_str().expect("a kind");
            known.insert((
                format!("--{kind}"),
                target["name"].as_str().expect("a name").to_owned(),
            ));
        }
    }
    let mut breaches = Vec::new();
    let mut commands = 0;
    for name in files()
        .into_iter()
        .filter(|name| name.extension().is_some_and(|end| end == "md"))
    {
        let text = read(&name);
        for line in text.lines().filter(|line| line.contains("cargo run")) {
            commands += 1;
            let words: Vec<&str> = line
                .split(|c: char| c.is_whitespace() || "`'\"|.,;)".contains(c))
                .collect();
            for pair in words
                .windows(2)
                .filter(|pair| ["-p", "--example", "--bin"].contains(&pair[0]))
            {
                let own = line.contains("--manifest-path")
                    || known.contains(&(pair[0].to_owned(), pair[1].to_owned()));
                if !own {
                    breaches.push(format!(
                        "{}: there is no `{} {}`",
                        name.display(),
                        pair[0],
                        pair[1]
                    ));
                }
            }
        }
    }
    check(&breaches);
    assert!(commands > 0, "the documents tell how to run something");
}

/// A table of attacks that names a test which is gone says that something is tested which is not.
#[test]
fn every_test_that_the_table_of_attacks_names_exists() {
    let table = read(Path::new("docs/internals/attacks.md"));
    let known: String = rust_files().iter().map(|name| read(name)).collect();
    let mut breaches = Vec::new();
    let mut names = 0;
    for row in table.lines().filter(|line| line.starts_with('|')) {
        for name in row.split('`').skip(1).step_by(2) {
            let is_path = name.starts_with("crates/");
            let is_test = name.len() > 11 && name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'));
            names += usize::from(is_test);
            let there = !is_test || known.contains(&format!("fn {name}("));
            if !there || (is_path && !root().join(name).exists()) {
                breaches.push(format!("there is no {name}"));
            }
        }
    }
    check(&breaches);
    assert!(names > 50, "only {names} tests are named");
}

/// A proof whose tests are gone is a belief.
#[test]
fn every_test_that_the_proof_of_recovery_names_exists() {
    let proof = read(Path::new("docs/internals/recovery.md"));
    let known: String = rust_files().iter().map(|name| read(name)).collect();
    let is_test = |name: &&str| {
        let plain = name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'));
        plain && name.matches('_').count() > 2
    };
    let named: Vec<&str> = proof.split('`').skip(1).step_by(2).filter(is_test).collect();
    let gone = named
        .iter()
        .filter(|name| !known.contains(&format!("fn {name}(")));
    check(&gone.map(|name| format!("there is no {name}")).collect::<Vec<_>>());
    assert!(named.len() > 20, "only {} tests are named", named.len());
}

#[test]
fn readme_has_the_two_commands() {
    let readme = read(Path::new("README.md"));
    for command in ["cargo run --release -p feed", "./test"] {
        assert!(readme.contains(command), "README.md does not say `{command}`");
    }
}
