//! Listening, serving and stopping.
//!
//! A worker per core: a thread with a runtime of its own, its own sockets, its own connections and its
//! own upstream pool. Workers share the [`Gateway`], and hold none of its locks across an await.

use std::{
    io,
    rc::Rc,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpListener, UnixListener},
    sync::Semaphore,
    time::MissedTickBehavior,
};

use crate::{
    gateway::Gateway,
    handle::{Open, Worker},
    http::{request_id::RequestIds, trace_context::TraceIds},
    token::{Assertions, TokenCache, trust::fetch},
    upstream::{Pool, health},
};

mod accept;
mod activity;
mod connection;
mod descriptors;
mod executor;
mod http1;
mod http2;
mod keeper;
pub mod listen;
pub mod proxy_protocol;
mod redirect;
mod running;
pub mod self_signed;
pub mod shutdown;
mod socket_file;
mod stream;
pub mod tls;
mod watched;

pub use listen::Listeners;
pub use shutdown::{Shutdown, ShutdownTrigger};

use accept::{Accepting, accept};
use activity::Connections;
use connection::Purpose;

/// How often a worker looks at its connections' and its pool's deadlines, at most. One look for all of them
/// costs less than a timer for each.
const MAX_TICK: Duration = Duration::from_secs(1);

/// How often it does so at least, where limits are very short.
const MIN_TICK: Duration = Duration::from_millis(10);

/// How often a worker looks whether whoever opened what goes on is still let in: what a sign-out takes, and what a change of
/// the user file takes beside the look of its reader.
const LOOK_AT_OPEN: Duration = Duration::from_secs(1);
/// Connections that the admin listener has at once: more than anybody looks with, and beside those of everybody else, so that
/// whoever runs the gateway gets in while it is full.
const ADMIN_CONNECTIONS: usize = 64;

/// Why serving ended early.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A thread or its runtime could not be started.
    #[error("a worker cannot be started")]
    Worker(#[source] io::Error),
    /// The system's random source failed.
    #[error("the system's random number source failed")]
    NoRandomness(#[from] getrandom::Error),
    /// TLS towards issuers cannot be set up.
    #[error("the keys of other issuers cannot be fetched")]
    Issuers(#[source] reqwest::Error),
    /// A worker panicked: a defect of the gateway.
    #[error("a worker thread panicked")]
    Panicked,
}

/// Serves until `shutdown` is triggered, then until the last request is done or the grace is over. Blocks the
/// calling thread.
///
/// # Errors
/// A worker could not be started, or panicked.
pub fn serve(
    gateway: &Arc<Gateway>,
    listeners: Listeners,
    tls: Option<&tls::Acceptor>,
    shutdown: &Shutdown,
) -> Result<(), ServeError> {
    let most = gateway.server.limits.max_connections;
    let for_admin = gateway.admin.as_ref().map_or(0, |_| ADMIN_CONNECTIONS);
    descriptors::make_room(most + for_admin);
    let permits = Arc::new(Semaphore::new(most));
    // The files of unix sockets go when the last worker has ended.
    let (sockets, for_admin, _files) = listeners.into_workers();
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for (index, sockets) in sockets.into_iter().enumerate() {
            let shared = Shared {
                gateway: Arc::clone(gateway),
                purpose: Purpose::Gateway,
                tls: tls.cloned(),
                permits: Arc::clone(&permits),
                shutdown: shutdown.clone(),
            };
            let worker = thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn_scoped(scope, move || run_worker(shared, sockets))
                .map_err(ServeError::Worker)?;
            workers.push(worker);
        }
        if let Some(sockets) = for_admin {
            let shared = Shared {
                gateway: Arc::clone(gateway),
                purpose: Purpose::Admin,
                tls: None,
                permits: Arc::new(Semaphore::new(ADMIN_CONNECTIONS)),
                shutdown: shutdown.clone(),
            };
            let admin = thread::Builder::new()
                .name("admin".to_owned())
                .spawn_scoped(scope, move || run_worker(shared, sockets))
                .map_err(ServeError::Worker)?;
            workers.push(admin);
        }
        let keeper = thread::Builder::new()
            .name("keeper".to_owned())
            .spawn_scoped(scope, || keeper::keep(gateway, shutdown))
            .map_err(ServeError::Worker)?;
        workers.push(keeper);
        if !gateway.routes.watched().is_empty() {
            let health = thread::Builder::new()
                .name("health".to_owned())
                .spawn_scoped(scope, || watch_health(gateway, shutdown))
                .map_err(ServeError::Worker)?;
            workers.push(health);
        }
        if !gateway.authenticator.trusts.all().is_empty() {
            let issuers = thread::Builder::new()
                .name("issuers".to_owned())
                .spawn_scoped(scope, || watch_issuers(gateway, shutdown))
                .map_err(ServeError::Worker)?;
            workers.push(issuers);
        }
        let ended: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        ended
            .into_iter()
            .try_for_each(|result| result.unwrap_or(Err(ServeError::Panicked)))
    })
}

/// What every worker is given.
struct Shared {
    gateway: Arc<Gateway>,
    /// What the connections of its sockets are for.
    purpose: Purpose,
    tls: Option<tls::Acceptor>,
    permits: Arc<Semaphore>,
    shutdown: Shutdown,
}

fn local_runtime() -> Result<tokio::runtime::LocalRuntime, ServeError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .map_err(ServeError::Worker)
}

fn run_worker(shared: Shared, sockets: listen::Sockets) -> Result<(), ServeError> {
    let runtime = local_runtime()?;
    let limits = shared.gateway.server.limits.clone();
    let shortest = shared
        .gateway
        .routes
        .shortest_timeout()
        .min(limits.header_timeout)
        .min(limits.idle_timeout)
        .min(limits.send_timeout);
    let tick = (shortest / 4).clamp(MIN_TICK, MAX_TICK);
    let worker = Rc::new(Worker {
        open: Rc::new(Open::new(Arc::clone(&shared.gateway))),
        gateway: shared.gateway,
        pool: Rc::new(Pool::new(Instant::now(), tick)),
        tokens: TokenCache::default(),
        assertions: Assertions::default(),
        request_ids: RequestIds::new()?,
        trace_ids: TraceIds::new()?,
    });
    let connections = Rc::new(Connections::new(&limits));
    connections.set_date(worker.gateway.clock.now());
    runtime.block_on(async {
        let gateway = Accepting {
            worker: Rc::clone(&worker),
            purpose: shared.purpose,
            connections: Rc::clone(&connections),
            tls: shared.tls,
            permits: shared.permits,
            shutdown: shared.shutdown.clone(),
        };
        let redirect = Accepting {
            purpose: Purpose::Redirect,
            tls: None,
            ..gateway.clone()
        };
        let mut accepting = Vec::new();
        for (sockets, purpose) in [
            (sockets.tcp, &gateway),
            (Vec::from_iter(sockets.redirect), &redirect),
        ] {
            for socket in sockets {
                let listener = TcpListener::from_std(socket).map_err(ServeError::Worker)?;
                accepting.push(tokio::task::spawn_local(accept(listener, purpose.clone())));
            }
        }
        for socket in sockets.unix {
            let listener = UnixListener::from_std(socket).map_err(ServeError::Worker)?;
            accepting.push(tokio::task::spawn_local(accept(listener, gateway.clone())));
        }
        tokio::task::spawn_local(watch(Rc::clone(&worker), Rc::clone(&connections), tick));
        tokio::task::spawn_local(look_at_open(Rc::clone(&worker)));
        shared.shutdown.started().await;
        connections.drain();
        let finished = async {
            // Whoever they accept last counts as well.
            for accepting in accepting {
                let _ = accepting.await;
            }
            connections.all_closed().await;
        };
        tokio::select! {
            () = finished => {}
            () = shared.shutdown.grace_over(worker.gateway.server.shutdown_grace) => {
                tracing::warn!(connections = connections.len(), "the grace is over: closing what is left");
            }
        }
        Ok(())
    })
}

/// Asks upstreams whether they are well, until the stop begins.
fn watch_health(gateway: &Gateway, shutdown: &Shutdown) -> Result<(), ServeError> {
    local_runtime()?.block_on(async {
        tokio::select! {
            () = health::watch(gateway.routes.watched()) => {}
            () = shutdown.started() => {}
        }
    });
    Ok(())
}

/// Keeps the keys of other issuers fresh, until the stop begins.
fn watch_issuers(gateway: &Gateway, shutdown: &Shutdown) -> Result<(), ServeError> {
    let client = fetch::client().map_err(ServeError::Issuers)?;
    local_runtime()?.block_on(async {
        let trusts = gateway.authenticator.trusts.all();
        let all = trusts
            .iter()
            .map(|trust| fetch::keep(Arc::clone(trust), client.clone()));
        tokio::select! {
            _ = futures_util::future::join_all(all) => {}
            () = shutdown.started() => {}
        }
    });
    Ok(())
}

/// Ends what goes on under sessions and tokens that have ended. Apart from what closes the idle: whoever knows of a session
/// may be slow.
async fn look_at_open(worker: Rc<Worker>) {
    let mut ticks = tokio::time::interval(LOOK_AT_OPEN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        worker.open.look().await;
    }
}

/// Closes what has been idle for too long.
async fn watch(worker: Rc<Worker>, connections: Rc<Connections>, tick: Duration) {
    let mut ticks = tokio::time::interval(tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = Instant::now();
        connections.close_overdue(now);
        connections.set_date(worker.gateway.clock.now());
        worker.pool.tick(now);
    }
}
