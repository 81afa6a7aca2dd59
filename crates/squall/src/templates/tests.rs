//! Templates as applications use them.

use axum::body::to_bytes;
use axum::response::IntoResponse;

use super::*;
use crate::assets::Assets;

fn render(template: &'static str, context: impl Serialize) -> String {
    let templates = Templates::embedded(&[("t.html", template)])
        .clock(|| 1_795_348_800_000)
        .build()
        .unwrap();
    templates.render("t.html", context).unwrap().0
}

fn render_error(template: &'static str, context: impl Serialize) -> String {
    let templates = Templates::embedded(&[("t.html", template)]).build().unwrap();
    templates.render("t.html", context).unwrap_err().to_string()
}

#[test]
fn everything_is_escaped_unless_it_says_otherwise() {
    let context = || context! { x => "<b a=\"'\">&" };
    assert_eq!(
        render("{{ x }}", context()),
        "&lt;b a=&quot;&#x27;&quot;&gt;&amp;"
    );
    assert_eq!(render("{{ x | safe }}", context()), "<b a=\"'\">&");
    assert_eq!(
        render("{{ x | linkify }}", context()),
        "&lt;b a=&quot;&#39;&quot;&gt;&amp;"
    );
    assert_eq!(render("{{ x | upper }}", context! { x => "<b>" }), "&lt;B&gt;");
    let templates = Templates::embedded(&[("t.txt", "{{ x }}"), ("t", "{{ x }}"), ("t.xml", "{{ x }}")])
        .build()
        .unwrap();
    assert_eq!(templates.text("t.txt", context! { x => "<b>" }).unwrap(), "<b>");
    assert_eq!(templates.text("t", context! { x => "<b>" }).unwrap(), "&lt;b&gt;");
    assert_eq!(
        templates.text("t.xml", context! { x => "<b>" }).unwrap(),
        "&lt;b&gt;"
    );
}

#[test]
fn json_for_scripts_cannot_end_them() {
    let html = render(
        "<script>let x = {{ x | tojson }}</script>",
        context! { x => "</script><!--'\"&\u{2028}" },
    );
    assert!(
        !html["<script>".len()..html.len() - "</script>".len()].contains(['<', '>', '&', '\'']),
        "{html}"
    );
}

#[test]
fn the_filters_work_on_what_applications_have() {
    #[derive(Serialize)]
    struct Post {
        at_ms: u64,
        at: &'static str,
        likes: u32,
    }
    let post = || Post {
        at_ms: 1_795_348_800_000 - 300_000,
        at: "2026-11-22T11:00:00Z",
        likes: 12345,
    };
    assert!(render("{{ at_ms | ago }}", post()).ends_with(">5 minutes ago</time>"));
    assert!(
        render("{{ post.at | ago }}", context! { post => Serde(post()) }).ends_with(">1 hour ago</time>")
    );
    assert_eq!(render("{{ likes | number }}", post()), "12,345");
    assert_eq!(render("{{ 'a b&' | urlencode }}", ()), "a%20b%26");
    assert!(render_error("{{ 'soon' | ago }}", ()).contains("ago:"));
    assert!(render_error("{{ (0 - 5) | ago }}", ()).contains("ago:"));
}

#[test]
fn what_is_not_there_is_an_error_with_its_line() {
    assert_eq!(
        render_error("a\n{{ nobody }}", context! {}),
        "t.html:2: undefined value"
    );
    assert!(
        render_error("{{ a.b.c }}", context! { a => context! {} }).starts_with("t.html:1: undefined value")
    );
    assert!(render_error("{% for x in nobody %}{% endfor %}", ()).starts_with("t.html:1: undefined value"));
    assert_eq!(
        render("{% if me %}in{% else %}out{% endif %}", ()),
        "out",
        "asking is allowed"
    );
    assert!(render_error("\n\n{% include 'none.html' %}", ()).contains("none.html"));
}

#[test]
fn errors_name_the_file_that_is_wrong() {
    let table = &[
        ("base.html", "\n\n{{ title }}{% block main %}{% endblock %}"),
        ("page.html", "{% extends 'base.html' %}"),
    ];
    let error = Templates::embedded(table)
        .build()
        .unwrap()
        .render("page.html", ())
        .unwrap_err();
    assert_eq!(error.to_string(), "base.html:3: undefined value");
    let broken = Templates::embedded(&[("a.html", "ok"), ("b.html", "\n{% if %}")])
        .build()
        .unwrap_err();
    assert!(
        broken.to_string().starts_with("template b.html:2: syntax error"),
        "{broken}"
    );
}

#[tokio::test]
async fn a_failed_page_tells_nobody_why() {
    let templates = Templates::embedded(&[("t.html", "secret {{ nobody }}")])
        .build()
        .unwrap();
    let response = templates
        .render("t.html", context! { password => "hunter2" })
        .into_response();
    assert_eq!(response.status(), 500);
    let body = to_bytes(response.into_body(), 10_000).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert!(body.contains("Internal Server Error") && !body.contains("nobody") && !body.contains("t.html"));
    let error = templates
        .render("t.html", context! { password => "hunter2" })
        .unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn globals_functions_and_assets() {
    let assets = Assets::embedded(&[("app.css", b"x")]);
    let table = &[
        (
            "t.html",
            "{{ site }} {{ twice(2) }} {{ 'a' | shout }} {{ static_url('app.css') }}",
        ),
        ("bad.html", "{{ static_url('no.css') }}"),
    ];
    let templates = Templates::embedded(table)
        .assets(&assets)
        .global("site", "Feed & Co")
        .function("twice", |n: u32| n * 2)
        .filter("shout", |text: String| text + "<!>")
        .build()
        .unwrap();
    let expect = format!("Feed &amp; Co 4 a&lt;!&gt; {}", assets.url("app.css"));
    assert_eq!(templates.render("t.html", ()).unwrap().0, expect);
    assert!(
        templates
            .render("bad.html", ())
            .unwrap_err()
            .to_string()
            .contains("no.css")
    );
}

#[test]
fn a_directory_is_read_at_once_and_again_while_developing() {
    let root = std::env::temp_dir().join(format!("squall-templates-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&root);
    std::fs::create_dir_all(root.join("people")).unwrap();
    std::fs::write(root.join("people/one.html"), "one {{ x }}").unwrap();
    std::fs::write(root.join(".hidden.html"), "{% broken").unwrap();
    let fixed = Templates::directory(&root).build().unwrap();
    let live = Templates::directory(&root).reload(true).build().unwrap();
    let page = |templates: &Templates| {
        templates
            .render("people/one.html", context! { x => "<" })
            .unwrap()
            .0
    };
    assert_eq!(page(&live), "one &lt;");
    std::fs::write(root.join("people/one.html"), "other {{ x }}").unwrap();
    assert_eq!(
        (page(&live), page(&fixed)),
        ("other &lt;".to_owned(), "one &lt;".to_owned())
    );
    assert!(live.render("../people/one.html", ()).is_err());
    std::fs::write(root.join("people/bad.html"), "\n\n{{ }").unwrap();
    let error = Templates::directory(&root).build().unwrap_err().to_string();
    assert!(error.starts_with("template people/bad.html:3: "), "{error}");
    std::fs::remove_dir_all(&root).unwrap();
    assert!(
        Templates::directory(&root)
            .build()
            .unwrap_err()
            .to_string()
            .contains("templates: ")
    );
}
