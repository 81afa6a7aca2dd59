//! Reading templates, and what they can use.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::functions::Function;
use minijinja::value::{FunctionArgs, FunctionResult, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};

use super::error::LoadError;
use super::{Templates, filters};
use crate::assets::Assets;

/// Templates of one directory.
pub const TEMPLATES_MAX: usize = 10_000;

/// Templates that are about to be read; [`Builder::build`] reads them.
pub struct Builder {
    environment: Environment<'static>,
    source: Source,
    clock: Arc<dyn Fn() -> u64 + Send + Sync>,
}

enum Source {
    Embedded(Vec<(&'static str, &'static str)>),
    Directory(PathBuf),
}

impl Builder {
    pub(super) fn embedded(table: &[(&'static str, &'static str)]) -> Self {
        Self::new(Source::Embedded(table.to_vec()))
    }

    pub(super) fn directory(root: PathBuf) -> Self {
        Self::new(Source::Directory(root))
    }

    fn new(source: Source) -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_auto_escape_callback(auto_escape);
        // With it, errors carry the values of the page into the log.
        environment.set_debug(false);
        environment.set_auto_reload(false);
        Self {
            environment,
            source,
            clock: Arc::new(crate::web::now_ms),
        }
    }

    /// `true`: a template of the directory that changed is read again. While developing.
    #[must_use]
    pub fn reload(mut self, reload: bool) -> Self {
        self.environment.set_auto_reload(reload);
        self
    }

    /// `static_url(name)` gives the URLs of these files. A name that is not among them is an error.
    #[must_use]
    pub fn assets(self, assets: &Assets) -> Self {
        let assets = assets.clone();
        self.function("static_url", move |name: String| match assets.try_url(&name) {
            // Percent-encoded, so nothing in it means anything in HTML.
            Some(url) => Ok(Value::from_safe_string(url)),
            None => {
                let detail = format!("static_url: there is no file {name:?}");
                Err(Error::new(ErrorKind::InvalidOperation, detail))
            }
        })
    }

    /// A value that every template sees.
    #[must_use]
    pub fn global(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.environment.add_global(name, value.into());
        self
    }

    /// A function for templates. What it returns is escaped, unless it is [`Value::from_safe_string`].
    #[must_use]
    pub fn function<F, Rv, Args>(mut self, name: &'static str, function: F) -> Self
    where
        F: Function<Rv, Args>,
        Rv: FunctionResult,
        Args: for<'a> FunctionArgs<'a>,
    {
        self.environment.add_function(name, function);
        self
    }

    /// A filter for templates: a function whose first argument stands before the bar.
    #[must_use]
    pub fn filter<F, Rv, Args>(mut self, name: &'static str, filter: F) -> Self
    where
        F: Function<Rv, Args>,
        Rv: FunctionResult,
        Args: for<'a> FunctionArgs<'a>,
    {
        self.environment.add_filter(name, filter);
        self
    }

    /// Another clock for `ago`, in milliseconds since the Unix epoch: for tests.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Reads all templates.
    ///
    /// # Errors
    /// The first that cannot be read, with its file and line.
    pub fn build(mut self) -> Result<Templates, LoadError> {
        filters::add(&mut self.environment, self.clock);
        match self.source {
            Source::Embedded(table) => {
                for (name, text) in table {
                    self.environment
                        .add_template(name, text)
                        .map_err(|error| LoadError::of_template(name, &error))?;
                }
            }
            Source::Directory(root) => {
                let names = names_below(&root)?;
                self.environment.set_loader(minijinja::path_loader(&root));
                for name in names {
                    self.environment
                        .get_template(&name)
                        .map_err(|error| LoadError::of_template(&name, &error))?;
                }
            }
        }
        Ok(Templates {
            environment: Arc::new(self.environment),
        })
    }
}

/// Whoever forgets the ending gets escaping.
fn auto_escape(name: &str) -> AutoEscape {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("txt") => AutoEscape::None,
        Some("json" | "js") => AutoEscape::Json,
        _ => AutoEscape::Html,
    }
}

fn names_below(root: &Path) -> Result<Vec<String>, LoadError> {
    let mut names = Vec::new();
    let mut open = vec![String::new()];
    while let Some(directory) = open.pop() {
        let path = root.join(&directory);
        for entry in fs::read_dir(&path).map_err(|error| LoadError::of_file(&path, &error))? {
            let entry = entry.map_err(|error| LoadError::of_file(&path, &error))?;
            let kind = entry
                .file_type()
                .map_err(|error| LoadError::of_file(&path, &error))?;
            let Some(name) = entry
                .file_name()
                .to_str()
                .filter(|name| !name.starts_with('.'))
                .map(str::to_owned)
            else {
                continue;
            };
            if kind.is_dir() {
                open.push(format!("{directory}{name}/"));
            } else if kind.is_file() && !name.ends_with('~') {
                names.push(format!("{directory}{name}"));
            }
        }
        if names.len() > TEMPLATES_MAX {
            return Err(LoadError::too_many(root));
        }
    }
    names.sort();
    Ok(names)
}
