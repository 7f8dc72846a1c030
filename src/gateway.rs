//! The gateway's parts, built from its configuration and shared by all workers.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    authenticate::Authenticator,
    clock::Clock,
    config::{AccessLog, AdminConfig, Config, LoginConfig, ServerConfig, SessionConfig, SessionStoreConfig},
    http::{
        cookies::{CookieStyle, SessionCookie},
        hygiene::OwnHeaders,
    },
    observe::access::{AccessLogger, FlushOnDrop},
    route::{RouteError, RouteTable},
    session::{
        NoRandomness, SessionStore, file::FileStore, form_token::FormKey, id::SessionKey,
        memory::MemoryStore, near::Near, redis::RedisStore,
    },
    store::{
        Store, StoreError, Tables,
        redis::{Event, Link},
    },
    token::{KeyError, KeyRing, PersonalTokens, RefreshTokens, Revocations, Trusts, personal::PersonalError},
    upstream::Targets,
    users::sign_in::{SignIn, SignInSetupError},
};

/// The file in `state` that remembers tokens.
const TOKENS: &str = "tokens.redb";

/// The folder in `state` that has a file for each personal token.
pub const PERSONAL_TOKENS: &str = "tokens";

/// Everything a worker needs to answer requests.
#[derive(Debug)]
pub struct Gateway {
    /// `[server]`.
    pub server: ServerConfig,
    /// `[session]`.
    pub session: SessionConfig,
    /// `[login]`.
    pub login: LoginConfig,
    /// `[admin]`, where there is an admin listener.
    pub admin: Option<AdminConfig>,
    /// Which requests go where.
    pub routes: RouteTable,
    /// Header names that only we may set.
    pub own_headers: Arc<OwnHeaders>,
    /// What credentials are checked against.
    pub authenticator: Authenticator,
    /// The one sign-in procedure.
    pub sign_in: SignIn,
    /// Sign-ins of programs that go on.
    pub refresh_tokens: RefreshTokens,
    /// What is remembered over a restart.
    pub store: Arc<Store>,
    /// Signs the forms of people who are not signed in yet.
    pub form_key: Arc<FormKey>,
    /// How our cookies are set.
    pub cookies: CookieStyle,
    /// The session's.
    pub session_cookie: SessionCookie,
    /// The name of the cookie that belongs to [`Gateway::form_key`].
    pub form_cookie: String,
    /// The name of the cookie by which a browser shows for a moment that it has signed in.
    pub signed_in_cookie: String,
    /// The name of the cookie that brings browsers back to the upstream they were sent to.
    pub route_cookie: String,
    /// Where access lines go.
    pub access_log: AccessLogger,
    /// What time it is.
    pub clock: Clock,
}

/// Why the gateway cannot start with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The signing keys.
    #[error("the token keys cannot be used")]
    Keys(#[from] KeyError),
    /// A route's upstream.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The user directory.
    #[error(transparent)]
    Users(#[from] SignInSetupError),
    /// What was remembered.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tokens for scripts.
    #[error(transparent)]
    Personal(#[from] PersonalError),
    /// The access log.
    #[error("cannot open the access log {}", path.display())]
    AccessLog {
        /// Its file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No random numbers.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// What is remembered, and where sessions live. Where those are, everything else is remembered with them.
fn stores(
    config: &SessionConfig,
    refresh_lifetime: Option<Duration>,
    state: &Path,
    form_key: &Arc<FormKey>,
) -> Result<(Arc<Store>, SessionStore), StoreError> {
    let max_per_user = config.max_per_user;
    Ok(match &config.store {
        SessionStoreConfig::Memory => {
            let store = match refresh_lifetime {
                Some(_) => Store::open_or_make(state)?,
                None => Store::open(state)?,
            };
            let sessions = SessionStore::Memory(MemoryStore::new(max_per_user));
            (Arc::new(store), sessions)
        }
        SessionStoreConfig::File(file) => {
            let store = Arc::new(Store::open_or_make(file)?);
            let sessions = SessionStore::File(FileStore::open(Arc::clone(&store), max_per_user)?);
            (store, sessions)
        }
        SessionStoreConfig::Redis(redis) => {
            let (tables, near) = (Arc::<Tables>::default(), Arc::new(Near::new(redis.near_cache)));
            let listener = {
                let (tables, near, form_key) = (Arc::clone(&tables), Arc::clone(&near), Arc::clone(form_key));
                move |event| match event {
                    Event::SessionEnded(key) => near.forget(&SessionKey::from_bytes(key)),
                    Event::TakenBack(table, record) => tables.learn(table, record),
                    Event::FormKey(key) => form_key.adopt(key),
                }
            };
            let link = Arc::new(Link::start(redis.clone(), Box::new(listener))?);
            let sessions = SessionStore::Redis(RedisStore::new(Arc::clone(&link), near, max_per_user));
            (Arc::new(Store::shared(link, tables)), sessions)
        }
    })
}

impl Gateway {
    /// Builds every part. Opens files and makes the first signing key, but binds no port.
    ///
    /// The second value writes the access log out when it is dropped, so it must outlive the workers.
    ///
    /// # Errors
    /// A part cannot be built; nothing was left half-made.
    pub fn build(config: Config, clock: Clock) -> Result<(Self, FlushOnDrop), BuildError> {
        let (access_log, flush) =
            AccessLogger::open(&config.log).map_err(|source| BuildError::AccessLog {
                path: match &config.log.access {
                    AccessLog::File(path) => path.clone(),
                    AccessLog::Stdout | AccessLog::Off => "stdout".into(),
                },
                source,
            })?;
        let sign_in = SignIn::open(&config.users)?;
        let keys = KeyRing::open(&config.token)?;
        let form_key = Arc::new(FormKey::generate()?);
        let state = config.server.state.join(TOKENS);
        let (store, sessions) = stores(&config.session, config.token.refresh_lifetime, &state, &form_key)?;
        let set_by_routes = config
            .routes
            .iter()
            .flat_map(|route| &route.headers)
            .map(|header| &header.name);
        let refresh_tokens = RefreshTokens::new(
            Arc::clone(&store),
            config.token.refresh_lifetime,
            config.session.max_per_user,
        );
        let cookies = CookieStyle {
            secure: config.server.public_url.is_secure(),
        };
        let session_cookie = SessionCookie {
            style: cookies.clone(),
            name: config.session.cookie.clone(),
            domains: config.session.cookie_domains.clone(),
        };
        let gateway = Self {
            routes: RouteTable::new(
                &config.routes,
                &config.server.limits,
                Targets::new(Instant::now())?,
            )?,
            own_headers: Arc::new(OwnHeaders::new(set_by_routes)),
            authenticator: Authenticator {
                sessions,
                cookie: config.session.cookie.clone(),
                keys,
                trusts: Trusts::new(&config.token.trust),
                personal: Arc::new(PersonalTokens::open(config.server.state.join(PERSONAL_TOKENS))?),
                revocations: Revocations::new(Arc::clone(&store)),
                token: config.token,
                users: Arc::clone(sign_in.directory()),
            },
            sign_in,
            refresh_tokens,
            store,
            form_key,
            form_cookie: session_cookie.companion("form"),
            signed_in_cookie: session_cookie.companion("signed-in"),
            route_cookie: session_cookie.companion("route"),
            cookies,
            session_cookie,
            server: config.server,
            session: config.session,
            login: config.login,
            admin: config.admin,
            access_log,
            clock,
        };
        Ok((gateway, flush))
    }

    /// Our cookies' names: no upstream sees them, none sets them.
    pub fn own_cookies(&self) -> [&str; 4] {
        [
            &self.authenticator.cookie,
            &self.form_cookie,
            &self.signed_in_cookie,
            &self.route_cookie,
        ]
    }
}
