//! Sessions: the cookie that opens one, how long it lasts, and what ends it.

mod cookie;
mod crowd;
mod domain;
mod ends;
mod full_disk;
mod kept;
mod limits;
mod told;
mod user_file;

use crate::harness::Gateway;

/// Whether a request with this cookie reaches the app at `/`.
async fn is_signed_in(gateway: &Gateway, cookie: &str) -> bool {
    let answer = gateway.get("/").header("cookie", cookie).send().await.unwrap();
    match answer.status().as_u16() {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}
