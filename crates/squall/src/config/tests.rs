//! Configuration as people write it, and as they mistype it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(default)]
struct Config {
    listen: String,
    workers: u16,
    open: bool,
    ratio: f64,
    data: Option<PathBuf>,
    hosts: Vec<String>,
    ports: Vec<u16>,
    level: Level,
    secret: Secret,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Level {
    Info,
    Debug,
}

impl Default for Config {
    fn default() -> Self {
        let listen = "127.0.0.1:8888".to_owned();
        let (data, hosts, ports) = (None, Vec::new(), Vec::new());
        Self {
            listen,
            workers: 2,
            open: false,
            ratio: 0.5,
            data,
            hosts,
            ports,
            level: Level::Info,
            secret: Secret::default(),
        }
    }
}

#[derive(Default, Serialize)]
struct Args {
    listen: Option<String>,
    workers: Option<u16>,
}

struct ConfigFile(PathBuf);

impl ConfigFile {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("squall-config-{name}-{}.toml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn load(&self, sources: Sources) -> Result<Config, String> {
        let shown = self.0.display().to_string();
        load(&sources.file(Some(&self.0))).map_err(|error| error.to_string().replace(&shown, "FILE"))
    }
}

impl Drop for ConfigFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn later_sources_win() {
    let file = ConfigFile::new("win", "listen = \"file\"\nworkers = 3\nopen = true");
    let sources = || Sources::new("APP");
    assert_eq!(load::<Config>(&sources()).unwrap(), Config::default());
    assert_eq!(file.load(sources()).unwrap().listen, "file");
    let vars = sources().vars([
        ("APP_LISTEN", "var"),
        ("APP_RATIO", "1.5"),
        ("LISTEN", "not ours"),
    ]);
    let config = file.load(vars.clone()).unwrap();
    assert_eq!(
        (config.listen.as_str(), config.ratio, config.workers, config.open),
        ("var", 1.5, 3, true)
    );
    let config = file
        .load(vars.args(&Args {
            listen: Some("arg".into()),
            workers: None,
        }))
        .unwrap();
    assert_eq!((config.listen.as_str(), config.workers), ("arg", 3));
}

#[test]
fn the_environment_is_text_and_becomes_what_is_wanted() {
    let vars = [
        ("APP_WORKERS", " 7 "),
        ("APP_OPEN", "true"),
        ("APP_DATA", "/tmp/x"),
        ("APP_HOSTS", "a, b,,c"),
        ("APP_PORTS", "1,2"),
        ("APP_LEVEL", "debug"),
        ("APP_SECRET", "s3cret"),
        ("APP_PORT", "tcp://10.0.0.1:80"),
    ];
    let config: Config = load(&Sources::new("APP").vars(vars)).unwrap();
    assert_eq!(
        (config.workers, config.open, config.data),
        (7, true, Some("/tmp/x".into()))
    );
    assert_eq!(
        (config.hosts.join(" ").as_str(), config.ports),
        ("a b c", vec![1, 2])
    );
    assert_eq!((config.level, config.secret.expose()), (Level::Debug, "s3cret"));
    assert_eq!(config.hosts.len(), 3);
}

#[test]
fn mistakes_are_said_in_one_line_with_their_place() {
    let check = |name: &str, text: &str, expect: &str| {
        let error = ConfigFile::new(name, text).load(Sources::new("APP")).unwrap_err();
        assert!(error.starts_with(expect), "{error}");
        assert!(!error.contains('\n'));
    };
    check(
        "key",
        "lisen = \"x\"",
        "FILE: unknown key `lisen`; there are: listen, workers, open",
    );
    check(
        "type",
        "workers = \"x\"",
        "FILE: `workers`: invalid type: string \"x\", expected u16",
    );
    check("range", "workers = 70000", "FILE: `workers`: ");
    check(
        "variant",
        "level = \"loud\"",
        "FILE: `level`: unknown variant `loud`",
    );
    check("syntax", "listen = \"a\"\nworkers = = 2\n", "FILE:2: ");
    check("twice", "listen = \"a\"\nlisten = \"b\"\n", "FILE:2: ");
    let var = |name: &str, value: &str| {
        load::<Config>(&Sources::new("APP").vars([(name, value)]))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        var("APP_WORKERS", "x"),
        "APP_WORKERS: `x` is not a number from 0 to 65535"
    );
    assert_eq!(var("APP_OPEN", "yes"), "APP_OPEN: `yes` is not `true` or `false`");
    assert_eq!(
        var("APP_PORTS", "1,x"),
        "APP_PORTS: `x` is not a number from 0 to 65535"
    );
    let args = Sources::new("APP").args(&serde_json::json!({ "workers": -1, "data": "/x" }));
    assert!(
        load::<Config>(&args)
            .unwrap_err()
            .to_string()
            .starts_with("--workers: ")
    );
    let args = Sources::new("APP").args(&serde_json::json!({ "nothing": 1 }));
    assert!(
        load::<Config>(&args)
            .unwrap_err()
            .to_string()
            .starts_with("command line: unknown key `nothing`")
    );
}

#[test]
fn a_named_file_must_be_there_and_short() {
    let missing = Sources::new("APP").file(Some(Path::new("/nonexistent.toml")));
    assert!(
        load::<Config>(&missing)
            .unwrap_err()
            .to_string()
            .starts_with("/nonexistent.toml: ")
    );
    let pad = |bytes: u64| format!("#{}", "x".repeat(usize::try_from(bytes).unwrap() - 1));
    assert!(
        ConfigFile::new("fits", &pad(CONFIG_FILE_BYTES_MAX))
            .load(Sources::new("APP"))
            .is_ok()
    );
    let error = ConfigFile::new("over", &pad(CONFIG_FILE_BYTES_MAX + 1))
        .load(Sources::new("APP"))
        .unwrap_err();
    assert!(error.starts_with("FILE: longer than"), "{error}");
}

#[test]
fn secrets_are_made_once_for_this_user_alone() {
    let path = std::env::temp_dir().join(format!("squall-secret-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let made = Secret::file_or_generate(&path).unwrap();
    assert_eq!(
        (made.expose().len(), Secret::file_or_generate(&path).unwrap()),
        (64, made.clone())
    );
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(format!("{made} {made:?} {:?}", Some(&made)), "*** *** Some(***)");
    let text = |bytes: u64| "x".repeat(usize::try_from(bytes).unwrap());
    std::fs::write(&path, text(SECRET_FILE_BYTES_MAX)).unwrap();
    assert!(Secret::file(&path).is_ok());
    for bad in [text(SECRET_FILE_BYTES_MAX + 1), "\n".to_owned()] {
        std::fs::write(&path, bad).unwrap();
        let error = Secret::file_or_generate(&path).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(Secret::file_or_generate("/nonexistent/dir/secret").is_err());
}
