//! HTTP/1.1 as it is on a connection (RFC 9112), whichever side of it we are: [`decode`] finds the ends of bodies,
//! [`outbox`] holds what is to be written next, [`wire`] is the client's connection, of which a request's body and the server each use a part.

pub mod decode;
pub mod outbox;
pub mod wire;
