//! A client that sends exactly the bytes it is given, and reads answers without repairing them.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::soon;

/// A connection to the gateway.
pub struct RawClient {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub struct RawResponse {
    /// The status.
    pub status: u16,
    /// Status line and headers.
    pub head: String,
    /// The body, chunks decoded.
    pub body: Vec<u8>,
}

impl RawResponse {
    /// All values of a header.
    pub fn header(&self, name: &str) -> Vec<&str> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl RawClient {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            buffer: Vec::new(),
        }
    }

    /// Sends bytes. A gateway that has closed already has said what it had to say.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Says that nothing more will come.
    pub async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Reads the next answer; `None` when the connection ends before it does. 1xx answers are skipped.
    pub async fn response(&mut self) -> Option<RawResponse> {
        loop {
            let response = soon("an answer", self.read_response(true)).await?;
            if response.status >= 200 || response.status == 101 {
                return Some(response);
            }
        }
    }

    /// The same for the answer to a HEAD request, which has no body.
    pub async fn head_response(&mut self) -> Option<RawResponse> {
        soon("an answer", self.read_response(false)).await
    }

    /// Whether the gateway closes the connection without another byte.
    pub async fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && soon("the end of the connection", self.fill()).await == 0
    }

    /// Everything until the gateway closes.
    pub async fn rest(&mut self) -> Vec<u8> {
        while soon("the end of the connection", self.fill()).await > 0 {}
        std::mem::take(&mut self.buffer)
    }

    /// The next `count` bytes; `None` when the connection ends before they have come.
    pub async fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < count {
            if soon("more bytes", self.fill()).await == 0 {
                return None;
            }
        }
        Some(self.buffer.drain(..count).collect())
    }

    async fn read_response(&mut self, has_body: bool) -> Option<RawResponse> {
        let head = self.until(b"\r\n\r\n").await?;
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut response = RawResponse {
            status,
            head,
            body: Vec::new(),
        };
        if !has_body || status < 200 || status == 204 || status == 304 {
            return Some(response);
        }
        if let Some(length) = response
            .header("content-length")
            .first()
            .map(|length| length.parse().unwrap())
        {
            while self.buffer.len() < length {
                if self.fill().await == 0 {
                    return None;
                }
            }
            response.body = self.buffer.drain(..length).collect();
        } else if response.header("transfer-encoding") == ["chunked"] {
            loop {
                let line = self.until(b"\r\n").await?;
                let size = String::from_utf8(line).unwrap();
                let size = usize::from_str_radix(size.trim(), 16).unwrap();
                let mut chunk = Vec::new();
                while chunk.len() < size + 2 {
                    if self.buffer.is_empty() && self.fill().await == 0 {
                        return None;
                    }
                    let take = self.buffer.len().min(size + 2 - chunk.len());
                    chunk.extend(self.buffer.drain(..take));
                }
                if size == 0 {
                    return Some(response);
                }
                response.body.extend_from_slice(&chunk[..size]);
            }
        } else {
            response.body = self.rest_unbounded().await;
        }
        Some(response)
    }

    async fn rest_unbounded(&mut self) -> Vec<u8> {
        while self.fill().await > 0 {}
        std::mem::take(&mut self.buffer)
    }

    async fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                return Some(self.buffer.drain(..at + end.len()).collect());
            }
            if self.fill().await == 0 {
                return None;
            }
        }
    }

    /// Reads some more; 0 when the connection has ended, by a reset too.
    async fn fill(&mut self) -> usize {
        self.stream.read_buf(&mut self.buffer).await.unwrap_or(0)
    }
}
