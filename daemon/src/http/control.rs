//! The control socket: the same REST for `frontdeskctl`, authorised by who asks.
//!
//! Its file has mode 0660, so that root, the daemon's user and the members of the file's group can connect; who
//! connected is then checked again by what the kernel says about it. Members are looked up in `/etc/passwd` and
//! `/etc/group`: people of a directory service need the group as their primary one, or `sudo`.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener as StdListener, UnixStream};
use std::path::{Path, PathBuf};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router};
use tokio::net::UnixListener;

use super::admin::{self, AdminState};
use super::reply::Refused;
use super::serve::Peer;
use crate::metrics::Metrics;

const MODE: u32 = 0o660;

/// Why there is no control socket. The daemon can do without: calls do not depend on it.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Its directory does not exist: as on a development machine.
    #[error(
        "frontdeskctl will not reach this daemon: there is no directory for the control socket {path} (systemd makes \
         /run/frontdesk; elsewhere name a place with [control] socket)", path = .path.display()
    )]
    NoDirectory {
        /// The socket.
        path: PathBuf,
    },
    /// Somebody listens there.
    #[error("the control socket {path} is in use by another frontdeskd: give this one a [control] socket of its own", path = .path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something else has the name.
    #[error("{path} is not a socket and is left alone: name another [control] socket", path = .path.display())]
    NotASocket {
        /// The file.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("the control socket {path} cannot be made: its directory must belong to the daemon's user", path = .path.display())]
    Refused {
        /// The socket.
        path: PathBuf,
        /// Its reason.
        #[source]
        source: io::Error,
    },
}

/// The socket's file while it is ours; removed when this is dropped.
#[derive(Debug)]
pub struct ControlFile {
    path: PathBuf,
    /// Device and inode: another daemon's file of the same name is not ours to remove.
    identity: (u64, u64),
    group: u32,
    /// Keeps the inode from being given to that other file.
    _socket: StdListener,
}

impl Drop for ControlFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|file| (file.dev(), file.ino()) == self.identity) {
            // A file that stays behind is recognised as stale by the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes the socket. A file that a crash left behind, where nobody listens, is replaced. Blocks for an instant on the
/// file system; must be called within a runtime.
pub fn bind(path: &Path) -> Result<(UnixListener, ControlFile), ControlError> {
    let refused = |source| ControlError::Refused { path: path.to_owned(), source };
    remove_stale(path)?;
    let socket = StdListener::bind(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => ControlError::NoDirectory { path: path.to_owned() },
        ErrorKind::AddrInUse => ControlError::InUse { path: path.to_owned() },
        _ => refused(source),
    })?;
    socket.set_nonblocking(true).map_err(refused)?;
    let listener = socket.try_clone().and_then(UnixListener::from_std).map_err(refused)?;
    fs::set_permissions(path, fs::Permissions::from_mode(MODE)).map_err(refused)?;
    let file = fs::symlink_metadata(path).map_err(refused)?;
    let (identity, group) = ((file.dev(), file.ino()), file.gid());
    Ok((listener, ControlFile { path: path.to_owned(), identity, group, _socket: socket }))
}

fn remove_stale(path: &Path) -> Result<(), ControlError> {
    match fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() => {}
        Ok(_) => return Err(ControlError::NotASocket { path: path.to_owned() }),
        // Whatever else is wrong will be told when the socket is made.
        Err(_) => return Ok(()),
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|source| ControlError::Refused { path: path.to_owned(), source })
        }
        _ => Err(ControlError::InUse { path: path.to_owned() }),
    }
}

/// Everything that the control socket serves. Requests must carry their [`Peer`].
pub fn router(state: AdminState, file: &ControlFile) -> Router {
    let guard = (Admitted::of(file), state.metrics.clone());
    admin::control_routes(state).layer(from_fn_with_state(guard, admit))
}

/// Who may ask, besides root.
#[derive(Debug, Clone, Copy)]
struct Admitted {
    user: u32,
    group: u32,
}

impl Admitted {
    fn of(file: &ControlFile) -> Self {
        // Our own process's directory belongs to the user that we are.
        let user = fs::metadata("/proc/self").map_or(0, |process| process.uid());
        Self { user, group: file.group }
    }

    /// By what the kernel says about the peer alone.
    fn includes(self, user: u32, group: u32) -> bool {
        user == 0 || user == self.user || group == self.group
    }
}

async fn admit(
    State((admitted, metrics)): State<(Admitted, Metrics)>,
    peer: Option<Extension<Peer>>,
    request: Request,
    next: Next,
) -> Response {
    let known = peer.and_then(|Extension(peer)| peer.credentials).map(|by| (by.uid(), by.gid()));
    if let Some((user, group)) = known
        && (admitted.includes(user, group) || is_member(user, admitted.group).await)
    {
        return next.run(request).await;
    }
    metrics.admin_refused("not_a_member");
    let message = "only root, the daemon's user and members of the socket's group may ask: use sudo, or have yourself \
                   added with: sudo usermod --append --groups frontdesk YOU, and log in again";
    Refused::new(StatusCode::FORBIDDEN, "not_a_member", message).into_response()
}

/// Whether the system's files list the user as a member of the group.
async fn is_member(user: u32, group: u32) -> bool {
    let look = move || -> Option<bool> {
        let (users, groups) = (fs::read_to_string("/etc/passwd").ok()?, fs::read_to_string("/etc/group").ok()?);
        Some(lists(&users, &groups, user, group))
    };
    tokio::task::spawn_blocking(look).await.ok().flatten().unwrap_or(false)
}

/// passwd(5) `name:password:uid:…`, group(5) `name:password:gid:member,member`.
fn lists(users: &str, groups: &str, user: u32, group: u32) -> bool {
    let id = |line: &str| line.split(':').nth(2).and_then(|id| id.parse::<u32>().ok());
    let name = users.lines().find(|line| id(line) == Some(user)).and_then(|line| line.split(':').next());
    let members = groups.lines().find(|line| id(line) == Some(group)).and_then(|line| line.split(':').nth(3));
    name.zip(members).is_some_and(|(name, members)| members.split(',').any(|member| member == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/bash\nanna:x:1000:1000:Anna:/home/anna:/bin/bash\n";
    const GROUPS: &str = "root:x:0:\nanna:x:1000:\nfrontdesk:x:990:ben,anna\n";

    #[test]
    fn members_of_the_sockets_group_are_admitted() {
        let admitted = Admitted { user: 991, group: 990 };
        assert!(admitted.includes(0, 0), "root");
        assert!(admitted.includes(991, 991), "the daemon's user");
        assert!(admitted.includes(1000, 990), "whose primary group it is");
        assert!(!admitted.includes(1000, 1000));
        assert!(lists(USERS, GROUPS, 1000, 990), "who was added to it");
        assert!(!lists(USERS, GROUPS, 1000, 0));
        assert!(!lists(USERS, GROUPS, 1001, 990), "a user without a name");
        assert!(!lists("", "frontdesk:x:990:", 1000, 990));
    }

    #[tokio::test]
    async fn the_socket_is_for_its_group_and_goes_with_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let (listener, file) = bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert!(matches!(bind(&path), Err(ControlError::InUse { .. })), "somebody listens");

        drop((listener, file));
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_file_that_a_crash_left_behind_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        drop(StdListener::bind(&path).unwrap());
        assert!(path.exists());
        let (_listener, _file) = bind(&path).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[tokio::test]
    async fn another_daemons_file_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let ours = bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _theirs = bind(&path).unwrap();
        drop(ours);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn what_is_not_ours_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        fs::write(&path, "notes").unwrap();
        assert!(matches!(bind(&path), Err(ControlError::NotASocket { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "notes");
    }

    #[tokio::test]
    async fn a_missing_directory_is_told_with_advice() {
        let error = bind(Path::new("/nowhere/frontdesk/control.sock")).unwrap_err();
        assert!(matches!(error, ControlError::NoDirectory { .. }));
        let said = error.to_string();
        assert!(said.contains("/nowhere/frontdesk/control.sock") && said.contains("[control] socket"), "{said}");
    }
}
