//! Which sound cards there are, and what they are in the world of USB.
//!
//! What ALSA tells (card, directions) comes through its control interface; what it does not (serial number, port) from
//! `/proc/asound`, `/sys` and udev's data, each read as plain text.

use super::spec::hex4;
use crate::pcm::port::Direction;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// A sound card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Its number; another one after each plugging in.
    pub index: u32,
    /// ALSA's short name of it, unique at any one time.
    pub id: String,
    /// What it calls itself.
    pub name: String,
    /// The number of its first device with a microphone.
    pub capture: Option<u32>,
    /// The number of its first device with a loudspeaker.
    pub playout: Option<u32>,
    /// What it is on USB, if it is.
    pub usb: Option<Usb>,
}

/// A device on USB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usb {
    /// Vendor.
    pub vid: u16,
    /// Product.
    pub pid: u16,
    /// Serial number, when it has one.
    pub serial: Option<String>,
    /// The kernel's name of the port that it is in: `1-1.2`.
    pub port: Option<String>,
    /// udev's name of that port: `ID_PATH`.
    pub id_path: Option<String>,
    /// The `usb_device` in `/sys`: what else it is (buttons, lamps) hangs below.
    pub sysfs: Option<PathBuf>,
    /// Megabits per second: 12 is full speed.
    pub speed: Option<u32>,
}

/// Where the system tells of its devices; elsewhere in tests.
#[derive(Debug, Clone)]
pub struct Roots {
    /// `/proc`
    pub proc: PathBuf,
    /// `/sys`
    pub sys: PathBuf,
    /// `/run/udev/data`
    pub udev: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into(), udev: "/run/udev/data".into() }
    }
}

/// The cards of this system. Opens and closes each card's control node: not for the real-time thread.
///
/// A card that cannot be asked (no permission, gone meanwhile) is listed without directions.
pub fn list(roots: &Roots) -> Vec<Card> {
    let _quiet = alsa::Output::local_error_handler();
    alsa::card::Iter::new().filter_map(Result::ok).map(|card| describe(card, roots)).collect()
}

fn describe(card: alsa::Card, roots: &Roots) -> Card {
    let index = u32::try_from(card.get_index()).unwrap_or(0);
    let name = card.get_name().unwrap_or_default();
    let id = fs::read_to_string(roots.proc.join(format!("asound/card{index}/id")));
    let mut found = Card {
        index,
        id: id.map_or_else(|_| index.to_string(), |id| id.trim().to_owned()),
        name,
        capture: None,
        playout: None,
        usb: None,
    };
    let mut numbers = None;
    if let Ok(control) = alsa::Ctl::from_card(&card, true) {
        found.capture = first_device(&control, alsa::Direction::Capture);
        found.playout = first_device(&control, alsa::Direction::Playback);
        numbers = control.card_info().ok().and_then(|info| usb_numbers(info.get_components().ok()?));
    }
    found.usb = usb(index, numbers, roots);
    found
}

fn first_device(control: &alsa::Ctl, direction: alsa::Direction) -> Option<u32> {
    alsa::ctl::DeviceIter::new(control)
        .filter_map(|device| u32::try_from(device).ok())
        .find(|device| control.pcm_info(*device, 0, direction).is_ok())
}

/// The numbers in a card's list of components, `USB0b0e:0422`.
fn usb_numbers(components: &str) -> Option<(u16, u16)> {
    let numbers = components.split_whitespace().find_map(|word| word.strip_prefix("USB"))?;
    let (vid, pid) = numbers.split_once(':')?;
    Some((hex4(vid)?, hex4(pid)?))
}

/// What the card is on USB; `numbers` when ALSA has told them.
pub fn usb(index: u32, numbers: Option<(u16, u16)>, roots: &Roots) -> Option<Usb> {
    let told = || {
        let text = fs::read_to_string(roots.proc.join(format!("asound/card{index}/usbid"))).ok()?;
        let (vid, pid) = text.trim().split_once(':')?;
        Some((hex4(vid)?, hex4(pid)?))
    };
    let (vid, pid) = numbers.or_else(told)?;
    let sysfs = usb_device(&roots.sys.join(format!("class/sound/card{index}/device")));
    let attribute = |name| {
        let text = fs::read_to_string(sysfs.as_ref()?.join(name)).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    Some(Usb {
        vid,
        pid,
        serial: attribute("serial"),
        port: sysfs.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()),
        id_path: udev_property(&roots.udev.join(format!("+sound:card{index}")), "ID_PATH"),
        speed: attribute("speed").and_then(|text| text.parse().ok()),
        sysfs,
    })
}

/// The `usb_device` above an interface: the nearest directory upwards that knows its vendor.
fn usb_device(interface: &Path) -> Option<PathBuf> {
    let real = fs::canonicalize(interface).ok()?;
    real.ancestors().find(|above| above.join("idVendor").is_file()).map(Path::to_path_buf)
}

/// A property from udev's database, whose lines are `E:NAME=value`.
fn udev_property(file: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix("E:")?.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.to_owned())
}

/// Who has a card's stream open: program and process, from the kernel's status of its first substream.
pub fn owner(index: u32, device: u32, direction: Direction, roots: &Roots) -> Option<String> {
    let letter = match direction {
        Direction::Capture => 'c',
        Direction::Playout => 'p',
    };
    let status = roots.proc.join(format!("asound/card{index}/pcm{device}{letter}/sub0/status"));
    let status = fs::read_to_string(status).ok()?;
    let owner = status.lines().find_map(|line| line.strip_prefix("owner_pid"))?;
    let pid: u32 = owner.trim_start_matches([' ', '\t', ':']).trim().parse().ok()?;
    let program = fs::read_to_string(roots.proc.join(format!("{pid}/comm"))).unwrap_or_default();
    match program.trim() {
        "" => Some(format!("process {pid}")),
        program => Some(format!("{program} (process {pid})")),
    }
}

impl fmt::Display for Usb {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "usb:{:04x}:{:04x}", self.vid, self.pid)?;
        if let Some(serial) = &self.serial {
            write!(out, ":{serial}")?;
        }
        match self.id_path.as_ref().or(self.port.as_ref()) {
            Some(path) => write!(out, ", path:{path}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Card {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} [{}]: ", self.name, self.id)?;
        out.write_str(match (self.capture, self.playout) {
            (Some(_), Some(_)) => "microphone and loudspeaker",
            (Some(_), None) => "microphone only",
            (None, Some(_)) => "loudspeaker only",
            (None, None) => "no sound, or no permission to ask it",
        })?;
        match &self.usb {
            Some(usb) => write!(out, "; {usb}"),
            None => write!(out, "; alsa:hw:CARD={}", self.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system with one Jabra in a hub's port, as a Raspberry Pi 4 shows it.
    fn system() -> (tempfile::TempDir, Roots) {
        let root = tempfile::tempdir().unwrap();
        let roots =
            Roots { proc: root.path().join("proc"), sys: root.path().join("sys"), udev: root.path().join("udev") };
        let write = |path: PathBuf, text: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let device = roots.sys.join("devices/platform/scb/fd500000.pcie/usb1/1-1/1-1.2");
        write(device.join("idVendor"), "0b0e\n");
        write(device.join("serial"), "50C2ED123456\n");
        write(device.join("speed"), "12\n");
        let interface = device.join("1-1.2:1.0");
        fs::create_dir_all(&interface).unwrap();
        fs::create_dir_all(roots.sys.join("class/sound/card1")).unwrap();
        std::os::unix::fs::symlink(&interface, roots.sys.join("class/sound/card1/device")).unwrap();
        write(roots.proc.join("asound/card1/usbid"), "0b0e:0422\n");
        write(roots.proc.join("asound/card1/pcm0c/sub0/status"), "state: RUNNING\nowner_pid   : 4711\n");
        write(roots.proc.join("asound/card1/pcm0p/sub0/status"), "closed\n");
        write(roots.proc.join("4711/comm"), "arecord\n");
        write(roots.udev.join("+sound:card1"), "I:7\nE:ID_BUS=usb\nE:ID_PATH=platform-xhci-usb-0:1.2:1.0\n");
        (root, roots)
    }

    #[test]
    fn a_card_is_found_on_usb_with_its_port_and_serial_number() {
        let (_root, roots) = system();
        let usb = usb(1, None, &roots).unwrap();
        assert_eq!((usb.vid, usb.pid, usb.serial.as_deref()), (0x0B0E, 0x0422, Some("50C2ED123456")));
        assert_eq!((usb.port.as_deref(), usb.speed), (Some("1-1.2"), Some(12)));
        assert_eq!(usb.to_string(), "usb:0b0e:0422:50C2ED123456, path:platform-xhci-usb-0:1.2:1.0");
        assert!(usb.sysfs.unwrap().ends_with("1-1/1-1.2"));
        assert_eq!(super::usb(0, None, &roots), None);
    }

    #[test]
    fn whoever_has_the_device_is_named() {
        let (_root, roots) = system();
        assert_eq!(owner(1, 0, Direction::Capture, &roots).as_deref(), Some("arecord (process 4711)"));
        assert_eq!(owner(1, 0, Direction::Playout, &roots), None);
        assert_eq!(owner(7, 0, Direction::Playout, &roots), None);
    }

    #[test]
    fn components_of_other_cards_are_not_taken_for_usb() {
        assert_eq!(usb_numbers("USB0b0e:0422"), Some((0x0B0E, 0x0422)));
        assert_eq!(usb_numbers("HDA:10ec0269,17aa2203,00100203 USB12:34"), None);
        assert_eq!(usb_numbers(""), None);
    }
}
