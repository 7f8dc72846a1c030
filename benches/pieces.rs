//! What the pieces on a request's way cost: `cargo bench`. `cargo test --benches -- --test` runs each of them once.
//!
//! Beside what browsers send each piece gets what an attacker would: a cost that grows faster than the input shows
//! here first.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench that meets what it did not expect is to fail, and nobody else uses it"
)]

use std::{
    fmt::Write,
    fs,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header};
use portcullis::{
    authenticate::Authenticator,
    clock::Timestamp,
    config::{self, AcceptedCredentials, Config},
    http::{
        cookies,
        hygiene::{self, OwnHeaders},
        request_id::RequestIds,
        target::{NormalPath, Target},
    },
    identity::{Identity, UserName},
    route::RouteTable,
    session::{Device, SessionStore, id::SessionKey, lifetime::Lifetime, memory::MemoryStore},
    store::Store,
    token::{
        KeyRing, PersonalTokens, Revocations, SignedToken, TokenCache, Trusts,
        issue::{Wanted, issue},
    },
    upstream::Targets,
    users::UserDirectory,
};
use secrecy::ExposeSecret;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
const COOKIE: &str = "__Host-portcullis";

/// A session cookie of the right form that is nobody's.
const STRANGER: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

criterion_group!(
    pieces,
    target,
    route,
    hygiene,
    cookie,
    session,
    token,
    authenticate,
    request_id
);
criterion_main!(pieces);

fn target(c: &mut Criterion) {
    let mut group = c.benchmark_group("target");
    let ordinary = "/wiki/Caf%C3%A9/Main%20Page?action=edit&section=2".to_owned();
    for (name, path) in [
        ("a page of a wiki is read", ordinary),
        ("two thousand slashes are read", "/".repeat(2_000)),
        (
            "a thousand parameters are read",
            format!("/a{}", ";b".repeat(1_000)),
        ),
        (
            "a thousand double encodings are read",
            format!("/{}", "%2541".repeat(1_000)),
        ),
        (
            "a climb at the end of a long path is refused",
            format!("{}/%2e%2e", "/a".repeat(2_000)),
        ),
        (
            "an overlong dot at the end is refused",
            format!("/{}%c0%ae", "%41".repeat(1_000)),
        ),
    ] {
        let uri: Uri = path.parse().unwrap();
        let headers = headers(&[("host", "wiki.example.com:8443")]);
        let read =
            || Target::of(&uri, Version::HTTP_11, &headers).map(|target| target.path.segments().count());
        assert_eq!(read().is_err(), name.ends_with("refused"), "{name}");
        group.bench_function(name, |b| b.iter(read));
    }
}

fn route(c: &mut Criterion) {
    let mut group = c.benchmark_group("route");
    for count in [10, 10_000] {
        let mut text = String::new();
        for number in 0..count {
            let host = format!("host{}.example.com", number % 100);
            writeln!(text, "[[route]]\nhost = \"{host}\"\npath = \"/apps/{number}\"").unwrap();
            writeln!(text, "upstream = \"http://127.0.0.1:3000\"").unwrap();
        }
        let config = config(&text);
        let table = RouteTable::new(
            &config.routes,
            &config.server.limits,
            Targets::new(Instant::now()).unwrap(),
        )
        .unwrap();
        let find = |path: &str| {
            let path = NormalPath::parse(path).unwrap();
            table.find(Some("host7.example.com"), path, &Method::GET).is_ok()
        };
        assert!(find("/apps/7/notes/2024/readme") && !find("/apps"));
        group.bench_function(format!("the one among {count} is found"), |b| {
            b.iter(|| find("/apps/7/notes/2024/readme"));
        });
        group.bench_function(format!("none among {count} is found"), |b| {
            b.iter(|| find("/apps"));
        });
    }
}

fn hygiene(c: &mut Criterion) {
    let mut group = c.benchmark_group("header hygiene");
    let own = OwnHeaders::new([&HeaderName::from_static("x-webauth-user")]);
    let clean = |headers: &mut HeaderMap| {
        let named = hygiene::named_by_connection(headers);
        let passes = |name: &&HeaderName| {
            **name != header::COOKIE
                && !hygiene::is_hop_by_hop(name)
                && !own.contains(name.as_str())
                && !named.contains(name)
        };
        let cookies = cookies::without(headers, &[COOKIE]);
        headers.keys().filter(passes).count() + usize::from(cookies.is_some())
    };
    let mut hostile = HeaderMap::new();
    for number in 0..50 {
        let spelling = HeaderName::try_from(format!("x_forwarded.user{number}")).unwrap();
        hostile.append(&spelling, HeaderValue::from_static("admin"));
        hostile.append(header::CONNECTION, spelling.as_str().parse().unwrap());
    }
    for (name, headers, left) in [
        (
            "a browser's headers keep all but our cookie",
            browser(STRANGER),
            browser(STRANGER).len(),
        ),
        ("a hundred hostile headers are taken out", hostile, 0),
    ] {
        assert_eq!(clean(&mut headers.clone()), left, "{name}");
        group.bench_function(name, |b| {
            b.iter_batched_ref(|| headers.clone(), clean, BatchSize::SmallInput);
        });
    }
}

fn cookie(c: &mut Criterion) {
    let mut group = c.benchmark_group("cookie");
    let crumbs = "a=b;".repeat(8_000);
    for (name, headers) in [
        ("ours is found among a browser's", browser(STRANGER)),
        (
            "none is found among eight thousand",
            headers(&[("cookie", &crumbs)]),
        ),
    ] {
        group.bench_function(name, |b| b.iter(|| cookies::find(&headers, COOKIE)));
    }
}

fn session(c: &mut Criterion) {
    let mut group = c.benchmark_group("session");
    // Once through is enough to see that it works, and a million sign-ins take an unoptimised build a minute.
    let count = match std::env::args().any(|argument| argument == "--test") {
        true => 1_000,
        false => 1_000_000,
    };
    let store = SessionStore::Memory(MemoryStore::new(20));
    let lifetime = Lifetime {
        idle: Duration::from_secs(1_800),
        absolute: Duration::from_secs(43_200),
        remembered: false,
    };
    let people = (0..count / 20).map(|number| {
        let username = UserName::parse(&format!("user{number}")).unwrap();
        Arc::new(Identity::new(
            username,
            None,
            None,
            vec!["staff".to_owned()],
            None,
        ))
    });
    let mut tokens: Vec<String> = people
        .flat_map(|person| std::iter::repeat_n(person, 20))
        .map(|person| {
            let device = Device::new("bench", IpAddr::V4(Ipv4Addr::LOCALHOST).into());
            let made = store.create(person, device, lifetime, NOW).now_or_never();
            made.unwrap().unwrap().token.expose().to_owned()
        })
        .collect();
    assert_eq!(store.len(), count);
    // Cookies come in no order, so that each finds its session out of the processor's caches. Their letters are random.
    tokens.sort_unstable();
    let mut next = tokens.iter().cycle();
    group.bench_function("one among 1,000,000 is found and renewed", |b| {
        b.iter(|| {
            let key = SessionKey::of_cookie(next.next().unwrap().as_bytes()).unwrap();
            let found = store.find(&key, NOW).now_or_never().unwrap().unwrap();
            found.unwrap().renew(NOW);
        });
    });
    group.bench_function("a cookie that is nobody's is looked up", |b| {
        let key = || SessionKey::of_cookie(STRANGER.as_bytes()).unwrap();
        b.iter(|| assert!(store.find(&key(), NOW).now_or_never().unwrap().unwrap().is_none()));
    });
}

fn token(c: &mut Criterion) {
    let mut group = c.benchmark_group("token");
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let trusts = Trusts::default();
    let key_pairs = ["ES256", "ES384", "EdDSA", "RS256", "PS256"].map(|algorithm| {
        let key = format!("keys = {:?}", keys.join(algorithm));
        (algorithm, key)
    });
    let secrets = ["HS256", "HS384", "HS512"].map(|algorithm| {
        let key = format!("secret = \"{}\"", "a secret ".repeat(8));
        (algorithm, key)
    });
    for (algorithm, key) in key_pairs.into_iter().chain(secrets) {
        let config = config(&format!(
            "[token]\nalgorithm = \"{algorithm}\"\n{key}\n[[route]]\nupstream = \"http://127.0.0.1:3000\"\n"
        ));
        let keys = KeyRing::open(&config.token).unwrap();
        let token = issue(
            &keys,
            &config.token,
            &alice(),
            &Wanted::plain(&config.token, NOW),
            NOW,
        )
        .unwrap()
        .token;
        let good = token.expose_secret();
        let (signed, _) = good.rsplit_once('.').unwrap();
        let forged = format!("{signed}.{}", "A".repeat(good.len() - signed.len() - 1));
        for (what, token) in [("good", good), ("forged", &forged)] {
            let check = || SignedToken::verify(&keys, &trusts, token, NOW).is_ok();
            assert_eq!(check(), what == "good");
            group.bench_function(format!("a {what} {algorithm} one is checked"), |b| b.iter(check));
        }
        for (what, token) in hostile(good) {
            group.bench_function(format!("{what} is no {algorithm} one"), |b| {
                b.iter(|| SignedToken::verify(&keys, &trusts, &token, NOW).is_err());
            });
        }
        let cache = TokenCache::default();
        group.bench_function(format!("a cached {algorithm} one is found"), |b| {
            b.iter(|| cache.verify(&keys, &trusts, &config.token, good, NOW).unwrap());
        });
    }
}

/// What somebody sends who wants it to cost something.
fn hostile(good: &str) -> [(&'static str, String); 4] {
    let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let (_, rest) = good.split_once('.').unwrap();
    let nested = encode(&format!("{}1{}", "[".repeat(2000), "]".repeat(2000)));
    let kid = encode(&format!(
        r#"{{"alg":"ES256","typ":"at+jwt","kid":"{}"}}"#,
        "k".repeat(5000)
    ));
    [
        ("a megabyte of dots", ".".repeat(1_000_000)),
        ("8 KiB of dots", ".".repeat(8192)),
        ("a header of nested lists", format!("{nested}.{rest}")),
        ("a huge kid", format!("{kid}.{rest}")),
    ]
}

/// What a request's credentials cost from the second request on.
fn authenticate(c: &mut Criterion) {
    let mut group = c.benchmark_group("authenticate");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.toml");
    fs::write(
        &file,
        "[[user]]\nname = \"alice\"\nroles = [\"staff\", \"dev\"]\n",
    )
    .unwrap();
    let keys = folder.path().join("keys");
    let config = config(&format!(
        "[token]\nkeys = {keys:?}\n[[route]]\nupstream = \"http://127.0.0.1:3000\"\n"
    ));
    let store = Arc::new(Store::open(&folder.path().join("tokens.redb")).unwrap());
    let authenticator = Authenticator {
        sessions: SessionStore::Memory(MemoryStore::new(config.session.max_per_user)),
        cookie: COOKIE.to_owned(),
        keys: KeyRing::open(&config.token).unwrap(),
        trusts: Trusts::default(),
        revocations: Revocations::new(store),
        personal: Arc::new(PersonalTokens::open(folder.path().join("tokens")).unwrap()),
        token: config.token,
        users: Arc::new(UserDirectory::open(&file, 1 << 20).unwrap()),
    };
    let alice = authenticator.users.find(&alice().username).unwrap().unwrap();
    let token = issue(
        &authenticator.keys,
        &authenticator.token,
        &alice.identity(),
        &Wanted::plain(&authenticator.token, NOW),
        NOW,
    );
    let device = Device::new("bench", IpAddr::V4(Ipv4Addr::LOCALHOST).into());
    let lifetime = Lifetime::of(&config.session, false);
    let session = authenticator
        .sessions
        .create(alice.identity(), device, lifetime, NOW);
    let session = session.now_or_never().unwrap().unwrap();
    let mut by_token = browser(STRANGER);
    let bearer = format!("Bearer {}", token.unwrap().token.expose_secret());
    by_token.remove(header::COOKIE);
    by_token.insert(header::AUTHORIZATION, bearer.parse().unwrap());
    let cache = TokenCache::default();
    for (name, headers) in [
        ("a session cookie is enough", browser(session.token.expose())),
        ("a cached token is enough", by_token),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let found = authenticator
                    .authenticate(AcceptedCredentials::default(), &headers, NOW, &cache)
                    .now_or_never();
                found.unwrap().unwrap().caller.unwrap()
            });
        });
    }
}

fn request_id(c: &mut Criterion) {
    let ids = RequestIds::new().unwrap();
    c.bench_function("request id: the next one", |b| {
        b.iter(|| ids.next().header_value());
    });
}

/// The configuration that this text makes.
fn config(text: &str) -> Config {
    config::load_str(text.to_owned(), Path::new("gateway.toml"), &|_| None)
        .unwrap()
        .config
}

fn alice() -> Identity {
    Identity::new(
        UserName::parse("alice").unwrap(),
        Some("Alice Liddell".to_owned()),
        Some("alice@example.com".to_owned()),
        vec!["staff".to_owned(), "dev".to_owned()],
        None,
    )
}

/// What a browser sends with every click: our cookie is one of many.
fn browser(session: &str) -> HeaderMap {
    let cookies = format!("theme=dark; _ga=GA1.2.1234567890.1700000000; {COOKIE}={session}; lang=en");
    headers(&[
        ("host", "wiki.example.com"),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        ),
        (
            "accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        ),
        ("accept-language", "en-GB,en;q=0.7,de;q=0.3"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("referer", "https://wiki.example.com/Start"),
        ("cookie", &cookies),
        ("upgrade-insecure-requests", "1"),
        ("sec-fetch-dest", "document"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "same-origin"),
        ("priority", "u=0, i"),
    ])
}

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let field =
        |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), value.parse().unwrap());
    fields.iter().map(field).collect()
}
