//! What passes for a form has one reading: the one that every other program has of it.

use std::collections::HashMap;

use portcullis::portal::form::{FormKind, fields};
use secrecy::ExposeSecret;

fn read(kind: FormKind, bytes: &[u8]) -> Option<HashMap<String, String>> {
    let fields = fields(kind, bytes).ok()?;
    let shown = fields
        .into_iter()
        .map(|(name, value)| (name, value.expose_secret().to_owned()));
    Some(shown.collect())
}

/// Panics where it does not hold.
pub fn holds(bytes: &[u8]) {
    if let Some(ours) = read(FormKind::UrlEncoded, bytes) {
        let theirs: Vec<(String, String)> = form_urlencoded::parse(bytes).into_owned().collect();
        assert_eq!(theirs.len(), ours.len(), "nothing is there twice");
        assert_eq!(theirs.into_iter().collect::<HashMap<_, _>>(), ours);
        let mut again = form_urlencoded::Serializer::new(String::new());
        again.extend_pairs(&ours);
        assert_eq!(read(FormKind::UrlEncoded, again.finish().as_bytes()), Some(ours));
    }
    if let Some(ours) = read(FormKind::Json, bytes) {
        let theirs: HashMap<String, serde_json::Value> =
            serde_json::from_slice(bytes).expect("it is a JSON object");
        for (name, value) in &ours {
            match &theirs[name] {
                serde_json::Value::String(text) => assert_eq!(text, value),
                serde_json::Value::Bool(ticked) => assert_eq!(&ticked.to_string(), value),
                other => panic!("{name} is {other}"),
            }
        }
        let rest = theirs.iter().filter(|(name, _)| !ours.contains_key(*name));
        for (name, value) in rest {
            assert!(value.is_null(), "{name} is left out");
        }
    }
}
