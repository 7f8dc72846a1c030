//! Connections to a Redis or a cluster of them: one for commands, and one on which it is heard what gateways tell.

use std::{fs, io, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, IntoConnectionInfo, Pipeline, ProtocolVersion,
    PushInfo, RedisError, RedisResult, ScriptInvocation, TlsCertificates, aio::MultiplexedConnection,
    cluster::ClusterClientBuilder, cluster_async::ClusterConnection,
};
use tokio::sync::mpsc;

use super::CHANNEL;
use crate::config::{RedisAddress, RedisConfig};

/// How long an answer may take. Whoever waits for one waits with a request.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Where commands go. A copy is the same connection.
#[derive(Clone)]
pub(super) enum Connection {
    /// One server.
    Single(MultiplexedConnection),
    /// Each command to the node that has its key.
    Cluster(ClusterConnection),
}

impl Connection {
    /// Asks for one thing.
    pub(super) async fn run<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        match self {
            Self::Single(connection) => command.query_async(&mut connection.clone()).await,
            Self::Cluster(connection) => command.query_async(&mut connection.clone()).await,
        }
    }

    /// Asks for several things of one key.
    pub(super) async fn all<T: FromRedisValue>(&self, commands: &Pipeline) -> RedisResult<T> {
        match self {
            Self::Single(connection) => commands.query_async(&mut connection.clone()).await,
            Self::Cluster(connection) => commands.query_async(&mut connection.clone()).await,
        }
    }

    /// Runs a script.
    pub(super) async fn script<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> RedisResult<T> {
        match self {
            Self::Single(connection) => script.invoke_async(&mut connection.clone()).await,
            Self::Cluster(connection) => script.invoke_async(&mut connection.clone()).await,
        }
    }
}

/// Both connections.
pub(super) struct Opened {
    /// For commands.
    pub(super) commands: Connection,
    /// What is heard. It ends when the connection does.
    pub(super) heard: mpsc::UnboundedReceiver<PushInfo>,
    /// Held for as long as anything is to be heard.
    pub(super) _hearing: MultiplexedConnection,
}

/// Connects to the first that answers, and listens there.
pub(super) async fn open(config: &RedisConfig) -> RedisResult<Opened> {
    let ca = config.ca.as_ref().map(fs::read).transpose().map_err(|error| {
        let what = "the file of `redis_ca` cannot be read";
        RedisError::from(io::Error::new(error.kind(), format!("{what}: {error}")))
    })?;
    let mut result = Err(RedisError::from(io::Error::from(io::ErrorKind::NotFound)));
    for address in &config.addresses {
        result = open_at(address, config, ca.as_deref()).await;
        if result.is_ok() {
            break;
        }
    }
    result
}

fn timeouts() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
}

async fn open_at(address: &RedisAddress, config: &RedisConfig, ca: Option<&[u8]>) -> RedisResult<Opened> {
    let info = address.url().into_connection_info()?;
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let database = settings.db();
    let info = info.set_redis_settings(settings);
    let certificates = || TlsCertificates {
        client_tls: None,
        root_cert: ca.map(<[u8]>::to_owned),
    };
    let client = match address.url().starts_with("rediss:") {
        true => Client::build_with_tls(info, certificates())?,
        false => Client::open(info)?,
    };
    let (sender, heard) = mpsc::unbounded_channel();
    let listening = timeouts().set_push_sender(sender);
    let mut hearing = client
        .get_multiplexed_async_connection_with_config(&listening)
        .await?;
    hearing.subscribe(channel(database)).await?;
    let about: String = redis::cmd("INFO")
        .arg("cluster")
        .query_async(&mut hearing)
        .await?;
    let commands = match about.contains("cluster_enabled:1") {
        false => {
            let config = timeouts();
            let connection = client.get_multiplexed_async_connection_with_config(&config);
            Connection::Single(connection.await?)
        }
        true => {
            let nodes = config.addresses.iter().map(RedisAddress::url);
            let mut cluster = ClusterClientBuilder::new(nodes)
                .retries(3)
                .min_retry_wait(10)
                .max_retry_wait(100)
                .connection_timeout(CONNECT_TIMEOUT)
                .response_timeout(RESPONSE_TIMEOUT)
                .overall_response_timeout(Some(RESPONSE_TIMEOUT));
            if ca.is_some() {
                cluster = cluster.certs(certificates());
            }
            Connection::Cluster(cluster.build()?.get_async_connection().await?)
        }
    };
    Ok(Opened {
        commands,
        heard,
        _hearing: hearing,
    })
}

/// Channels know nothing of databases: gateways of one are not those of another.
pub(super) fn channel(database: i64) -> String {
    format!("{CHANNEL}:{database}")
}
