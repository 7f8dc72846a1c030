//! HTTP/1.1 as cheaply as a client can speak it: a request is written as it lies there, an answer read and measured.

use std::fmt::Write;

use httparse::{EMPTY_HEADER, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    connect::Stream,
    outcome::{Answer, Failure},
};
use crate::stage::Target;

/// What is read at once.
const BUFFER: usize = 64 * 1024;

/// A target's requests without their bodies, one for each credential.
pub fn requests(target: &Target, upload: &[u8]) -> Vec<Vec<u8>> {
    let method = if upload.is_empty() { "GET" } else { "POST" };
    let mut start = format!(
        "{method} {} HTTP/1.1\r\nhost: {}\r\n",
        target.path, target.authority
    );
    if !upload.is_empty() {
        // A String takes everything.
        let _ = write!(start, "content-length: {}\r\n", upload.len());
    }
    let with = |credential: &[u8]| [start.as_bytes(), credential, b"\r\n"].concat();
    match target.credentials.as_slice() {
        [] => vec![with(b"")],
        all => all
            .iter()
            .map(|header| {
                let name = header.name.as_str().as_bytes();
                with(&[name, b": ", header.value.as_bytes(), b"\r\n"].concat())
            })
            .collect(),
    }
}

/// A connection that can take a request.
pub struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    /// What has been read of the buffer, and what has been written to it.
    read: usize,
    filled: usize,
}

/// The head of an answer.
struct Head {
    status: u16,
    body: Body,
    connection_lives: bool,
}

/// How a body ends.
enum Body {
    Length(usize),
    Chunked,
    WithConnection,
}

impl Connection {
    /// On a fresh stream.
    pub fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            buffer: vec![0; BUFFER],
            read: 0,
            filled: 0,
        }
    }

    /// Sends a request and reads its answer to the end.
    pub async fn exchange(&mut self, head: &[u8], upload: &[u8]) -> Result<Answer, Failure> {
        let send = async {
            self.stream.write_all(head).await?;
            self.stream.write_all(upload).await?;
            self.stream.flush().await
        };
        send.await.map_err(|error| Failure::io("sending", &error))?;
        let head = loop {
            match self.head()? {
                // An interim answer; the one that counts comes later.
                Some(head) if head.status < 200 => {}
                Some(head) => break head,
                None => self.must_fill("before an answer").await?,
            }
        };
        let length = match head.body {
            Body::Length(length) => {
                self.skip(length).await?;
                length
            }
            Body::Chunked => self.skip_chunks().await?,
            Body::WithConnection => self.skip_all().await?,
        };
        Ok(Answer {
            status: head.status,
            length,
            connection_lives: head.connection_lives,
        })
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.read..self.filled).unwrap_or_default()
    }

    /// The next head, once it is there whole.
    fn head(&mut self) -> Result<Option<Head>, Failure> {
        let mut headers = [EMPTY_HEADER; 64];
        let mut answer = httparse::Response::new(&mut headers);
        let malformed = |error| Failure::fatal(format!("a malformed answer: {error}"));
        let Status::Complete(length) = answer.parse(self.unread()).map_err(malformed)? else {
            return Ok(None);
        };
        let status = answer.code.unwrap_or_default();
        let mut head = Head {
            status,
            body: match status {
                100..200 | 204 | 304 => Body::Length(0),
                _ => Body::WithConnection,
            },
            connection_lives: true,
        };
        for header in answer.headers {
            let value = header.value.trim_ascii();
            if header.name.eq_ignore_ascii_case("content-length") && status != 304 {
                let length = str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                head.body = Body::Length(length.ok_or_else(|| Failure::fatal("a malformed length"))?);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                head.body = Body::Chunked;
            } else if header.name.eq_ignore_ascii_case("connection") {
                head.connection_lives = !value.eq_ignore_ascii_case(b"close");
            }
        }
        if matches!(head.body, Body::WithConnection) {
            head.connection_lives = false;
        }
        self.read += length;
        Ok(Some(head))
    }

    /// Reads and forgets this many bytes.
    async fn skip(&mut self, length: usize) -> Result<(), Failure> {
        let mut missing = length;
        loop {
            let here = missing.min(self.filled - self.read);
            self.read += here;
            missing -= here;
            if missing == 0 {
                return Ok(());
            }
            self.must_fill("amid an answer").await?;
        }
    }

    /// Reads and forgets chunks and what follows them; how long the body was.
    async fn skip_chunks(&mut self) -> Result<usize, Failure> {
        let mut length = 0;
        loop {
            let (line, size) = loop {
                match httparse::parse_chunk_size(self.unread()) {
                    Ok(Status::Complete(found)) => break found,
                    Ok(Status::Partial) => self.must_fill("amid an answer").await?,
                    Err(_) => return Err(Failure::fatal("a malformed chunk")),
                }
            };
            self.read += line;
            if size == 0 {
                break;
            }
            let size = usize::try_from(size).map_err(|_| Failure::fatal("a malformed chunk"))?;
            length += size;
            self.skip(size).await?;
            self.skip(2).await?;
        }
        // Trailers, up to an empty line.
        loop {
            match self.unread().iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    let empty = self
                        .unread()
                        .get(..end)
                        .is_none_or(|line| line.trim_ascii().is_empty());
                    self.read += end + 1;
                    if empty {
                        return Ok(length);
                    }
                }
                None => self.must_fill("amid an answer").await?,
            }
        }
    }

    /// Reads and forgets everything until the connection ends; how much that was.
    async fn skip_all(&mut self) -> Result<usize, Failure> {
        let mut length = 0;
        loop {
            length += self.filled - self.read;
            self.read = self.filled;
            if self.fill().await? == 0 {
                return Ok(length);
            }
        }
    }

    async fn must_fill(&mut self, when: &str) -> Result<(), Failure> {
        match self.fill().await? {
            0 => Err(Failure::fatal(format!("the connection was closed {when}"))),
            _ => Ok(()),
        }
    }

    /// Reads more; how much it was.
    async fn fill(&mut self) -> Result<usize, Failure> {
        if self.read > 0 {
            self.buffer.copy_within(self.read..self.filled, 0);
            self.filled -= self.read;
            self.read = 0;
        }
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        if room.is_empty() {
            return Err(Failure::fatal("an answer's head is larger than 64 KiB"));
        }
        let more = self.stream.read(room).await;
        let more = more.map_err(|error| Failure::io("receiving", &error))?;
        self.filled += more;
        Ok(more)
    }
}
