//! Who is at the other end of a connection, and who a request comes from: two things that must never be taken for each
//! other, so two types. Behind a proxy the first is the proxy; `http::client_addr` finds the second.

use std::{fmt, net::IpAddr};

use serde::{Serialize, Serializer};

/// The other end of a connection, or whom the PROXY protocol names in its place. What it sends in headers is believed
/// only if it is a trusted proxy.
///
/// A unix socket's other end has no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddr(Option<IpAddr>);

/// Whom a request comes from, as far as anybody believable says so: what is logged, and what rules may rest on.
///
/// Nobody knows where a request comes from that arrived over a unix socket without a word about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddr(Option<IpAddr>);

impl PeerAddr {
    /// The other end of a unix socket.
    pub const UNIX: Self = Self(None);

    /// Its address, if it has one. An IPv4 address that is dressed up as an IPv6 one (`::ffff:192.0.2.1`) is the IPv4
    /// address.
    pub fn ip(self) -> Option<IpAddr> {
        self.0
    }

    /// The same as the client, where nobody believable names another.
    pub fn as_client(self) -> ClientAddr {
        ClientAddr(self.0)
    }
}

impl ClientAddr {
    /// Its address, if it is known; in one spelling, as that of a [`PeerAddr`].
    pub fn ip(self) -> Option<IpAddr> {
        self.0
    }
}

impl From<IpAddr> for PeerAddr {
    fn from(address: IpAddr) -> Self {
        Self(Some(address.to_canonical()))
    }
}

impl From<IpAddr> for ClientAddr {
    fn from(address: IpAddr) -> Self {
        Self(Some(address.to_canonical()))
    }
}

/// What stands in place of an address that is not there.
const UNIX: &str = "unix";

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_client().fmt(f)
    }
}

impl fmt::Display for ClientAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str(UNIX),
        }
    }
}

impl Serialize for ClientAddr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_has_one_spelling() {
        for (text, shown) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("::FFFF:C000:0201", "192.0.2.1"),
            ("2001:DB8::0:1", "2001:db8::1"),
            ("::192.0.2.1", "::c000:201"),
        ] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(PeerAddr::from(address).to_string(), shown);
            assert_eq!(ClientAddr::from(address).to_string(), shown);
        }
        assert_eq!(PeerAddr::UNIX.as_client().to_string(), "unix");
    }
}
