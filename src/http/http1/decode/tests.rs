use proptest::prelude::*;

use super::*;

/// What a body decodes to when its bytes come in pieces of these sizes: data, trailers, what is left, and whether it is
/// over.
fn decoded(
    mut decoder: Decoder,
    bytes: &[u8],
    sizes: &[usize],
) -> Result<(Vec<u8>, usize, Vec<u8>, bool), Malformed> {
    let (mut data, mut trailers) = (Vec::new(), 0);
    let mut buffer = BytesMut::new();
    let mut sizes = sizes.iter().copied().chain(std::iter::repeat(usize::MAX));
    let mut rest = bytes;
    loop {
        match decoder.decode(&mut buffer)? {
            Decoded::Data(piece) => data.extend_from_slice(&piece),
            Decoded::Trailers(more) => trailers += more.len(),
            Decoded::End => return Ok((data, trailers, [&buffer[..], rest].concat(), true)),
            Decoded::NeedsMore if rest.is_empty() => return Ok((data, trailers, buffer.to_vec(), false)),
            Decoded::NeedsMore => {
                let (piece, more) = rest.split_at(sizes.next().unwrap().clamp(1, rest.len()));
                buffer.extend_from_slice(piece);
                rest = more;
            }
        }
    }
}

#[test]
fn a_body_ends_where_its_framing_says_and_takes_nothing_more() {
    let chunked = Decoder::chunked;
    for (decoder, bytes, data, left, over) in [
        (Decoder::none(), "next", "", "next", true),
        (Decoder::length(5), "hellonext", "hello", "next", true),
        (Decoder::length(5), "hell", "hell", "", false),
        (Decoder::until_close(), "hello", "hello", "", false),
        (chunked(), "5\r\nhello\r\n0\r\n\r\nnext", "hello", "next", true),
        (chunked(), "0\r\n\r\n", "", "", true),
        (chunked(), "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello", "", true),
        (chunked(), "5;a=b;c\r\nhello\r\n0\r\n\r\n", "hello", "", true),
        (chunked(), "A\r\n0123456789\r\n0\r\n\r\n", "0123456789", "", true),
        (
            chunked(),
            "5\r\nhello\r\n0\r\nX-A: x\r\n\r\nnext",
            "hello",
            "next",
            true,
        ),
        (chunked(), "5\r\nhello\r\n0\r\n", "hello", "", false),
        (chunked(), "5\r\nhel", "hel", "", false),
    ] {
        let result = decoded(decoder, bytes.as_bytes(), &[]).unwrap();
        assert_eq!(String::from_utf8_lossy(&result.0), data, "{bytes:?}");
        assert_eq!(result.3, over, "{bytes:?}");
        if over {
            assert_eq!(String::from_utf8_lossy(&result.2), left, "{bytes:?}");
        }
    }
}

#[test]
fn chunks_that_break_their_own_framing_are_refused() {
    let long = format!("5;{}", "x".repeat(MAX_SIZE_LINE));
    let many = format!("0\r\n{}", "x: y\r\n".repeat(MAX_TRAILER_LINES + 1));
    for bytes in [
        "x\r\n",
        "-1\r\n",
        "+5\r\nhello\r\n",
        "0x5\r\nhello\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello\n\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\n",
        "0\r\nX A: b\r\n\r\n",
        "0\r\n: b\r\n\r\n",
        &long,
        &many,
    ] {
        assert!(
            decoded(Decoder::chunked(), bytes.as_bytes(), &[]).is_err(),
            "{bytes:?}"
        );
    }
}

#[test]
fn trailers_lose_what_belongs_to_the_connection() {
    let mut buffer =
        BytesMut::from(&b"0\r\nx-a: 1\r\nconnection: x-b\r\nx-b: 2\r\nkeep-alive: 3\r\nx-a: 4\r\n\r\n"[..]);
    let Ok(Decoded::Trailers(trailers)) = Decoder::chunked().decode(&mut buffer) else {
        panic!("no trailers")
    };
    let lines: Vec<_> = trailers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    assert_eq!(lines, [("x-a", &b"1"[..]), ("x-a", b"4")]);
}

proptest! {
    #[test]
    fn however_a_body_is_cut_on_its_way_it_is_the_same(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6),
        sizes in proptest::collection::vec(1_usize..12, 0..40),
    ) {
        let whole = chunks.concat();
        let mut bytes = Vec::new();
        for chunk in &chunks {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\nx: y\r\n\r\nnext");
        let (data, trailers, left, over) = decoded(Decoder::chunked(), &bytes, &sizes).unwrap();
        prop_assert_eq!(data, whole);
        prop_assert_eq!((trailers, &left[..], over), (1, &b"next"[..], true));
    }

    #[test]
    fn no_bytes_make_it_panic_or_give_more_than_there_was(
        bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'0'), Just(b'5'), any::<u8>()], 0..200),
        sizes in proptest::collection::vec(1_usize..12, 0..40),
    ) {
        if let Ok((data, _, left, _)) = decoded(Decoder::chunked(), &bytes, &sizes) {
            prop_assert!(data.len() + left.len() <= bytes.len());
        }
    }
}
