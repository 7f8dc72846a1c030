//! Where a browser goes after signing in: a path of this host, or `/`.

use crate::{http::target::NormalPath, portal::OwnAddress, respond::MAX_RETURN_TO};

/// The address to return to, if it is one of this host's that has a single reading; `/` otherwise.
///
/// What leads elsewhere in some browser or other — `//host`, `/\host`, control characters that are dropped
/// before parsing, dot segments that make two slashes — all fail the same test that a request's own path must
/// pass. Our own addresses are no place to return to, for signing in would lead back to signing in: but for the
/// account page, which people open by themselves.
pub(super) fn guarded(wanted: &str) -> &str {
    if is_local(wanted) { wanted } else { "/" }
}

fn is_local(wanted: &str) -> bool {
    let path = wanted.split(['?', '#']).next().unwrap_or_default();
    let printable = wanted
        .bytes()
        .all(|byte| matches!(byte, 0x21..=0x7e) && byte != b'\\');
    wanted.len() <= MAX_RETURN_TO
        && printable
        && !wanted.starts_with("//")
        && NormalPath::parse(path)
            .is_ok_and(|path| matches!(OwnAddress::of(path), None | Some(OwnAddress::Account)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_of_this_host_are_kept() {
        for wanted in [
            "/",
            "/app",
            "/app/x?y=1&z=%20",
            "/a//b",
            "/a?u=https://other.example.com/",
            "/caf%C3%A9#top",
            "/.auth/account",
        ] {
            assert_eq!(guarded(wanted), wanted);
        }
    }

    #[test]
    fn whatever_leads_or_may_lead_elsewhere_becomes_the_root() {
        let long = format!("/{}", "a".repeat(5000));
        for wanted in [
            "",
            "app",
            "//evil.com",
            "///evil.com",
            "////evil.com",
            "/\\evil.com",
            "\\\\evil.com",
            "\\/evil.com",
            "/\t/evil.com",
            "/%09/evil.com",
            "/ /evil.com",
            "/ \\evil.com",
            "/\u{b}/evil.com",
            "/\n/evil.com",
            "/\r/evil.com",
            "/%0a/evil.com",
            "/%0d%0aSet-Cookie:x=1",
            "/./\\evil.com",
            "/.//evil.com",
            "/./../../\\evil.com",
            "/../evil",
            "/%2e%2e//evil.com",
            "/%2f%2fevil.com",
            "/%5cevil.com",
            "/%2f/evil.com",
            "http:evil.com",
            "http://evil.com",
            "https://evil.com",
            "https:///evil.com",
            "HTTPS://evil.com",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://good@evil.com/",
            "good.example.com",
            "@evil.com",
            "/..;/evil",
            "/\u{202e}moc.live//",
            "/%00",
            "/é",
            "//%2f@evil.com",
            "/\u{a0}/evil.com",
            "/.auth/login",
            "/.auth/logout",
            "/%2eauth/login",
            " /app",
            "/app ",
            &long,
        ] {
            assert_eq!(guarded(wanted), "/", "{wanted:?}");
        }
    }

    proptest! {
        #[test]
        fn a_browser_stays_on_this_host(wanted in "[/\\\\.%25a-f:@?#\t\n\r ]{0,12}") {
            let guarded = guarded(&wanted);
            prop_assert!(guarded.starts_with('/'));
            prop_assert!(!guarded.starts_with("//") && !guarded.contains('\\'));
            prop_assert!(guarded.bytes().all(|byte| (0x21..0x7f).contains(&byte)));
        }
    }
}
