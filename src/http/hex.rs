//! Numbers as lower-case hexadecimal digits, for the ids that every request gets.

/// The digit of a number below sixteen.
const fn digit(number: u8) -> u8 {
    match number {
        0..=9 => b'0' + number,
        _ => b'a' + number - 10,
    }
}

/// The sixteen digits of a number.
pub(super) fn digits(number: u64) -> [u8; 16] {
    let mut text = [b'0'; 16];
    let (pairs, _) = text.as_chunks_mut::<2>();
    for ([high, low], byte) in pairs.iter_mut().zip(number.to_be_bytes()) {
        *high = digit(byte >> 4);
        *low = digit(byte & 0xf);
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
