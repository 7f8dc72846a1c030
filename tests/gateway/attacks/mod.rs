//! What got past other gateways. Each table holds a class of attacks, in as many spellings as we know of it.

mod bypass;
mod connection_headers;
mod credentials;
mod cross_origin;
mod framing;
mod hosts;
mod http2;
mod never_shared;
mod own_answers;
mod paths;
mod pipelines;
mod secrets;
mod spoofing;
mod targets;
mod upgrade_smuggling;
mod who_is_who;

/// The head of a request, byte for byte: method and target, a Host, and header lines as they are.
fn head(line: impl AsRef<[u8]>, fields: &[&str]) -> Vec<u8> {
    let mut bytes = line.as_ref().to_vec();
    bytes.extend_from_slice(b" HTTP/1.1\r\nHost: localhost\r\n");
    for field in fields {
        bytes.extend_from_slice(field.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// A header's name as CGI, WSGI and PHP see it.
fn folded(name: &str) -> String {
    let fold = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    name.to_ascii_lowercase().chars().map(fold).collect()
}
