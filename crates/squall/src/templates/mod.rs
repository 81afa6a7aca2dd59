//! HTML from templates (minijinja, the syntax of Jinja2), wired so that the safe way is the short one.
//!
//! Every value is escaped unless it says that it is HTML; a name that is not there is an error, not an empty place;
//! all templates are read when the program starts, so a typing error is found then. A page that fails is a 500 that
//! says nothing, and a line in the log with file and line.
//!
//! ```
//! use squall::templates::{Templates, context};
//! let templates = Templates::embedded(&[("hello.html", "Hello, {{ name }}!")]).build()?;
//! let page = templates.render("hello.html", context! { name => "<b>" })?;
//! assert_eq!(page.0, "Hello, &lt;b&gt;!");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | in a template | is |
//! |---|---|
//! | `{{ static_url("app.css") }}` | the URL that changes with the content ([`crate::assets`]) |
//! | `{{ post.at_ms \| ago }}` | `<time datetime="…">5 minutes ago</time>`, from Unix milliseconds or RFC 3339 text |
//! | `{{ post.text \| linkify }}` | the text escaped, its links clickable, its lines kept |
//! | `{{ count \| number }}` | `12,345` |
//! | `{{ data \| tojson }}` | JSON that is safe in `<script>` and in attributes |

mod build;
mod error;
mod filters;
mod links;
mod times;

use std::sync::Arc;

use axum::response::Html;
use minijinja::Environment;
use serde::Serialize;

pub use build::{Builder, TEMPLATES_MAX};
pub use error::{LoadError, RenderError};
pub use filters::number_text;
pub use links::{escape, linkify};
pub use minijinja::context;
pub use minijinja::value::{Serde, Value};
pub use times::{ago_html, ago_text, iso8601};

/// The templates of a site. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Templates {
    environment: Arc<Environment<'static>>,
}

impl Templates {
    /// Templates that are part of the program: names and texts (`include_str!`).
    pub fn embedded(table: &[(&'static str, &'static str)]) -> Builder {
        Builder::embedded(table)
    }

    /// The templates of a directory and all below it.
    pub fn directory(root: impl Into<std::path::PathBuf>) -> Builder {
        Builder::directory(root.into())
    }

    /// The page. The context is a struct that serializes, a map, or `context! { … }`; values that only serialize go
    /// into the latter as `Serde(&value)`.
    ///
    /// # Errors
    /// What is wrong with the template or with what it was given; as a response it is a 500 and a line in the log.
    pub fn render(&self, name: &str, context: impl Serialize) -> Result<Html<String>, RenderError> {
        self.text(name, context).map(Html)
    }

    /// The same as plain text, for mails and feeds. `*.txt` is not escaped; everything else is.
    pub fn text(&self, name: &str, context: impl Serialize) -> Result<String, RenderError> {
        let template = self
            .environment
            .get_template(name)
            .map_err(|error| RenderError::new(name, error))?;
        template
            .render(Value::from(Serde(context)))
            .map_err(|error| RenderError::new(name, error))
    }
}

#[cfg(test)]
mod tests;
