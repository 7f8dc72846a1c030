//! `[users]`, `[login]` and `[log]`.

use super::*;
use crate::config::{AccessLog, LogFormat};

#[test]
fn everything_that_users_login_and_log_can_say_is_taken() {
    let config = config(
        "[users]\nfile = \"people.toml\"\n[users.password]\nhash_memory = \"64MiB\"\n\
         argon2 = { memory = \"64MiB\", passes = 3, lanes = 4 }\n\
         [login]\ntitle = \"Anmelden 🔑\"\n\
         [log]\nformat = \"json\"\nlevel = \"debug\"\naccess = \"logs/access.log\"\n",
    );
    assert_eq!(
        config.users.file,
        Path::new("/etc/portcullis/people.toml"),
        "relative to the file"
    );
    assert_eq!(config.users.hash_memory, 64 << 20);
    let argon2 = config.users.argon2;
    assert_eq!(
        (argon2.memory_kib, argon2.passes, argon2.lanes),
        (64 * 1024, 3, 4)
    );
    assert_eq!(config.login.title, "Anmelden 🔑");
    assert_eq!(
        (config.log.format, config.log.level),
        (LogFormat::Json, tracing::Level::DEBUG)
    );
    assert_eq!(
        config.log.access,
        AccessLog::File("/etc/portcullis/logs/access.log".into())
    );
    let config = super::config;
    assert_eq!(config("[log]\naccess = \"off\"").log.access, AccessLog::Off);
    assert_eq!(config("[users]\nfile = \"/x\"").users.file, Path::new("/x"));
    assert_eq!(
        config("[users]\nfile = \"../x\"").users.file,
        Path::new("/etc/portcullis/../x")
    );
}

#[test]
fn hashing_has_a_least_cost_and_must_fit_its_memory() {
    refused(&[
        ("[users]\nfile = «\"\"»", "`file` must name a file or folder", ""),
        (
            "[users.password]\nhash_memory = «\"4MiB\"»",
            "`hash_memory` must be between 8MiB and 1024GiB",
            "",
        ),
        (
            "[users.password]\nhash_memory = «\"16MiB\"»",
            "`hash_memory` has no room for one new hash, which takes 19MiB",
            "raise it, or lower `memory` in `argon2`",
        ),
        (
            "[users.password]\nargon2 = { memory = «\"7MiB\"» }",
            "`memory` must be between 8MiB and 256MiB",
            "",
        ),
        (
            "[users.password]\nhash_memory = \"64MiB\"\nargon2 = { memory = «\"65MiB\"» }",
            "`memory` must be between 8MiB and 64MiB",
            "",
        ),
        (
            "[users.password]\nargon2 = { passes = «0» }",
            "`passes` must be between 1 and 16",
            "",
        ),
        (
            "[users.password]\nargon2 = { lanes = «17» }",
            "`lanes` must be between 1 and 16",
            "",
        ),
        (
            "[users.password]\nargon2 = «\"fast\"»",
            "`argon2` must be a table, but this is a string",
            "",
        ),
    ]);
}

#[test]
fn a_title_is_a_line_that_fits_a_heading() {
    refused(&[
        ("[login]\ntitle = «\"\"»", "`title` cannot be empty", ""),
        ("[login]\ntitle = «\"  \"»", "`title` cannot be empty", ""),
        (
            "[login]\ntitle = «\"a\\nb\"»",
            "`title` is one line, without control characters",
            "",
        ),
        (
            "[login]\ntitle = «7»",
            "`title` must be a string, but this is a number",
            "",
        ),
    ]);
    let title = |length| format!("[login]\ntitle = \"{}\"", "é".repeat(length));
    let said = shown(&with_route(&title(101)), Severity::Error);
    assert!(
        said[0].contains("`title` cannot be longer than 100 characters"),
        "{said:?}"
    );
    assert_eq!(config(&title(100)).login.title.chars().count(), 100);
}

#[test]
fn the_log_knows_a_few_words() {
    refused(&[
        (
            "[log]\nformat = «\"jsn\"»",
            "`format` cannot be \"jsn\"; it is one of \"text\", \"json\"",
            "did you mean \"json\"?",
        ),
        (
            "[log]\nlevel = «\"warning\"»",
            "`level` cannot be \"warning\"; it is one of \"error\", \"warn\", \"info\", \"debug\", \"trace\"",
            "did you mean \"warn\"?",
        ),
        (
            "[log]\naccess = «\"\"»",
            "`access` must name a file or folder",
            "",
        ),
        (
            "[log]\naccess = «false»",
            "`access` must be a string, but this is true or false",
            "",
        ),
    ]);
}
