//! Where a request comes from, behind proxies.
//!
//! Only a trusted proxy is believed, and of a list that it hands on only what trusted proxies have written: read from
//! the right, where the nearest one writes, through addresses that are trusted themselves. The first that is not is the
//! client; to the left of it the client could have written anything. What is malformed ends the reading where it stands,
//! so that whoever writes garbage is taken for the proxy that handed it on, and for nobody else.
//!
//! Nothing here takes part in choosing a route: that is the real `Host` header's business alone.

use std::{
    borrow::Cow,
    fmt::{Display, Write},
    iter,
    net::{IpAddr, SocketAddr},
};

use http::{HeaderMap, HeaderName, HeaderValue, header::FORWARDED};

use super::target::Host;
use crate::{
    address::{ClientAddr, PeerAddr},
    config::TrustedProxies,
};

/// Names of the headers that proxies usually set.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The host that the client asked for.
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// The scheme that the client used.
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// More proxies than these do not stand in a row; a list goes on only in an attack.
const MAX_HOPS: usize = 64;

/// Where a connection comes from: what all of its requests have in common, worked out once.
#[derive(Debug)]
pub struct Hop {
    peer: PeerAddr,
    trusted: bool,
    forwarded_for: Option<HeaderValue>,
    forwarded: Box<str>,
}

impl Hop {
    /// A connection from this peer, whose headers are believed or not.
    pub fn new(peer: PeerAddr, trusted: bool) -> Self {
        Self {
            peer,
            trusted,
            forwarded_for: peer.ip().and_then(|address| value(&address)),
            forwarded: match peer.ip() {
                Some(address) => node(address).into(),
                // RFC 7239, section 6.3.
                None => "for=unknown".into(),
            },
        }
    }

    /// The other end.
    pub fn peer(&self) -> PeerAddr {
        self.peer
    }

    /// Whether it is a proxy that is believed.
    pub fn is_trusted(&self) -> bool {
        self.trusted
    }
}

/// Where a request comes from, and what the upstream is told of it.
#[derive(Debug)]
pub struct Origin<'a> {
    /// Who sent it.
    pub client: ClientAddr,
    /// How the client reached the proxy, if a trusted one says so.
    pub scheme: Option<&'static str>,
    /// Which host the client asked that proxy for, if it says so.
    pub host: Option<HeaderValue>,
    hop: &'a Hop,
    /// Who handed the request on before the peer did, the client first.
    before: Vec<IpAddr>,
}

impl<'a> Origin<'a> {
    /// Reads it out of a request's headers, which count only on a connection of a trusted proxy.
    pub fn of(hop: &'a Hop, headers: &HeaderMap, proxies: &TrustedProxies) -> Self {
        let origin = Self {
            client: hop.peer.as_client(),
            scheme: None,
            host: None,
            hop,
            before: Vec::new(),
        };
        if !hop.trusted {
            return origin;
        }
        // A proxy that sets one of these does not set `Forwarded`, which then is the client's.
        let usual = [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST];
        if usual.iter().any(|name| headers.contains_key(name)) {
            origin.by_usual_headers(headers, proxies)
        } else {
            origin.by_forwarded(headers, proxies)
        }
    }

    fn by_usual_headers(mut self, headers: &HeaderMap, proxies: &TrustedProxies) -> Self {
        let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
        let addresses = lines.flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b','));
        self.before = addresses.map_while(address).take(MAX_HOPS).collect();
        self.client = match self.nearest_stranger(proxies) {
            Some((_, address)) => address.into(),
            None => self.client,
        };
        self.before.reverse();
        self.scheme = only(headers, &X_FORWARDED_PROTO).and_then(|value| scheme(value.to_str().ok()?));
        self.host = only(headers, &X_FORWARDED_HOST)
            .filter(|value| is_host(value))
            .cloned();
        self
    }

    fn by_forwarded(mut self, headers: &HeaderMap, proxies: &TrustedProxies) -> Self {
        let lines = headers.get_all(FORWARDED).iter().rev();
        let elements = lines
            .map_while(|line| line.to_str().ok())
            .flat_map(elements_from_the_right)
            .map_while(Element::parse)
            .take(MAX_HOPS);
        let elements: Vec<Element> = elements.collect();
        self.before = elements.iter().map(|element| element.address).collect();
        if let Some((index, address)) = self.nearest_stranger(proxies) {
            self.client = address.into();
            // How the client came is known to the proxy that it came to, which wrote down the client's address.
            if let Some(element) = elements.into_iter().nth(index) {
                self.scheme = element.scheme;
                self.host = element.host;
            }
        }
        self.before.reverse();
        self
    }

    /// The first address that is no trusted proxy's, or else the last one there is; the list is still read from the
    /// right.
    fn nearest_stranger(&self, proxies: &TrustedProxies) -> Option<(usize, IpAddr)> {
        let strange = |address: &IpAddr| !proxies.contain(PeerAddr::from(*address));
        let index = self.before.iter().position(strange);
        let index = index.or_else(|| self.before.len().checked_sub(1))?;
        Some((index, *self.before.get(index)?))
    }

    /// Whether the client itself is known: not where a trusted proxy names nobody, whose requests may be anybody's.
    pub fn is_known(&self) -> bool {
        self.client.ip().is_some() && !(self.hop.trusted && self.before.is_empty())
    }

    /// `X-Forwarded-For` for the upstream: whoever a trusted proxy names, then the peer. Nothing where none has an
    /// address.
    pub fn forwarded_for(&self) -> Option<HeaderValue> {
        let Some((first, more)) = self.before.split_first() else {
            return self.hop.forwarded_for.clone();
        };
        let mut list = first.to_string();
        for address in more.iter().copied().chain(self.hop.peer.ip()) {
            // Writing to a String does not fail.
            let _ = write!(list, ", {address}");
        }
        value(&list)
    }

    /// The same as the beginning of `Forwarded` (RFC 7239): to be followed by what else is known of the peer's request.
    pub fn forwarded(&self) -> Cow<'a, str> {
        let peer = &*self.hop.forwarded;
        if self.before.is_empty() {
            return Cow::Borrowed(peer);
        }
        let mut list = String::new();
        for address in &self.before {
            list += &node(*address);
            list += ", ";
        }
        Cow::Owned(list + peer)
    }
}

/// An element of `Forwarded` that names an address.
struct Element {
    address: IpAddr,
    scheme: Option<&'static str>,
    host: Option<HeaderValue>,
}

impl Element {
    /// `for=192.0.2.1;proto=https;host=wiki.example.com`, in any order; other parameters are of no interest. `None`
    /// where anything is malformed, twice there, or `for` is no address.
    fn parse(text: &str) -> Option<Self> {
        let (mut by_whom, mut proto, mut host) = (None, None, None);
        for parameter in text.split(';') {
            let (name, value) = parameter.trim_matches(OWS).split_once('=')?;
            let value = unquoted(value)?;
            let known = match name.to_ascii_lowercase().as_str() {
                "for" => &mut by_whom,
                "proto" => &mut proto,
                "host" => &mut host,
                _ => continue,
            };
            if known.replace(value).is_some() {
                return None;
            }
        }
        Some(Self {
            address: address(by_whom?.as_bytes())?,
            scheme: proto.and_then(scheme),
            host: host.and_then(|host| value(&host)).filter(is_host),
        })
    }
}

const OWS: [char; 2] = [' ', '\t'];

/// The elements of a line of `Forwarded`, the last one first. Quotes are paired from the right as well: one that the
/// client has opened and not closed takes in nothing that a proxy has written behind it.
fn elements_from_the_right(line: &str) -> impl Iterator<Item = &str> {
    let mut left = Some(line);
    iter::from_fn(move || {
        let text = left?;
        let mut quoted = false;
        let comma = text.bytes().rposition(|byte| {
            quoted ^= byte == b'"';
            byte == b',' && !quoted
        });
        let (before, element) = match comma.and_then(|at| text.split_at_checked(at)) {
            Some((before, element)) => (Some(before), element.strip_prefix(',').unwrap_or(element)),
            None => (None, text),
        };
        left = before;
        Some(element)
    })
}

/// A parameter's value without its quotes. No address, scheme or host needs a quote or a backslash within.
fn unquoted(value: &str) -> Option<&str> {
    let inner = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => value,
    };
    (!inner.contains(['"', '\\'])).then_some(inner)
}

/// An address as proxies write it, with a port or without: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`,
/// `[2001:db8::1]:80`.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim_matches(OWS);
    let alone = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .map(|text| text.parse().map(IpAddr::V6).ok());
    let address = match alone {
        Some(address) => address,
        None => text
            .parse()
            .ok()
            .or_else(|| text.parse().ok().map(|full: SocketAddr| full.ip())),
    };
    address.map(|address| address.to_canonical())
}

/// A scheme that apps are told of.
fn scheme(text: &str) -> Option<&'static str> {
    ["https", "http"]
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(text))
}

fn is_host(value: &HeaderValue) -> bool {
    value.to_str().is_ok_and(|host| Host::parse(host).is_ok())
}

/// The value of a header that is there once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// RFC 7239, section 6: an IPv6 address stands in brackets, and both need quotes.
fn node(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("for={address}"),
        IpAddr::V6(address) => format!("for=\"[{address}]\""),
    }
}

fn value(text: &(impl Display + ?Sized)) -> Option<HeaderValue> {
    HeaderValue::try_from(text.to_string()).ok()
}

#[cfg(test)]
mod tests;
