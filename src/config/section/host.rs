//! How hosts are written.

use std::net::Ipv6Addr;

/// A host name or an address, without a port: in lower case, and without the dot that may end a name.
///
/// # Errors
/// What is wrong with it.
pub(super) fn exact(text: &str) -> Result<String, &'static str> {
    let name = text.to_ascii_lowercase();
    if text.contains("://") {
        return Err("leave out the scheme");
    }
    if let Some(address) = name.strip_prefix('[') {
        let address: Option<Ipv6Addr> = address.strip_suffix(']').and_then(|address| address.parse().ok());
        return match address {
            Some(address) => Ok(format!("[{address}]")),
            None => Err("an IPv6 address is written as \"[::1]\", without a port"),
        };
    }
    if name.parse::<Ipv6Addr>().is_ok() {
        return Err("an IPv6 address is written in brackets, as \"[::1]\"");
    }
    if name.contains(':') {
        return Err("leave out the port");
    }
    if name.contains('/') {
        return Err("leave out the path");
    }
    if !name.is_ascii() {
        return Err("write it as browsers send it, in the ASCII form that begins with \"xn--\"");
    }
    let name = name.strip_suffix('.').unwrap_or(&name);
    let label = |label: &str| {
        let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(inside)
    };
    match name.len() <= 253 && name.split('.').all(label) {
        true => Ok(name.to_owned()),
        false => Err("letters, digits and \"-\", in labels with dots between them, make one"),
    }
}
