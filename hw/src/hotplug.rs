//! Arrival and loss of sound cards: inotify on `/dev/snd`, which needs neither udev's library nor its socket.
//!
//! A card's nodes appear one after the other, and their permissions are set last. So a change only starts a short wait
//! ([`SETTLE`]); opening a device before it is complete would fail and cost a retry.

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// From the last change until the card is complete.
pub const SETTLE: Duration = Duration::from_millis(250);

/// Watches a directory of device nodes, and the one above for its coming into being: without any card there may be no
/// `/dev/snd`.
pub struct Watch {
    inotify: OwnedFd,
    nodes: PathBuf,
}

impl Watch {
    /// Watches the nodes of sound cards.
    pub fn sound() -> io::Result<Self> {
        Self::of(Path::new("/dev/snd"))
    }

    /// Watches this directory. The one above must exist.
    pub fn of(nodes: &Path) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let above = nodes.parent().unwrap_or(Path::new("/"));
        inotify::add_watch(&inotify, above, WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR)?;
        let watch = Self { inotify, nodes: nodes.to_path_buf() };
        watch.look_inside();
        Ok(watch)
    }

    /// Whether something changed since the last time. Never waits.
    pub fn changed(&mut self) -> bool {
        let (mut inside, mut above) = (false, false);
        let mut buffer = [MaybeUninit::uninit(); 1024];
        let mut events = inotify::Reader::new(&self.inotify, &mut buffer);
        // Ends with `EAGAIN`; whoever floods us with events is cut short and waits for the next turn.
        for _ in 0..4096 {
            let Ok(event) = events.next() else { break };
            let flags = event.events();
            // The directory above brings its own news, of which only our directory's name is of interest.
            let ours = event.file_name().is_some_and(|name| Some(name.to_bytes()) == self.name());
            above |= ours
                || flags.contains(inotify::ReadFlags::IGNORED)
                || flags.contains(inotify::ReadFlags::QUEUE_OVERFLOW);
            inside |= event.file_name().is_some_and(|name| is_node(name.to_bytes()));
        }
        if above {
            self.look_inside();
        }
        inside || above
    }

    fn name(&self) -> Option<&[u8]> {
        self.nodes.file_name().map(OsStr::as_encoded_bytes)
    }

    /// Watches the directory itself. Without it, its coming is what is waited for; watching twice is once.
    fn look_inside(&self) {
        let inside = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::ATTRIB
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::ONLYDIR;
        let _ = inotify::add_watch(&self.inotify, &self.nodes, inside);
    }
}

/// Nodes of cards: `controlC1`, `pcmC1D0c`. Others (`timer`, `seq`) come and go without a card.
fn is_node(name: &[u8]) -> bool {
    name.starts_with(b"controlC") || name.starts_with(b"pcmC")
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn nodes_that_come_change_and_go_are_noticed_and_others_are_not() {
        let dev = tempfile::tempdir().unwrap();
        let snd = dev.path().join("snd");
        fs::create_dir(&snd).unwrap();
        let mut watch = Watch::of(&snd).unwrap();
        assert!(!watch.changed());
        fs::write(snd.join("timer"), "").unwrap();
        fs::write(dev.path().join("random"), "").unwrap();
        assert!(!watch.changed());
        let node = snd.join("pcmC1D0c");
        fs::write(&node, "").unwrap();
        assert!(watch.changed());
        assert!(!watch.changed(), "told once");
        fs::set_permissions(&node, fs::Permissions::from_mode(0o660)).unwrap();
        assert!(watch.changed());
        fs::remove_file(&node).unwrap();
        assert!(watch.changed());
    }

    #[test]
    fn the_first_card_brings_the_directory_with_it() {
        let dev = tempfile::tempdir().unwrap();
        let snd = dev.path().join("snd");
        let mut watch = Watch::of(&snd).unwrap();
        assert!(!watch.changed());
        for _ in 0..3 {
            fs::create_dir(&snd).unwrap();
            assert!(watch.changed());
            fs::write(snd.join("controlC0"), "").unwrap();
            assert!(watch.changed(), "what is inside is watched from now on");
            fs::remove_file(snd.join("controlC0")).unwrap();
            fs::remove_dir(&snd).unwrap();
            assert!(watch.changed());
        }
        assert!(!watch.changed());
    }

    #[test]
    fn what_is_not_there_to_be_watched_is_an_error() {
        assert!(Watch::of(Path::new("/nowhere/at/all/snd")).is_err());
    }
}
