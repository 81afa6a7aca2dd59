//! The bytes of a body, one piece after the other, counted.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use http_body_util::BodyExt;
use squall_engine::BodyControl;

use super::UploadLimits;
use super::error::{Kind, UploadError};

/// A body that is read at its reader's pace.
#[derive(Debug)]
pub(super) struct Intake {
    body: Body,
    received_bytes: u64,
    bytes_max: u64,
}

impl Intake {
    /// The body of a request, under the limits of its route.
    pub(super) fn new(request: Request, limits: &UploadLimits) -> Result<Self, UploadError> {
        if let Some(control) = request.extensions().get::<BodyControl>() {
            control.set_bytes_max(limits.total_bytes_max);
        }
        let body = request.into_body();
        if body.size_hint().lower() > limits.total_bytes_max {
            return Err(Kind::TooLarge.into());
        }
        Ok(Intake {
            body,
            received_bytes: 0,
            bytes_max: limits.total_bytes_max,
        })
    }

    /// How long the body is, if it was declared.
    pub(super) fn declared_bytes(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The next piece, never empty; `None` at the end. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, UploadError> {
        while let Some(frame) = self.body.frame().await {
            let Ok(data) = frame.map_err(UploadError::of_body)?.into_data() else {
                continue;
            };
            self.received_bytes = self.received_bytes.saturating_add(data.len() as u64);
            if self.received_bytes > self.bytes_max {
                return Err(Kind::TooLarge.into());
            }
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}
