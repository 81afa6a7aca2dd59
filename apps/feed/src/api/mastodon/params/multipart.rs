//! Multipart bodies (RFC 7578): the texts are read, the files are passed over.

use bytes::Bytes;
use squall::uploads::{Multipart, UploadLimits};
use squall::web::extract::FromRequest as _;
use squall::web::http::header::CONTENT_TYPE;
use squall::web::{Body, Request};

use super::tree::{Tree, refused};
use super::{ApiError, BODY_BYTES_MAX, NAME_BYTES_MAX, PARAMS_MAX};

/// What one body may hold: as much as any other may, in as many parts.
const LIMITS: UploadLimits = UploadLimits {
    total_bytes_max: BODY_BYTES_MAX as u64,
    file_bytes_max: BODY_BYTES_MAX as u64,
    value_bytes_max: BODY_BYTES_MAX as u64,
    parts_max: PARAMS_MAX,
    part_head_bytes_max: 10 * 1024,
    name_bytes_max: NAME_BYTES_MAX,
    file_name_bytes_max: 1024,
};

/// Adds the texts of a multipart body. `body` is already whole and bounded.
pub(super) async fn read(content_type: &str, body: Bytes, tree: &mut Tree) -> Result<(), ApiError> {
    let no_form = |_| refused("The body is not multipart");
    let request = Request::builder()
        .header(CONTENT_TYPE, content_type)
        .extension(LIMITS)
        .body(Body::from(body))
        .map_err(|_| refused("The body has no boundary"))?;
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|_| refused("The body has no boundary"))?;
    let mut own = tree.fresh();
    while let Some(part) = form.next_part().await.map_err(no_form)? {
        if part.is_file() {
            continue;
        }
        let name = part.name().to_owned();
        own.insert(&name, part.text().await.map_err(no_form)?)?;
    }
    tree.replace(own);
    Ok(())
}
