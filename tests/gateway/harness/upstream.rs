//! Upstreams: one that records every byte, and the sample app.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// What an upstream received, byte for byte.
#[derive(Debug, Clone)]
pub struct Received {
    /// Request line and headers, with the empty line at their end.
    pub head: String,
    /// The body as it was framed: chunks are not decoded.
    pub body: Vec<u8>,
    /// Which of the upstream's connections it came on, counted from 1.
    pub connection: usize,
}

impl Received {
    /// The request line.
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    /// All values of a header, the name compared as HTTP does.
    pub fn header(&self, name: &str) -> Vec<&str> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }

    /// The names of all headers, in lower case.
    pub fn names(&self) -> Vec<String> {
        let names = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        names.map(|(name, _)| name.to_ascii_lowercase()).collect()
    }
}

type Script = dyn Fn(&Received) -> Vec<u8> + Send + Sync;

/// An upstream that records what it receives and answers by its script.
pub struct Upstream {
    url: String,
    received: Arc<Mutex<Vec<Received>>>,
    bytes: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    /// Answers everything with 200 and `hello`.
    pub fn start() -> Self {
        Self::answering(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello".to_vec())
    }

    /// Answers with whatever bytes the script makes of a request. An answer with `connection: close` in it, or an
    /// empty one, closes the connection.
    pub fn answering(script: impl Fn(&Received) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self::accepting(url, script, move || Some(listener.accept().unwrap().0))
    }

    /// The same at another kind of address. What `accept` makes of a connection may be none.
    pub(super) fn accepting<S: Read + Write + Send + 'static>(
        url: String,
        script: impl Fn(&Received) -> Vec<u8> + Send + Sync + 'static,
        accept: impl Fn() -> Option<S> + Send + 'static,
    ) -> Self {
        let upstream = Self {
            url,
            received: Arc::default(),
            bytes: Arc::default(),
            connections: Arc::default(),
        };
        let script: Arc<Script> = Arc::new(script);
        let (received, bytes) = (Arc::clone(&upstream.received), Arc::clone(&upstream.bytes));
        let connections = Arc::clone(&upstream.connections);
        // The thread ends with the test's process: it holds nothing that others wait for.
        thread::spawn(move || {
            loop {
                let Some(stream) = accept() else { continue };
                let (script, received, bytes) =
                    (Arc::clone(&script), Arc::clone(&received), Arc::clone(&bytes));
                let connection = connections.fetch_add(1, Ordering::SeqCst) + 1;
                thread::spawn(move || converse(stream, connection, &*script, &received, &bytes));
            }
        });
        upstream
    }

    /// Its address as a route's `upstream`.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Everything it received so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The only request it received.
    #[track_caller]
    pub fn only(&self) -> Received {
        let received = self.received();
        assert_eq!(received.len(), 1, "{received:#?}");
        received[0].clone()
    }

    /// Forgets what it received so far.
    pub fn forget(&self) {
        self.received.lock().unwrap().clear();
        self.bytes.store(0, Ordering::SeqCst);
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Holds that not one byte came here.
    #[track_caller]
    pub fn saw_nothing(&self) {
        assert_eq!(
            self.bytes.load(Ordering::SeqCst),
            0,
            "the upstream saw {:#?}",
            self.received()
        );
    }
}

/// Reads requests and answers them until the other side closes. Unparsable bytes are recorded too.
fn converse(
    stream: impl Read + Write,
    connection: usize,
    script: &Script,
    received: &Mutex<Vec<Received>>,
    bytes: &AtomicUsize,
) {
    let mut reader = BufReader::new(Counting { stream, bytes });
    while let Some(mut request) = read_request(&mut reader) {
        request.connection = connection;
        received.lock().unwrap().push(request.clone());
        let answer = script(&request);
        let answers = &mut reader.get_mut().stream;
        let sent = answers.write_all(&answer).and_then(|()| answers.flush());
        if sent.is_err() || answer.is_empty() {
            return;
        }
        if String::from_utf8_lossy(&answer)
            .to_ascii_lowercase()
            .contains("connection: close")
        {
            return;
        }
    }
}

/// Counts bytes as they come, before anything is made of them.
struct Counting<'a, S> {
    stream: S,
    bytes: &'a AtomicUsize,
}

impl<S: Read> Read for Counting<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.bytes.fetch_add(read, Ordering::SeqCst);
        Ok(read)
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<Received> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head).ok()? == 0 {
            return None;
        }
    }
    let mut request = Received {
        head: String::from_utf8_lossy(&head).into_owned(),
        body: Vec::new(),
        connection: 0,
    };
    if let Some(length) = request.header("content-length").first() {
        request.body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut request.body).ok()?;
    } else if !request.header("transfer-encoding").is_empty() {
        read_chunks(reader, &mut request.body)?;
    }
    Some(request)
}

/// Reads chunks and trailers as they are.
fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> Option<()> {
    loop {
        let size = read_line(reader, body)?;
        let size = usize::from_str_radix(String::from_utf8(size).ok()?.trim_end(), 16).ok()?;
        if size == 0 {
            while read_line(reader, body)? != b"\r\n" {}
            return Some(());
        }
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).ok()?;
        body.extend_from_slice(&chunk);
    }
}

/// Reads a line, which is also added to `to`.
fn read_line(reader: &mut impl BufRead, to: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line).ok()? == 0 {
        return None;
    }
    to.extend_from_slice(&line);
    Some(line)
}

/// The sample app on a free port.
pub struct SampleApp {
    address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

/// Starts the sample app.
pub fn sample_app() -> SampleApp {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let stopped = async { drop(stopped.await) };
            portcullis::sample_app::serve(listener, stopped).await.unwrap();
        });
    });
    SampleApp {
        address,
        stop: Some(stop),
    }
}

impl SampleApp {
    /// Its address as a route's `upstream`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for SampleApp {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}
