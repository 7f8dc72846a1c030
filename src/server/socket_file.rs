//! The file of a unix socket that is listened on: made in place of one that a gateway has left behind, and gone when
//! this one stops.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use tokio::net::UnixSocket;

use super::listen::BACKLOG;

/// For the gateway's user and group: the front proxy's user must be in it.
pub(super) const FOR_THE_GROUP: u32 = 0o660;

/// For the gateway's user alone, and root.
pub(super) const FOR_ITS_USER: u32 = 0o600;

/// Removes the file when it is dropped, unless somebody else's has taken its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

/// Listens on a unix socket whose file has this mode. Must run inside a tokio runtime.
///
/// # Errors
/// Somebody listens there, the file is no socket, or its folder is not ours to write to.
pub(super) fn listen(path: &Path, mode: u32) -> io::Result<(UnixListener, SocketFile)> {
    refuse_if_taken(path)?;
    // Made under another name, so that nobody can connect before its mode is right, and it takes its place at once.
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = UnixSocket::new_stream()?;
    socket.bind(&new)?;
    let listener = socket.listen(BACKLOG)?.into_std()?;
    fs::set_permissions(&new, fs::Permissions::from_mode(mode))?;
    let metadata = fs::symlink_metadata(&new)?;
    fs::rename(&new, path)?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: identity(&metadata),
    };
    Ok((listener, file))
}

/// Only a socket that nobody listens on may be replaced.
fn refuse_if_taken(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata?,
    };
    if !metadata.file_type().is_socket() {
        let message = "there is a file of this name that is no socket";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "somebody listens on it already",
        )),
    }
}

fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours =
            fs::symlink_metadata(&self.path).is_ok_and(|metadata| identity(&metadata) == self.identity);
        // Somebody may have removed it, which is all that is wanted.
        let _ = ours.then(|| fs::remove_file(&self.path));
    }
}
