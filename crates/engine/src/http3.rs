//! Where a server is told to speak HTTP/3; see `crate::conn::h3`.

use std::net::UdpSocket;
use std::sync::Arc;

use crate::app::App;
use crate::conn::h3::Quic;
use crate::error::Error;
use crate::server::Server;

impl<A: App> Server<A> {
    /// Speaks HTTP/3 (RFC 9114) on this UDP socket too, on the first core. Experimental.
    ///
    /// `tls` must have TLS 1.3; its ALPN becomes `h3` alone, and early data is off: it can be replayed. Call it after
    /// [`Server::limits`], whose idle time-out QUIC is told.
    ///
    /// # Errors
    /// A configuration that QUIC cannot use, or a socket that cannot be made non-blocking.
    pub fn http3(mut self, socket: UdpSocket, tls: Arc<rustls::ServerConfig>) -> Result<Self, Error> {
        socket
            .set_nonblocking(true)
            .map_err(|e| Error::io("cannot use the socket for HTTP/3", e))?;
        let mut tls = (*tls).clone();
        tls.alpn_protocols = vec![b"h3".to_vec()];
        tls.max_early_data_size = 0;
        let quic = Quic::new(socket, Arc::new(tls), self.limits_of())?;
        self.prelude = Some(Box::new(move |core| core.serve_quic(quic)));
        Ok(self)
    }
}
