//! The ways to an app: https, HTTP/2, unix sockets, and connections that it signs in.

mod grpc;
mod http2;
mod http2_failures;
mod https;
mod real_servers;
mod signed_in;
mod trust;
mod unix;

/// An answer of HTTP/1.1 with this body.
fn answer(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}
