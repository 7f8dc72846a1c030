//! Numbers as lower-case hexadecimal digits, for the ids that every request gets.

/// A byte in each of sixteen.
const fn each(byte: u8) -> u128 {
    u128::from_ne_bytes([byte; 16])
}

/// The sixteen digits of a number, all at once: every request has fifty of them.
pub(super) fn digits(number: u64) -> [u8; 16] {
    // Half of the digits, then half of those, move up until each has a byte of its own.
    let mut spread = u128::from(number);
    spread = (spread | spread << 32) & 0x0000_0000_ffff_ffff_0000_0000_ffff_ffff;
    spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff_0000_ffff_0000_ffff;
    spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff_00ff_00ff_00ff_00ff;
    spread = (spread | spread << 4) & each(0x0f);
    // 6 more carries into the next half byte from 10 on.
    let letters = (spread + each(6)) >> 4 & each(1);
    let beyond_nine = u128::from(b'a' - b'0' - 10);
    (spread + each(b'0') + letters * beyond_nine).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::digits;

    #[test]
    fn all_digits_are_there_in_their_order() {
        for (number, text) in [
            (0, "0000000000000000"),
            (0x0123_4567_89ab_cdef, "0123456789abcdef"),
            (u64::MAX, "ffffffffffffffff"),
        ] {
            assert_eq!(digits(number), text.as_bytes());
        }
    }
}
