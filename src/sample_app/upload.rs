//! Takes a body in, counts it and keeps none of it.

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{answer, body::Body};

/// Answers with the size and the SHA-256 of what arrived.
pub(super) async fn measure(body: Incoming) -> Response<Body> {
    let mut hash = Sha256::new();
    match drain(body, |data| hash.update(data)).await {
        Ok(bytes) => {
            let sha256: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            answer::json(StatusCode::OK, &json!({ "bytes": bytes, "sha256": sha256 }))
        }
        Err(error) => broken_off(&error),
    }
}

/// Reads `body` to its end and shows each piece to `each`. How many bytes it had.
pub(super) async fn drain(mut body: Incoming, mut each: impl FnMut(&Bytes)) -> hyper::Result<u64> {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame?.data_ref() {
            bytes += data.len() as u64;
            each(data);
        }
    }
    Ok(bytes)
}

/// The answer to a body that never ended, should anybody be there to read it.
pub(super) fn broken_off(error: &hyper::Error) -> Response<Body> {
    let error = json!({ "error": format!("the body could not be read: {error}") });
    answer::json(StatusCode::BAD_REQUEST, &error)
}
