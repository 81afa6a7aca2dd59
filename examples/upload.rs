//! Files that visitors send: a form that works without script and shows its progress with one, and `PUT` for programs.
//! For people whom you trust: what has a name already is replaced.
//!
//! Run with: cargo run --release -p examples --example upload [-- ADDRESS [DIRECTORY]]
//! Then: curl -T cat.png http://127.0.0.1:8888/    (and see http://127.0.0.1:8888/)

use std::{error::Error, path::PathBuf};

use squall::assets::Assets;
use squall::compression::Compression;
use squall::files::{Files, FilesConfig};
use squall::templates::{RenderError, Templates, context};
use squall::uploads::{Multipart, TempFiles, Upload, UploadError, UploadLimits, safe_file_name};
use squall::web::extract::{Path, State};
use squall::web::routing::{get, put};
use squall::web::{Extension, Html, Redirect, Router, StatusCode, secure_headers};
use squall::xsrf::{Xsrf, XsrfToken};

const GIB: u64 = 1 << 30;

/// The token is the first part of the form, so it is read before the files.
const PAGE: &str = r#"<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Upload</title><script src="{{ static_url('upload.js') }}" defer></script>
<form method="post" action="/" enctype="multipart/form-data">{{ xsrf | safe }}
<input type="file" name="file" aria-label="Files" multiple required><button>Send</button>
<progress hidden aria-label="Sent"></progress></form>
<ul>{% for name in names %}<li><a href="/files/{{ name | urlencode }}">{{ name }}</a></li>{% endfor %}</ul>
"#;

const SCRIPT: &str = r#"
const form = document.forms[0], bar = document.querySelector("progress");
form.addEventListener("submit", event => {
  event.preventDefault();
  const request = new XMLHttpRequest();
  request.upload.onprogress = sent => { bar.hidden = false; bar.max = sent.total; bar.value = sent.loaded; };
  request.onload = () => request.status < 400 ? location.reload() : alert(request.responseText);
  request.onerror = () => alert("The connection broke.");
  request.open("POST", form.action);
  request.send(new FormData(form));
});
"#;

#[derive(Clone)]
struct Shelf {
    dir: PathBuf,
    temp: TempFiles,
    templates: Templates,
}

async fn page(State(shelf): State<Shelf>, xsrf: XsrfToken) -> Result<Html<String>, RenderError> {
    let entries = std::fs::read_dir(&shelf.dir).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    // A safe name does not begin with a dot; what does is not ours to show.
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    let context = context! { names, xsrf => xsrf.field_html() };
    shelf.templates.render("page.html", context)
}

/// A form: each file goes to the disk as it arrives, and gets its name when it is whole.
async fn receive(State(shelf): State<Shelf>, mut form: Multipart) -> Result<Redirect, UploadError> {
    while let Some(part) = form.next_part().await? {
        if let ("file", Some(name)) = (part.name(), part.file_name()) {
            let file = part.save(&shelf.temp).await?;
            file.persist(shelf.dir.join(name)).await?;
        }
    }
    Ok(Redirect::to("/"))
}

/// A body that is the file.
async fn store(shelf: State<Shelf>, name: Path<String>, upload: Upload) -> Result<StatusCode, UploadError> {
    let name = name.0;
    if safe_file_name(&name).as_ref() != Some(&name) {
        return Ok(StatusCode::BAD_REQUEST);
    }
    let file = upload.save(&shelf.temp).await?;
    file.persist(shelf.dir.join(name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn router(dir: PathBuf) -> Result<Router, Box<dyn Error>> {
    // Beside what is kept, so that to keep a file is to rename it; `Files` does not serve what begins with a dot.
    std::fs::create_dir_all(dir.join(".arriving"))?;
    let temp = TempFiles::new(dir.join(".arriving"), 4 * GIB);
    let mut limits = UploadLimits::default();
    (limits.total_bytes_max, limits.file_bytes_max) = (GIB, GIB);
    // Saved by browsers, never shown: nobody's upload runs as a page of ours.
    let config = FilesConfig {
        attachment: true,
        ..FilesConfig::default()
    };
    let files = Files::directory_with(&dir, config)?;
    let assets = Assets::embedded(&[("upload.js", SCRIPT.as_bytes())]);
    let templates = Templates::embedded(&[("page.html", PAGE)])
        .assets(&assets)
        .build()?;
    Ok(Router::new()
        .route("/", get(page).post(receive))
        // No browser sends `PUT` for another site without asking; programs have no token.
        .route("/{name}", put(store))
        .layer(Extension(limits))
        .merge(assets.router())
        .merge(files.router("/files/"))
        .layer(Xsrf::new().exempt(|parts| parts.method == "PUT"))
        .layer(secure_headers())
        .layer(Compression::new())
        .with_state(Shelf { dir, temp, templates }))
}

fn main() -> Result<(), Box<dyn Error>> {
    squall::log::init(&squall::log::Options::default())?;
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    let dir = args.next().unwrap_or_else(|| "uploads".to_owned());
    let server = squall::Server::new(router(dir.into())?).bind(&address);
    server.run_with(|handle| eprintln!("listening on http://{}", handle.local_addrs()[0]))?;
    Ok(())
}
