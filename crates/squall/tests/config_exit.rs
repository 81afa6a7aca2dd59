//! A mistake in the configuration ends the program with status 2 and one line. So there is a program: this test again.

use std::process::Command;

use squall::config::{Sources, load_or_exit};

#[derive(serde::Deserialize)]
struct Config {
    workers: u8,
}

/// Does nothing when the tests run; the next one runs it alone, with the variable.
#[test]
fn the_program() {
    if std::env::var_os("MISTAKEN_WORKERS").is_some() {
        let config: Config = load_or_exit(&Sources::new("MISTAKEN").process_env());
        assert_eq!(config.workers, 3);
    }
}

fn run(workers: &str) -> (Option<i32>, String) {
    let program = std::env::current_exe().expect("a test knows itself");
    let command = Command::new(program)
        .args(["--exact", "the_program"])
        .env("MISTAKEN_WORKERS", workers)
        .output();
    let output = command.expect("it can be run again");
    (
        output.status.code(),
        String::from_utf8(output.stderr).expect("messages are text"),
    )
}

#[test]
fn wrong_usage_is_status_2_and_one_line() {
    let (status, message) = run("a few");
    assert_eq!(status, Some(2));
    assert!(
        message.starts_with("config_exit-"),
        "the program's name comes first: {message}"
    );
    assert!(
        message.ends_with(": MISTAKEN_WORKERS: `a few` is not a number from 0 to 255\n"),
        "{message}"
    );
    assert_eq!(message.lines().count(), 1);
    assert_eq!(run("3"), (Some(0), String::new()));
}
