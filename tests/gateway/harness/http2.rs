//! An HTTP/2 client that sends exactly the frames and fields it is told to, the forbidden ones too.

use std::net::SocketAddr;

use super::RawClient;

/// The beginning of a connection, and SETTINGS without a word in them.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection to the gateway with one stream.
pub struct Http2 {
    client: RawClient,
}

/// What became of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered, with this status.
    Answer(u16),
    /// It was reset, with this error code.
    Reset(u32),
    /// The connection was ended, with this error code.
    GoAway(u32),
    /// The connection was closed without a word.
    Closed,
}

impl Outcome {
    /// RFC 9113, section 7: the peer breaks the protocol.
    pub const PROTOCOL_ERROR: u32 = 1;
}

impl Http2 {
    /// Connects by prior knowledge.
    pub async fn connect(address: SocketAddr) -> Self {
        let mut client = RawClient::connect(address).await;
        client.send(PREFACE).await;
        Self { client }
    }

    /// Sends the stream's HEADERS: each field as it is, neither compressed nor looked at.
    pub async fn headers(&mut self, fields: &[(&str, &str)], ends: bool) {
        let mut block = Vec::new();
        for (name, value) in fields {
            // RFC 7541, section 6.2.2: a literal without indexing, its name too.
            block.push(0);
            for text in [name, value] {
                assert!(text.len() < 127, "longer texts need a longer length");
                block.push(u8::try_from(text.len()).unwrap());
                block.extend_from_slice(text.as_bytes());
            }
        }
        self.frame(HEADERS, END_HEADERS | (u8::from(ends) * END_STREAM), &block)
            .await;
    }

    /// Sends DATA.
    pub async fn data(&mut self, bytes: &str, ends: bool) {
        self.frame(DATA, u8::from(ends) * END_STREAM, bytes.as_bytes())
            .await;
    }

    /// Resets the stream.
    pub async fn reset(&mut self) {
        self.frame(RST_STREAM, 0, &[0, 0, 0, 8]).await;
    }

    async fn frame(&mut self, kind: u8, flags: u8, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend_from_slice(&[kind, flags, 0, 0, 0, 1]);
        frame.extend_from_slice(payload);
        self.client.send(frame).await;
    }

    /// Reads until it is clear what became of the stream.
    pub async fn outcome(&mut self) -> Outcome {
        loop {
            let Some(head) = self.client.exactly(9).await else {
                return Outcome::Closed;
            };
            let length = usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).unwrap();
            let Some(payload) = self.client.exactly(length).await else {
                return Outcome::Closed;
            };
            let code = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
            match head[3] {
                HEADERS => return Outcome::Answer(status(&payload)),
                RST_STREAM => return Outcome::Reset(code(0)),
                GOAWAY => return Outcome::GoAway(code(4)),
                _ => {}
            }
        }
    }
}

/// The status of the first answer on a connection: `:status` comes first, and nothing is in the dynamic table yet.
fn status(block: &[u8]) -> u16 {
    // RFC 7541, appendix A: what the static table has.
    match block[0] {
        0x88 => return 200,
        0x8c => return 400,
        0x8d => return 404,
        0x8e => return 500,
        _ => assert_eq!(block[0] & 0x0f, 8, "the first field is no literal :status"),
    }
    // Appendix B: the digits are 5 or 6 bits long. Three of them fit into three bytes.
    assert_eq!(block[1] & 0x80, 0x80, "not in Huffman's code");
    let mut bits = block[2..5]
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| u16::from((byte >> bit) & 1)));
    let mut status = 0;
    for _ in 0..3 {
        let five = (0..5).fold(0, |code, _| (code << 1) | bits.next().unwrap());
        let digit = match five {
            0..3 => five,
            _ => ((five << 1) | bits.next().unwrap()) - 0b01_0110,
        };
        status = status * 10 + digit;
    }
    status
}
