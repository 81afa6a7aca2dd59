//! From before a message is published until a follower has it: in one process, and over a cluster.

use std::path::Path;

use tempfile::TempDir;

use crate::check::{Line, read};
use crate::servers::Servers;
use crate::survive::Children;
use crate::{Options, Result, say};

pub(crate) fn run(options: &Options) -> Result<()> {
    let dir = TempDir::new()?;
    let file = |name: &str| dir.path().join(name);
    say(format!(
        "{} messages of {} bytes, {} a second; from before the publish to the follower, in microseconds\n",
        options.messages, options.bytes, options.rate
    ))?;
    say("| follower | p50 | p99 | most |\n|---|---:|---:|---:|")?;
    let mut children = Children::default();
    children.add(&file("alone"), "", "ALONE", options, &["--ends"])?;
    children.drive()?;
    let alone = report("one process, in memory", &file("alone"))?;

    let servers = Servers::start()?;
    let mut children = Children::default();
    let silent = Options {
        messages: 0,
        ..options.clone()
    };
    let all = servers.addresses();
    children.add(&file("publisher"), &all, "LATENCY", options, &["--ends"])?;
    children.add(&file("second"), &all, "LATENCY", &silent, &[])?;
    children.add(&file("third"), &all, "LATENCY", &silent, &[])?;
    children.drive()?;
    report("cluster, the publishing node", &file("publisher"))?;
    let mut added = Vec::new();
    for (name, title) in [
        ("second", "cluster, another node"),
        ("third", "cluster, a third node"),
    ] {
        let there = report(title, &file(name))?;
        added.push((there.0 - alone.0, there.1 - alone.1));
    }
    let most = added.into_iter().max().unwrap_or_default();
    say(format!(
        "\nadded on another node: p50 {} us, p99 {} us\n",
        most.0, most.1
    ))
}

/// Writes a line; answers p50 and p99 in microseconds.
fn report(title: &str, file: &Path) -> Result<(i128, i128)> {
    let mut took_us: Vec<i128> = Vec::new();
    for line in read(&std::fs::read_to_string(file)?)? {
        let Line::Seen(_, at_ns, key) = line else { continue };
        let mut words = key.split('/');
        if let (Some(_), Some(_), Some(sent_ns)) = (words.next(), words.next(), words.next()) {
            took_us.push((i128::try_from(at_ns)? - sent_ns.parse::<i128>()?) / 1_000);
        }
    }
    took_us.sort_unstable();
    let at = |part: f64| -> Result<i128> {
        let place = (took_us.len() as f64 * part) as usize;
        let found = took_us.get(place.min(took_us.len().saturating_sub(1)));
        Ok(*found.ok_or("nothing was received")?)
    };
    let (p50, p99, most) = (at(0.5)?, at(0.99)?, at(1.0)?);
    say(format!("| {title} | {p50} | {p99} | {most} |"))?;
    Ok((p50, p99))
}
