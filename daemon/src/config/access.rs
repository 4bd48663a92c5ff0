//! Whether the daemon will be able to keep its store where the configuration says, and to read what is named there, as far as
//! permission bits tell.
//!
//! Whoever checks a configuration is seldom the user that the daemon runs as, and the unit's sandbox is seen by nobody
//! outside of it: what cannot be told from here is not complained of.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The unit's user (`systemd/frontdesk.sysusers.conf`).
const UNIT_USER: &str = "frontdesk";
/// Made by systemd for that user when the unit starts (`StateDirectory=`), and the only place that it may write to.
const STATE_DIRECTORY: &str = "/var/lib/frontdesk";
const READ: u32 = 0o4;
const READ_SEARCH: u32 = 0o5;
const READ_WRITE: u32 = 0o6;
const WRITE_SEARCH: u32 = 0o3;
const SEARCH: u32 = 0o1;

/// Somebody who may run the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    name: String,
    uid: u32,
    groups: Vec<u32>,
}

impl User {
    /// The unit's user, if this machine has it, and who runs this program. Root is left out beside the other: it may
    /// everything, and that says nothing.
    pub(super) fn candidates() -> Vec<Self> {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let unit = Self::listed(UNIT_USER, &read("/etc/passwd"), &read("/etc/group"));
        let present = Self::present(&read("/proc/self/status"));
        let speaks = |user: &Self| user.uid != 0 || unit.is_none();
        unit.clone().into_iter().chain(present.filter(speaks)).collect()
    }

    /// passwd(5) `name:password:uid:gid:…`, group(5) `name:password:gid:member,member`.
    fn listed(name: &str, users: &str, groups: &str) -> Option<Self> {
        let mut fields = users.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.split(':').skip(1);
        let (uid, own) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let group = |line: &str| {
            let mut fields = line.split(':').skip(2);
            let gid = fields.next()?.parse().ok()?;
            fields.next()?.split(',').any(|member| member == name).then_some(gid)
        };
        let groups = std::iter::once(own).chain(groups.lines().filter_map(group)).collect();
        Some(Self { name: name.to_owned(), uid, groups })
    }

    /// proc(5): `Uid:` and `Gid:` are the real, effective, saved and file system's, in that order.
    fn present(status: &str) -> Option<Self> {
        let numbers = |key: &str| -> Option<Vec<u32>> {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().map(|number| number.parse().ok()).collect()
        };
        let (uid, gid) = (*numbers("Uid:")?.get(1)?, *numbers("Gid:")?.get(1)?);
        let groups = std::iter::once(gid).chain(numbers("Groups:").unwrap_or_default()).collect();
        Some(Self { name: "who runs this".to_owned(), uid, groups })
    }

    /// Whether the bits grant `wanted`, a digit as chmod(1) counts it.
    fn may(&self, wanted: u32, about: &Metadata) -> bool {
        let shift = match () {
            () if self.uid == 0 => return true,
            () if self.uid == about.uid() => 6,
            () if self.groups.contains(&about.gid()) => 3,
            () => 0,
        };
        about.mode() >> shift & wanted == wanted
    }
}

/// What is wrong with a place for the store, and what would do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unusable {
    pub(super) found: String,
    pub(super) remedy: String,
}

/// Why none of `users` could keep a store at `path`.
pub(super) fn store_unusable(path: &Path, users: &[User]) -> Option<Unusable> {
    let directory = path.parent()?;
    if let Err(error) = fs::metadata(directory) {
        if error.kind() == std::io::ErrorKind::NotFound && directory.starts_with(STATE_DIRECTORY) {
            return None;
        }
        let found = format!("is in {}, which cannot be used ({error})", directory.display());
        let owner = users.first().map_or(UNIT_USER, |user| &user.name);
        return Some(Unusable { found, remedy: format!("create the directory and give it to {owner}") });
    }
    let mut refusals = users.iter().map(|user| refused(path, directory, user)).collect::<Option<Vec<_>>>()?;
    (!refusals.is_empty()).then(|| refusals.swap_remove(0))
}

/// Which of `users` may not read `path`, a file or a folder, if none of them may. What cannot be looked at from here is not
/// complained of.
pub(super) fn unreadable_for<'a>(path: &Path, users: &'a [User]) -> Option<&'a str> {
    let about = fs::metadata(path).ok()?;
    let wanted = if about.is_dir() { READ_SEARCH } else { READ };
    let lets_through = |user: &User| {
        let above = path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
        above.filter_map(|above| fs::metadata(above).ok()).all(|above| user.may(SEARCH, &above))
    };
    let may = |user: &User| user.may(wanted, &about) && lets_through(user);
    users.first().filter(|_| !users.iter().any(may)).map(|user| user.name.as_str())
}

fn refused(path: &Path, directory: &Path, user: &User) -> Option<Unusable> {
    let lacks = |path: &Path, wanted| fs::metadata(path).is_ok_and(|about| !user.may(wanted, &about));
    let name = &user.name;
    let unusable = |place: &Path, remedy: String| {
        Some(Unusable { found: format!("cannot be kept by {name}: {} refuses it", place.display()), remedy })
    };
    if lacks(directory, WRITE_SEARCH) {
        return unusable(directory, format!("give the directory to {name}: chown {name}: {}", directory.display()));
    }
    if let Some(above) = directory.ancestors().skip(1).find(|above| lacks(above, SEARCH)) {
        return unusable(above, format!("let {name} pass through it, or name another [store] path"));
    }
    // Somebody has run the daemon as another user here.
    let file = parts(path).into_iter().find(|part| lacks(part, READ_WRITE))?;
    unusable(&file, format!("give the file to {name}: chown {name}: {}", file.display()))
}

/// The files of a store that may be there.
fn parts(path: &Path) -> [PathBuf; 4] {
    ["", "-wal", "-shm", ".lock"].map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    })
}

/// What the unit's sandbox needs to be told of `path`, where there is a unit.
pub(super) fn sandbox_advice(path: &Path, users: &[User]) -> Option<String> {
    let has_unit = users.iter().any(|user| user.name == UNIT_USER);
    (has_unit && !path.starts_with(STATE_DIRECTORY)).then(|| {
        let directory = path.parent().unwrap_or(path).display().to_string();
        format!("add ReadWritePaths={directory} to the unit (systemctl edit frontdeskd)")
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const USERS: &str =
        "root:x:0:0:root:/root:/bin/bash\nfrontdesk:x:990:991:Frontdesk:/var/lib/frontdesk:/sbin/nologin\n";
    const GROUPS: &str = "root:x:0:\nfrontdesk:x:991:anna\ncerts:x:992:ben,frontdesk\nfrontdesk2:x:993:ben\n";

    fn user(uid: u32, groups: &[u32]) -> User {
        User { name: "frontdesk".to_owned(), uid, groups: groups.to_owned() }
    }

    #[test]
    fn users_are_known_by_the_systems_files() {
        assert_eq!(User::listed("frontdesk", USERS, GROUPS), Some(user(990, &[991, 992])));
        assert_eq!(User::listed("front", USERS, GROUPS), None);
        let status = "Name:\tfrontdeskd\nUid:\t1000\t0\t0\t0\nGid:\t1000\t5\t5\t5\nGroups:\t5 27 \n";
        let present = User::present(status).unwrap();
        assert_eq!((present.uid, present.groups), (0, vec![5, 5, 27]));
        assert!(!User::candidates().is_empty());
    }

    /// A directory of the one who runs the tests, with this mode.
    fn directory(mode: u32) -> (tempfile::TempDir, u32, u32) {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).unwrap();
        let about = fs::metadata(directory.path()).unwrap();
        (directory, about.uid(), about.gid())
    }

    #[test]
    fn a_directory_is_used_by_whom_its_bits_admit() {
        let cases = [(0o700, [true, false, false]), (0o770, [true, true, false]), (0o755, [true, false, false])];
        for (mode, expected) in cases {
            let (home, owner, group) = directory(mode);
            let path = home.path().join("frontdesk.db");
            let users = [user(owner, &[]), user(owner + 1, &[group]), user(owner + 1, &[group + 1])];
            assert_eq!(users.map(|user| store_unusable(&path, &[user]).is_none()), expected, "{mode:o}");
        }
    }

    #[test]
    fn who_may_not_is_told_where_and_what_would_do() {
        let (home, owner, group) = directory(0o777);
        let stranger = [user(owner + 1, &[group + 1])];
        let path = home.path().join("frontdesk.db");
        assert_eq!(store_unusable(&path, &stranger), None);
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let said = store_unusable(&path, &stranger).unwrap();
        assert!(
            said.found.starts_with("cannot be kept by frontdesk: ") && said.found.contains("frontdesk.db"),
            "{said:?}"
        );
        assert!(said.remedy.contains("chown frontdesk: "), "{said:?}");
        assert_eq!(store_unusable(&path, &[stranger[0].clone(), user(owner, &[])]), None, "somebody may");

        let missing = store_unusable(&home.path().join("missing/frontdesk.db"), &stranger).unwrap();
        assert_eq!(missing.remedy, "create the directory and give it to frontdesk");
        assert_eq!(
            store_unusable(Path::new("/var/lib/frontdesk/none/frontdesk.db"), &stranger),
            None,
            "systemd makes it"
        );
    }

    #[test]
    fn a_text_is_read_by_whom_its_bits_and_its_folders_admit() {
        let (home, owner, group) = directory(0o750);
        let path = home.path().join("parking.md");
        fs::write(&path, "Behind the house.").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let users = [user(owner, &[]), user(owner + 1, &[group]), user(owner + 1, &[group + 1])];
        for (path, expected) in [(path.as_path(), [true, true, false]), (home.path(), [true, true, false])] {
            assert_eq!(users.clone().map(|user| unreadable_for(path, &[user]).is_none()), expected);
        }
        assert_eq!(unreadable_for(&path, &users[2..]), Some("frontdesk"));
        assert_eq!(unreadable_for(&path, &users), None, "somebody may");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(unreadable_for(&path, &users[2..]).is_some(), "the folder is closed to them");
        assert_eq!(unreadable_for(&home.path().join("missing.md"), &users[2..]), None);
    }

    #[test]
    fn the_sandbox_is_told_of_a_place_of_ones_own() {
        let unit = [user(990, &[])];
        assert_eq!(sandbox_advice(Path::new("/var/lib/frontdesk/frontdesk.db"), &unit), None);
        let said = sandbox_advice(Path::new("/srv/calls/frontdesk.db"), &unit).unwrap();
        assert_eq!(said, "add ReadWritePaths=/srv/calls to the unit (systemctl edit frontdeskd)");
        assert_eq!(sandbox_advice(Path::new("/srv/calls/frontdesk.db"), &[]), None);
    }
}
