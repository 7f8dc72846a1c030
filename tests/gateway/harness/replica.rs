//! One of several upstreams that do the same work: it says its name, can be killed and started again, and says whether
//! it is well when it is asked.

use std::{net::SocketAddr, thread};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
};

use super::{Received, address_of_its_own, gateway::Url, soon};

/// The path under which it says whether it is well.
pub const HEALTH: &str = "/healthz";

/// A path whose answer begins when [`Replica::release`] says so.
pub const HOLD: &str = "/hold";

/// An upstream with a name, on an address that nobody else takes while it is dead.
pub struct Replica {
    address: SocketAddr,
    shared: Shared,
    running: Option<(oneshot::Sender<()>, thread::JoinHandle<()>)>,
}

/// What outlives a death.
#[derive(Clone)]
struct Shared {
    name: String,
    /// All requests but questions about its health.
    received: watch::Sender<Vec<Received>>,
    /// The questions.
    asked: watch::Sender<Vec<Received>>,
    /// What it answers them with; nothing, where it does not answer.
    health: watch::Sender<Option<&'static str>>,
    held: watch::Sender<bool>,
}

impl Replica {
    /// Starts one that is well.
    pub fn start(name: &str) -> Self {
        let mut replica = Self {
            address: SocketAddr::new(address_of_its_own(), 0),
            shared: Shared {
                name: name.to_owned(),
                received: watch::Sender::default(),
                asked: watch::Sender::default(),
                health: watch::Sender::new(Some("200 OK")),
                held: watch::Sender::new(true),
            },
            running: None,
        };
        replica.live();
        replica
    }

    /// Starts it again, where it was.
    pub fn live(&mut self) {
        let (stop, stopped) = oneshot::channel();
        let shared = self.shared.clone();
        let listener = std::net::TcpListener::bind(self.address).unwrap();
        listener.set_nonblocking(true).unwrap();
        self.address = listener.local_addr().unwrap();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = serve(listener, shared) => {}
                    _ = stopped => {}
                }
            });
        });
        self.running = Some((stop, thread));
    }

    /// Kills it: nobody listens there any more, and every connection is gone.
    pub fn die(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            thread.join().unwrap();
        }
    }

    /// From now on, it says this of its health: a status, or nothing at all.
    pub fn says(&self, health: Option<&'static str>) {
        self.shared.health.send_replace(health);
    }

    /// Lets everything under [`HOLD`] be answered.
    pub fn release(&self) {
        self.shared.held.send_replace(false);
    }

    /// Everything it received so far, but for questions about its health.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.borrow().clone()
    }

    /// How many requests that were.
    pub fn count(&self) -> usize {
        self.shared.received.borrow().len()
    }

    /// Forgets them.
    pub fn forget(&self) {
        self.shared.received.send_replace(Vec::new());
    }

    /// Holds that no request came here.
    #[track_caller]
    pub fn saw_nothing(&self) {
        let received = self.received();
        assert!(received.is_empty(), "{} saw {received:#?}", self.shared.name);
    }

    /// Waits until it has received this many requests.
    pub async fn receives(&self, count: usize) {
        let mut received = self.shared.received.subscribe();
        let enough = received.wait_for(|received| received.len() >= count);
        soon("a request", enough).await.unwrap();
    }

    /// Waits until it has been asked for its health this many times more; returns the last question.
    pub async fn is_asked(&self, times: usize) -> Received {
        let mut asked = self.shared.asked.subscribe();
        let count = asked.borrow().len() + times;
        let enough = asked.wait_for(|asked| asked.len() >= count);
        let asked = soon("a question", enough).await.unwrap();
        asked.last().unwrap().clone()
    }
}

impl Url for Replica {
    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.die();
    }
}

async fn serve(listener: TcpListener, shared: Shared) {
    let mut connection = 0;
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connection += 1;
        tokio::spawn(converse(stream, connection, shared.clone()));
    }
}

/// Answers request after request, until the other side closes.
async fn converse(mut stream: TcpStream, connection: usize, shared: Shared) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let request = read(&mut stream, connection, &mut buffer).await?;
        let path = request.line().split(' ').nth(1)?.to_owned();
        let is_question = path == HEALTH;
        let (status, body) = match is_question {
            true => {
                let health = *shared.health.borrow();
                (health, "")
            }
            false => (Some("200 OK"), &*shared.name),
        };
        let answer = status.map(|status| {
            format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
        });
        let log = if is_question {
            &shared.asked
        } else {
            &shared.received
        };
        log.send_modify(|log| log.push(request));
        if path == HOLD {
            let mut held = shared.held.subscribe();
            held.wait_for(|held| !held).await.ok()?;
        }
        match answer {
            Some(answer) => stream.write_all(answer.as_bytes()).await.ok()?,
            None => std::future::pending().await,
        }
    }
}

async fn read(stream: &mut TcpStream, connection: usize, buffer: &mut Vec<u8>) -> Option<Received> {
    let end = loop {
        let end = buffer.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            break end + 4;
        }
        fill(stream, buffer).await?;
    };
    let head = String::from_utf8(buffer.drain(..end).collect()).ok()?;
    let mut request = Received {
        connection,
        head,
        body: Vec::new(),
    };
    if let Some(length) = request.header("content-length").first() {
        let length: usize = length.parse().ok()?;
        while buffer.len() < length {
            fill(stream, buffer).await?;
        }
        request.body = buffer.drain(..length).collect();
    }
    Some(request)
}

async fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let read = stream.read_buf(buffer).await.ok()?;
    (read > 0).then_some(())
}
