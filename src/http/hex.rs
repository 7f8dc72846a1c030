//! Numbers as lower-case hexadecimal digits, for the ids that every request gets.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The sixteen digits of a number.
pub(super) fn digits(number: u64) -> [u8; 16] {
    let mut text = [b'0'; 16];
    for (pair, byte) in text.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 0xf)];
    }
    text
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
