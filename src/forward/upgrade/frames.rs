//! Where WebSocket frames begin and end in a stream of bytes (RFC 6455, section 5.2), and the frame that ends a
//! conversation.
//!
//! Of a frame only the first bytes are looked at, which say how long it is. What it says is passed over: a large frame
//! costs one subtraction for each piece that it comes in.

/// The longest head of a frame: two bytes, the length in eight, the mask in four.
const MAX_HEAD: usize = 14;

/// The frame that ends a conversation.
const CLOSE: u8 = 8;

/// Told to the client: what it was let in with does not count any more (RFC 6455, section 7.4.1: policy violation).
pub(super) const CLOSE_TO_CLIENT: &[u8] = b"\x88\x0f\x03\xf0session ended";

/// Told to the app, which hears from browsers that leave the same (1001: going away). What clients send is masked; the mask
/// keeps scripts from writing bytes of their choice into the middle of a network, and these are nobody's choice.
pub(super) const CLOSE_TO_APP: &[u8] = b"\x88\x82\0\0\0\0\x03\xe9";

/// How far one direction of a conversation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frames {
    head: [u8; MAX_HEAD],
    /// How many bytes of the head are here.
    seen: u8,
    /// What is left of the frame behind its head.
    left: u64,
    /// The frame that is passing, or was the last, ends the conversation.
    is_close: bool,
    /// Something was said since this was asked last; whatever keeps a connection open by itself says nothing.
    said: bool,
}

impl Frames {
    pub(super) const fn new() -> Self {
        Self {
            head: [0; MAX_HEAD],
            seen: 0,
            left: 0,
            is_close: false,
            said: false,
        }
    }

    /// Passes bytes of the stream.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        loop {
            if let Some(rest) = usize::try_from(self.left).ok().and_then(|left| bytes.get(left..)) {
                self.left = 0;
                bytes = rest;
            } else {
                self.left -= bytes.len() as u64;
                return;
            }
            let Some((byte, rest)) = bytes.split_first() else {
                return;
            };
            bytes = rest;
            self.pass_head(*byte);
        }
    }

    fn pass_head(&mut self, byte: u8) {
        if let Some(place) = self.head.get_mut(usize::from(self.seen)) {
            *place = byte;
            self.seen += 1;
        }
        let [first, second, length @ ..] = &self.head;
        let (long, short) = (u64::from(second & 0x7f), usize::from(second >> 7) * 4);
        let extended = match long {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if self.seen < 2 || usize::from(self.seen) < 2 + extended + short {
            return;
        }
        self.left = match extended {
            0 => long,
            extended => length
                .iter()
                .take(extended)
                .fold(0, |length, byte| (length << 8) | u64::from(*byte)),
        };
        let opcode = first & 0x0f;
        // Text, binary, and what goes on with either; pings and pongs are above.
        self.said |= opcode < CLOSE;
        self.is_close |= opcode == CLOSE;
        self.seen = 0;
    }

    /// Whether the last frame is over and the next one has not begun.
    pub(super) fn is_between(&self) -> bool {
        self.seen == 0 && self.left == 0
    }

    /// Whether a frame may follow what has passed.
    pub(super) fn takes_close(&self) -> bool {
        self.is_between() && !self.is_close
    }

    /// How many of these bytes belong to the frame that is passing.
    pub(super) fn of_this_frame(mut self, bytes: &[u8]) -> usize {
        let mut count = 0;
        while !self.is_between() && count < bytes.len() {
            let piece = match usize::try_from(self.left) {
                Ok(0) => 1,
                Ok(left) => left.min(bytes.len() - count),
                Err(_) => bytes.len() - count,
            };
            self.pass(bytes.get(count..count + piece).unwrap_or_default());
            count += piece;
        }
        count
    }

    /// Whether something was said since this was asked last.
    pub(super) fn take_said(&mut self) -> bool {
        std::mem::take(&mut self.said)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(opcode: u8, length: usize, masked: bool) -> Vec<u8> {
        let mask = u8::from(masked) << 7;
        let mut frame = vec![0x80 | opcode];
        match length {
            0..126 => frame.push(mask | u8::try_from(length).unwrap()),
            126..65536 => {
                frame.push(mask | 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        // Bytes that look like the beginnings of frames.
        frame.extend(std::iter::repeat_n(0x88, length + usize::from(masked) * 4));
        frame
    }

    fn after(bytes: &[u8]) -> Frames {
        let mut frames = Frames::new();
        frames.pass(bytes);
        frames
    }

    #[test]
    fn a_frame_is_over_with_its_last_byte_and_no_sooner() {
        for masked in [false, true] {
            for length in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000] {
                let frame = frame(2, length, masked);
                assert!(after(&frame).is_between(), "{length}");
                for cut in [1, 2, 3, 9, 13, frame.len() - 1] {
                    let begun = frame.get(..cut).filter(|begun| begun.len() < frame.len());
                    let Some(begun) = begun else { continue };
                    assert!(!after(begun).is_between(), "{length}, {cut}");
                    let next = [&frame[cut..], &frame[..]].concat();
                    assert_eq!(
                        after(begun).of_this_frame(&next),
                        frame.len() - cut,
                        "{length}, {cut}"
                    );
                }
            }
        }
        assert!(Frames::new().is_between());
        assert_eq!(Frames::new().of_this_frame(b"\x81\x05hello"), 0);
    }

    #[test]
    fn a_length_that_no_memory_holds_is_only_counted() {
        let mut frames = after(b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff");
        frames.pass(&[0; 1000]);
        assert!(!frames.is_between());
        assert_eq!(frames.of_this_frame(&[0; 1000]), 1000);
    }

    #[test]
    fn only_text_and_binary_is_said_and_nothing_follows_a_close() {
        for (opcode, said, is_close) in [
            (0, true, false),
            (1, true, false),
            (2, true, false),
            (8, false, true),
            (9, false, false),
            (10, false, false),
        ] {
            let mut frames = after(&frame(opcode, 3, true));
            assert_eq!(frames.take_said(), said, "{opcode}");
            assert!(!frames.take_said());
            assert_eq!(frames.takes_close(), !is_close, "{opcode}");
        }
    }

    #[test]
    fn what_is_told_at_the_end_is_one_whole_frame() {
        for close in [CLOSE_TO_CLIENT, CLOSE_TO_APP] {
            assert!(after(close).is_between());
            assert!(!after(close).takes_close());
            assert!(!after(&close[..close.len() - 1]).is_between());
        }
    }

    proptest! {
        #[test]
        fn any_split_of_the_bytes_has_the_same_frames(
            frames in prop::collection::vec((0_u8..16, prop_oneof![0_usize..300, 65_500_usize..65_600], any::<bool>()), 0..6),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let mut stream = Vec::new();
            let mut ends = vec![0];
            for (opcode, length, masked) in frames {
                stream.extend(frame(opcode, length, masked));
                ends.push(stream.len());
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.push(stream.len());
            cuts.sort_unstable();
            let (mut passed, mut from) = (Frames::new(), 0);
            for cut in cuts {
                passed.pass(&stream[from..cut]);
                from = cut;
                prop_assert_eq!(passed.is_between(), ends.contains(&cut));
                prop_assert_eq!(passed, after(&stream[..cut]));
                let end = ends.iter().find(|end| **end >= cut).unwrap();
                prop_assert_eq!(passed.of_this_frame(&stream[cut..]), end - cut);
            }
        }
    }
}
