use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    authenticate::Proof,
    config::{
        AcceptedCredentials, CrossOrigin, LimitsConfig, Rewriting, RouteConfig, RouteTimeouts, UpstreamLogin,
        UpstreamScheme, UpstreamTls, UpstreamUrl,
    },
    identity::{Identity, UserName},
    token::Bearer,
    upstream::Targets,
};

fn route(access: Access) -> Arc<Route> {
    let limits = LimitsConfig {
        max_connections: 1,
        header_timeout: Duration::ZERO,
        idle_timeout: Duration::ZERO,
        send_timeout: Duration::ZERO,
        max_header_bytes: 1,
        max_body: 1,
    };
    let config = RouteConfig {
        name: "r".to_owned(),
        hosts: Vec::new(),
        path: Vec::new(),
        methods: None,
        access,
        credentials: AcceptedCredentials::default(),
        login: UpstreamLogin::default(),
        renews_session: true,
        session_expires_at: false,
        upstreams: UpstreamUrl::Tcp {
            scheme: UpstreamScheme::Http,
            host: "localhost".to_owned(),
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
    };
    let mut targets = Targets::new(Instant::now()).unwrap();
    Arc::new(Route::new(&config, &limits, &mut targets).unwrap())
}

/// A request by which nobody is harmed.
fn authorize(route: &Arc<Route>, authentication: Authentication) -> Result<Permit, Refusal> {
    let asked = Asked {
        method: &Method::GET,
        headers: &HeaderMap::new(),
        own: OwnOrigin {
            scheme: "https",
            authority: None,
        },
        client: ClientAddr::from(IpAddr::from([127, 0, 0, 1])),
    };
    super::authorize(route, authentication, asked)
}

fn caller(name: &str, roles: &[&str]) -> Authentication {
    let roles = roles.iter().map(ToString::to_string).collect();
    let identity = Identity::new(UserName::parse(name).unwrap(), None, None, roles, None);
    Authentication {
        caller: Some(Rc::new(Caller {
            proof: Proof::Bearer(Arc::new(Bearer {
                expires: u64::MAX,
                identity: Arc::new(identity),
                scopes: None,
                claims: serde_json::Map::new(),
                own: None,
            })),
        })),
        bad_token: None,
    }
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

#[test]
fn all_parts_of_a_rule_must_hold_and_one_entry_of_each_is_enough() {
    let roles = || RulePart::Roles(strings(&["staff", "admin"]));
    let users = || RulePart::Users(strings(&["alice", "bob"]));
    for (rule, name, has, verdict) in [
        (vec![], "anybody", &[][..], None),
        (vec![roles()], "alice", &["staff"], None),
        (vec![roles()], "alice", &["admin", "x"], None),
        (vec![roles()], "alice", &[], Some(Unmet::Roles)),
        (vec![roles()], "alice", &["Staff"], Some(Unmet::Roles)),
        (vec![roles()], "alice", &["staff,admin"], Some(Unmet::Roles)),
        (vec![roles()], "staff", &["sta"], Some(Unmet::Roles)),
        (vec![users()], "alice", &[], None),
        (vec![users()], "Alice", &[], Some(Unmet::Users)),
        (vec![users()], "alice2", &["alice"], Some(Unmet::Users)),
        (vec![roles(), users()], "alice", &["staff"], None),
        (vec![roles(), users()], "carol", &["staff"], Some(Unmet::Users)),
        (vec![roles(), users()], "alice", &[], Some(Unmet::Roles)),
    ] {
        let verdict_found = match authorize(&route(Access::Rule(rule.clone())), caller(name, has)) {
            Ok(permit) => {
                assert_eq!(permit.caller().unwrap().identity().username.as_str(), name);
                None
            }
            Err(Refusal::NotAllowed { why, .. }) => Some(why),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(verdict_found, verdict, "{rule:?} {name} {has:?}");
    }
}

#[test]
fn nobody_passes_only_where_nobody_is_asked_for() {
    assert!(
        authorize(&route(Access::Public), Authentication::default())
            .unwrap()
            .caller()
            .is_none()
    );
    assert!(
        authorize(&route(Access::Optional), Authentication::default())
            .unwrap()
            .caller()
            .is_none()
    );
    assert!(matches!(
        authorize(&route(Access::Rule(Vec::new())), Authentication::default()),
        Err(Refusal::NotSignedIn { bad_token: None })
    ));
}

#[test]
fn an_identity_goes_up_where_it_was_asked_for() {
    assert!(
        authorize(&route(Access::Public), caller("alice", &[]))
            .unwrap()
            .caller()
            .is_none()
    );
    assert!(
        authorize(&route(Access::Optional), caller("alice", &[]))
            .unwrap()
            .caller()
            .is_some()
    );
}
