//! The files that servers are asked for: made for the run, and removed after it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;

use crate::load::tls;
use crate::works::{Served, Work};

/// A directory of our own.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    files: PathBuf,
    certificate: CertificateDer<'static>,
}

impl Folder {
    /// Makes it, with a file for each work that needs one.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn new() -> io::Result<Self> {
        let root = std::env::temp_dir().join(format!("bench-compare-{}", std::process::id()));
        let files = root.join("files");
        fs::create_dir_all(&files)?;
        for served in Work::ALL.into_iter().filter_map(Work::served) {
            fs::write(files.join(served.name), content(served))?;
        }
        let made = rcgen::generate_simple_self_signed([tls::NAME.to_owned()]).map_err(io::Error::other)?;
        fs::write(root.join("cert.pem"), made.cert.pem())?;
        fs::write(root.join("key.pem"), made.signing_key.serialize_pem())?;
        Ok(Self {
            root,
            files,
            certificate: made.cert.der().clone(),
        })
    }

    /// The certificate that TLS servers have, of ECDSA on P-256, self-signed.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Files in PEM: the certificate, and its key.
    #[must_use]
    pub fn pem_files(&self) -> [PathBuf; 2] {
        [self.root.join("cert.pem"), self.root.join("key.pem")]
    }

    /// Where the files are.
    #[must_use]
    pub fn files(&self) -> &Path {
        &self.files
    }

    /// A place for what a server needs for itself.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn own(&self, server: &str) -> io::Result<PathBuf> {
        let own = self.root.join(server);
        fs::create_dir_all(&own)?;
        Ok(own)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// Bytes that are not the same anywhere, so that a piece in the wrong place is seen.
#[must_use]
pub fn content(served: Served) -> Vec<u8> {
    let byte = |at: usize| (at.wrapping_mul(2_654_435_761) >> 13) as u8;
    (0..served.bytes).map(byte).collect()
}
