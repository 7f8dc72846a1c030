//! Uploads that are in flight when their session ends.

use super::{AGREED, builder, credential, is_closed, looked, opened, sign_out};
use crate::harness::PlayedUpstream;

const UPLOAD: &str = "PUT /file HTTP/1.1\r\nhost: x\r\ncontent-length: 10";

#[tokio::test]
async fn an_upload_in_flight_may_finish_and_is_answered() {
    let upstream = PlayedUpstream::start().await;
    let gateway = builder(&upstream).start().await;
    for head in [UPLOAD, "DELETE /file HTTP/1.1\r\nhost: x"] {
        let cookie = credential(&gateway, "alice", false).await;
        let mut client = gateway.wire().await;
        client.send(format!("{head}\r\n{cookie}\r\n\r\n")).await;
        let mut app = upstream.accept().await;
        app.head().await;
        if head == UPLOAD {
            client.send("first").await;
            app.until("first").await;
        }
        sign_out(&gateway, &cookie).await;
        looked(&gateway, &upstream).await;
        if head == UPLOAD {
            client.send("-last").await;
            app.until("-last").await;
        }
        app.send("HTTP/1.1 201 Created\r\ncontent-length: 4\r\n\r\ndone")
            .await;
        let answer = client.answer().await;
        assert_eq!((answer.status, &*answer.body), (201, &b"done"[..]), "{head}");
    }
}

#[tokio::test]
async fn an_answer_that_outlives_its_upload_ends_like_any_other() {
    let upstream = PlayedUpstream::start().await;
    let gateway = builder(&upstream).start().await;
    let chunked = "POST /ask HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked";
    let endless = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n";
    for ends_before_its_answer in [true, false] {
        let cookie = credential(&gateway, "alice", false).await;
        let (mut client, mut app) = opened(&gateway, &upstream, chunked, &cookie, endless).await;
        client.until("one\r\n").await;
        if ends_before_its_answer {
            client.send("3\r\nask\r\n0\r\n\r\n").await;
            app.until("0\r\n\r\n").await;
        }
        sign_out(&gateway, &cookie).await;
        // Both at once, question and answer without an end, are a conversation.
        client.ends().await;
        app.rest().await;
    }
}

#[tokio::test]
async fn uploads_end_where_they_are_to() {
    let upstream = PlayedUpstream::start().await;
    let gateway = builder(&upstream)
        .table("[session]\nend_uploads = true")
        .start()
        .await;
    let cookie = credential(&gateway, "alice", false).await;
    let mut client = gateway.wire().await;
    client.send(format!("{UPLOAD}\r\n{cookie}\r\n\r\nfirst")).await;
    let mut app = upstream.accept().await;
    app.head().await;
    app.until("first").await;
    sign_out(&gateway, &cookie).await;
    assert_eq!(client.answer().await.status, 401);
    app.ends().await;
}

#[tokio::test]
async fn a_conversation_is_no_upload_whatever_its_method() {
    let upstream = PlayedUpstream::start().await;
    let gateway = builder(&upstream).start().await;
    let head = format!(
        "POST /talk HTTP/1.1\r\nhost: x\r\n{}",
        super::HANDSHAKE.trim_end()
    );
    let cookie = credential(&gateway, "alice", false).await;
    let talk = opened(&gateway, &upstream, &head, &cookie, AGREED).await;
    sign_out(&gateway, &cookie).await;
    is_closed(talk).await;
}
