use proptest::prelude::*;

use super::*;

#[test]
fn a_path_with_a_second_reading_is_refused() {
    for (path, why) in [
        ("", TargetError::NotAPath),
        ("*", TargetError::NotAPath),
        ("admin", TargetError::NotAPath),
        ("/public/../admin", TargetError::DotSegment),
        ("/public/./admin", TargetError::DotSegment),
        ("/..", TargetError::DotSegment),
        ("/public/%2e%2e/admin", TargetError::DotSegment),
        ("/public/%2E%2e/admin", TargetError::DotSegment),
        ("/public/.%2e/admin", TargetError::DotSegment),
        ("/public/%2e/admin", TargetError::DotSegment),
        ("/public/..;/admin", TargetError::DotSegment),
        ("/public/..;x=1/admin", TargetError::DotSegment),
        ("/public/.;/admin", TargetError::DotSegment),
        ("/public/%2e%2e;/admin", TargetError::DotSegment),
        ("/public/..%3b/admin", TargetError::DotSegment),
        ("/public/%252e%252e/admin", TargetError::DotSegment),
        ("/public/..%253b/admin", TargetError::DotSegment),
        ("/public/..%252fadmin", TargetError::DotSegment),
        ("/public%252f..%255cadmin", TargetError::DotSegment),
        ("/public//../admin", TargetError::DotSegment),
        ("/public/..%2fadmin", TargetError::EncodedSlash),
        ("/public%2f..%2fadmin", TargetError::EncodedSlash),
        ("/a%2Fb", TargetError::EncodedSlash),
        ("/public\\..\\admin", TargetError::Backslash),
        ("/public/%5c..%5cadmin", TargetError::Backslash),
        ("/a%00", TargetError::ForbiddenByte),
        ("/a%0d%0aSet-Cookie:x=1", TargetError::ForbiddenByte),
        ("/a%7f", TargetError::ForbiddenByte),
        ("/a\u{1}", TargetError::ForbiddenByte),
        ("/a b", TargetError::ForbiddenByte),
        ("/caf\u{e9}", TargetError::ForbiddenByte),
        ("/%ZZ", TargetError::BadPercentCode),
        ("/%", TargetError::BadPercentCode),
        ("/%4", TargetError::BadPercentCode),
        ("/a%c0%ae%c0%ae/b", TargetError::Overlong),
        ("/a%c0%af", TargetError::Overlong),
        ("/a%e0%80%af", TargetError::Overlong),
        ("/a%f0%80%80%af", TargetError::Overlong),
    ] {
        assert_eq!(
            NormalPath::parse(path).map(NormalPath::as_str),
            Err(why),
            "{path}"
        );
    }
}

#[test]
fn matching_sees_decoded_segments_without_parameters_and_empty_ones() {
    for (path, segments) in [
        ("/", &[][..]),
        ("//", &[]),
        ("/admin", &["admin"]),
        ("/%61dmin", &["admin"]),
        ("//admin/secret", &["admin", "secret"]),
        ("///admin", &["admin"]),
        ("/admin/", &["admin"]),
        ("/admin;jsessionid=1/x", &["admin", "x"]),
        ("/;x/admin", &["admin"]),
        ("/a.b/..c/...", &["a.b", "..c", "..."]),
        ("/100%25", &["100%"]),
        ("/a%252fb%255c..c", &["a%2fb%5c..c"]),
        ("/%E2%82%AC", &["\u{20ac}"]),
    ] {
        let path = NormalPath::parse(path).unwrap();
        let found: Vec<_> = path
            .segments()
            .map(|s| String::from_utf8(s.into_owned()).unwrap())
            .collect();
        assert_eq!(found, segments, "{}", path.as_str());
    }
}

#[test]
fn a_host_has_one_spelling() {
    for (written, host) in [
        ("app.example.com", "app.example.com"),
        ("APP.Example.COM", "app.example.com"),
        ("app.example.com.", "app.example.com"),
        ("app.example.com:443", "app.example.com"),
        ("App.example.com.:8443", "app.example.com"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]:8443", "[::1]"),
        ("[0:0:0:0:0:0:0:1]", "[::1]"),
        ("[2001:DB8:0::1]:80", "[2001:db8::1]"),
        ("my_app", "my_app"),
    ] {
        assert_eq!(Host::parse(written).unwrap().as_str(), host, "{written}");
    }
    for bad in [
        "",
        ".",
        "..",
        "a..",
        ".a",
        "a..b",
        "a b",
        "user@host",
        "host:",
        "host:x",
        "host:99999",
        "host:+1",
        "a/b",
        "[::1",
        "[]",
        "[::1%25eth0]",
        "[a]",
        "[::1]x",
        "[::1]x:80",
        "[::1]:80:80",
        "a,b",
        "é",
        "%61",
    ] {
        assert_eq!(Host::parse(bad), Err(TargetError::BadHost), "{bad}");
    }
}

#[test]
fn a_request_names_exactly_one_host() {
    let check = |uri: &str, version, hosts: &[&str]| {
        let uri: Uri = uri.parse().unwrap();
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, host.parse().unwrap());
        }
        Target::of(&uri, version, &headers).map(|t| t.host.map(|h| h.as_str().to_owned()))
    };
    let http11 = Version::HTTP_11;
    assert_eq!(check("/", http11, &["a"]), Ok(Some("a".into())));
    assert_eq!(check("/", http11, &[]), Err(TargetError::NoHost));
    assert_eq!(check("/", Version::HTTP_10, &[]), Ok(None));
    assert_eq!(check("/", http11, &["a", "a"]), Err(TargetError::SeveralHosts));
    assert_eq!(check("http://a/x", http11, &["a"]), Ok(Some("a".into())));
    assert_eq!(check("http://a/x", http11, &["A"]), Ok(Some("a".into())));
    assert_eq!(
        check("http://evil/x", http11, &["a"]),
        Err(TargetError::SeveralHosts)
    );
    assert_eq!(check("https://a/x", Version::HTTP_2, &[]), Ok(Some("a".into())));
    assert_eq!(check("a:80", http11, &["a:80"]), Err(TargetError::NotAPath));
    assert_eq!(check("*", http11, &["a"]), Err(TargetError::NotAPath));
    for scheme in ["ftp", "javascript", "httpx"] {
        let target = format!("{scheme}://a/x");
        assert_eq!(
            check(&target, http11, &["a"]),
            Err(TargetError::NotAPath),
            "{target}"
        );
    }
}

proptest! {
    /// Whatever is accepted, an upstream that decodes it, folds `//` and cuts parameters off climbs nowhere.
    #[test]
    fn an_accepted_path_has_no_second_reading(path in "/([a-z./;%\\\\]|%2e|%2f|%5c|%25|\\.\\.|//){0,12}") {
        if let Ok(path) = NormalPath::parse(&path) {
            for segment in path.segments() {
                let decoded: Vec<u8> = percent_encoding::percent_decode(&segment).collect();
                for reading in [segment.as_ref(), &decoded] {
                    prop_assert!(reading != b"." && reading != b"..");
                    prop_assert!(!segment.contains(&b'/') && !segment.contains(&b'\\'));
                }
            }
        }
    }
}
