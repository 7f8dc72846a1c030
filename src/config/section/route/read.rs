//! Reading `[[route]]`, and what only shows when all routes are seen together.

use std::{collections::HashMap, net::SocketAddr, ops::Range, time::Duration};

use super::{
    Access, CrossOrigin, HeaderTemplate, Rewriting, RouteConfig, RouteTimeouts, UpstreamLogin, UpstreamTls,
    UpstreamsConfig, access, parse, rewriting::Strips,
};
use crate::config::reader::{Report, Table, Value};

/// Keys of the contract that this version does not know yet.
const LATER: &[&str] = &["encoded_slash", "mode", "require_client_cert"];

impl RouteTimeouts {
    /// A machine on the same network answers in milliseconds or not at all.
    const CONNECT: Duration = Duration::from_secs(5);
    /// nginx's `proxy_read_timeout`.
    const RESPONSE: Duration = Duration::from_secs(60);
}

impl RouteConfig {
    /// Every route of the file of a gateway that listens there, and every problem with them.
    pub(in crate::config) fn read_all(
        report: &Report<'_>,
        routes: Option<Value<'_, '_>>,
        listen: &[SocketAddr],
    ) -> Vec<Self> {
        const SMALLEST: &str =
            "the smallest route is:\n     [[route]]\n     upstream = \"http://127.0.0.1:3000\"";
        let tables = match routes {
            None => Vec::new(),
            Some(value) if value.is_table() => {
                value.reject_with(
                    "`route` must be a list, but this is a table",
                    "write [[route]], with double brackets",
                );
                return Vec::new();
            }
            Some(value) => match value.list() {
                Some(tables) => tables,
                None => return Vec::new(),
            },
        };
        if tables.is_empty() {
            let problem = report.problem_of_file("there is no [[route]], so nothing could be reached");
            report.add(problem.hint(SMALLEST));
        }
        let mut named = Vec::new();
        for table in tables {
            if let Some(route) = table.table("[[route]]").and_then(Self::read) {
                named.push(route);
            }
        }
        let (mut routes, spans): (Vec<Self>, Vec<Spans>) = named.into_iter().unzip();
        refuse_overlaps(report, &routes, &spans);
        refuse_loops(report, &routes, &spans, listen);
        name_all(report, &mut routes, &spans);
        warn_of_open_doors(report, &routes, &spans);
        routes
    }

    fn read(mut table: Table<'_, '_>) -> Option<(Self, Spans)> {
        let span = table.span().clone();
        let name = table.take("name");
        let name_span = name.as_ref().map(Value::span);
        let name = name.and_then(|value| value.parsed(route_name));
        let hosts = many(table.take("host"), parse::host);
        let path = table
            .take("path")
            .map_or(Some(Vec::new()), |value| value.parsed(parse::path));
        let methods = table
            .take("methods")
            .map(|value| many(Some(value), parse::method));
        let access = table.take("access");
        let access_span = access.as_ref().map(Value::span);
        let access = access.map_or(Some(Access::Rule(Vec::new())), access::access);
        let credentials = table.take("credentials").and_then(access::credentials);
        let (upstreams, upstream_spans) = UpstreamsConfig::read(&mut table).unzip();
        let upstream_tls = UpstreamTls::read(&mut table, upstreams.as_ref());
        let login = UpstreamLogin::read(&mut table);
        let renews_session = table.take("renews_session").and_then(|value| value.boolean());
        let session_expires_at = table.take("session_expires_at").and_then(|value| value.boolean());
        let timeout = table.take("timeout").and_then(|value| value.table("`timeout`"));
        let timeout = timeout.map_or(RouteTimeouts::DEFAULT, RouteTimeouts::read);
        let headers = table
            .take("headers")
            .and_then(|value| value.table("`headers`"))
            .map(read_headers);
        let strip_prefix = table.take("strip_prefix").and_then(|value| value.boolean());
        let strips = Strips {
            asked: strip_prefix == Some(true),
            has_prefix: path.as_ref().is_none_or(|path| !path.is_empty()),
        };
        let rewriting = Rewriting::read(&mut table, strips);
        let cross_origin = table
            .take("cross_origin")
            .and_then(|value| value.word(&[("block", CrossOrigin::Block), ("allow", CrossOrigin::Allow)]));
        let max_body = table.take("max_body").and_then(|value| value.size(0..=u64::MAX));
        let line = table.report().line(&span);
        table.finish(LATER);
        let route = Self {
            name: name.unwrap_or_default(),
            hosts,
            path: path?,
            methods,
            access: access?,
            credentials: credentials.unwrap_or_default(),
            upstreams: upstreams?,
            upstream_tls,
            login,
            renews_session: renews_session.unwrap_or(true),
            session_expires_at: session_expires_at.unwrap_or(false),
            timeout,
            headers: headers.unwrap_or_default(),
            strip_prefix: strip_prefix.unwrap_or(false),
            rewriting,
            cross_origin: cross_origin.unwrap_or_default(),
            max_body,
            line,
        };
        Some((
            route,
            Spans {
                route: span,
                name: name_span,
                access: access_span,
                upstreams: upstream_spans?,
            },
        ))
    }

    /// `wiki.example.com/edit` as `wiki.example.com-edit`.
    fn made_name(&self) -> String {
        let host = self.hosts.first().map(|host| match host {
            super::HostPattern::Exact(host) => host.clone(),
            super::HostPattern::Wildcard(suffix) => format!("any{suffix}"),
        });
        let path = self
            .path
            .iter()
            .map(|segment| String::from_utf8_lossy(segment).replace(|c: char| !plain(c), "_"));
        let name = host.into_iter().chain(path).collect::<Vec<_>>().join("-");
        if name.is_empty() { "root".to_owned() } else { name }
    }
}

/// Where the parts of a route stand that are compared with other routes'.
struct Spans {
    route: Range<usize>,
    name: Option<Range<usize>>,
    access: Option<Range<usize>>,
    /// One for each upstream.
    upstreams: Vec<Range<usize>>,
}

fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '[' | ']' | ':')
}

fn route_name(text: &str) -> Result<String, String> {
    match !text.is_empty() && text.len() <= 100 && text.chars().all(plain) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "\"{text}\" is no name for a route: up to 100 letters, digits, \".\", \"-\" and \"_\" make one"
        )),
    }
}

/// One string or a list of them, each read by `parse`. Where a condition lists nothing, nothing could meet it.
pub(super) fn many<T>(value: Option<Value<'_, '_>>, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
    let Some(value) = value else { return Vec::new() };
    let (report, span, key) = (value.report(), value.span(), value.key().to_owned());
    let values = value.one_or_many();
    if values.as_ref().is_some_and(Vec::is_empty) {
        let problem = report.problem(&span, format!("`{key}` is empty, so nothing could pass"));
        report.add(problem.hint("leave it out where it does not matter"));
    }
    let values = values.unwrap_or_default();
    values.iter().filter_map(|value| value.parsed(&parse)).collect()
}

impl RouteTimeouts {
    const DEFAULT: Self = Self {
        connect: Self::CONNECT,
        response: Self::RESPONSE,
        idle: None,
    };

    fn read(mut table: Table<'_, '_>) -> Self {
        let timeouts = Self {
            connect: table
                .take("connect")
                .and_then(|value| value.positive_duration())
                .unwrap_or(Self::CONNECT),
            response: table
                .take("response")
                .and_then(|value| value.positive_duration())
                .unwrap_or(Self::RESPONSE),
            idle: table
                .take("idle")
                .and_then(|value| value.duration())
                .filter(|idle| !idle.is_zero()),
        };
        table.finish(&[]);
        timeouts
    }
}

fn read_headers(table: Table<'_, '_>) -> Vec<HeaderTemplate> {
    let report = table.report();
    let mut headers: Vec<HeaderTemplate> = Vec::new();
    for value in table.into_values() {
        let name = match parse::header_name(value.key()) {
            Ok(name) => name,
            Err(message) => {
                report.add(report.problem(&value.key_span(), message));
                continue;
            }
        };
        // Upstreams that fold names would see one header where the route means two.
        let folded = name.as_str().replace('_', "-");
        if headers
            .iter()
            .any(|header| header.name.as_str().replace('_', "-") == folded)
        {
            report.add(report.problem(
                &value.key_span(),
                format!("`{}` is set twice in this route", value.key()),
            ));
            continue;
        }
        if let Some(template) = value.parsed(parse::template) {
            headers.push(HeaderTemplate {
                name,
                value: template,
            });
        }
    }
    headers
}

/// Two routes that answer the same requests: whichever won, somebody would be surprised.
fn refuse_overlaps(report: &Report<'_>, routes: &[RouteConfig], spans: &[Spans]) {
    let mut of_path: HashMap<&[Vec<u8>], Vec<&RouteConfig>> = HashMap::new();
    for (route, span) in routes.iter().zip(spans) {
        let rivals = of_path.entry(&route.path).or_default();
        let earlier = rivals.iter().find(|other| {
            let same_host = match (route.hosts.is_empty(), other.hosts.is_empty()) {
                (true, true) => true,
                _ => route.hosts.iter().any(|host| other.hosts.contains(host)),
            };
            let same_method = match (&route.methods, &other.methods) {
                (Some(a), Some(b)) => a.iter().any(|method| b.contains(method)),
                _ => true,
            };
            same_host && same_method
        });
        if let Some(earlier) = earlier {
            let message = format!(
                "this route answers the same requests as the one on line {}",
                earlier.line
            );
            report.add(
                report
                    .problem(&span.route, message)
                    .hint("give them different hosts, paths or methods"),
            );
        }
        rivals.push(route);
    }
}

/// A route that leads to the gateway itself: a single request would go round until no socket is left for anybody.
fn refuse_loops(report: &Report<'_>, routes: &[RouteConfig], spans: &[Spans], listen: &[SocketAddr]) {
    for (route, span) in routes.iter().zip(spans) {
        for (target, span) in route.upstreams.targets.iter().zip(&span.upstreams) {
            if let Some(own) = listen.iter().find(|own| target.url.leads_to(**own)) {
                let message = format!("this is the gateway itself, which listens on {own}");
                let hint = "name the address of the app; the two cannot share a port";
                report.add(report.problem(span, message).hint(hint));
            }
        }
    }
}

/// Gives a name to every route that has none, and sees that no two have the same.
fn name_all(report: &Report<'_>, routes: &mut [RouteConfig], spans: &[Spans]) {
    let mut taken: HashMap<String, usize> = HashMap::new();
    for (route, span) in routes.iter().zip(spans) {
        let Some(name_span) = &span.name else { continue };
        if let Some(line) = taken
            .insert(route.name.clone(), route.line)
            .filter(|_| !route.name.is_empty())
        {
            let message = format!("the route on line {line} is called \"{}\" as well", route.name);
            report.add(report.problem(name_span, message));
        }
    }
    for (route, _) in routes
        .iter_mut()
        .zip(spans)
        .filter(|(_, span)| span.name.is_none())
    {
        let made = route.made_name();
        let candidates =
            std::iter::once(made.clone()).chain((2..).map(|number: u32| format!("{made}-{number}")));
        if let Some(free) = candidates.into_iter().find(|name| !taken.contains_key(name)) {
            taken.insert(free.clone(), route.line);
            route.name = free;
        }
    }
}

/// Legal, and now and then meant: doors that stand open.
fn warn_of_open_doors(report: &Report<'_>, routes: &[RouteConfig], spans: &[Spans]) {
    if !routes.is_empty() && routes.iter().all(|route| route.access == Access::Public) {
        if let Some(first) = spans.first() {
            let problem = report.problem(
                &first.route,
                "every route is public, so nobody will ever be asked to sign in",
            );
            report.add(
                problem
                    .hint("leave `access` out where people should sign in")
                    .warning(),
            );
        }
        return;
    }
    for (route, span) in routes
        .iter()
        .zip(spans)
        .filter(|(route, _)| route.access == Access::Public)
    {
        let below = routes.iter().find(|other| {
            other.access != Access::Public
                && other.path.len() > route.path.len()
                && other.path.starts_with(&route.path)
        });
        if let (Some(below), Some(access)) = (below, &span.access) {
            let message = format!(
                "this route is public, and the one on line {} below it is not",
                below.line
            );
            let hint = "an app that ignores the case of paths, or rewrites them, would show the second through the first";
            report.add(report.problem(access, message).hint(hint).warning());
        }
    }
}
