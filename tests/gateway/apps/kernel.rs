//! A notebook's kernel, spoken to as JupyterLab does: over a WebSocket, in the messages of
//! `v1.kernel.websocket.jupyter.org`.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{ClientRequestBuilder, Error, Message},
};

use super::Site;
use crate::harness::PATIENCE;

const PROTOCOL: &str = "v1.kernel.websocket.jupyter.org";

/// An open connection to a kernel.
pub(super) struct Kernel(WebSocketStream<TlsStream<TcpStream>>);

impl Site {
    /// Opens the WebSocket at `path` as a page from `origin` does; the status where that is refused.
    pub(super) async fn kernel(&self, path: &str, cookies: &str, origin: &str) -> Result<Kernel, u16> {
        let url = format!("{}{path}", self.base).replacen("https://", "wss://", 1);
        let mut request = ClientRequestBuilder::new(url.parse().unwrap())
            .with_header("Origin", origin)
            .with_sub_protocol(PROTOCOL);
        if !cookies.is_empty() {
            request = request.with_header("Cookie", cookies);
        }
        let stream = self.connect().await;
        match patiently(client_async(request, stream)).await {
            Ok((socket, answer)) => {
                assert_eq!(answer.headers()["sec-websocket-protocol"], PROTOCOL);
                Ok(Kernel(socket))
            }
            Err(Error::Http(refused)) => Err(refused.status().as_u16()),
            Err(error) => panic!("{url}: {error}"),
        }
    }

    /// A connection of its own, since WebSockets need HTTP/1.1, with the certificate checked.
    async fn connect(&self) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from(self.host).unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap()
    }
}

impl Kernel {
    /// Runs a cell and returns the text of its result.
    pub(super) async fn run(&mut self, code: &str) -> String {
        let header = json!({
            "msg_id": "cell", "msg_type": "execute_request", "session": "test", "username": "", "version": "5.4",
        });
        let content = json!({
            "code": code, "silent": false, "store_history": true, "user_expressions": {}, "allow_stdin": false,
        });
        let message = to_bytes("shell", &[header, json!({}), json!({}), content]);
        self.0.send(Message::binary(message)).await.unwrap();
        patiently(self.result()).await
    }

    async fn result(&mut self) -> String {
        loop {
            let message = self.0.next().await.expect("the kernel hung up").unwrap();
            let Message::Binary(message) = message else {
                continue;
            };
            let (channel, [header, parent, _, content]) = from_bytes(&message);
            if parent["msg_id"] != "cell" {
                continue;
            }
            match header["msg_type"].as_str().unwrap() {
                "execute_result" => {
                    assert_eq!(channel, "iopub");
                    return content["data"]["text/plain"].as_str().unwrap().to_owned();
                }
                "error" => panic!("{content}"),
                _ => {}
            }
        }
    }
}

/// Waits for a kernel, a whole program that may still be starting.
async fn patiently<T>(answer: impl Future<Output = T>) -> T {
    let answered = tokio::time::timeout(PATIENCE * 3, answer).await;
    answered.expect("the kernel says nothing")
}

/// A message: how many offsets there are, the offsets of its parts and of its end, and the parts.
fn to_bytes(channel: &str, parts: &[Value; 4]) -> Vec<u8> {
    let parts = parts.iter().map(Value::to_string);
    let parts: Vec<String> = std::iter::once(channel.to_owned()).chain(parts).collect();
    let count = parts.len() + 1;
    let mut numbers = vec![count];
    let mut offset = 8 * (1 + count);
    numbers.push(offset);
    for part in &parts {
        offset += part.len();
        numbers.push(offset);
    }
    let numbers = numbers.iter().flat_map(|number| (*number as u64).to_le_bytes());
    numbers.chain(parts.concat().into_bytes()).collect()
}

/// The channel of a message, and its header, its parent's header, its metadata and its content.
fn from_bytes(message: &[u8]) -> (String, [Value; 4]) {
    let number = |index: usize| {
        let bytes = message[8 * index..][..8].try_into().unwrap();
        usize::try_from(u64::from_le_bytes(bytes)).unwrap()
    };
    let part = |index: usize| &message[number(index)..number(index + 1)];
    let channel = String::from_utf8(part(1).to_vec()).unwrap();
    (
        channel,
        [2, 3, 4, 5].map(|index| serde_json::from_slice(part(index)).unwrap()),
    )
}
