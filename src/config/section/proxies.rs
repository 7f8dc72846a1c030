//! `trusted_proxies` and `proxy_protocol`: whom the gateway believes when it says where a request comes from.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use crate::{
    address::PeerAddr,
    config::reader::{Table, Value},
};

/// `trusted_proxies`, checked. Nobody is one by default.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    unix: bool,
}

impl TrustedProxies {
    /// Whether this is one of them.
    pub fn contain(&self, peer: PeerAddr) -> bool {
        match peer.ip() {
            Some(address) => self.networks.iter().any(|network| network.contains(&address)),
            None => self.unix,
        }
    }

    /// Reads both keys: whom to believe, and whether they all speak the PROXY protocol.
    pub(super) fn read(table: &mut Table<'_, '_>) -> (Self, bool) {
        let mut proxies = Self::default();
        let named = table
            .take("trusted_proxies")
            .map_or(Some(Vec::new()), Value::one_or_many);
        // A list that is none has been told of; it is not empty as well.
        let nobody = named.as_ref().is_some_and(Vec::is_empty);
        for value in named.into_iter().flatten() {
            proxies.add(&value);
        }
        let Some(value) = table.take("proxy_protocol") else {
            return (proxies, false);
        };
        let spoken = value.boolean().unwrap_or(false);
        if spoken && nobody {
            value.reject_with(
                "`proxy_protocol` is believed of `trusted_proxies` alone, and there are none, so nobody could connect",
                "name the networks of the proxies that speak it: trusted_proxies = [\"10.0.0.0/8\"]",
            );
        }
        (proxies, spoken)
    }

    fn add(&mut self, value: &Value<'_, '_>) {
        let Some(text) = value.string() else { return };
        if text == "unix" {
            self.unix = true;
            return;
        }
        let Some(network) = network(&text) else {
            let message = format!("\"{text}\" is no network, no address and not \"unix\"");
            return value.reject_with(
                message,
                "write one such as \"10.0.0.0/8\", \"192.0.2.1\" or \"fd00::/8\"",
            );
        };
        if network.trunc() != network {
            let message = format!("\"{text}\" is an address amid a network");
            let hint = format!(
                "write \"{}\" for the network, or \"{}\" for the address alone",
                network.trunc(),
                network.addr()
            );
            return value.reject_with(message, hint);
        }
        if network.prefix_len() == 0 {
            let message = format!("\"{text}\" is everybody: whoever connects can say to be anybody");
            value.warn(message, "name the networks of your proxies alone");
        }
        self.networks.push(network);
    }
}

/// A network, or an address as a network of one.
pub(in crate::config) fn network(text: &str) -> Option<IpNet> {
    let network = match text.parse() {
        Ok(network) => network,
        Err(_) => IpNet::from(text.parse::<IpAddr>().ok()?),
    };
    // Peers are compared in one spelling: `::ffff:10.0.0.0/104` is 10.0.0.0/8.
    Some(
        match (
            network.addr().to_canonical(),
            network.prefix_len().checked_sub(96),
        ) {
            (IpAddr::V4(address), Some(prefix)) if matches!(network, IpNet::V6(_)) => {
                IpNet::V4(Ipv4Net::new(address, prefix).ok()?)
            }
            _ => network,
        },
    )
}
