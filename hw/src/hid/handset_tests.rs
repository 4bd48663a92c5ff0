//! With a peer that plays the device at the other end of a socket that keeps the bounds of reports, as hidraw does.

use super::*;
use crate::figures::Spread;
use crate::hid::descriptor::MAX_REPORT;
use crate::hid::samples::{SWITCH, TOGGLE};
use crate::hid::telephony::DEBOUNCE;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};

/// Long enough for a machine that stands still for a while; a test that fails waits for so long.
const PATIENCE: Duration = Duration::from_secs(20);
const TALKING: CallLamps = CallLamps { off_hook: true, ring: false };

/// The device's end.
struct Device(OwnedFd);

impl Device {
    fn pair(flags: SocketFlags) -> (Self, OwnedFd) {
        let (device, fd) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        for timeout in [Timeout::Recv, Timeout::Send] {
            set_socket_timeout(&device, timeout, Some(PATIENCE)).unwrap();
        }
        rustix::io::ioctl_fionbio(&fd, flags.contains(SocketFlags::NONBLOCK)).unwrap();
        (Self(device), fd)
    }

    fn reports(&self, report: &[u8]) {
        assert_eq!(send(&self.0, report, SendFlags::empty()), Ok(report.len()));
    }

    /// The next output report; empty when the other end is closed.
    fn shown(&self) -> Vec<u8> {
        let mut buffer = [0; 64];
        let (len, _) = recv(&self.0, &mut buffer[..], RecvFlags::empty()).expect("an output report in time");
        buffer[..len].to_vec()
    }
}

/// A device, its thread, and what would be the network side.
struct Desk {
    device: Device,
    handset: Handset,
    knobs: &'static Knobs,
    events: Receiver<HidEvent>,
    bell: Bell,
}

impl Desk {
    fn with(descriptor: &[u8], lamps: CallLamps) -> Self {
        Self::over(Device::pair(SocketFlags::NONBLOCK), descriptor, lamps)
    }

    fn over((device, fd): (Device, OwnedFd), descriptor: &[u8], lamps: CallLamps) -> Self {
        let knobs: &'static Knobs = Box::leak(Box::new(Knobs::new()));
        let (news, events) = sync_channel(4);
        let bell = Bell::new().unwrap();
        let layout = Layout::parse(descriptor).unwrap();
        let handset = Handset::start(fd, layout, lamps, knobs, news, bell.clone()).unwrap();
        Self { device, handset, knobs, events, bell }
    }

    fn event(&self) -> HidEvent {
        event(&self.bell, &self.events)
    }
}

/// An event as the network side would get it: first the bell, then the channel.
fn event(bell: &Bell, events: &Receiver<HidEvent>) -> HidEvent {
    let timeout = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
    assert_eq!(poll(&mut [PollFd::new(bell, PollFlags::IN)], Some(&timeout)), Ok(1), "the bell rings");
    bell.answer();
    events.try_recv().expect("it has been sent by then")
}

#[test]
fn a_conversation_by_button_from_off_hook_to_on_hook() {
    let desk = Desk::with(SWITCH, CallLamps::default());
    assert_eq!(desk.device.shown(), [3, 0]);
    desk.device.reports(&[1, 1]);
    assert_eq!(desk.event(), HidEvent::Hook(Hook::Off));
    desk.handset.lamps(TALKING);
    assert_eq!(desk.device.shown(), [3, 1]);
    desk.device.reports(&[1, 0]);
    assert_eq!(desk.event(), HidEvent::Hook(Hook::On));
    desk.handset.lamps(CallLamps { off_hook: false, ring: true });
    assert_eq!(desk.device.shown(), [3, 4]);
    assert!(desk.handset.stop());
    assert_eq!(desk.device.shown(), [3, 0], "a stopped box leaves no lamp on");
    assert!(desk.device.shown().is_empty(), "the node is closed");
}

#[test]
fn mute_is_answered_within_100_ms_while_the_network_side_stands_still() {
    let desk = Desk::with(TOGGLE, TALKING);
    assert_eq!([desk.device.shown(), desk.device.shown()], [[10, 0], [11, 0]]);
    assert_eq!(desk.device.shown(), [10, 1]);
    let spread = Spread::new();
    // Nobody takes an event: the channel is full after four of them.
    for press in 0..30 {
        let muted = press % 2 == 0;
        let pressed = Instant::now();
        desk.device.reports(&[8, 4]);
        assert_eq!(desk.device.shown(), [11, u8::from(muted)]);
        spread.count(pressed.elapsed());
        assert_eq!(desk.knobs.is_muted(), muted);
        assert_eq!(desk.knobs.take_earcon(), Some(if muted { Earcon::Muted } else { Earcon::Unmuted }));
        desk.device.reports(&[8, 0]);
        // No two presses of a person are closer.
        std::thread::sleep(DEBOUNCE + Duration::from_millis(5));
    }
    // The median, for a machine that stands still now and then.
    assert!(spread.quantile(0.5) < Duration::from_millis(100), "{:?}, {:?}", spread.quantile(0.5), spread.most());
    let told: Vec<_> = desk.events.try_iter().collect();
    assert_eq!(told, [true, false, true, false].map(HidEvent::Muted));
    assert!(desk.handset.stop());
}

#[test]
fn a_microphone_that_others_switch_is_shown_too() {
    let desk = Desk::with(SWITCH, TALKING);
    assert_eq!([desk.device.shown(), desk.device.shown()], [[3, 0], [3, 1]]);
    desk.knobs.set_muted(true);
    desk.handset.refresh();
    assert_eq!(desk.device.shown(), [3, 3]);
    desk.knobs.set_muted(false);
    desk.handset.lamps(CallLamps { off_hook: true, ring: true });
    assert_eq!(desk.device.shown(), [3, 5]);
}

#[test]
fn a_device_that_is_plugged_in_again_is_told_of_the_conversation() {
    let desk = Desk::with(SWITCH, TALKING);
    assert_eq!([desk.device.shown(), desk.device.shown()], [[3, 0], [3, 1]]);
    desk.knobs.set_muted(true);
    desk.handset.refresh();
    assert_eq!(desk.device.shown(), [3, 3]);
    let Desk { device, handset, events, bell, knobs } = desk;
    drop(device);
    assert_eq!(event(&bell, &events), HidEvent::Lost(Lost::HungUp));
    assert_eq!(handset.lost(), Some(Lost::HungUp));
    assert!(handset.stop());

    let (device, fd) = Device::pair(SocketFlags::NONBLOCK);
    let (news, _events) = sync_channel(4);
    let _again = Handset::start(fd, Layout::parse(SWITCH).unwrap(), TALKING, knobs, news, bell).unwrap();
    assert_eq!([device.shown(), device.shown()], [[3, 0], [3, 3]]);
}

#[test]
fn a_device_that_answers_every_lamp_with_a_press_presses_nothing() {
    let desk = Desk::with(SWITCH, CallLamps::default());
    assert_eq!(desk.device.shown(), [3, 0]);
    for _ in 0..20 {
        for lamps in [TALKING, CallLamps::default()] {
            desk.handset.lamps(lamps);
            assert_eq!(desk.device.shown(), [3, u8::from(lamps.off_hook)]);
            desk.device.reports(&[1, u8::from(lamps.off_hook)]);
        }
    }
    // The answer to the mute lamp shows that everything before has been read.
    desk.device.reports(&[1, 2]);
    assert_eq!(desk.event(), HidEvent::Muted(true));
    assert!(desk.events.try_recv().is_err());
}

#[test]
fn a_storm_of_reports_delays_nothing_and_is_counted() {
    let desk = Desk::with(SWITCH, CallLamps::default());
    assert_eq!(desk.device.shown(), [3, 0]);
    let huge = vec![0xFF; MAX_REPORT];
    for _ in 0..2_000 {
        desk.device.reports(&[77, 1, 2, 3]);
        desk.device.reports(&[0]);
        desk.device.reports(&huge);
    }
    desk.handset.lamps(TALKING);
    desk.device.reports(&[1, 2]);
    assert_eq!(desk.event(), HidEvent::Muted(true));
    // One or two reports, as they were composed before the press or with it.
    while desk.device.shown() != [3, 3] {}
    assert!(desk.handset.stop());
}

#[test]
fn reports_that_are_not_ours_are_counted() {
    let desk = Desk::with(SWITCH, CallLamps::default());
    for report in [&[77, 1][..], &[2], &[1]] {
        desk.device.reports(report);
    }
    desk.device.reports(&[1, 2]);
    assert_eq!(desk.event(), HidEvent::Muted(true));
    // A socket that is closed with something unread is reset; a device is not.
    while desk.device.shown() != [3, 2] {}
    let Desk { device, handset, events, .. } = desk;
    drop(device);
    assert_eq!(events.recv_timeout(PATIENCE), Ok(HidEvent::Lost(Lost::HungUp)));
    assert_eq!(handset.counts().ignored, Ignored { foreign: 3, ..Ignored::default() });
}

/// Leaves no room for a report.
fn fill(fd: &OwnedFd) -> usize {
    let mut sent = 0;
    while send(fd, &[9; 2], SendFlags::DONTWAIT).is_ok() {
        sent += 1;
    }
    sent
}

#[test]
fn a_device_without_room_is_muted_all_the_same_and_gets_the_newest_state() {
    let (device, fd) = Device::pair(SocketFlags::NONBLOCK);
    let before = fill(&fd);
    let desk = Desk::over((device, fd), SWITCH, CallLamps::default());
    desk.device.reports(&[1, 2]);
    assert_eq!(desk.event(), HidEvent::Muted(true));
    desk.device.reports(&[1, 1]);
    assert_eq!(desk.event(), HidEvent::Hook(Hook::Off));
    assert!(desk.knobs.is_muted());
    for _ in 0..before {
        assert_eq!(desk.device.shown(), [9, 9]);
    }
    assert_eq!(desk.device.shown(), [3, 2]);
    desk.handset.lamps(TALKING);
    assert_eq!(desk.device.shown(), [3, 3]);
    assert!(desk.handset.stop());
}

#[test]
fn a_device_that_takes_nothing_holds_up_nobody() {
    // A write that waits, as hidraw's does.
    let (device, fd) = Device::pair(SocketFlags::empty());
    let before = fill(&fd);
    let desk = Desk::over((device, fd), SWITCH, CallLamps::default());
    desk.handset.lamps(TALKING);
    let Desk { device, handset, .. } = desk;
    let asked = Instant::now();
    assert!(!handset.stop());
    assert!(asked.elapsed() >= STOP);
    // It ends by itself as soon as it can.
    for _ in 0..before {
        assert_eq!(device.shown(), [9, 9]);
    }
    assert_eq!(device.shown(), [3, 0]);
    assert!(device.shown().is_empty());
}

#[test]
fn whoever_drops_it_ends_it() {
    let desk = Desk::with(SWITCH, TALKING);
    assert_eq!([desk.device.shown(), desk.device.shown()], [[3, 0], [3, 1]]);
    drop(desk.handset);
    assert_eq!(desk.device.shown(), [3, 0]);
    assert!(desk.device.shown().is_empty());
}

#[test]
fn a_write_that_fails_once_is_no_loss_of_the_device() {
    for error in [Errno::IO, Errno::PIPE, Errno::PROTO, Errno::TIMEDOUT, Errno::INVAL] {
        assert_eq!(loss(error), None, "{error}");
    }
    assert_eq!(loss(Errno::NODEV), Some(Lost::HungUp));
    assert_eq!(loss(Errno::SHUTDOWN), Some(Lost::HungUp));
    assert_eq!(loss(Errno::BADF), Some(Lost::Write(Errno::BADF)));
}
