//! A gateway's way to its Redis: kept up by a thread of its own, which hears what other gateways tell.
//!
//! What a gateway remembers is only as good as what it hears. So it tells itself something a few times a second, over the
//! same way as everybody else: once that comes back, everything has been heard that was told before it. For as long as
//! the last of those is young, what is remembered counts without a question.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::SyncSender,
    },
    thread,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use redis::{Cmd, FromRedisValue, Pipeline, PushInfo, PushKind, RedisError, ScriptInvocation, Value};
use tokio::sync::{oneshot, watch};

use super::{
    super::{Record, StoreError, Table},
    connection::{Connection, Opened, open},
    event::{Event, Message, beat},
    records,
};
use crate::config::{RedisAddress, RedisConfig};

/// How often a gateway tells itself something.
const BEAT: Duration = Duration::from_millis(200);

/// For how long what is remembered counts after the last time that it was heard to be right. Together with the way of a
/// message less than a second: so long after a sign-out no gateway takes the session for one.
const FRESH: Duration = Duration::from_millis(800);

/// How long a gateway waits to hear itself before it connects anew.
const DEAF: Duration = Duration::from_secs(1);

/// How long it waits between two tries to connect.
const PAUSE: Duration = Duration::from_millis(100);

/// How much that could not be told is kept.
const MOST_OWED: usize = 100_000;

/// What is done with what is told.
type Listener = Box<dyn Fn(Event) + Send>;

/// The way to a Redis.
pub struct Link {
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

struct Shared {
    config: RedisConfig,
    name: String,
    started: Instant,
    commands: ArcSwapOption<Connection>,
    /// Another number with each connection: what was remembered before may have missed something.
    generation: AtomicU64,
    /// Until when what is remembered counts, in milliseconds since `started`.
    trusted_until: AtomicU64,
    beats: watch::Sender<()>,
    owed: Mutex<Vec<Owed>>,
}

/// What is to be ended as soon as the Redis can be reached.
#[derive(Debug, Clone)]
pub enum Owed {
    /// A session, by its key.
    Session([u8; 32]),
    /// What is to be taken back.
    TakenBack(Table, Record),
}

impl Link {
    /// Connects. `listener` is told what other gateways do; nothing is served before it was told all. Where that does not
    /// work, it is tried again and again: whoever is served meanwhile is told so.
    ///
    /// # Errors
    /// No thread could be started. A Redis that cannot be reached is none: it may come.
    pub fn start(config: RedisConfig, listener: Listener) -> Result<Self, StoreError> {
        let shown: Vec<&str> = config.addresses.iter().map(RedisAddress::shown).collect();
        let name = shown.join(", ");
        let shared = Arc::new(Shared {
            config,
            name,
            started: Instant::now(),
            commands: ArcSwapOption::empty(),
            generation: AtomicU64::default(),
            trusted_until: AtomicU64::default(),
            beats: watch::Sender::default(),
            owed: Mutex::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| shared.unreachable(error.into()))?;
        let keeper = Arc::clone(&shared);
        let (tried, first_try) = std::sync::mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name("redis".to_owned())
            .spawn(move || runtime.block_on(keep(&keeper, &listener, stopped, tried)))
            .map_err(|error| shared.unreachable(error.into()))?;
        // A thread that has ended has said why.
        let _ = first_try.recv();
        Ok(Self {
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Whether what is remembered of this generation counts without a question.
    pub fn is_trusted(&self) -> bool {
        let until = self.shared.trusted_until.load(Ordering::Acquire);
        self.shared.millis(Instant::now()) < until
    }

    /// Another number with each connection.
    pub fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    /// Waits until what is remembered counts.
    ///
    /// # Errors
    /// It does not, and the Redis cannot be reached.
    pub async fn trusted(&self) -> Result<(), StoreError> {
        let mut beats = self.shared.beats.subscribe();
        while !self.is_trusted() {
            if self.shared.commands.load().is_none() {
                return Err(self.shared.not_connected());
            }
            let beat = tokio::time::timeout(DEAF, beats.changed()).await;
            if !matches!(beat, Ok(Ok(()))) {
                return Err(self.shared.not_connected());
            }
        }
        Ok(())
    }

    /// Asks for one thing.
    ///
    /// # Errors
    /// The Redis cannot be reached, or refuses.
    pub async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let result = self.commands()?.run(command).await;
        result.map_err(|error| self.shared.unreachable(error))
    }

    /// Asks for several things of one key.
    ///
    /// # Errors
    /// As with [`Link::run`].
    pub async fn all<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, StoreError> {
        let result = self.commands()?.all(commands).await;
        result.map_err(|error| self.shared.unreachable(error))
    }

    /// Runs a script.
    ///
    /// # Errors
    /// As with [`Link::run`].
    pub async fn script<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, StoreError> {
        let result = self.commands()?.script(script).await;
        result.map_err(|error| self.shared.unreachable(error))
    }

    /// Where all our messages go.
    pub fn channel(&self) -> String {
        super::connection::channel(self.shared.database())
    }

    /// Keeps what counts here and could not be told.
    pub fn owe(&self, owed: Owed) {
        let mut all = self.shared.owed();
        if all.len() < MOST_OWED {
            all.push(owed);
        }
    }

    fn commands(&self) -> Result<Arc<Connection>, StoreError> {
        self.shared
            .commands
            .load_full()
            .ok_or_else(|| self.shared.not_connected())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Its thread may have ended by a panic, which was reported where it happened.
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Link").field(&self.shared.name).finish()
    }
}

impl Shared {
    fn millis(&self, at: Instant) -> u64 {
        let millis = at.saturating_duration_since(self.started).as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX)
    }

    fn database(&self) -> i64 {
        use redis::IntoConnectionInfo;
        let first = self.config.addresses.first();
        let info = first.and_then(|address| address.url().into_connection_info().ok());
        info.map_or(0, |info| info.redis_settings().db())
    }

    fn owed(&self) -> std::sync::MutexGuard<'_, Vec<Owed>> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unreachable(&self, source: RedisError) -> StoreError {
        StoreError::Unreachable {
            store: self.name.clone(),
            source: Arc::new(source),
        }
    }

    fn not_connected(&self) -> StoreError {
        self.unreachable(io::Error::from(io::ErrorKind::NotConnected).into())
    }
}

/// Keeps the way up until `stopped`.
async fn keep(
    shared: &Shared,
    listener: &Listener,
    mut stopped: oneshot::Receiver<()>,
    tried: SyncSender<()>,
) {
    let mut said = None;
    loop {
        let error = tokio::select! {
            // Whoever holds the other end has let go of it.
            _ = &mut stopped => return,
            error = be_connected(shared, listener, &mut said, &tried) => error,
        };
        shared.commands.store(None);
        // Nobody waits for another.
        let _ = tried.try_send(());
        shared.beats.send_replace(());
        // Said once for each reason, and not ten times a second.
        let error = error.to_string();
        if said.as_ref() != Some(&error) {
            tracing::error!(
                store = shared.name,
                "the session store cannot be reached: {error}"
            );
            said = Some(error);
        }
        tokio::select! {
            _ = &mut stopped => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Connects, and is connected until that fails.
async fn be_connected(
    shared: &Shared,
    listener: &Listener,
    said: &mut Option<String>,
    tried: &SyncSender<()>,
) -> RedisError {
    match connect(shared, listener).await {
        Err(error) => error,
        Ok(opened) => {
            *said = None;
            tracing::info!(store = shared.name, "the session store is connected");
            listen(shared, listener, opened, tried).await
        }
    }
}

async fn connect(shared: &Shared, listener: &Listener) -> Result<Opened, RedisError> {
    let opened = open(&shared.config).await?;
    // From here on everything is heard, and what was remembered until now may have missed something.
    shared.generation.fetch_add(1, Ordering::AcqRel);
    let channel = super::connection::channel(shared.database());
    loop {
        let owed: Vec<Owed> = shared.owed().first().cloned().into_iter().collect();
        let Some(first) = owed.into_iter().next() else {
            break;
        };
        records::pay(&opened.commands, &channel, &first).await?;
        shared.owed().remove(0);
    }
    records::load(&opened.commands, listener).await?;
    shared.commands.store(Some(Arc::new(opened.commands.clone())));
    Ok(opened)
}

async fn listen(
    shared: &Shared,
    listener: &Listener,
    mut opened: Opened,
    tried: &SyncSender<()>,
) -> RedisError {
    let mut name = [0; 16];
    if let Err(error) = getrandom::fill(&mut name) {
        return io::Error::other(error).into();
    }
    let channel = super::connection::channel(shared.database());
    let mut number = 0;
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let next = beats.tick();
        tokio::pin!(next);
        loop {
            tokio::select! {
                _ = &mut next => break,
                push = opened.heard.recv() => match heard(push, listener) {
                    Ok(_) => {}
                    Err(error) => return error,
                },
            }
        }
        number += 1;
        let told_at = Instant::now();
        let own = beat(&name, number);
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(&channel).arg(&own);
        let back = tokio::time::timeout(DEAF, async {
            opened.commands.run::<Value>(&publish).await?;
            while heard(opened.heard.recv().await, listener)?.as_ref() != Some(&own) {}
            Ok::<(), RedisError>(())
        });
        match back.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error,
            Err(_) => return io::Error::from(io::ErrorKind::TimedOut).into(),
        }
        let until = told_at + FRESH.max(shared.config.outage_grace);
        shared
            .trusted_until
            .store(shared.millis(until), Ordering::Release);
        shared.beats.send_replace(());
        let _ = tried.try_send(());
    }
}

/// Tells the listener what was heard; a beat, where it was one.
fn heard(push: Option<PushInfo>, listener: &Listener) -> Result<Option<Vec<u8>>, RedisError> {
    let gone = || RedisError::from(io::Error::from(io::ErrorKind::ConnectionReset));
    let push = push.ok_or_else(gone)?;
    match push.kind {
        PushKind::Disconnection => return Err(gone()),
        PushKind::Message => {}
        _ => return Ok(None),
    }
    let Some(Value::BulkString(bytes)) = push.data.get(1) else {
        return Ok(None);
    };
    match Message::read(bytes) {
        Some(Message::Beat(beat)) => Ok(Some(beat)),
        Some(Message::Event(event)) => {
            listener(event);
            Ok(None)
        }
        None => Ok(None),
    }
}
