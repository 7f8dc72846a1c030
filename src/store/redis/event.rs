//! What gateways tell each other, over a channel of their Redis.

use super::super::{Key, Record, Table};
use crate::clock::Timestamp;

/// What has happened, at this gateway or another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The session of this key has ended, or is another now: what is remembered of it does not count.
    SessionEnded([u8; 32]),
    /// Something was taken back.
    TakenBack(Table, Record),
    /// What the forms of all gateways are signed with. It is found in the Redis, not told.
    FormKey([u8; 64]),
}

/// A message as it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// For whoever listens.
    Event(Event),
    /// A gateway has said this, to hear whether it hears.
    Beat(Vec<u8>),
}

const BEAT: u8 = b'b';
const SESSION_ENDED: u8 = b's';
const REVOKED: u8 = b'r';
const SIGNED_OUT: u8 = b'o';

/// The message by which a gateway hears itself.
pub(super) fn beat(name: &[u8], number: u64) -> Vec<u8> {
    [&[BEAT], name, &number.to_be_bytes()].concat()
}

/// The message that a session has ended.
pub fn session_ended(key: [u8; 32]) -> Vec<u8> {
    [&[SESSION_ENDED][..], &key].concat()
}

/// The message that something was taken back; `None` for a table that takes nothing back.
pub(super) fn taken_back(table: Table, record: &Record) -> Option<Vec<u8>> {
    let kind = match table {
        Table::RevokedTokens => REVOKED,
        Table::SignedOut => SIGNED_OUT,
        Table::RefreshTokens | Table::Sessions => return None,
    };
    let expires = record.expires.unix_millis().to_be_bytes();
    Some([&[kind][..], &record.key.bytes(), &expires, &record.value].concat())
}

impl Message {
    /// What was sent; `None` where a gateway of another version, or somebody else, has sent it.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let event = match *kind {
            BEAT => return Some(Self::Beat(bytes.to_owned())),
            SESSION_ENDED => Event::SessionEnded(rest.try_into().ok()?),
            REVOKED => Event::TakenBack(Table::RevokedTokens, record(rest)?),
            SIGNED_OUT => Event::TakenBack(Table::SignedOut, record(rest)?),
            _ => return None,
        };
        Some(Self::Event(event))
    }
}

fn record(bytes: &[u8]) -> Option<Record> {
    let (key, rest) = bytes.split_first_chunk()?;
    let (expires, value) = rest.split_first_chunk()?;
    Some(Record {
        key: Key::from_bytes(*key),
        value: value.to_owned(),
        expires: Timestamp::from_unix_millis(u64::from_be_bytes(*expires)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_sent_is_what_is_read() {
        let record = Record {
            key: Key::from_bytes([7; 32]),
            value: vec![0, 1, 255],
            expires: Timestamp::from_unix_millis(u64::MAX),
        };
        for table in [Table::RevokedTokens, Table::SignedOut] {
            let sent = taken_back(table, &record).unwrap();
            let event = Event::TakenBack(table, record.clone());
            assert_eq!(Message::read(&sent), Some(Message::Event(event)));
        }
        let ended = session_ended([9; 32]);
        let event = Event::SessionEnded([9; 32]);
        assert_eq!(Message::read(&ended), Some(Message::Event(event)));
        let beat = beat(b"me", 3);
        assert_eq!(Message::read(&beat), Some(Message::Beat(beat.clone())));
        assert_eq!(taken_back(Table::Sessions, &record), None);
    }

    proptest! {
        #[test]
        fn nothing_that_somebody_else_sends_is_more_than_a_message(bytes: Vec<u8>) {
            let _ = Message::read(&bytes);
        }
    }
}
