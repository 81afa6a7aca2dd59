//! Files that peers send: forms with files ([`Multipart`]) and bodies that are one file ([`Upload`]).
//!
//! Both are streams. What a handler does not ask for stays with the peer: at most 64 KiB of it, and what sockets hold,
//! are ever here. What is asked for is bounded by [`UploadLimits`], and goes to the disk through [`TempFiles`], which
//! writes off the cores and removes what nobody kept.
//!
//! ```
//! use squall::uploads::{Multipart, TempFiles, UploadError, UploadLimits};
//! use squall::web::{Extension, Router, routing::post};
//!
//! async fn receive(files: Extension<TempFiles>, mut form: Multipart) -> Result<String, UploadError> {
//!     let mut title = String::new();
//!     let mut bytes = 0;
//!     while let Some(part) = form.next_part().await? {
//!         match part.name() {
//!             "title" => title = part.text().await?,
//!             "file" => bytes += part.save(&files).await?.bytes(),
//!             _ => {} // Passed over, and counted all the same.
//!         }
//!     }
//!     Ok(format!("{title}: {bytes} bytes"))
//! }
//!
//! let limits = UploadLimits { total_bytes_max: 1024 * 1024 * 1024, ..UploadLimits::default() };
//! let router: Router = Router::new()
//!     .route("/upload", post(receive))
//!     .layer(Extension(limits))
//!     .layer(Extension(TempFiles::new(std::env::temp_dir(), 10 * 1024 * 1024 * 1024)));
//! ```

mod error;
mod files;
mod intake;
mod multipart;
mod names;
mod raw;

pub use error::UploadError;
pub use files::{TempFile, TempFiles};
pub use multipart::{Multipart, Part};
pub use names::{SAFE_NAME_BYTES_MAX, safe_file_name};
pub use raw::Upload;

use squall_engine::wire::multipart::Limits as FormLimits;

/// What one upload may cost. A route has its own when a layer adds it: `.layer(Extension(UploadLimits { .. }))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadLimits {
    /// The whole body in bytes; past it 413, before anything is read if its length is declared. Goes before the server's
    /// limit for bodies. After decompression, where there is any. Default 64 MiB.
    pub total_bytes_max: u64,
    /// One file of a form in bytes; past it 413. Default 64 MiB.
    pub file_bytes_max: u64,
    /// One value of a form that is no file, and whatever [`Part::bytes`] or [`Part::text`] put in memory, in bytes; past
    /// it 413. Default 256 KiB.
    pub value_bytes_max: u64,
    /// Parts of a form, values and files together; past it 413. Default 100.
    pub parts_max: usize,
    /// The head of one part in bytes; past it 413. Default 10 KiB.
    pub part_head_bytes_max: usize,
    /// The name of a part in bytes; past it 400. Default 256.
    pub name_bytes_max: usize,
    /// A file name, with whatever path its sender put before it, in bytes; past it 400. Default 1,024.
    pub file_name_bytes_max: usize,
}

impl Default for UploadLimits {
    fn default() -> Self {
        let form = FormLimits::default();
        UploadLimits {
            total_bytes_max: 64 * 1024 * 1024,
            file_bytes_max: 64 * 1024 * 1024,
            value_bytes_max: 256 * 1024,
            parts_max: form.parts_max,
            part_head_bytes_max: form.part_head_bytes_max,
            name_bytes_max: form.name_bytes_max,
            file_name_bytes_max: form.file_name_bytes_max,
        }
    }
}

impl UploadLimits {
    fn of(extensions: &axum::http::Extensions) -> Self {
        extensions.get::<UploadLimits>().copied().unwrap_or_default()
    }

    fn form(&self) -> FormLimits {
        FormLimits {
            parts_max: self.parts_max,
            part_head_bytes_max: self.part_head_bytes_max,
            name_bytes_max: self.name_bytes_max,
            file_name_bytes_max: self.file_name_bytes_max,
        }
    }
}
