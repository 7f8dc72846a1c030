//! Where secrets may stand in a file, so that no message shows them: by the names of keys, misspelt ones too, and
//! before the `@` of a URL.

/// Whether a key of this name may hold a secret.
pub(super) fn may_be_called(key: &str) -> bool {
    const PARTS: [&str; 7] = [
        "secret",
        "passw",
        "passphrase",
        "token",
        "api_key",
        "apikey",
        "authorization",
    ];
    let key = key.to_ascii_lowercase().replace('-', "_");
    PARTS.iter().any(|part| key.contains(part))
        || ["secret", "password", "passphrase"]
            .iter()
            .any(|word| strsim::damerau_levenshtein(&key, word) <= 2)
        || strsim::damerau_levenshtein(&key, "token") <= 1
}

/// Whether a secret may stand on a line, counted from 1: as the value of a key on it, or as the rest of a value that
/// began above.
pub(super) fn may_stand_on(text: &str, line: usize) -> bool {
    let mut above: Vec<&str> = text.lines().take(line).collect();
    let Some(meant) = above.pop() else { return false };
    if keys(meant).any(may_be_called) || has_userinfo(meant) {
        return true;
    }
    let Some(start) = above.iter().rposition(|line| keys(line).any(may_be_called)) else {
        return false;
    };
    let between: Vec<&str> = above.into_iter().skip(start).collect();
    let quotes: usize = between
        .iter()
        .map(|line| line.matches("\"\"\"").count() + line.matches("'''").count())
        .sum();
    let in_open_string = !quotes.is_multiple_of(2);
    let something_new = |line: &&str| line.trim_start().starts_with('[') || begins_with_key(line);
    in_open_string || !between.iter().skip(1).chain(&[meant]).any(something_new)
}

/// Whether a line that is no TOML may hold a secret: any word of it may have been meant as the key.
pub(super) fn may_stand_on_broken(text: &str, line: usize) -> bool {
    let meant = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let header = meant.trim_start().starts_with('[');
    may_stand_on(text, line) || (!header && words(meant).any(|(word, _)| may_be_called(word)))
}

/// A text without what stands before the `@` of the URLs in it.
pub(super) fn without_userinfo(text: &str) -> String {
    let mut pieces = text.split("://");
    let mut shown = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        shown.push_str("://");
        match userinfo(piece) {
            Some((_, rest)) => {
                shown.push_str("…@");
                shown.push_str(rest);
            }
            None => shown.push_str(piece),
        }
    }
    shown
}

fn has_userinfo(line: &str) -> bool {
    line.split("://").skip(1).any(|piece| userinfo(piece).is_some())
}

/// What stands before and after the last `@` of an authority.
fn userinfo(after_scheme: &str) -> Option<(&str, &str)> {
    let end = after_scheme
        .find(['/', '?', '#', '"', '\'', ' '])
        .unwrap_or(after_scheme.len());
    let at = after_scheme.get(..end)?.rfind('@')?;
    Some((after_scheme.get(..at)?, after_scheme.get(at + 1..)?))
}

/// The words of a line, each with what follows it.
fn words(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let mut rest = line;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c| !part(c));
        let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        (!word.is_empty()).then_some((word, after))
    })
}

/// The words that a line uses as keys.
fn keys(line: &str) -> impl Iterator<Item = &str> {
    let assigns = line.contains('=');
    let is_key = move |after: &str| {
        (assigns && after.starts_with('.'))
            || after.trim_start_matches(['"', '\'', ' ', '\t']).starts_with('=')
    };
    words(line)
        .filter(move |(_, after)| is_key(after))
        .map(|(word, _)| word)
}

/// Whether a line begins with `key =`. The `==` that base64 ends with is none.
fn begins_with_key(line: &str) -> bool {
    let line = line.trim_start();
    let key = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '"' | '\'' | ' ' | '\t');
    let rest = line.trim_start_matches(key);
    rest.len() < line.len() && rest.starts_with('=') && !rest.starts_with("==")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_may_hold_a_secret_are_known_however_they_are_spelt() {
        for (key, secret) in [
            ("secret", true),
            ("Secret", true),
            ("secrt", true),
            ("sercet", true),
            ("client_secret", true),
            ("password", true),
            ("pasword", true),
            ("passwort", true),
            ("bind_password", true),
            ("passphrase", true),
            ("token", true),
            ("tokn", true),
            ("X-Api-Key", true),
            ("Authorization", true),
            ("server", false),
            ("session", false),
            ("users", false),
            ("listen", false),
            ("keys", false),
        ] {
            assert_eq!(may_be_called(key), secret, "{key}");
        }
    }

    #[test]
    fn lines_that_may_hold_a_secret_are_known() {
        for (text, line, secret) in [
            ("secret = 'x'", 1, true),
            ("token.secret = 'x'", 1, true),
            ("\"secret\" = 'x'", 1, true),
            ("a = { b = { password = 'x' } }", 1, true),
            ("a = 1 # the secret of success", 1, false),
            ("listen = 5", 1, false),
            ("[[token.trust]]", 1, false),
            ("secret = '''\nx\n'''", 2, true),
            ("secret = '''\na = 1\n[b]\n'''", 3, true),
            ("secret = '''\nx\n'''\na = 1", 4, false),
            ("secret = [\n 'x',\n 'y']", 3, true),
            ("secret = \"\"\"\nQUJD\nQQ==\nQUJD\n", 4, true),
            ("secret = 'x'\n[b]", 2, false),
            ("secret = 'x'\na = 1\nb = 2", 3, false),
            ("url = 'postgres://app:hunter2@db/app'", 1, true),
            ("url = 'http://db/app'", 1, false),
            ("", 1, false),
            ("a = 1", 9, false),
        ] {
            assert_eq!(may_stand_on(text, line), secret, "{text:?} {line}");
        }
        assert!(may_stand_on_broken("passwrd 'hunter2'", 1));
        assert!(!may_stand_on_broken("[token", 1));
        assert!(!may_stand_on_broken("listen 5", 1));
    }

    #[test]
    fn urls_are_shown_without_what_signs_in_to_them() {
        for (text, shown) in [
            ("\"redis://:hunter2@h\" is x", "\"redis://…@h\" is x"),
            ("http://a:b@c@d/e@f", "http://…@d/e@f"),
            ("http://a/b@c", "http://a/b@c"),
            ("mail bob@example.com", "mail bob@example.com"),
            ("x://a@b y://c@d", "x://…@b y://…@d"),
        ] {
            assert_eq!(without_userinfo(text), shown, "{text}");
        }
    }
}
