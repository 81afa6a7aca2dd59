//! The feed: `cargo run --release -p feed`, and open the address that it prints.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use feed::app::App;
use feed::config::Config;
use feed::domain::passwords::Passwords;
use squall::log;

fn main() -> ExitCode {
    match run(&Config::from_process()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(error)) => squall::config::exit_usage(&error),
        Err(Failure::Fault(error)) => {
            // If standard error is closed there is nobody to tell, and the status says it all the same.
            let _ = writeln!(std::io::stderr(), "feed: {}", error.replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

/// Why the program ends early.
enum Failure {
    /// What the operator said makes no sense: status 2.
    Usage(String),
    /// What the operator said could not be done: status 1.
    Fault(String),
}

fn run(config: &Config) -> Result<(), Failure> {
    let fault = |error: &dyn std::fmt::Display| Failure::Fault(error.to_string());
    let proxies = config.proxies().map_err(Failure::Usage)?;
    let listen = config.listener().map_err(Failure::Usage)?;
    // Told apart from wrong usage: what is asked for makes sense here, and is not to be had. Opened now, because the
    // origin stands in pages and answers, and the port in it: it must be known before the first of them is made.
    let listen = listen.open().map_err(|error| fault(&error))?;
    let here = config.reached_at(&listen);
    let site = config.site(&here).map_err(Failure::Usage)?;
    let logs = log::Options {
        filter: config.log.clone(),
        ..log::Options::default()
    };
    log::init(&logs).map_err(|error| Failure::Usage(error.to_string()))?;
    let app =
        App::open(&config.data, site, Passwords::new()).map_err(|error| Failure::Fault(error.detail()))?;
    let mut access = log::access();
    if let Some(path) = &config.access_log {
        let file = log::Output::file(path).map_err(|error| {
            Failure::Fault(format!("cannot write the access log {}: {error}", path.display()))
        })?;
        access = access.lines(log::Lines::Combined).to(file);
    }
    if let Some(proxies) = &proxies {
        let networks = proxies.networks().clone();
        access = access.trust(move |peer| networks.contains(peer));
    }
    let mut server = squall::Server::new(feed::router::router(&app))
        .listen(listen)
        .live(app.live())
        .access_log(access)
        .metrics(app.meters())
        .health(app.health())
        .drain_delay(Duration::from_secs(config.drain_delay_s));
    if let Some(proxies) = proxies {
        server = server.behind(proxies);
    }
    if config.cores > 0 {
        server = server.cores(config.cores);
    }
    let origin = &app.site().origin;
    let announce = |_: &squall::Handle| {
        // Whoever started us may not read what we say; that is no reason not to serve.
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "feed: {here}");
        if *origin != here {
            let _ = writeln!(out, "feed: the site is {origin}");
        }
        let _ = out.flush();
    };
    server.run_with(announce).map_err(|error| fault(&error))
}
