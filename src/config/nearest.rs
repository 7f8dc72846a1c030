//! "Did you mean …?"

/// The candidate that a misspelt word most likely means, if any is close enough to be worth saying.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(word.len()) / 3 + 1)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_words_are_offered_and_others_are_not() {
        let keys = ["listen", "workers", "public_url"];
        for (word, offered) in [
            ("lisen", Some("listen")),
            ("Listen", Some("listen")),
            ("worker", Some("workers")),
            ("publicurl", Some("public_url")),
            ("xyzzy", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, keys), offered, "{word}");
        }
    }
}
