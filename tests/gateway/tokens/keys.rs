//! The keys that sign tokens, as they lie on disk.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::harness::{PASSWORD, Running, free_port, portcullis, soon, user_entry};

fn write_config(folder: &Path, token: &str) -> u16 {
    let port = free_port();
    let config = format!(
        "[server]\nlisten = [\"127.0.0.1:{port}\"]\n[log]\naccess = \"off\"\n{token}\n\
         [[route]]\nupstream = \"http://127.0.0.1:9\"\n"
    );
    fs::write(folder.join("gateway.toml"), config).unwrap();
    fs::write(folder.join("users.toml"), user_entry("alice", &[], "")).unwrap();
    port
}

async fn token(port: u16) -> String {
    let form = [
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", PASSWORD),
    ];
    let address = format!("http://127.0.0.1:{port}/.auth/token");
    let answer = reqwest::Client::new()
        .post(address)
        .form(&form)
        .send()
        .await
        .unwrap();
    let answer: serde_json::Value = answer.json().await.unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

async fn is_accepted(port: u16, token: &str) -> bool {
    let address = format!("http://127.0.0.1:{port}/.auth/me");
    let answer = reqwest::Client::new()
        .get(address)
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    answer.status() == 200
}

fn key_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder.join("state/keys")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn the_first_start_makes_a_key_for_its_owner_alone_and_the_second_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let port = write_config(folder.path(), "[token]\nissuer = \"https://gateway.example.com\"");
    let running = Running::start(&mut portcullis(folder.path(), &["serve"]), "listening");
    let [key] = &key_files(folder.path())[..] else {
        panic!("not one key")
    };
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(key), 0o600);
    assert_eq!(mode(&folder.path().join("state/keys")), 0o700);
    let token = token(port).await;
    assert!(is_accepted(port, &token).await);
    assert!(running.stop().success());

    let port = write_config(folder.path(), "[token]\nissuer = \"https://gateway.example.com\"");
    let _running = Running::start(&mut portcullis(folder.path(), &["serve"]), "listening");
    assert_eq!(key_files(folder.path()).len(), 1);
    assert!(is_accepted(port, &token).await, "a restart keeps tokens good");
}

#[test]
fn a_key_that_others_could_read_or_that_is_none_keeps_the_gateway_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), "");
    drop(Running::start(
        &mut portcullis(folder.path(), &["serve"]),
        "listening",
    ));
    let key = key_files(folder.path()).remove(0);
    let good = fs::read(&key).unwrap();
    // One that starts all the same is waited for in vain, and stopped.
    let says = |what: &str, error: &str| {
        for command in ["serve", "check"] {
            let running = Running::start(&mut portcullis(folder.path(), &[command]), error);
            let said = running.output();
            assert!(
                said.contains(key.file_name().unwrap().to_str().unwrap()),
                "{command} {what}: {said}"
            );
            assert_eq!(running.ended().code(), Some(2), "{command} {what}: {said}");
        }
    };
    for mode in [0o640, 0o604, 0o660, 0o666, 0o644, 0o610] {
        fs::set_permissions(&key, PermissionsExt::from_mode(mode)).unwrap();
        says(&format!("{mode:o}"), "can be read by other users; run: chmod 600");
    }
    fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    for (what, contents) in [
        ("empty", Vec::new()),
        ("garbage", b"garbage".to_vec()),
        ("cut off", good[..good.len() / 2].to_vec()),
        ("a public key", p384.public_key_pem().into_bytes()),
    ] {
        fs::write(&key, contents).unwrap();
        says(what, "is not a PKCS#8 PEM file with a private key of");
    }
    fs::write(&key, good).unwrap();
    drop(Running::start(
        &mut portcullis(folder.path(), &["serve"]),
        "listening",
    ));
}

#[tokio::test]
async fn keys_are_rotated_and_retired_under_gateways_that_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = "[token]\nissuer = \"https://gateway.example.com\"";
    let ports = [(); 2].map(|()| write_config(folder.path(), issuer));
    let gateways = ports.map(|port| {
        // They share users, keys and the issuer's name; each has its own port, and its own memory.
        let config = fs::read_to_string(folder.path().join("gateway.toml")).unwrap();
        let own = config
            .replace(&ports[1].to_string(), &port.to_string())
            .replace("[server]", &format!("[server]\nstate = \"state-{port}\""));
        let name = format!("gateway-{port}.toml");
        fs::write(folder.path().join(&name), own).unwrap();
        Running::start(
            &mut portcullis(folder.path(), &["serve", "--config", &name]),
            "listening",
        )
    });
    let key = |arguments: &[&str]| {
        let output = portcullis(folder.path(), &[&["key"], arguments].concat())
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let listed = |state: &str| -> Vec<String> {
        let keys: serde_json::Value = serde_json::from_str(&key(&["list", "--json"])).unwrap();
        let keys = keys
            .as_array()
            .unwrap()
            .iter()
            .filter(|key| key["state"] == state);
        keys.map(|key| key["id"].as_str().unwrap().to_owned()).collect()
    };
    let [first] = &listed("signs")[..] else { panic!() };
    let old = token(ports[0]).await;
    assert!(
        is_accepted(ports[1], &old).await,
        "the other gateway has the same key"
    );

    assert!(key(&["rotate"]).contains("signs from now on"));
    let [second] = &listed("signs")[..] else { panic!() };
    assert_eq!(&listed("verifies"), std::slice::from_ref(first));
    assert!(key(&["list"]).contains(&format!("{first}  ES256  verifies until 20")));
    for gateway in &gateways {
        gateway.wait_for(&format!("key=\"{second}\""));
    }
    let new = token(ports[0]).await;
    for port in ports {
        assert!(is_accepted(port, &old).await && is_accepted(port, &new).await);
    }

    key(&["retire", first]);
    for port in ports {
        let is_out = async { while is_accepted(port, &old).await {} };
        soon("the end of the retired key's tokens", is_out).await;
        assert!(is_accepted(port, &new).await);
    }
    let refused = portcullis(folder.path(), &["key", "retire", second])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("run `portcullis key rotate` first"), "{said}");
}
