//! The templates and files that are part of the program.

use std::sync::LazyLock;

use serde::Serialize;
use squall::assets::Assets;
use squall::templates::Templates;

static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    Assets::embedded(&[
        ("app.css", include_bytes!("../../static/app.css")),
        ("app.js", include_bytes!("../../static/app.js")),
        ("icon.svg", include_bytes!("../../static/icon.svg")),
        ("icons.svg", include_bytes!("../../static/icons.svg")),
    ])
});

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../templates/", $name)))),*]
    };
}

/// Built once, from constants: what fails here fails in every test.
static TEMPLATES: LazyLock<Templates> = LazyLock::new(|| {
    let files = templates![
        "_acts.html",
        "_compose.html",
        "_notification.html",
        "_post.html",
        "_stream.html",
        "_ui.html",
        "base.html",
        "error.html",
        "home.html",
        "index.html",
        "notifications.html",
        "oauth_authorize.html",
        "oauth_code.html",
        "people.html",
        "post.html",
        "profile.html",
        "public.html",
        "settings.html",
        "sign_in.html",
        "sign_up.html",
    ];
    let built = Templates::embedded(files).assets(&ASSETS).build();
    built.unwrap_or_else(|error| panic!("the templates of the program are in order: {error}"))
});

/// The style, the script and the icons.
pub(super) fn assets() -> &'static Assets {
    &ASSETS
}

/// A page or a part of one as HTML; `None` when the template failed, which is logged.
pub(super) fn render(template: &str, context: &impl Serialize) -> Option<String> {
    match TEMPLATES.render(template, context) {
        Ok(html) => Some(html.0),
        Err(error) => {
            tracing::error!(template, %error, "a template failed");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_script_stays_small() {
        let bytes = include_bytes!("../../static/app.js").len();
        assert!(bytes < 8 * 1024, "app.js has {bytes} bytes");
    }

    #[test]
    fn no_template_has_a_style_or_a_script_in_line() {
        // The content security policy forbids them: they would be dead, and only a person would notice.
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            for forbidden in [" style=", "<style", "<script>", " onclick=", "javascript:"] {
                assert!(!text.contains(forbidden), "{}: {forbidden}", path.display());
            }
        }
    }
}
