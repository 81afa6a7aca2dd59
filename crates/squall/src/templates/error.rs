//! What can be wrong with a template, said with its file and line to the log and to nobody else.

use std::error::Error;
use std::fmt;
use std::path::Path;

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

/// A page that could not be made. As a response: a 500 that says nothing, and the reason in the log.
#[derive(Debug)]
pub struct RenderError {
    message: String,
}

impl RenderError {
    pub(super) fn new(name: &str, error: minijinja::Error) -> Self {
        Self {
            message: describe(name, &error),
        }
    }
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for RenderError {}

impl IntoResponse for RenderError {
    fn into_response(self) -> Response {
        tracing::error!("template {self}");
        let page = "<!doctype html><title>Internal Server Error</title><h1>Internal Server Error</h1>\n";
        (StatusCode::INTERNAL_SERVER_ERROR, Html(page)).into_response()
    }
}

/// Templates that cannot be read: found when the program starts.
#[derive(Debug, PartialEq, Eq)]
pub struct LoadError {
    message: String,
}

impl LoadError {
    pub(super) fn of_template(name: &str, error: &minijinja::Error) -> Self {
        Self {
            message: format!("template {}", describe(name, error)),
        }
    }

    pub(super) fn of_file(path: &Path, error: &std::io::Error) -> Self {
        Self {
            message: format!("templates: {}: {error}", path.display()),
        }
    }

    pub(super) fn too_many(root: &Path) -> Self {
        Self {
            message: format!(
                "templates: {}: more than {} files",
                root.display(),
                super::TEMPLATES_MAX
            ),
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for LoadError {}

/// `page.html:12: what is wrong: why`, where the file is the one that is wrong, not the one that includes it.
fn describe(asked: &str, error: &minijinja::Error) -> String {
    let mut innermost = error;
    let mut text = kind_and_detail(error);
    let mut source = error.source();
    while let Some(cause) = source {
        match cause.downcast_ref::<minijinja::Error>() {
            Some(inner) => {
                text = format!("{text}: {}", kind_and_detail(inner));
                innermost = if inner.line().is_some() { inner } else { innermost };
            }
            None => text = format!("{text}: {cause}"),
        }
        source = cause.source();
    }
    let file = innermost.name().unwrap_or(asked);
    match innermost.line() {
        Some(line) => format!("{file}:{line}: {text}"),
        None => format!("{file}: {text}"),
    }
}

fn kind_and_detail(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}
