//! Files: a site that is part of the program, and a directory of downloads of any size.
//!
//! Run with: cargo run --release -p examples --example static [-- ADDRESS [DIRECTORY]]
//! Then: curl -r 0-99 http://127.0.0.1:8888/files/README.md    (without DIRECTORY it serves the current one)

use std::error::Error;

use squall::assets::Assets;
use squall::errors;
use squall::files::{Files, FilesConfig};
use squall::templates::{Templates, context};
use squall::web::routing::get;
use squall::web::{Html, Router, secure_headers};

const PAGE: &str = r#"<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Files</title>
<link rel="stylesheet" href="{{ static_url('site.css') }}">
<p>The style of this page has a URL that changes with its content, so every cache may keep it for ever.
<p>Downloads are below <code>/files/</code>.
"#;

const STYLE: &str = "body { font: 1em sans-serif; max-width: 40em; margin: 2em auto }";

fn router(downloads: &str) -> Result<Router, Box<dyn Error>> {
    // Whole directories: `squall::embedded_files!("$CARGO_MANIFEST_DIR/static")`.
    let assets = Assets::embedded(&[("site.css", STYLE.as_bytes())]);
    let templates = Templates::embedded(&[("page.html", PAGE)])
        .assets(&assets)
        .build()?;
    let page = templates.render("page.html", context! {})?;
    let config = FilesConfig {
        // Whatever lies there is saved, not shown: nobody's upload runs as a page of ours.
        attachment: true,
        ..FilesConfig::default()
    };
    let files = Files::directory_with(downloads, config)?;
    Ok(Router::new()
        .route("/", get(async move || Html(page.0)))
        .merge(assets.router())
        .merge(files.router("/files/"))
        .layer(errors::pages())
        .layer(secure_headers())
        .layer(squall::log::access()))
}

fn main() -> Result<(), Box<dyn Error>> {
    squall::log::init(&squall::log::Options::default())?;
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    let downloads = args.next().unwrap_or_else(|| ".".to_owned());
    let server = squall::Server::new(router(&downloads)?).bind(&address);
    server.run_with(|handle| eprintln!("listening on http://{}", handle.local_addrs()[0]))?;
    Ok(())
}
