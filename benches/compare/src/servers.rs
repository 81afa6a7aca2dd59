//! The servers that are compared: where they come from and how they are started.

mod nginx;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::ValueEnum;

use crate::child::Server;
use crate::served::Folder;
use crate::works::Work;

/// A server of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Kind {
    /// `bench-target`.
    Squall,
    /// `peer-axum`.
    Axum,
    /// `peer-actix`.
    Actix,
    /// The `nginx` of the system, for files.
    Nginx,
    /// `Bun.serve`, which is uWebSockets, for live rooms.
    Bun,
    /// Socket.IO on Node, for live rooms.
    SocketIo,
    /// `peer-socketioxide`, for live rooms.
    Socketioxide,
}

impl Kind {
    /// All of them, ours first.
    pub const ALL: [Self; 7] = [
        Self::Squall,
        Self::Axum,
        Self::Actix,
        Self::Nginx,
        Self::Bun,
        Self::SocketIo,
        Self::Socketioxide,
    ];

    /// What it is called in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Squall => "squall",
            Self::Axum => "axum::serve",
            Self::Actix => "actix-web",
            Self::Nginx => "nginx",
            Self::Bun => "Bun (uWS)",
            Self::SocketIo => "Socket.IO",
            Self::Socketioxide => "socketioxide",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Squall => "bench-target",
            Self::Axum => "peer-axum",
            Self::Actix => "peer-actix",
            Self::Nginx => "nginx",
            Self::Bun | Self::SocketIo => "npm",
            Self::Socketioxide => "peer-socketioxide",
        }
    }

    fn manifest(self) -> PathBuf {
        let benches = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folder = if self == Self::Squall { "target" } else { "peers" };
        benches.join(folder).join("Cargo.toml")
    }
}

/// The command line that every server takes: a free port, one core.
#[must_use]
pub fn one_core_args() -> Vec<OsString> {
    ["--port", "0", "--cores", "1"].map(OsString::from).into()
}

/// Starts a server on one core, ready for that work.
///
/// # Errors
/// When it does not start.
pub fn start(kind: Kind, program: &Path, work: Work, folder: &Folder, core: usize) -> io::Result<Server> {
    if kind == Kind::Nginx {
        return nginx::start(program, work, folder, core);
    }
    let mut args = one_core_args();
    if let Some(script) = script(kind) {
        args = vec![script.into_os_string()];
    }
    if work.served().is_some() {
        args.extend(["--files".into(), folder.files().into()]);
    }
    if work.is_tls() {
        let [certificate, key] = folder.pem_files();
        args.extend(["--tls-cert".into(), certificate.into()]);
        args.extend(["--tls-key".into(), key.into()]);
    }
    Server::start(program, &args, Some(core))
}

/// Builds the release program of `kind`, unless that is done already, and says where it is.
///
/// # Errors
/// When Cargo fails, or nginx is not installed.
pub fn build(kind: Kind) -> io::Result<PathBuf> {
    if kind == Kind::Nginx {
        return nginx::find();
    }
    if let Some(script) = script(kind) {
        return install(kind, &script);
    }
    build_program(&kind.manifest(), kind.program())
}

/// What a peer that is not a program of its own runs.
fn script(kind: Kind) -> Option<PathBuf> {
    let name = match kind {
        Kind::Bun => "bun.js",
        Kind::SocketIo => "socketio.js",
        _ => return None,
    };
    Some(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../peers/live")
            .join(name),
    )
}

/// Installs what the scripts need, unless that is done already, and says what runs this one.
fn install(kind: Kind, script: &Path) -> io::Result<PathBuf> {
    let folder = script.parent().unwrap_or(script);
    let bun = folder.join("node_modules/bun/bin/bun.exe");
    if !bun.exists() {
        let done = Command::new("npm")
            .args(["ci", "--foreground-scripts", "--no-audit", "--no-fund"])
            .current_dir(folder)
            .stdout(Stdio::null())
            .status()
            .map_err(|error| {
                io::Error::new(error.kind(), format!("npm (packages nodejs and npm): {error}"))
            })?;
        if !done.success() {
            return Err(io::Error::other("npm cannot install the peers of live rooms"));
        }
    }
    let node = ["/usr/bin/node", "/usr/local/bin/node"].map(PathBuf::from);
    match kind {
        Kind::Bun => Ok(bun),
        _ => node.into_iter().find(|place| place.exists()).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                "node is not installed (apt install nodejs)",
            )
        }),
    }
}

/// Builds the release program `name` of the package at `manifest` and says where it is.
///
/// # Errors
/// When Cargo fails.
pub fn build_program(manifest: &Path, name: &str) -> io::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "build",
            "--release",
            "--message-format=json-render-diagnostics",
            "--manifest-path",
        ])
        .arg(manifest)
        .args(["--bin", name])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{name} does not build")));
    }
    executable(&String::from_utf8_lossy(&output.stdout), name)
        .ok_or_else(|| io::Error::other(format!("Cargo does not say where {name} is")))
}

/// The program `name` in Cargo's messages, one JSON object a line.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_it = message["target"]["name"] == name;
        message["executable"]
            .as_str()
            .filter(|_| is_it)
            .map(PathBuf::from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_in_cargos_messages() {
        let messages = concat!(
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"lib\"},\"executable\":null}\n",
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"a\"},\"executable\":\"/t/a\"}\n",
            "{\"reason\":\"build-finished\",\"success\":true}\n",
        );
        assert_eq!(executable(messages, "a"), Some(PathBuf::from("/t/a")));
        assert_eq!(executable(messages, "lib"), None);
    }

    #[test]
    fn every_server_has_its_manifest() {
        for kind in [Kind::Squall, Kind::Axum, Kind::Actix] {
            assert!(kind.manifest().exists(), "{kind:?}");
        }
    }
}
