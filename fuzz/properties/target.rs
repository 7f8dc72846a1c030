//! A path that passes has one reading, however often it is decoded; and so has a host.

use http::{HeaderMap, HeaderValue, Uri, Version, header};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode, percent_encode};
use portcullis::http::target::{Host, NormalPath, Target};

/// Panics where it does not hold: for the bytes as a path, as a host, and as a request's target with a Host.
pub fn holds(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes) {
        if let Ok(path) = NormalPath::parse(text) {
            path_has_one_reading(text, path);
        }
        if let Ok(host) = Host::parse(text) {
            host_has_one_reading(&host);
        }
    }
    let mut lines = bytes.splitn(2, |&byte| byte == b'\n');
    let (Some(target), Some(host)) = (lines.next(), lines.next()) else {
        return;
    };
    if let (Ok(uri), Ok(host)) = (Uri::try_from(target), HeaderValue::from_bytes(host)) {
        let headers = HeaderMap::from_iter([(header::HOST, host)]);
        if let Ok(target) = Target::of(&uri, Version::HTTP_11, &headers) {
            path_has_one_reading(uri.path(), target.path);
            host_has_one_reading(&target.host.unwrap());
        }
    }
}

fn path_has_one_reading(text: &str, path: NormalPath<'_>) {
    assert_eq!(path.as_str(), text, "what is accepted travels on as it is");
    assert!(text.starts_with('/'));
    let segments: Vec<Vec<u8>> = path.segments().map(|segment| segment.to_vec()).collect();
    for segment in &segments {
        let twice: Vec<u8> = percent_decode(segment).collect();
        for name in [segment, &twice] {
            let name = name.split(|&byte| byte == b';').next().unwrap();
            assert!(name != b"." && name != b"..", "{text:?} climbs");
        }
        assert!(!segment.is_empty());
        assert!(
            !segment
                .iter()
                .any(|byte| matches!(byte, b'/' | b'\\' | 0..=0x1f | 0x7f)),
            "{text:?}"
        );
    }
    // The same names in another spelling are the same names.
    let encoded: String = segments
        .iter()
        .map(|segment| format!("/{}", percent_encode(segment, NON_ALPHANUMERIC)))
        .collect();
    if !segments.is_empty() {
        let again =
            NormalPath::parse(&encoded).unwrap_or_else(|error| panic!("{text:?}, {encoded:?}: {error}"));
        assert!(
            again.segments().eq(segments.iter().map(Vec::as_slice)),
            "{text:?}"
        );
    }
}

fn host_has_one_reading(host: &Host<'_>) {
    let name = host.as_str();
    assert_eq!(&Host::parse(name).unwrap(), host, "its own form is its form");
    assert!(!name.is_empty() && !name.ends_with('.') && !name.bytes().any(|byte| byte.is_ascii_uppercase()));
    assert!(name.starts_with('[') || !name.contains(':'), "{name}");
}
