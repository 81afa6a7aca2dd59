//! Forms with files, part by part.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use squall_engine::wire::multipart::{Decoder, PartHead, Piece, boundary_of};

use super::error::{Kind, UploadError};
use super::intake::Intake;
use super::{TempFile, TempFiles, UploadLimits, safe_file_name};

/// A form of `multipart/form-data` (RFC 7578), as it arrives: an extractor.
///
/// Parts come in the order in which they were sent, and one name may come more than once. Limits are those of an
/// [`UploadLimits`] extension, or its defaults.
///
/// # Errors
/// As an extractor: 415 for another media type, 400 without a boundary, 413 for a declared length past the limit.
#[derive(Debug)]
pub struct Multipart {
    intake: Intake,
    decoder: Decoder,
    /// Received and not taken apart yet.
    input: Bytes,
    limits: UploadLimits,
}

impl<S: Send + Sync> FromRequest<S> for Multipart {
    type Rejection = UploadError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, UploadError> {
        let limits = UploadLimits::of(request.extensions());
        let content_type = request.headers().get(CONTENT_TYPE);
        let boundary = boundary_of(content_type.map_or(&b""[..], |value| value.as_bytes()))?;
        Ok(Multipart {
            intake: Intake::new(request, &limits)?,
            decoder: Decoder::new(&boundary, &limits.form()),
            input: Bytes::new(),
            limits,
        })
    }
}

impl Multipart {
    /// The next part; `None` after the last. What the part before it still has is read and thrown away.
    ///
    /// # Errors
    /// What is no form, or is past its limits. Every further call says so again.
    pub async fn next_part(&mut self) -> Result<Option<Part<'_>>, UploadError> {
        loop {
            match self.piece().await? {
                Some(Piece::Part(head)) => {
                    let bytes_max = match head.file_name {
                        Some(_) => self.limits.file_bytes_max,
                        None => self.limits.value_bytes_max,
                    };
                    return Ok(Some(Part {
                        form: self,
                        head,
                        received_bytes: 0,
                        bytes_max,
                        ended: false,
                    }));
                }
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// The next piece; `None` at the end of the form.
    async fn piece(&mut self) -> Result<Option<Piece>, UploadError> {
        loop {
            match self.decoder.decode(&mut self.input)? {
                Piece::End => return Ok(None),
                Piece::More => {}
                piece => return Ok(Some(piece)),
            }
            match self.intake.next().await? {
                Some(data) => self.input = data,
                None => {
                    self.decoder.finish()?;
                    return Ok(None);
                }
            }
        }
    }
}

/// One part of a form: a value, or a file.
#[derive(Debug)]
pub struct Part<'f> {
    form: &'f mut Multipart,
    head: PartHead,
    received_bytes: u64,
    bytes_max: u64,
    /// What comes next is another part's.
    ended: bool,
}

impl Part<'_> {
    /// The name of the form's field.
    pub fn name(&self) -> &str {
        &self.head.name
    }

    /// Whether it is of a file field: it has a file name, be it empty.
    pub fn is_file(&self) -> bool {
        self.head.file_name.is_some()
    }

    /// The file's name, safe to be shown and to be a file's name here: see [`safe_file_name`]. `None` if there is none,
    /// as for a file field in which nothing was chosen, or if nothing of it is safe.
    pub fn file_name(&self) -> Option<String> {
        self.head.file_name.as_deref().and_then(safe_file_name)
    }

    /// The file's name as its sender wrote it: it may be a path, or `..`, or hold anything else. Never a path to open.
    pub fn raw_file_name(&self) -> Option<&str> {
        self.head.file_name.as_deref()
    }

    /// The media type that the sender claims; whoever serves the file to others decides by itself.
    pub fn content_type(&self) -> Option<&str> {
        self.head.content_type()
    }

    /// All fields of the part.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// Sets another limit for this part, in bytes, instead of [`UploadLimits::file_bytes_max`] or
    /// [`UploadLimits::value_bytes_max`].
    pub fn set_bytes_max(&mut self, bytes_max: u64) {
        self.bytes_max = bytes_max;
    }

    /// The next piece of its data, never empty; `None` at its end. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// As [`Multipart::next_part`]; 413 when the part is past its limit.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, UploadError> {
        if self.ended {
            return Ok(None);
        }
        match self.form.piece().await? {
            Some(Piece::Data(data)) => {
                self.received_bytes = self.received_bytes.saturating_add(data.len() as u64);
                if self.received_bytes > self.bytes_max {
                    return Err(Kind::PartTooLarge.into());
                }
                Ok(Some(data))
            }
            _ => {
                self.ended = true;
                Ok(None)
            }
        }
    }

    /// All of it, in memory: at most [`UploadLimits::value_bytes_max`].
    ///
    /// # Errors
    /// As [`Part::chunk`].
    pub async fn bytes(mut self) -> Result<Bytes, UploadError> {
        self.bytes_max = self.bytes_max.min(self.form.limits.value_bytes_max);
        let Some(first) = self.chunk().await? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.chunk().await? else {
            return Ok(first);
        };
        let mut whole = [first, second].concat();
        while let Some(data) = self.chunk().await? {
            whole.extend_from_slice(&data);
        }
        Ok(whole.into())
    }

    /// All of it as text, in memory: at most [`UploadLimits::value_bytes_max`].
    ///
    /// # Errors
    /// As [`Part::chunk`]; 400 when it is not UTF-8.
    pub async fn text(self) -> Result<String, UploadError> {
        let bytes = self.bytes().await?;
        String::from_utf8(bytes.into()).map_err(|_| Kind::NotText.into())
    }

    /// All of it into a temporary file.
    ///
    /// # Errors
    /// As [`Part::chunk`] and [`TempFile::write`].
    pub async fn save(mut self, files: &TempFiles) -> Result<TempFile, UploadError> {
        let mut file = files.create().await?;
        while let Some(data) = self.chunk().await? {
            file.write(data).await?;
        }
        file.flush().await?;
        Ok(file)
    }
}
