//! The sample upstream: an ordinary little web app to put a gateway in front of.
//!
//! It knows nothing of logins. It shows what it received, the identity headers first, and has a page
//! each for what a proxy in front of it may get wrong: WebSockets, event streams, uploads, downloads,
//! slow answers and every status. Bodies are streamed both ways and never held in memory.

mod answer;
mod body;
mod received;
mod upload;
mod websocket;

use std::{convert::Infallible, future::Future, io, pin::pin, time::Duration};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};

/// How long running requests may go on after the shutdown: an open event stream never ends by itself.
const GRACE: Duration = Duration::from_secs(1);

/// Closed when the app stops; whoever works for it holds one, so that `serve` knows when all are done.
type Stop = watch::Receiver<()>;

/// Serves the sample app on `listener` until `shutdown` is ready, then lets running requests finish for
/// a moment. Connections are spawned with [`tokio::spawn`]; a current-thread runtime is enough.
///
/// # Errors
/// When `listener` can accept no more connections at all.
pub async fn serve(listener: TcpListener, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    let (stop, stopping) = watch::channel(());
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, stopping.clone()));
            }
            // Not a listening socket (any more): trying again cannot help.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
            // Out of file descriptors, most likely. Without a pause this would spin until one is free.
            Err(error) => {
                tracing::warn!(%error, "the sample app could not accept a connection");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop((listener, stopping));
    // An error means that nobody is listening: no connection is open.
    let _ = stop.send(());
    let _ = timeout(GRACE * 2, stop.closed()).await;
    Ok(())
}

async fn connection(stream: TcpStream, mut stop: Stop) {
    // Small events and WebSocket messages leave at once. An app that cannot have that still works.
    let _ = stream.set_nodelay(true);
    let for_requests = stop.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let stop = for_requests.clone();
        async move { Ok::<_, Infallible>(answer::answer(request, stop).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            timeout(GRACE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection of the sample app ended early");
    }
}

#[cfg(test)]
mod tests;
