use super::*;
use crate::hid::samples::{BARE, KEYBOARD, SWITCH, TOGGLE};
use std::os::unix::fs::symlink;
use tempfile::TempDir;

/// A sysfs as Linux 6.1 lays it out: class entries are links to folders below the device.
struct Sysfs(TempDir);

impl Sysfs {
    fn new() -> Self {
        let sysfs = Self(TempDir::new().unwrap());
        fs::create_dir_all(sysfs.path().join("class/hidraw")).unwrap();
        fs::create_dir_all(sysfs.path().join("class/sound")).unwrap();
        sysfs
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// A USB device in a port below a hub.
    fn usb(&self, port: &str, ids: (u16, u16)) -> PathBuf {
        let hub = self.path().join("devices/pci0000:00/0000:00:14.0/usb1/1-1");
        let usb = hub.join(port);
        fs::create_dir_all(&usb).unwrap();
        fs::write(hub.join("idVendor"), "1d6b\n").unwrap();
        fs::write(hub.join("idProduct"), "0002\n").unwrap();
        fs::write(usb.join("idVendor"), format!("{:04x}\n", ids.0)).unwrap();
        fs::write(usb.join("idProduct"), format!("{:04x}\n", ids.1)).unwrap();
        usb
    }

    /// A HID interface of it.
    fn hid(&self, usb: &Path, number: u32, descriptor: &[u8]) -> PathBuf {
        let device = usb.join(format!("1-1:1.{number}/0003:0B0E:0422.{number:04}"));
        let entry = device.join(format!("hidraw/hidraw{number}"));
        fs::create_dir_all(&entry).unwrap();
        fs::write(device.join("report_descriptor"), descriptor).unwrap();
        fs::write(entry.join("dev"), format!("243:{number}\n")).unwrap();
        symlink("../..", entry.join("device")).unwrap();
        symlink(&entry, self.path().join(format!("class/hidraw/hidraw{number}"))).unwrap();
        device
    }

    /// Its sound card.
    fn card(&self, usb: &Path, number: u32) -> PathBuf {
        let entry = usb.join(format!("1-1:1.0/sound/card{number}"));
        fs::create_dir_all(&entry).unwrap();
        symlink("../..", entry.join("device")).unwrap();
        let link = self.path().join(format!("class/sound/card{number}"));
        symlink(&entry, &link).unwrap();
        link
    }

    fn find(&self, at: &Path) -> Result<Node, FindError> {
        find(self.path(), at)
    }
}

#[test]
fn the_node_below_the_cards_own_usb_device_is_found() {
    let sysfs = Sysfs::new();
    let keyboard = sysfs.usb("1-1.1", (0x046D, 0xC31C));
    let first = sysfs.usb("1-1.2", (0x0B0E, 0x0422));
    let second = sysfs.usb("1-1.3", (0x0B0E, 0x0422));
    sysfs.hid(&keyboard, 0, KEYBOARD);
    sysfs.hid(&first, 1, SWITCH);
    sysfs.hid(&second, 10, TOGGLE);
    let card = sysfs.card(&second, 2);

    let node = sysfs.find(&card).unwrap();
    assert_eq!((node.name.as_str(), node.numbers, node.ids), ("hidraw10", (243, 10), (0x0B0E, 0x0422)));
    assert_eq!(node.layout, Layout::parse(TOGGLE).unwrap());
    assert_eq!(node.usb, fs::canonicalize(&second).unwrap());
    assert_eq!(sysfs.find(&second).unwrap(), node);
    assert_eq!(sysfs.find(&first).unwrap().name, "hidraw1");
}

#[test]
fn of_several_nodes_the_one_with_most_of_a_telephone_is_taken() {
    let sysfs = Sysfs::new();
    let usb = sysfs.usb("1-1.2", (0x047F, 1));
    sysfs.hid(&usb, 3, KEYBOARD);
    sysfs.hid(&usb, 4, BARE);
    sysfs.hid(&usb, 5, SWITCH);
    sysfs.hid(&usb, 6, SWITCH);
    assert_eq!(sysfs.find(&usb).unwrap().name, "hidraw5");
}

#[test]
fn a_device_without_buttons_is_told_from_one_without_a_telephones() {
    let sysfs = Sysfs::new();
    let silent = sysfs.usb("1-1.1", (1, 1));
    let keyboard = sysfs.usb("1-1.2", (1, 2));
    sysfs.hid(&keyboard, 0, KEYBOARD);
    assert_eq!(
        sysfs.find(&silent).unwrap_err().to_string(),
        format!("{} has no hidraw node: it is not plugged in or has no buttons", silent.display())
    );
    assert_eq!(
        sysfs.find(&keyboard).unwrap_err().to_string(),
        format!("hidraw0 of {} has neither a hook switch nor a mute key nor an off-hook lamp", keyboard.display())
    );
    assert!(matches!(sysfs.find(Path::new("/nowhere")), Err(FindError::None { .. })));
}

#[test]
fn a_broken_descriptor_is_named_unless_another_node_will_do() {
    let sysfs = Sysfs::new();
    let usb = sysfs.usb("1-1.2", (1, 2));
    sysfs.hid(&usb, 0, &SWITCH[..7]);
    let error = sysfs.find(&usb).unwrap_err();
    assert_eq!(error.to_string(), "the report descriptor of hidraw0 cannot be used");
    assert!(matches!(error, FindError::Descriptor { source: DescriptorError::Truncated { at: 6 }, .. }));
    sysfs.hid(&usb, 1, SWITCH);
    assert_eq!(sysfs.find(&usb).unwrap().name, "hidraw1");
    let long = sysfs.usb("1-1.3", (1, 3));
    sysfs.hid(&long, 7, &[0; 2 * MAX_DESCRIPTOR]);
    let source = DescriptorError::TooLong { len: MAX_DESCRIPTOR + 1 };
    assert!(matches!(sysfs.find(&long), Err(FindError::Descriptor { source: found, .. }) if found == source));
}

#[test]
fn what_vanishes_or_makes_no_sense_is_passed_over() {
    let sysfs = Sysfs::new();
    let usb = sysfs.usb("1-1.2", (1, 2));
    let class = sysfs.path().join("class/hidraw");
    symlink("/nowhere/hidraw0", class.join("hidraw0")).unwrap();
    symlink("/", class.join("hidraw1")).unwrap();
    symlink("hidraw2", class.join("hidraw2")).unwrap();
    fs::write(class.join("hidraw"), "").unwrap();
    fs::write(class.join("hidrawx"), "").unwrap();
    let gone = sysfs.hid(&usb, 3, SWITCH);
    fs::remove_file(gone.join("report_descriptor")).unwrap();
    let unnumbered = sysfs.hid(&usb, 4, SWITCH);
    fs::write(unnumbered.join("hidraw/hidraw4/dev"), "x").unwrap();
    sysfs.hid(&usb, 5, SWITCH);
    assert_eq!(sysfs.find(&usb).unwrap().name, "hidraw5");
}

#[test]
fn a_system_without_hid_is_no_fault_and_one_without_sysfs_is() {
    let sysfs = Sysfs::new();
    fs::remove_dir(sysfs.path().join("class/hidraw")).unwrap();
    let usb = sysfs.usb("1-1.2", (1, 2));
    assert!(matches!(sysfs.find(&usb), Err(FindError::None { .. })));
    assert!(matches!(find(&sysfs.path().join("nowhere"), &usb), Err(FindError::List { .. })));
}

fn node(name: &str, numbers: (u32, u32)) -> Node {
    Node { name: name.to_owned(), numbers, usb: PathBuf::new(), ids: (0x0B0E, 0x0422), layout: Layout::default() }
}

/// `/dev/null` as the node of a device: a character device that everybody has.
fn null(sysfs: &Sysfs) -> Node {
    let usb = sysfs.usb("1-1.2", (0x0B0E, 0x0422));
    let device = sysfs.hid(&usb, 3, SWITCH);
    symlink(device.join("hidraw/hidraw3"), sysfs.path().join("class/hidraw/null")).unwrap();
    let found = sysfs.find(&usb).unwrap();
    Node { name: "null".to_owned(), numbers: (1, 3), ..found }
}

#[test]
fn a_node_is_opened_for_both_directions_without_waiting() {
    let sysfs = Sysfs::new();
    let fd = open(sysfs.path(), Path::new(DEV), &null(&sysfs)).unwrap();
    let flags = rustix::fs::fcntl_getfl(&fd).unwrap();
    assert!(flags.contains(OFlags::RDWR | OFlags::NONBLOCK));
    let flags = rustix::io::fcntl_getfd(&fd).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
}

#[test]
fn a_number_that_another_device_has_now_is_not_opened() {
    let sysfs = Sysfs::new();
    let gone = |dev: &Path, node: &Node| matches!(open(sysfs.path(), dev, node), Err(OpenError::Gone { .. }));
    let found = null(&sysfs);
    assert!(gone(Path::new(DEV), &Node { numbers: (243, 3), ..found.clone() }));
    assert!(gone(Path::new(DEV), &node("hidraw4000000", (243, 3))));
    let file = TempDir::new().unwrap();
    fs::write(file.path().join("null"), "").unwrap();
    assert!(gone(file.path(), &Node { numbers: (0, 0), ..found }));
}

#[test]
fn a_keyboard_that_got_the_name_and_the_number_is_not_opened() {
    let sysfs = Sysfs::new();
    let found = null(&sysfs);
    let opens = || open(sysfs.path(), Path::new(DEV), &found).is_ok();
    let descriptor = found.usb.join("1-1:1.3/0003:0B0E:0422.0003/report_descriptor");
    assert!(opens());
    // In the same port: another interface of the same device, then another device.
    fs::write(&descriptor, KEYBOARD).unwrap();
    assert!(!opens());
    fs::write(&descriptor, SWITCH).unwrap();
    fs::write(found.usb.join("idProduct"), "c31c\n").unwrap();
    assert!(!opens());
    // In another port, and nowhere at all.
    let class = sysfs.path().join("class/hidraw/null");
    fs::remove_file(&class).unwrap();
    assert!(!opens());
    let other = sysfs.usb("1-1.4", found.ids);
    symlink(sysfs.hid(&other, 4, SWITCH).join("hidraw/hidraw4"), &class).unwrap();
    assert!(!opens());
}

#[test]
fn whoever_may_not_open_it_reads_what_would_do() {
    let said = |errno| refusal(errno, PathBuf::from("/dev/hidraw3"), &node("hidraw3", (243, 3))).to_string();
    assert_eq!(
        said(Errno::ACCESS),
        "no permission to open /dev/hidraw3: a udev rule must give it to the service, such as SUBSYSTEM==\"hidraw\", \
         ATTRS{idVendor}==\"0b0e\", ATTRS{idProduct}==\"0422\", GROUP=\"frontdesk\", MODE=\"0660\""
    );
    assert_eq!(said(Errno::PERM), "not allowed to open /dev/hidraw3: the unit needs DeviceAllow=char-hidraw rw");
    assert_eq!(said(Errno::NODEV), "/dev/hidraw3 is gone: the device was unplugged");
    assert_eq!(said(Errno::MFILE), "cannot open /dev/hidraw3");
}
