//! The app behind everybody: it answers at once, the same to all.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    sync::mpsc,
    thread::{self, JoinHandle},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::LocalSet,
};

/// What is read at once.
const BUFFER: usize = 64 * 1024;

/// A thread that answers requests until it goes out of scope.
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    stop: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Upstream {
    /// Starts it with answers of this many bytes.
    pub fn start(answer: usize) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (started, address) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let serve = async {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
                let listener = match listener.and_then(|it| Ok((it.local_addr()?, it))) {
                    Ok((address, listener)) => {
                        let _ = started.send(Ok(address));
                        listener
                    }
                    Err(error) => return drop(started.send(Err(error))),
                };
                tokio::select! {
                    () = serve(listener, answer) => {}
                    _ = stopped => {}
                }
            };
            LocalSet::new().block_on(&runtime, serve);
        });
        let address = address.recv().map_err(io::Error::other)??;
        Ok(Self {
            address,
            stop: Some((stop, thread)),
        })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.stop.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, length: usize) {
    let mut answer =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n")
            .into_bytes();
    answer.resize(answer.len() + length, b'x');
    let answer: Rc<[u8]> = answer.into();
    loop {
        // Where none can be accepted there is no file left, and whoever wants to connect will say so.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let answer = Rc::clone(&answer);
        // How it ends is the business of who is measured.
        tokio::task::spawn_local(async move { converse(stream, &answer).await });
    }
}

/// Answers requests until the other side closes, or sends what cannot be read.
async fn converse(mut stream: TcpStream, answer: &[u8]) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    loop {
        let mut read = 0;
        while let Some((head, body)) = request(buffer.get(read..filled).unwrap_or_default())? {
            read += head;
            let here = body.min(filled - read);
            read += here;
            let mut missing = body - here;
            while missing > 0 {
                let most = missing.min(BUFFER);
                // All of the buffer has been read: what is left of the body can take its place.
                let Some(room) = buffer.get_mut(..most) else { break };
                match stream.read(room).await? {
                    0 => return Ok(()),
                    more => missing -= more,
                }
                (read, filled) = (0, 0);
            }
            stream.write_all(answer).await?;
        }
        buffer.copy_within(read..filled, 0);
        filled -= read;
        let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) else {
            return Err(io::Error::other("a head of more than 64 KiB"));
        };
        match stream.read(room).await? {
            0 => return Ok(()),
            more => filled += more,
        }
    }
}

/// How long the head of a request is, and its body; nothing while the head is not whole.
fn request(bytes: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(bytes).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let mut body = 0;
    for header in request.headers {
        if header.name.eq_ignore_ascii_case("content-length") {
            let length = std::str::from_utf8(header.value).map_err(io::Error::other)?;
            body = length.trim().parse().map_err(io::Error::other)?;
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(io::Error::other("requests here say how long they are"));
        }
    }
    Ok(Some((head, body)))
}
