//! The PROXY protocol, versions 1 and 2 (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>): a header in
//! front of everything else, in which a proxy that only passes bytes on says whose they are.
//!
//! Nothing is taken from the connection beyond the header, and what is not exactly a header is none.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use tokio::io::AsyncReadExt;

use super::stream::Stream;

/// What a header of version 2 begins with.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest header of version 1, with its end.
const MAX_V1: usize = 107;

/// The longest header of version 2 that we wait for. nginx's limit; addresses need a tenth of it, and what follows them
/// is of no interest here.
const MAX_V2: usize = 4096;

/// Signature, version and command, family, length.
const V2_FIXED: usize = 16;

/// What the beginning of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// A whole header.
    Header {
        /// How long it is; the connection's own bytes follow.
        length: usize,
        /// Whose connection it is; `None` where the proxy speaks for itself, or does not know.
        source: Option<IpAddr>,
    },
    /// What may become one.
    Unfinished,
    /// None.
    Malformed,
}

/// Looks for a header at the beginning of these bytes.
pub fn parse(bytes: &[u8]) -> Beginning {
    let parsed = match bytes.strip_prefix(SIGNATURE) {
        Some(rest) => parse_v2(rest),
        None if SIGNATURE.starts_with(bytes) => Ok(None),
        None => parse_v1(bytes),
    };
    match parsed {
        Ok(Some((length, source))) => Beginning::Header { length, source },
        Ok(None) => Beginning::Unfinished,
        Err(NoHeader) => Beginning::Malformed,
    }
}

/// Not a header, and nothing that could become one.
struct NoHeader;

type Parsed = Result<Option<(usize, Option<IpAddr>)>, NoHeader>;

/// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n`.
fn parse_v1(bytes: &[u8]) -> Parsed {
    const START: &[u8] = b"PROXY ";
    let seen = bytes.get(..START.len()).unwrap_or(bytes);
    if !START.starts_with(seen) {
        return Err(NoHeader);
    }
    let within = bytes.get(..MAX_V1).unwrap_or(bytes);
    let Some(end) = within.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < MAX_V1 {
            Ok(None)
        } else {
            Err(NoHeader)
        };
    };
    let line = within.get(START.len()..end).ok_or(NoHeader)?;
    let line = str::from_utf8(line).map_err(|_| NoHeader)?;
    let mut words = line.split(' ');
    let family = words.next();
    let length = end + 2;
    // Whatever follows is to be ignored.
    if family == Some("UNKNOWN") {
        return Ok(Some((length, None)));
    }
    let mut address = || {
        let address: IpAddr = words.next()?.parse().ok()?;
        let fits = match family? {
            "TCP4" => address.is_ipv4(),
            "TCP6" => address.is_ipv6(),
            _ => false,
        };
        fits.then_some(address)
    };
    let source = address().ok_or(NoHeader)?;
    address().ok_or(NoHeader)?;
    let ports: Vec<&str> = words.collect();
    if ports.len() != 2 || !ports.into_iter().all(is_port) {
        return Err(NoHeader);
    }
    Ok(Some((length, Some(source))))
}

/// A number up to 65535, without a sign or leading zeros.
fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port.to_string() == text)
}

/// What follows the signature: version and command, family, length, addresses, and more of no interest.
fn parse_v2(rest: &[u8]) -> Parsed {
    let (version_and_command, family) = (rest.first(), rest.get(1));
    let local = match version_and_command {
        None => return Ok(None),
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return Err(NoHeader),
    };
    let Some(family) = family else { return Ok(None) };
    // The length of each family's addresses; we speak with nobody over datagrams.
    let least = match family {
        _ if local => 0,
        0x00 => 0,
        0x11 => 12,
        0x21 => 36,
        0x31 => 216,
        _ => return Err(NoHeader),
    };
    let Some((&[high, low], rest)) = rest.get(2..).and_then(|rest| rest.split_first_chunk()) else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length < least || V2_FIXED + length > MAX_V2 {
        return Err(NoHeader);
    }
    let Some(addresses) = rest.get(..length) else {
        return Ok(None);
    };
    let source = match family {
        _ if local => None,
        0x11 => addresses
            .first_chunk()
            .map(|address: &[u8; 4]| Ipv4Addr::from(*address).into()),
        0x21 => addresses
            .first_chunk()
            .map(|address: &[u8; 16]| Ipv6Addr::from(*address).into()),
        _ => None,
    };
    Ok(Some((V2_FIXED + length, source)))
}

/// Takes the header off a connection.
///
/// # Errors
/// There is none, or the connection ends before it does.
pub(super) async fn take_from(stream: &mut impl Stream) -> io::Result<Option<IpAddr>> {
    let mut seen = Vec::new();
    // Not in the future itself, which every connection keeps to its end.
    let mut ahead = vec![0; MAX_V2];
    loop {
        let looked = stream.peek(&mut ahead).await?;
        if looked == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let before = seen.len();
        seen.extend_from_slice(ahead.get(..looked).unwrap_or_default());
        let (take, source) = match parse(&seen) {
            Beginning::Header { length, source } => (length - before, Some(source)),
            Beginning::Unfinished => (looked, None),
            Beginning::Malformed => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "no header of the PROXY protocol",
                ));
            }
        };
        // What was looked at is there, so this does not wait.
        stream
            .read_exact(ahead.get_mut(..take).unwrap_or_default())
            .await?;
        if let Some(source) = source {
            return Ok(source);
        }
    }
}

#[cfg(test)]
mod tests;
