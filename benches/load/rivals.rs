//! Whom the gateway is compared with: nginx and HAProxy in front of the same upstream, as they are set up for speed.

use std::{fs, net::SocketAddr, process::Command};

use anyhow::Context;

use crate::{
    cost::Processes,
    program::{self, Program},
    stage::{Place, Target, free_address},
};

/// nginx with `proxy_pass` alone: connections to the upstream are kept, nobody has to sign in.
pub async fn nginx(place: &Place<'_>) -> anyhow::Result<(Program, Target)> {
    let nginx = program::find("nginx").context("nginx is not installed")?;
    let address = free_address(2)?;
    let arguments = place.arguments;
    let (mut listen, mut certificate) = ("reuseport".to_owned(), "");
    if arguments.tls {
        listen += " ssl";
        certificate = "ssl_certificate cert.pem; ssl_certificate_key key.pem; ssl_protocols TLSv1.2 TLSv1.3;";
    }
    if place.multiplexed() {
        listen += " http2";
    }
    // Its workers are somebody else where it was started by root, and could not use our folder.
    let user = match rustix::process::geteuid().is_root() {
        true => "user root;",
        false => "",
    };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {name}; "))
        .concat();
    let config = format!(
        "daemon off; {user} worker_processes {cores}; pid nginx.pid; error_log stderr; \
         worker_rlimit_nofile {files};\n\
         events {{ worker_connections {files}; }}\n\
         http {{ access_log off; {temporary}\n\
         keepalive_requests 1000000000; keepalive_timeout 600s; client_max_body_size 0;\n\
         upstream app {{ server {upstream}; keepalive {kept}; keepalive_requests 1000000000; }}\n\
         server {{ listen {address} {listen}; {certificate}\n\
         http2_max_concurrent_streams {streams}; proxy_request_buffering off;\n\
         location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
         proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;\n\
         proxy_set_header X-Forwarded-Proto $scheme; }} }} }}\n",
        cores = cores(),
        files = 2 * arguments.concurrency() + 1_024,
        upstream = place.upstream,
        kept = arguments.concurrency().max(128),
        streams = arguments.streams.get().max(128),
    );
    let file = place.folder.join("nginx.conf");
    fs::write(&file, config)?;
    let mut command = Command::new(nginx);
    // Messages before the configuration is read go to a file that only root can write.
    command
        .arg("-p")
        .arg(place.folder)
        .arg("-c")
        .arg(file)
        .args(["-e", "stderr"]);
    let program = Program::start(&mut command, place.folder, "nginx", address).await?;
    let target = target(place, &program, address);
    Ok((program, target))
}

/// HAProxy; with a secret it takes requests with HS256 tokens alone. It looks at their signature, and at nothing else.
pub async fn haproxy(place: &Place<'_>, secret: Option<&str>) -> anyhow::Result<(Program, Target)> {
    let haproxy = program::find("haproxy").context("haproxy is not installed")?;
    let (number, name) = match secret {
        None => (3, "haproxy"),
        Some(_) => (4, "haproxy-jwt"),
    };
    let address = free_address(number)?;
    let arguments = place.arguments;
    let bind = match (arguments.tls, place.multiplexed()) {
        (true, _) => "ssl crt both.pem alpn h2,http/1.1",
        (false, true) => "proto h2",
        (false, false) => "",
    };
    let rule = secret.map_or_else(String::new, |secret| {
        format!(
            " http-request deny deny_status 401 unless {{ http_auth_bearer,jwt_verify(HS256,\"{secret}\") -m int 1 }}\n"
        )
    });
    let config = format!(
        "global\n nbthread {cores}\n maxconn {most}\n tune.h2.max-concurrent-streams {streams}\n\
         defaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n\
         frontend edge\n bind {address} {bind}\n{rule} default_backend app\n\
         backend app\n http-reuse always\n server app {upstream}\n",
        cores = cores(),
        most = arguments.concurrency() + 1_000,
        streams = arguments.streams.get().max(128),
        upstream = place.upstream,
    );
    let file = place.folder.join(format!("{name}.cfg"));
    fs::write(&file, config)?;
    let mut command = Command::new(haproxy);
    command.arg("-db").arg("-f").arg(file);
    let program = Program::start(&mut command, place.folder, name, address).await?;
    let target = target(place, &program, address);
    Ok((program, target))
}

fn target(place: &Place<'_>, program: &Program, address: SocketAddr) -> Target {
    Target {
        address,
        authority: address.to_string(),
        tls: place.arguments.tls,
        path: "/".to_owned(),
        credentials: Vec::new(),
        answer: Some(place.arguments.answer),
        processes: Some(Processes::of(program.id())),
    }
}

/// As many workers as the gateway has.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
