//! Where a server is told to speak HTTP/3; see `crate::conn::h3`.

use std::net::UdpSocket;
use std::sync::Arc;

use http::HeaderValue;

use crate::app::App;
use crate::conn::h3::Quic;
use crate::error::Error;
use crate::server::Server;
use crate::tls::Tls;

impl<A: App> Server<A> {
    /// Speaks HTTP/3 (RFC 9114) on this UDP socket too, on the first core. Experimental.
    ///
    /// Answers over HTTP/1.1 and HTTP/2 say so from then on (`Alt-Svc`, RFC 7838), for a day. Certificates that are
    /// replaced in `tls` are shown here too; its other settings are those of this moment. Call it after
    /// [`Server::limits`], whose idle time-out QUIC is told.
    ///
    /// # Errors
    /// A configuration that QUIC cannot use, or a socket that cannot be made non-blocking.
    pub fn http3(mut self, socket: UdpSocket, tls: &Tls) -> Result<Self, Error> {
        socket
            .set_nonblocking(true)
            .map_err(|e| Error::io("cannot use the socket for HTTP/3", e))?;
        let port = socket
            .local_addr()
            .map_err(|e| Error::io("cannot use the socket for HTTP/3", e))?
            .port();
        let quic = Quic::new(socket, Arc::new(tls.for_quic()), self.limits_of())?;
        let alt_svc = HeaderValue::from_str(&format!("h3=\":{port}\"; ma=86400"));
        self.alt_svc = alt_svc.ok();
        self.prelude = Some(Box::new(move |core| core.serve_quic(quic)));
        Ok(self)
    }
}
