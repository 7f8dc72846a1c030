//! HTTP/2: many requests at once on a connection.

use std::future::poll_fn;

use anyhow::Context;
use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use http::{Method, Request, Version, header};

use super::{
    connect::Stream,
    outcome::{Answer, Failure},
};
use crate::stage::Target;

/// How far an answer may run ahead of us: on a stream, and on a connection.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// What sends requests.
pub type Sender = SendRequest<Bytes>;

/// A target's requests without their bodies, one for each credential.
pub fn requests(target: &Target, upload: &[u8]) -> anyhow::Result<Vec<Request<()>>> {
    let scheme = if target.tls { "https" } else { "http" };
    let request = || {
        let method = if upload.is_empty() {
            Method::GET
        } else {
            Method::POST
        };
        let uri = format!("{scheme}://{}{}", target.authority, target.path);
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .version(Version::HTTP_2);
        match upload.len() {
            0 => request,
            length => request.header(header::CONTENT_LENGTH, length),
        }
    };
    let requests: Result<Vec<Request<()>>, http::Error> = match target.credentials.as_slice() {
        [] => request().body(()).map(|request| vec![request]),
        all => all
            .iter()
            .map(|header| request().header(&header.name, &header.value).body(()))
            .collect(),
    };
    requests.context("no request can be made of this address")
}

/// Begins a connection. Nothing moves on it unless its second half is polled.
pub async fn connect(stream: Box<dyn Stream>) -> Result<(Sender, Connection<Box<dyn Stream>>), Failure> {
    let mut builder = Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .enable_push(false);
    Ok(builder.handshake(stream).await?)
}

/// Sends a request and reads its answer to the end.
pub async fn exchange(sender: Sender, request: &Request<()>, upload: &Bytes) -> Result<Answer, Failure> {
    let mut sender = sender.ready().await?;
    let (answer, mut body) = sender.send_request(request.clone(), upload.is_empty())?;
    let mut rest = upload.clone();
    while !rest.is_empty() {
        body.reserve_capacity(rest.len());
        let room = poll_fn(|context| body.poll_capacity(context)).await;
        let room = room.ok_or_else(|| Failure::of_request("the upload was not taken"))??;
        let part = rest.split_to(room.min(rest.len()));
        body.send_data(part, rest.is_empty())?;
    }
    let (head, mut body) = answer.await?.into_parts();
    let mut length = 0;
    while let Some(data) = body.data().await {
        let data = data?;
        length += data.len();
        body.flow_control().release_capacity(data.len())?;
    }
    Ok(Answer {
        status: head.status.as_u16(),
        length,
        connection_lives: true,
    })
}
