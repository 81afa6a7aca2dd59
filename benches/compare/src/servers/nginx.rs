//! nginx, as one would set it up to serve files fast: one process, `sendfile`, known files kept open, no log.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use crate::child::Server;
use crate::served::Folder;
use crate::works::Work;

/// Where systems have it, which may not be on the path of who is not root.
const PLACES: [&str; 3] = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"];

/// Where it is.
///
/// # Errors
/// When it is not installed.
pub(super) fn find() -> io::Result<PathBuf> {
    let found = PLACES.iter().map(PathBuf::from).find(|place| place.exists());
    found.ok_or_else(|| {
        let said = "nginx is not installed (apt install nginx-light); leave it out with --only";
        io::Error::new(io::ErrorKind::NotFound, said)
    })
}

/// Starts it on one core.
///
/// # Errors
/// When it does not start.
pub(super) fn start(program: &Path, work: Work, folder: &Folder, core: usize) -> io::Result<Server> {
    // It cannot take a free port by itself; nobody else takes this one in the moment between.
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let own = folder.own("nginx")?;
    let place = |name: &str| own.join(name).display().to_string();
    let [certificate, key] = folder.pem_files();
    let (listen, tls) = if work.is_tls() {
        let tls = format!(
            "ssl_certificate {}; ssl_certificate_key {}; ssl_protocols TLSv1.3; ssl_session_tickets on;",
            certificate.display(),
            key.display()
        );
        (format!("{address} ssl backlog=1024"), tls)
    } else {
        (format!("{address} backlog=1024"), String::new())
    };
    let config = format!(
        "daemon off; master_process off; pid {pid}; error_log {errors};\n\
         worker_rlimit_nofile 20000; events {{ worker_connections 15000; }}\n\
         http {{\n\
           access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;\n\
           keepalive_requests 1000000000; keepalive_timeout 75s; etag on;\n\
           open_file_cache max=100 inactive=60s; open_file_cache_valid 1s;\n\
           client_body_temp_path {body}; proxy_temp_path {proxy}; fastcgi_temp_path {fastcgi};\n\
           uwsgi_temp_path {uwsgi}; scgi_temp_path {scgi};\n\
           server {{\n\
             listen {listen}; {tls}\n\
             location = / {{ default_type text/plain; return 200 \"Hello, World!\"; }}\n\
             location /files/ {{ alias {files}/; }}\n\
           }}\n\
         }}\n",
        pid = place("pid"),
        errors = place("errors.log"),
        body = place("body"),
        proxy = place("proxy"),
        fastcgi = place("fastcgi"),
        uwsgi = place("uwsgi"),
        scgi = place("scgi"),
        files = folder.files().display(),
    );
    std::fs::write(own.join("nginx.conf"), config)?;
    let mut args = vec!["-p".into(), own.clone().into_os_string(), "-c".into()];
    args.push(own.join("nginx.conf").into_os_string());
    Server::start_at(program, &args, Some(core), address)
}
