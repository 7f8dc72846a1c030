//! The gateway's parts, built from its configuration and shared by all workers.

use std::{io, path::PathBuf, sync::Arc, time::Instant};

use crate::{
    authenticate::Authenticator,
    clock::Clock,
    config::{AccessLog, Config, LoginConfig, ServerConfig, SessionConfig, SessionStoreConfig},
    http::{cookies::CookieStyle, hygiene::OwnHeaders},
    observe::access::{AccessLogger, FlushOnDrop},
    route::{RouteError, RouteTable},
    session::{NoRandomness, SessionStore, form_token::FormKey},
    store::{Store, StoreError},
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
    pub form_key: FormKey,
    /// How our cookies are set.
    pub cookies: CookieStyle,
    /// The name of the cookie that belongs to [`Gateway::form_key`].
    pub form_cookie: String,
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
        // Where sessions are remembered, everything else is, in the same file.
        let store = Arc::new(match (&config.session.store, config.token.refresh_lifetime) {
            (SessionStoreConfig::File(file), _) => Store::open_or_make(file)?,
            (SessionStoreConfig::Memory, Some(_)) => Store::open_or_make(&config.server.state.join(TOKENS))?,
            (SessionStoreConfig::Memory, None) => Store::open(&config.server.state.join(TOKENS))?,
        });
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
        let gateway = Self {
            routes: RouteTable::new(
                &config.routes,
                &config.server.limits,
                Targets::new(Instant::now())?,
            )?,
            own_headers: Arc::new(OwnHeaders::new(set_by_routes)),
            authenticator: Authenticator {
                sessions: SessionStore::open(&config.session, &store)?,
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
            form_key: FormKey::generate()?,
            cookies: CookieStyle {
                secure: config.server.public_url.is_secure(),
            },
            form_cookie: format!("{}-form", config.session.cookie),
            route_cookie: format!("{}-route", config.session.cookie),
            server: config.server,
            session: config.session,
            login: config.login,
            access_log,
            clock,
        };
        Ok((gateway, flush))
    }

    /// Our cookies' names: no upstream sees them, none sets them.
    pub fn own_cookies(&self) -> [&str; 3] {
        [&self.authenticator.cookie, &self.form_cookie, &self.route_cookie]
    }
}
