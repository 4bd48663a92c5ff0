//! Finding and opening the hidraw node that belongs to a sound card.
//!
//! Both hang below the same `usb_device` of sysfs, so neither product names nor node numbers decide. The descriptor is read
//! from sysfs (`device/report_descriptor`), which needs no permission for the node: a doctor can tell what a device has
//! before the udev rule is there.

use super::descriptor::{DescriptorError, Key, Lamp, Layout, MAX_DESCRIPTOR};
use rustix::fs::{FileType, Mode, OFlags, fstat, open as open_file};
use rustix::io::Errno;
use std::fs;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Where sysfs is.
pub const SYSFS: &str = "/sys";
/// Where device nodes are.
pub const DEV: &str = "/dev";
/// More levels than any chain of hubs has.
const MOST_LEVELS: usize = 32;
/// Bytes of a sysfs attribute that is text.
const MAX_TEXT: u64 = 4096;

/// A hidraw node that controls a telephone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name, such as `hidraw3`.
    pub name: String,
    /// Major and minor number.
    pub numbers: (u32, u32),
    /// The `usb_device` it belongs to.
    pub usb: PathBuf,
    /// That device's ids.
    pub ids: (u16, u16),
    /// What it has.
    pub layout: Layout,
}

/// Why there is no node. None of them keeps the desk from speaking: it has no buttons then.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// sysfs cannot be read at all.
    #[error("cannot list {path}")]
    List {
        /// What was to be listed.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The device has no HID interface, or is not there.
    #[error("{at} has no hidraw node: it is not plugged in or has no buttons")]
    None {
        /// Where it was looked for.
        at: PathBuf,
    },
    /// It has some, for something else.
    #[error("{nodes} of {at} has neither a hook switch nor a mute key nor an off-hook lamp")]
    NoTelephone {
        /// Where it was looked for.
        at: PathBuf,
        /// The nodes, with commas.
        nodes: String,
    },
    /// It has one that cannot be read.
    #[error("the report descriptor of {node} cannot be used")]
    Descriptor {
        /// The node's name.
        node: String,
        /// Why not.
        #[source]
        source: DescriptorError,
    },
}

/// Why a node cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The node's owner and mode are not for us.
    #[error(
        "no permission to open {path}: a udev rule must give it to the service, such as \
         SUBSYSTEM==\"hidraw\", ATTRS{{idVendor}}==\"{vendor:04x}\", ATTRS{{idProduct}}==\"{product:04x}\", \
         GROUP=\"frontdesk\", MODE=\"0660\""
    )]
    Denied {
        /// The node.
        path: PathBuf,
        /// idVendor.
        vendor: u16,
        /// idProduct.
        product: u16,
    },
    /// The service's unit does not let it.
    #[error("not allowed to open {path}: the unit needs DeviceAllow=char-hidraw rw")]
    NotAllowed {
        /// The node.
        path: PathBuf,
    },
    /// It was unplugged since it was found, or another device has its number.
    #[error("{path} is gone: the device was unplugged")]
    Gone {
        /// The node.
        path: PathBuf,
    },
    /// Something else.
    #[error("cannot open {path}")]
    Other {
        /// The node.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// The `usb_device` that `path` is or lies below, links followed; `None` when there is none within `sysfs`.
pub fn usb_device_of(sysfs: &Path, path: &Path) -> Option<PathBuf> {
    let root = fs::canonicalize(sysfs).ok()?;
    let mut path = fs::canonicalize(path).ok()?;
    // The device link of a class entry leads on where the entry itself is a folder of its own.
    if let Ok(device) = fs::canonicalize(path.join("device")) {
        path = device;
    }
    let ancestors = path.ancestors().take(MOST_LEVELS);
    ancestors.take_while(|it| it.starts_with(&root)).find(|it| it.join("idVendor").is_file()).map(Path::to_owned)
}

/// Finds the telephone's node of the USB device that the path `at` of sysfs is or lies below, such as
/// `/sys/class/sound/card1`; links are followed. Of several the one with the most of hook switch, mute key and their
/// lamps, then the one with the lowest number. Reads `sysfs`, given as [`SYSFS`] but in tests.
pub fn find(sysfs: &Path, at: &Path) -> Result<Node, FindError> {
    let class = sysfs.join("class/hidraw");
    let names = match list(&class) {
        Ok(names) => names,
        // No HID device has ever been plugged in, or its module is not loaded.
        Err(error) if error.kind() == io::ErrorKind::NotFound && sysfs.is_dir() => Vec::new(),
        Err(source) => return Err(FindError::List { path: class, source }),
    };
    let meant = usb_device_of(sysfs, at);
    let mut seen = Vec::new();
    let mut found: Vec<Node> = Vec::new();
    let mut broken = None;
    for name in names {
        // What vanishes while it is looked at was unplugged: as if it had not been listed.
        let Some((usb, ids)) = owner(sysfs, &class.join(&name)) else { continue };
        if meant.as_ref() != Some(&usb) {
            continue;
        }
        let entry = class.join(&name);
        let (Some(numbers), Ok(descriptor)) = (numbers(&entry), descriptor(&entry)) else { continue };
        match Layout::parse(&descriptor) {
            Ok(layout) if layout.is_telephone() => found.push(Node { name, numbers, usb, ids, layout }),
            Ok(_) => seen.push(name),
            Err(source) => broken = broken.or(Some(FindError::Descriptor { node: name, source })),
        }
    }
    let at = || at.to_owned();
    // Of equals `max_by_key` takes the last.
    match (found.into_iter().rev().max_by_key(worth), broken, seen.is_empty()) {
        (Some(node), _, _) => Ok(node),
        (None, Some(broken), _) => Err(broken),
        (None, None, true) => Err(FindError::None { at: at() }),
        (None, None, false) => Err(FindError::NoTelephone { at: at(), nodes: seen.join(", ") }),
    }
}

fn worth(node: &Node) -> usize {
    let layout = &node.layout;
    let keys = [Key::HookSwitch, Key::PhoneMute].into_iter().filter(|key| layout.has(*key)).count();
    keys + [Lamp::OffHook, Lamp::Mute, Lamp::Ring].into_iter().filter(|lamp| layout.shows(*lamp)).count()
}

/// Opens a node that [`find`] found in `sysfs`, below `dev` ([`DEV`] but in tests), for both directions, without waiting.
pub fn open(sysfs: &Path, dev: &Path, node: &Node) -> Result<OwnedFd, OpenError> {
    let path = dev.join(&node.name);
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let fd = open_file(&path, flags, Mode::empty()).map_err(|errno| refusal(errno, path.clone(), node))?;
    // Names and numbers are given again at once: what is open now may be the keyboard that was plugged in meanwhile, even
    // into the same port. What is replaced after it was opened hangs up.
    match fstat(&fd) {
        Ok(stat) if is_node(&stat, node.numbers) && is_still(sysfs, node) => Ok(fd),
        Ok(_) => Err(OpenError::Gone { path }),
        Err(error) => Err(OpenError::Other { path, source: error.into() }),
    }
}

fn refusal(errno: Errno, path: PathBuf, node: &Node) -> OpenError {
    let (vendor, product) = node.ids;
    match errno {
        Errno::ACCESS => OpenError::Denied { path, vendor, product },
        // The device controller of the unit's cgroup; the file's own mode gives EACCES.
        Errno::PERM => OpenError::NotAllowed { path },
        Errno::NOENT | Errno::NODEV | Errno::NXIO => OpenError::Gone { path },
        errno => OpenError::Other { path, source: errno.into() },
    }
}

fn is_node(stat: &rustix::fs::Stat, (major, minor): (u32, u32)) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)) == (major, minor)
}

/// Whether the node of this name still belongs to the same device and says the same of itself.
fn is_still(sysfs: &Path, node: &Node) -> bool {
    let entry = sysfs.join("class/hidraw").join(&node.name);
    owner(sysfs, &entry).is_some_and(|(usb, ids)| usb == node.usb && ids == node.ids)
        && descriptor(&entry).is_ok_and(|bytes| Layout::parse(&bytes).is_ok_and(|layout| layout == node.layout))
}

/// The names in the class folder, by number.
fn list(class: &Path) -> io::Result<Vec<String>> {
    let mut names: Vec<(u32, String)> = fs::read_dir(class)?
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            Some((name.strip_prefix("hidraw")?.parse().ok()?, name))
        })
        .collect();
    names.sort();
    Ok(names.into_iter().map(|(_, name)| name).collect())
}

/// The `usb_device` above a class entry, and its ids. `None` for Bluetooth, I²C and what was unplugged.
fn owner(sysfs: &Path, entry: &Path) -> Option<(PathBuf, (u16, u16))> {
    let usb = usb_device_of(sysfs, entry)?;
    let id = |name| u16::from_str_radix(&text(&usb.join(name))?, 16).ok();
    let ids = (id("idVendor")?, id("idProduct")?);
    Some((usb, ids))
}

fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    fs::File::open(path).ok()?.take(MAX_TEXT).read_to_string(&mut text).ok()?;
    Some(text.trim_end_matches('\n').to_owned())
}

fn numbers(entry: &Path) -> Option<(u32, u32)> {
    let text = text(&entry.join("dev"))?;
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// One byte more than allowed, so that too long a one is seen to be.
fn descriptor(entry: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(entry.join("device/report_descriptor"))?.take(MAX_DESCRIPTOR as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
#[path = "hidraw_tests.rs"]
mod tests;
