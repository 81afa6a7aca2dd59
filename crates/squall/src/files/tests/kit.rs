//! What the tests share: a directory of their own, and a request in one line.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use tower::ServiceExt;

use crate::files::{Files, FilesConfig};

/// A directory that is removed when it is dropped.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("squall-files-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file, with the directories above it.
    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub(super) fn files(&self) -> Files {
        self.files_with(|_| {})
    }

    /// Each request looks, and what was just written counts as settled.
    pub(super) fn files_with(&self, change: impl FnOnce(&mut FilesConfig)) -> Files {
        let mut config = FilesConfig {
            fresh_ms: 0,
            settled_after_ms: 0,
            ..FilesConfig::default()
        };
        change(&mut config);
        Files::directory_with(&self.0, config).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Sets when a file was last written: seconds since 1970.
pub(super) fn set_modified(path: &Path, unix_seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(unix_seconds);
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// A field's value; empty if there is none.
    pub(super) fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub(super) async fn get(files: &Files, path: &str, fields: &[(&str, &str)]) -> Answer {
    ask(files, "GET", path, fields).await
}

pub(super) async fn ask(files: &Files, method: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let app: Router = Router::new().merge(files.router("/f/"));
    let response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: to_bytes(body, 64 << 20).await.unwrap().to_vec(),
    }
}
