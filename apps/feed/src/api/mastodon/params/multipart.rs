//! Multipart bodies (RFC 7578): the texts are read, the files are passed over.

use bytes::Bytes;
use squall::web::Body;

use super::tree::{Tree, refused};
use super::{ApiError, BODY_BYTES_MAX};

/// Adds the texts of a multipart body. `body` is already whole and bounded.
pub(super) async fn read(content_type: &str, body: Bytes, tree: &mut Tree) -> Result<(), ApiError> {
    let boundary = multer::parse_boundary(content_type).map_err(|_| refused("The body has no boundary"))?;
    let limits = multer::SizeLimit::new().whole_stream(BODY_BYTES_MAX as u64);
    let constraints = multer::Constraints::new().size_limit(limits);
    let stream = Body::from(body).into_data_stream();
    let mut parts = multer::Multipart::with_constraints(stream, boundary, constraints);
    let mut own = tree.fresh();
    while let Some(part) = parts
        .next_field()
        .await
        .map_err(|_| refused("The body is not multipart"))?
    {
        let Some(name) = part
            .name()
            .filter(|_| part.file_name().is_none())
            .map(str::to_string)
        else {
            continue;
        };
        let value = part
            .text()
            .await
            .map_err(|_| refused("The body is not multipart"))?;
        own.insert(&name, value)?;
    }
    tree.replace(own);
    Ok(())
}
