//! A body that is one file, as `PUT` sends it.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};

use super::error::UploadError;
use super::intake::Intake;
use super::{TempFile, TempFiles, UploadLimits};

/// A body as it arrives: an extractor. What is not asked for stays with the peer.
///
/// The limit is [`UploadLimits::total_bytes_max`] of an extension, or of its defaults.
///
/// ```
/// use squall::uploads::{Upload, UploadError};
/// async fn count(mut upload: Upload) -> Result<String, UploadError> {
///     let mut bytes = 0;
///     while let Some(data) = upload.chunk().await? {
///         bytes += data.len();
///     }
///     Ok(format!("{bytes} bytes"))
/// }
/// ```
///
/// # Errors
/// As an extractor: 413 for a declared length past the limit.
#[derive(Debug)]
pub struct Upload {
    intake: Intake,
}

impl<S: Send + Sync> FromRequest<S> for Upload {
    type Rejection = UploadError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, UploadError> {
        let limits = UploadLimits::of(request.extensions());
        let intake = Intake::new(request, &limits)?;
        Ok(Upload { intake })
    }
}

impl Upload {
    /// Bytes that are still to come, if the peer declared how many there are.
    pub fn declared_bytes(&self) -> Option<u64> {
        self.intake.declared_bytes()
    }

    /// The next piece, never empty; `None` at the end. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// 413 past the limit, 408 when it does not arrive in time, or that the peer is gone.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, UploadError> {
        self.intake.next().await
    }

    /// All of it into a temporary file.
    ///
    /// # Errors
    /// As [`Upload::chunk`] and [`TempFile::write`].
    pub async fn save(mut self, files: &TempFiles) -> Result<TempFile, UploadError> {
        let mut file = files.create().await?;
        while let Some(data) = self.chunk().await? {
            file.write(data).await?;
        }
        file.flush().await?;
        Ok(file)
    }
}
