//! Finding a request's route: the most specific host first, then the longest path prefix of whole segments.
//!
//! The order of the file means nothing, so that a public route can never shadow a protected one by
//! standing above it. Methods do not take part in the choice: where the most specific route does not
//! answer a method the request is refused, rather than handed to a less specific route with other rules.

use std::{sync::Arc, time::Duration};

use ahash::AHashMap;
use http::Method;

use super::{Route, RouteError};
use crate::{
    config::{HostPattern, LimitsConfig, RouteConfig},
    http::target::NormalPath,
    refusal::Refusal,
    upstream::{Target, Targets},
};

/// All routes.
#[derive(Debug, Default)]
pub struct RouteTable {
    exact: AHashMap<Box<str>, PathTree>,
    /// By the suffix with its leading dot: `.example.com`.
    wildcard: AHashMap<Box<str>, PathTree>,
    any_host: PathTree,
    count: usize,
    shortest_timeout: Duration,
    watched: Vec<Arc<Target>>,
}

/// The routes of one host, by path segment.
#[derive(Debug, Default)]
struct PathTree {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    children: AHashMap<Box<[u8]>, Node>,
    /// Several where they answer different methods.
    routes: Vec<Arc<Route>>,
}

impl RouteTable {
    /// From the checked configuration.
    ///
    /// # Errors
    /// TLS cannot be spoken with a route's upstream.
    pub fn new(
        configs: &[RouteConfig],
        limits: &LimitsConfig,
        mut targets: Targets,
    ) -> Result<Self, RouteError> {
        let mut table = Self {
            shortest_timeout: Duration::MAX,
            ..Self::default()
        };
        for config in configs {
            let route = Arc::new(Route::new(config, limits, &mut targets)?);
            if config.hosts.is_empty() {
                table.any_host.insert(&config.path, Arc::clone(&route));
            }
            for host in &config.hosts {
                let tree = match host {
                    HostPattern::Exact(host) => table.exact.entry(host.as_str().into()),
                    HostPattern::Wildcard(suffix) => table.wildcard.entry(suffix.as_str().into()),
                };
                tree.or_default().insert(&config.path, Arc::clone(&route));
            }
            table.count += 1;
            let limits = [Some(route.timeout.response), route.idle_timeout()];
            table.shortest_timeout = limits
                .into_iter()
                .flatten()
                .fold(table.shortest_timeout, Duration::min);
        }
        table.watched = targets.into_watched();
        Ok(table)
    }

    /// The route of a request. `host` is in lower case, without port and trailing dot.
    ///
    /// # Errors
    /// [`Refusal::NoRoute`], or [`Refusal::MethodNotAllowed`] with the methods that are.
    pub fn find(
        &self,
        host: Option<&str>,
        path: NormalPath<'_>,
        method: &Method,
    ) -> Result<&Arc<Route>, Refusal> {
        let routes = self
            .trees(host)
            .find_map(|tree| tree.deepest(path))
            .ok_or(Refusal::NoRoute)?;
        if let Some(route) = routes.iter().find(|route| route.answers(method)) {
            return Ok(route);
        }
        let allowed: Vec<&str> = routes
            .iter()
            .filter_map(|r| r.methods.as_ref())
            .flatten()
            .map(Method::as_str)
            .collect();
        Err(Refusal::MethodNotAllowed {
            allow: allowed.join(", "),
        })
    }

    /// The shortest limit that any route has on its upstream's answers.
    pub fn shortest_timeout(&self) -> Duration {
        self.shortest_timeout
    }

    /// The upstreams that are asked whether they are well.
    pub fn watched(&self) -> &[Arc<Target>] {
        &self.watched
    }

    /// How many routes there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The trees that speak for a host, the most specific first.
    fn trees(&self, host: Option<&str>) -> impl Iterator<Item = &PathTree> {
        let exact = host.and_then(|host| self.exact.get(host));
        let suffixes = host
            .filter(|_| !self.wildcard.is_empty())
            .into_iter()
            .flat_map(|host| {
                // A wildcard stands for at least one label, so the dot is never the first character.
                host.match_indices('.')
                    .filter(|(at, _)| *at > 0)
                    .filter_map(|(at, _)| host.get(at..))
            });
        let wildcard = suffixes.filter_map(|suffix| self.wildcard.get(suffix));
        exact.into_iter().chain(wildcard).chain([&self.any_host])
    }
}

impl PathTree {
    fn insert(&mut self, path: &[Vec<u8>], route: Arc<Route>) {
        let mut node = &mut self.root;
        for segment in path {
            node = node.children.entry(segment.as_slice().into()).or_default();
        }
        node.routes.push(route);
    }

    /// The routes of the longest prefix of `path` that has any.
    fn deepest(&self, path: NormalPath<'_>) -> Option<&[Arc<Route>]> {
        let mut node = &self.root;
        let mut deepest = None;
        let mut segments = path.segments();
        loop {
            if !node.routes.is_empty() {
                deepest = Some(node.routes.as_slice());
            }
            let Some(child) = segments
                .next()
                .and_then(|segment| node.children.get(segment.as_ref()))
            else {
                return deepest;
            };
            node = child;
        }
    }
}

#[cfg(test)]
mod tests;
