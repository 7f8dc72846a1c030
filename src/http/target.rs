//! The request's target: its host and its path, in the one form that rules and upstreams agree on.
//!
//! A path that a rule and an upstream could read differently has let people around every gateway
//! that tried to repair it. So nothing is repaired here: a path with a second reading is refused,
//! and what is accepted travels on byte for byte. Matching looks at [`NormalPath::segments`]:
//! percent-decoded, without empty ones (`//`) and without `;parameters`.

use std::{borrow::Cow, net::Ipv6Addr};

use http::{
    HeaderMap, Uri, Version, header,
    uri::{Authority, Scheme},
};

use super::fields;

/// Why a target is refused. The wording is for the client; it never repeats what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// `*`, an authority alone, or anything else that is no path.
    #[error("the request target must be a path that begins with \"/\"")]
    NotAPath,
    /// `%` not followed by two hexadecimal digits.
    #[error("the path has a \"%\" that is not followed by two hexadecimal digits")]
    BadPercentCode,
    /// `.` or `..` as a segment, encoded or with parameters too.
    #[error("the path has a dot segment (\".\" or \"..\")")]
    DotSegment,
    /// `%2F`.
    #[error("the path has an encoded slash (%2F)")]
    EncodedSlash,
    /// `\` or `%5C`.
    #[error("the path has a backslash")]
    Backslash,
    /// A control character, a NUL, or a byte outside ASCII that is not percent-encoded.
    #[error("the path has a control character, or a byte that must be percent-encoded")]
    ForbiddenByte,
    /// UTF-8 in a longer form than needed (RFC 3629, section 3), which old decoders read as `.` or `/`.
    #[error("the path has an overlong UTF-8 sequence")]
    Overlong,
    /// HTTP/1.1 and HTTP/2 requests name a host (RFC 9112, section 3.2).
    #[error("the request names no host")]
    NoHost,
    /// Two Host fields, or a Host that differs from the target's authority.
    #[error("the request names more than one host")]
    SeveralHosts,
    /// A Host that is no `host[:port]`.
    #[error("the Host header is not a host name with an optional port")]
    BadHost,
}

/// The path of a request, proven to have a single reading.
#[derive(Debug, Clone, Copy)]
pub struct NormalPath<'a>(&'a str);

impl<'a> NormalPath<'a> {
    /// Takes the path part of a target, without its query.
    ///
    /// # Errors
    /// Says which ambiguity the path has.
    pub fn parse(path: &'a str) -> Result<Self, TargetError> {
        if !path.starts_with('/') {
            return Err(TargetError::NotAPath);
        }
        for segment in path.as_bytes().split(|&byte| byte == b'/') {
            check_segment(segment)?;
        }
        Ok(Self(path))
    }

    /// The path exactly as it was sent.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// The segments that matching looks at: decoded, without `;parameters`, empty ones left out.
    pub fn segments(self) -> impl Iterator<Item = Cow<'a, [u8]>> {
        self.0
            .as_bytes()
            .split(|&byte| byte == b'/')
            .filter_map(|segment| {
                let name = segment.split(|&byte| byte == b';').next()?;
                (!name.is_empty()).then(|| Cow::from(percent_encoding::percent_decode(name)))
            })
    }
}

/// Refuses a segment that some upstream reads as something other than a plain name.
fn check_segment(segment: &[u8]) -> Result<(), TargetError> {
    let mut needs_decoding = false;
    for &byte in segment {
        match byte {
            b'%' => needs_decoding = true,
            b'\\' => return Err(TargetError::Backslash),
            0..=0x20 | 0x7f.. => return Err(TargetError::ForbiddenByte),
            _ => {}
        }
    }
    // Most segments end here: nothing encoded, and no dot in front.
    if !needs_decoding {
        return if is_dot_segment(segment) {
            Err(TargetError::DotSegment)
        } else {
            Ok(())
        };
    }
    check_percent_codes(segment)?;
    let decoded: Vec<u8> = percent_encoding::percent_decode(segment).collect();
    check_decoded(&decoded)?;
    // Some upstreams decode twice. A name that has a dot segment then is refused as well; other doubly encoded
    // names are ordinary (a file called "100%25", or an address within a path) and pass.
    let twice: Vec<u8> = percent_encoding::percent_decode(&decoded).collect();
    let mut names = twice.split(|byte| matches!(byte, b'/' | b'\\'));
    if is_dot_segment(&decoded) || names.any(is_dot_segment) {
        return Err(TargetError::DotSegment);
    }
    Ok(())
}

fn check_percent_codes(segment: &[u8]) -> Result<(), TargetError> {
    let mut rest = segment.iter();
    while let Some(byte) = rest.next() {
        if *byte == b'%' {
            let digits = (rest.next(), rest.next());
            if !matches!(digits, (Some(a), Some(b)) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()) {
                return Err(TargetError::BadPercentCode);
            }
        }
    }
    Ok(())
}

fn check_decoded(decoded: &[u8]) -> Result<(), TargetError> {
    let mut previous = 0;
    for &byte in decoded {
        match byte {
            b'/' => return Err(TargetError::EncodedSlash),
            b'\\' => return Err(TargetError::Backslash),
            0..=0x1f | 0x7f => return Err(TargetError::ForbiddenByte),
            // C0 and C1 begin nothing but overlong forms; E0 and F0 do when a low byte follows. In Latin-1 these
            // pairs would be a capital letter and a control character or a symbol, which no path has.
            0x80..=0xbf if matches!(previous, 0xc0 | 0xc1) => return Err(TargetError::Overlong),
            0x80..=0x9f if previous == 0xe0 => return Err(TargetError::Overlong),
            0x80..=0x8f if previous == 0xf0 => return Err(TargetError::Overlong),
            _ => {}
        }
        previous = byte;
    }
    Ok(())
}

/// `.` and `..`, with `;parameters` behind them too: Tomcat and its kin cut those off and then climb.
fn is_dot_segment(segment: &[u8]) -> bool {
    let name = segment.split(|&byte| byte == b';').next().unwrap_or_default();
    matches!(name, b"." | b"..")
}

/// The host a request is for: lower case, without port and without a trailing dot; an IPv6 address in the form of
/// RFC 5952.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host<'a>(Cow<'a, str>);

impl<'a> Host<'a> {
    /// From an authority of RFC 3986, section 3.2, which must not have user information.
    ///
    /// # Errors
    /// [`TargetError::BadHost`] when it is none.
    pub fn parse(authority: &'a str) -> Result<Self, TargetError> {
        if authority.starts_with('[') {
            return Self::parse_ipv6(authority);
        }
        let host_ends = authority.bytes().position(|byte| byte == b':');
        let (host, port) = authority.split_at(host_ends.unwrap_or(authority.len()));
        if !is_port(port) {
            return Err(TargetError::BadHost);
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        let mut upper_case = false;
        // An empty label (`a..`, `.a`) is one that some resolvers and virtual hosts drop.
        let mut label_is_empty = true;
        for byte in host.bytes() {
            match byte {
                b'.' if label_is_empty => return Err(TargetError::BadHost),
                b'.' => label_is_empty = true,
                b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => label_is_empty = false,
                b'A'..=b'Z' => {
                    label_is_empty = false;
                    upper_case = true;
                }
                _ => return Err(TargetError::BadHost),
            }
        }
        match (label_is_empty, upper_case) {
            (true, _) => Err(TargetError::BadHost),
            (false, true) => Ok(Self(Cow::Owned(host.to_ascii_lowercase()))),
            (false, false) => Ok(Self(Cow::Borrowed(host))),
        }
    }

    fn parse_ipv6(authority: &str) -> Result<Self, TargetError> {
        let inside = authority.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (address, port) = inside.ok_or(TargetError::BadHost)?;
        let address: Ipv6Addr = address.parse().map_err(|_| TargetError::BadHost)?;
        match is_port(port) {
            true => Ok(Self(Cow::Owned(format!("[{address}]")))),
            false => Err(TargetError::BadHost),
        }
    }

    /// The host as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether what follows a host is nothing, or a colon and a port number.
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        None => text.is_empty(),
        Some(port) => port.parse::<u16>().is_ok() && !port.starts_with('+'),
    }
}

/// A request's target, as routing and forwarding see it.
#[derive(Debug)]
pub struct Target<'a> {
    /// `host[:port]` as the client wrote it; `None` only for an HTTP/1.0 request without a Host header.
    pub authority: Option<&'a str>,
    /// The host alone.
    pub host: Option<Host<'a>>,
    /// The path.
    pub path: NormalPath<'a>,
}

impl<'a> Target<'a> {
    /// Reads the target out of a request's head.
    ///
    /// Where both the target and a Host header name a host they must agree: RFC 9112, section 3.2.2 lets the
    /// target win, but an upstream may not know that.
    ///
    /// # Errors
    /// Says which ambiguity the target has; such a request is answered 400 and never forwarded.
    pub fn of(uri: &'a Uri, version: Version, headers: &'a HeaderMap) -> Result<Self, TargetError> {
        let mut hosts = fields::all(headers, &header::HOST);
        let named = match hosts.next() {
            None => None,
            Some(value) => Some(value.to_str().map_err(|_| TargetError::BadHost)?),
        };
        if hosts.next().is_some() {
            return Err(TargetError::SeveralHosts);
        }
        let authority = match (uri.authority().map(Authority::as_str), named) {
            (Some(target), Some(named)) if !target.eq_ignore_ascii_case(named) => {
                return Err(TargetError::SeveralHosts);
            }
            (Some(either), _) | (None, Some(either)) => Some(either),
            (None, None) if version > Version::HTTP_10 => return Err(TargetError::NoHost),
            (None, None) => None,
        };
        let host = authority.map(Host::parse).transpose()?;
        // `uri.path()` makes `/` of a path that is missing, which nobody else need do.
        let path = uri.path_and_query().ok_or(TargetError::NotAPath)?;
        let of_http = |scheme: &Scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS;
        if !path.as_str().starts_with('/') || !uri.scheme().is_none_or(of_http) {
            return Err(TargetError::NotAPath);
        }
        Ok(Self {
            authority,
            host,
            path: NormalPath::parse(path.path())?,
        })
    }
}

#[cfg(test)]
mod tests;
