//! HTTP/2 on both sides of the gateway, by the h2 crate: an upstream whose streams the test answers one by one, and a client.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::Request;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Mutex, mpsc},
    task::JoinHandle,
};

use super::{gateway::Url, soon};

/// A stream that the gateway has opened.
pub type Stream = (Request<RecvStream>, SendResponse<Bytes>);

/// An upstream that speaks HTTP/2 in the clear.
pub struct Http2Upstream {
    address: SocketAddr,
    streams: Mutex<mpsc::UnboundedReceiver<(usize, Stream)>>,
    connections: Connections,
}

type Connections = Arc<std::sync::Mutex<Vec<Option<JoinHandle<()>>>>>;

impl Http2Upstream {
    /// On a free port, with settings as usual.
    pub async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// The same with other settings.
    pub async fn with(settings: impl Fn(&mut h2::server::Builder) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, streams) = mpsc::unbounded_channel();
        let connections = Connections::default();
        let all = Arc::clone(&connections);
        // Ends with the test's runtime.
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let mut builder = h2::server::Builder::new();
                settings(&mut builder);
                let mut all = all.lock().unwrap();
                let serving = serve(stream, builder, all.len() + 1, sender.clone());
                all.push(Some(tokio::spawn(serving)));
            }
        });
        Self {
            address,
            streams: Mutex::new(streams),
            connections,
        }
    }

    /// The gateway's next request, and how to answer it.
    pub async fn accept(&self) -> Stream {
        self.accept_on().await.1
    }

    /// The same with the number of its connection, counted from 1.
    pub async fn accept_on(&self) -> (usize, Stream) {
        let mut streams = self.streams.lock().await;
        soon("a request", streams.recv()).await.unwrap()
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        self.connections.lock().unwrap().len()
    }

    /// Closes all connections without a word.
    pub async fn drop_connections(&self) {
        let open: Vec<_> = self
            .connections
            .lock()
            .unwrap()
            .iter_mut()
            .filter_map(Option::take)
            .collect();
        for connection in open {
            connection.abort();
            let _ = connection.await;
        }
    }

    /// Holds that no request has come.
    #[track_caller]
    pub fn saw_nothing(&self) {
        let mut streams = self.streams.try_lock().unwrap();
        assert!(streams.try_recv().is_err(), "a request came");
    }
}

impl Url for Http2Upstream {
    fn url(&self) -> String {
        format!("h2c://{}", self.address)
    }
}

/// Serves a connection until it ends; hands its streams over.
pub async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    builder: h2::server::Builder,
    number: usize,
    streams: mpsc::UnboundedSender<(usize, Stream)>,
) {
    let Ok(mut connection) = builder.handshake(stream).await else {
        return;
    };
    while let Some(Ok(stream)) = connection.accept().await {
        let _ = streams.send((number, stream));
    }
}

/// A client's connection to the gateway.
pub type Http2Client = h2::client::SendRequest<Bytes>;

/// Connects in the clear, by prior knowledge. A stream that is not read keeps none of the others waiting.
pub async fn http2_client(address: SocketAddr) -> Http2Client {
    let stream = TcpStream::connect(address).await.unwrap();
    let mut settings = h2::client::Builder::new();
    settings.initial_connection_window_size(1 << 30);
    let (client, connection) = settings.handshake(stream).await.unwrap();
    // Ends with the test's runtime.
    tokio::spawn(connection);
    client
}

/// A body to its end, and the trailers behind it.
pub async fn body_of(mut body: RecvStream) -> Result<(Vec<u8>, Option<http::HeaderMap>), h2::Error> {
    let mut bytes = Vec::new();
    while let Some(data) = soon("more of a body", body.data()).await {
        let data = data?;
        let _ = body.flow_control().release_capacity(data.len());
        bytes.extend_from_slice(&data);
    }
    let trailers = soon("trailers", body.trailers()).await?;
    Ok((bytes, trailers))
}
