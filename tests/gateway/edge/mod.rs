//! What stands in front: proxies that are believed and those that are not, the PROXY protocol, unix sockets, the redirect
//! to https, and traces that go through.

mod proxy_protocol;
mod redirect;
mod request_names;
mod scheme_and_host;
mod trusted_proxies;
mod unix_socket;

use std::net::SocketAddr;

use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{Gateway, RawResponse, Upstream, Wire, gateway};

/// Proxies at 127.0.0.1 and in 127.1.0.0/16; whoever else comes from 127.0.0.0/8 is anybody.
const TRUSTED: &str = "trusted_proxies = [\"127.0.0.1\", \"127.1.0.0/16\", \"fd00::/8\"]";

async fn trusting(upstream: &Upstream) -> Gateway {
    gateway()
        .public("/public", upstream)
        .route("/admin", upstream)
        .user("alice")
        .server(TRUSTED)
        .start()
        .await
}

/// A connection from an address of this machine. All of 127.0.0.0/8 is this machine.
async fn wire_from(source: &str, to: SocketAddr) -> Wire<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(source.parse().unwrap(), 0)).unwrap();
    Wire::new(socket.connect(to).await.unwrap())
}

/// A request with these header lines, sent from an address of this machine.
async fn ask_from(source: &str, gateway: &Gateway, line: &str, fields: &[&str]) -> RawResponse {
    let mut wire = wire_from(source, gateway.address).await;
    wire.send(head(line, fields)).await;
    wire.answer().await
}

/// The head of a request for `localhost`.
fn head(line: &str, fields: &[&str]) -> String {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    format!("{line} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")
}

/// The clients that the access log names, in its order.
fn clients(log: &[Value]) -> Vec<&str> {
    log.iter().map(|line| line["client"].as_str().unwrap()).collect()
}
