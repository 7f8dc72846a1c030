//! Looking for headers that mostly are not there.
//!
//! A map finds that out by a hash of the name and two looks elsewhere. A request has a handful of headers, and a look at
//! all of their names costs less than one such search.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The values of a header, in their order: all of its lines.
pub fn all<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h HeaderValue> {
    headers
        .iter()
        .filter(move |(other, _)| *other == name)
        .map(|(_, value)| value)
}

/// The first value of a header.
pub fn first<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    all(headers, name).next()
}

/// Whether a header is there.
pub fn has(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.keys().any(|other| other == name)
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    #[test]
    fn what_is_found_is_what_the_map_finds() {
        let x = HeaderName::from_static("x-a");
        let mut headers = HeaderMap::new();
        for value in ["1", "2"] {
            headers.append(x.clone(), HeaderValue::from_static(value));
            headers.append(header::ACCEPT, HeaderValue::from_static(value));
        }
        headers.append(header::HOST, HeaderValue::from_static("h"));
        for name in [&x, &header::ACCEPT, &header::HOST, &header::COOKIE] {
            let found: Vec<_> = all(&headers, name).collect();
            let expected: Vec<_> = headers.get_all(name).iter().collect();
            assert_eq!(found, expected, "{name}");
            assert_eq!(first(&headers, name), headers.get(name), "{name}");
            assert_eq!(has(&headers, name), headers.contains_key(name), "{name}");
        }
    }
}
