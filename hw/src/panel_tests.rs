use super::*;
use crate::hid::search::PATIENCE;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair};
use std::collections::VecDeque;
use std::time::Duration;

/// Long enough for a machine that stands still for a while; a test that fails waits for so long.
const LONG: Duration = Duration::from_secs(20);
/// Just less than [`PATIENCE`].
const ALMOST: Duration = Duration::from_millis(2_750);
const TALKING: CallLamps = CallLamps { off_hook: true, ring: false };
/// A hook switch and nothing else.
const HOOK: &[u8] = &[0x05, 0x0B, 0x15, 0, 0x25, 1, 0x75, 1, 0x95, 1, 0x09, 0x20, 0x81, 0x22, 0x95, 7, 0x81, 3];
/// A mute key, and an off-hook lamp.
const MUTE: &[u8] = &[
    0x05, 0x0B, 0x15, 0, 0x25, 1, 0x75, 1, 0x95, 1, 0x09, 0x2F, 0x81, 6, 0x95, 7, 0x81, 3, 0x05, 0x08, 0x95, 1, 0x09,
    0x17, 0x91, 0x22, 0x95, 7, 0x91, 3,
];

type Node = Result<(OwnedFd, Layout), String>;

/// A panel with the nodes that it will find, one after the other.
struct Stage {
    panel: Panel,
    lamps: Lamps,
    news: ButtonNews,
    knobs: &'static Knobs,
    nodes: Arc<Mutex<VecDeque<Node>>>,
    start: Instant,
}

impl Stage {
    fn new() -> Self {
        let nodes: Arc<Mutex<VecDeque<Node>>> = Arc::default();
        let script = nodes.clone();
        let open: Open = Box::new(move |_| script.lock().unwrap().pop_front().unwrap_or(Err("not there".to_owned())));
        let knobs: &'static Knobs = Box::leak(Box::new(Knobs::new()));
        let (panel, lamps, news) = Panel::with(open, knobs, Bell::new().unwrap());
        Self { panel, lamps, news, knobs, nodes, start: Instant::now() }
    }

    fn missing(&self) {
        self.nodes.lock().unwrap().push_back(Err("not there".to_owned()));
    }

    /// A node that will be found; the device's end of it.
    fn node(&self, descriptor: &[u8]) -> OwnedFd {
        let (device, fd) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        set_socket_timeout(&device, Timeout::Recv, Some(LONG)).unwrap();
        rustix::io::ioctl_fionbio(&fd, true).unwrap();
        self.nodes.lock().unwrap().push_back(Ok((fd, Layout::parse(descriptor).unwrap())));
        device
    }

    fn attach(&mut self) {
        self.panel.begin(Some(PathBuf::from("/sys/devices/usb1/1-1")), self.start);
    }

    /// Looks as the keeper does, from one time to another.
    fn look(&mut self, from: Duration, to: Duration) {
        for ms in (from.as_millis()..=to.as_millis()).step_by(250) {
            self.panel.look_at(self.start + Duration::from_millis(ms as u64));
        }
    }

    fn has_buttons(&self) -> bool {
        self.lamps.lock().handset.is_some()
    }

    fn remarks(&self) -> Vec<Result<(), String>> {
        self.news.usable.try_iter().collect()
    }
}

/// Waits until the device shows this; empty means that the other end is closed.
fn shows(device: &OwnedFd, report: &[u8]) {
    let mut buffer = [0; 64];
    loop {
        let (len, _) = recv(device, &mut buffer[..], RecvFlags::empty()).expect("an output report in time");
        if &buffer[..len] == report {
            return;
        }
    }
}

#[test]
fn buttons_that_come_later_than_the_sound_card_are_found() {
    let mut stage = Stage::new();
    stage.lamps.show(TALKING);
    stage.missing();
    stage.missing();
    let device = stage.node(MUTE);
    stage.attach();
    assert!(!stage.has_buttons());
    stage.look(Duration::from_millis(250), Duration::from_secs(1));
    assert!(stage.has_buttons());
    shows(&device, &[0, 1]);
    stage.look(Duration::from_secs(1), Duration::from_secs(20));
    assert!(stage.remarks().is_empty());
    stage.panel.detached();
    shows(&device, &[]);
    stage.look(Duration::from_secs(20), Duration::from_secs(40));
    assert!(!stage.has_buttons() && stage.remarks().is_empty());
}

#[test]
fn buttons_whose_driver_is_changed_are_found_again() {
    let mut stage = Stage::new();
    stage.lamps.show(TALKING);
    let generic = stage.node(MUTE);
    stage.attach();
    shows(&generic, &[0, 1]);
    drop(generic);
    assert_eq!(stage.news.pressed.recv_timeout(LONG), Ok(HidEvent::Lost(Lost::HungUp)));
    let vendors = stage.node(MUTE);
    stage.look(Duration::from_secs(1), Duration::from_secs(2));
    assert!(stage.has_buttons());
    shows(&vendors, &[0, 1]);
    stage.look(Duration::from_secs(2), Duration::from_secs(20));
    assert!(stage.remarks().is_empty());
}

#[test]
fn buttons_that_stay_away_are_told_of_once_and_again_when_they_are_back() {
    let mut stage = Stage::new();
    stage.attach();
    stage.look(Duration::ZERO, ALMOST);
    assert!(stage.remarks().is_empty());
    stage.look(PATIENCE, Duration::from_mins(1));
    assert_eq!(stage.remarks(), [Err("buttons and lamps are not used: not there".to_owned())]);
    let _device = stage.node(MUTE);
    stage.look(Duration::from_mins(1), Duration::from_secs(80));
    assert!(stage.has_buttons());
    assert_eq!(stage.remarks(), [Ok(())]);
}

#[test]
fn mute_outlives_only_what_can_take_it_back() {
    let mut stage = Stage::new();
    stage.knobs.set_muted(true);
    let _muting = stage.node(MUTE);
    stage.attach();
    assert!(stage.has_buttons() && stage.knobs.is_muted(), "its own key switches it on");
    stage.panel.detached();
    assert!(stage.knobs.is_muted());

    let _hook = stage.node(HOOK);
    stage.attach();
    assert!(stage.has_buttons() && !stage.knobs.is_muted());
    assert_eq!(stage.knobs.take_earcon(), Some(Earcon::Unmuted));
    assert_eq!(stage.news.pressed.try_iter().collect::<Vec<_>>(), [HidEvent::Muted(false)]);
}

#[test]
fn a_device_without_buttons_does_not_stay_muted() {
    let mut stage = Stage::new();
    stage.knobs.set_muted(true);
    stage.attach();
    stage.look(Duration::ZERO, ALMOST);
    assert!(stage.knobs.is_muted(), "its buttons may come yet");
    stage.look(PATIENCE, PATIENCE * 2);
    assert!(!stage.knobs.is_muted());
    stage.panel.detached();

    stage.knobs.set_muted(true);
    stage.panel.begin(None, stage.start);
    assert!(!stage.knobs.is_muted());
    assert_eq!(stage.news.pressed.try_iter().collect::<Vec<_>>(), [HidEvent::Muted(false); 2]);
}
