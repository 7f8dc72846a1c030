use std::time::{Duration, Instant};

use super::*;
use crate::{
    config::{
        AcceptedCredentials, Access, CrossOrigin, Rewriting, RouteTimeouts, UpstreamLogin, UpstreamScheme,
        UpstreamTls, UpstreamUrl,
    },
    upstream::Targets,
};

const LIMITS: LimitsConfig = LimitsConfig {
    max_connections: 1,
    header_timeout: Duration::from_secs(1),
    idle_timeout: Duration::from_secs(1),
    send_timeout: Duration::from_secs(1),
    max_header_bytes: 8192,
    max_body: 1,
};

/// A table of routes written as `name host path methods`, with `-` for "any".
fn table(routes: &[&str]) -> RouteTable {
    let configs: Vec<_> = routes.iter().map(|route| config(route)).collect();
    RouteTable::new(&configs, &LIMITS, Targets::new(Instant::now()).unwrap()).unwrap()
}

fn config(route: &str) -> RouteConfig {
    let [name, host, path, methods] = route.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let host = match host.strip_prefix('*') {
        Some(suffix) => Some(HostPattern::Wildcard(suffix.to_owned())),
        None => (host != "-").then(|| HostPattern::Exact(host.to_owned())),
    };
    RouteConfig {
        name: name.to_owned(),
        hosts: host.into_iter().collect(),
        path: path
            .split('/')
            .filter(|s| !s.is_empty())
            .map(|s| s.as_bytes().to_vec())
            .collect(),
        methods: (methods != "-").then(|| methods.split(',').map(|m| m.parse().unwrap()).collect()),
        access: Access::Public,
        credentials: AcceptedCredentials::default(),
        login: UpstreamLogin::default(),
        renews_session: true,
        session_expires_at: false,
        upstreams: UpstreamUrl::Tcp {
            scheme: UpstreamScheme::Http,
            host: "127.0.0.1".to_owned(),
            port: 1,
        }
        .into(),
        upstream_tls: UpstreamTls::default(),
        timeout: RouteTimeouts {
            connect: Duration::ZERO,
            response: Duration::ZERO,
            idle: None,
        },
        headers: Vec::new(),
        strip_prefix: false,
        rewriting: Rewriting::default(),
        cross_origin: CrossOrigin::Block,
        max_body: None,
        line: 1,
    }
}

fn found(table: &RouteTable, request: &str) -> String {
    let [method, host, path] = request.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let host = (host != "-").then_some(host);
    match table.find(host, NormalPath::parse(path).unwrap(), &method.parse().unwrap()) {
        Ok(route) => route.name.to_string(),
        Err(Refusal::NoRoute) => "404".to_owned(),
        Err(Refusal::MethodNotAllowed { allow }) => format!("405 {allow}"),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn the_most_specific_route_wins_whatever_the_order() {
    let mut routes = [
        "root - / -",
        "app - /app -",
        "app-admin - /app/admin -",
        "wiki wiki.example.com / -",
        "wiki-edit wiki.example.com /edit -",
        "any-sub *.example.com / -",
        "deep-sub *.deep.example.com / -",
        "only-assets cdn.example.com /assets -",
    ];
    for _ in 0..routes.len() {
        routes.rotate_left(1);
        let table = table(&routes);
        for (request, route) in [
            ("GET - /", "root"),
            ("GET other.org /app", "app"),
            ("GET other.org /app/", "app"),
            ("GET other.org //app//admin", "app-admin"),
            ("GET other.org /%61pp/%61dmin/x", "app-admin"),
            ("GET other.org /app;v=1/admin;v=2/x", "app-admin"),
            ("GET other.org /apple", "root"),
            ("GET other.org /APP", "root"),
            ("GET wiki.example.com /app", "wiki"),
            ("GET wiki.example.com /edit/page", "wiki-edit"),
            ("GET a.example.com /edit", "any-sub"),
            ("GET a.b.example.com /", "any-sub"),
            ("GET a.deep.example.com /", "deep-sub"),
            ("GET deep.example.com /", "any-sub"),
            ("GET example.com /", "root"),
            ("GET .example.com /", "root"),
            ("GET notexample.com /", "root"),
            ("GET cdn.example.com /assets/x", "only-assets"),
            ("GET cdn.example.com /other", "any-sub"),
        ] {
            assert_eq!(found(&table, request), route, "{request}");
        }
    }
}

#[test]
fn methods_refuse_and_never_fall_through_to_another_rule() {
    let table = table(&[
        "read - /app GET,HEAD",
        "write - /app POST",
        "root - / -",
        "h only.example.com /x GET",
    ]);
    for (request, route) in [
        ("GET - /app", "read"),
        ("POST - /app", "write"),
        ("DELETE - /app/x", "405 GET, HEAD, POST"),
        ("DELETE - /", "root"),
        ("POST only.example.com /x", "405 GET"),
    ] {
        assert_eq!(found(&table, request), route, "{request}");
    }
    assert_eq!(
        found(&tests::table(&["h a.example.com /x -"]), "GET b.example.com /x"),
        "404"
    );
}

#[test]
fn a_hundred_and_fifty_hosts_change_nothing() {
    let routes: Vec<String> = (0..150)
        .map(|n| format!("r{n} h{n}.example.com /admin -"))
        .collect();
    let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
    let table = table(&routes);
    assert_eq!(found(&table, "GET h149.example.com /admin/x"), "r149");
    assert_eq!(found(&table, "GET h150.example.com /admin/x"), "404");
    assert_eq!(table.len(), 150);
}
