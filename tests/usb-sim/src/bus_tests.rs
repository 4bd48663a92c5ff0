use super::*;
use crate::descriptors::{LAMP_REPORT, RATES};
use crate::wav::Sound;
use crate::wire::Setup;
use proptest::prelude::*;

const PATIENCE: Duration = Duration::from_secs(1);

fn ms(ms: u64) -> Time {
    Duration::from_millis(ms)
}

fn noise(count: usize) -> Vec<i16> {
    (0..count).map(|at| ((at * 7919 + 13) % 60_000) as i16).collect()
}

fn bytes(pcm: &[i16]) -> Vec<u8> {
    pcm.iter().flat_map(|it| it.to_le_bytes()).collect()
}

/// A host in virtual time, as Linux drives such a device.
struct Host {
    bus: Bus,
    sequence: u32,
    now: Time,
}

impl Host {
    fn new() -> Self {
        let mut bus = Bus::new(Model::default(), PATIENCE);
        bus.attach(Time::ZERO);
        Self { bus, sequence: 0, now: Time::ZERO }
    }

    fn submit(&mut self, endpoint: u8, setup: Setup, packets: Vec<Packet>, data: Vec<u8>) -> (u32, Vec<Reply>) {
        self.sequence += 1;
        let in_packets: u32 = packets.iter().map(|it| it.length).sum();
        let length = (data.len() as u32).max(in_packets).max(u32::from(setup.length));
        let submit = Submit { sequence: self.sequence, device: 0x1_0002, endpoint, length, setup, packets, data };
        (self.sequence, self.bus.handle(self.now, Command::Submit(submit)))
    }

    fn write(&mut self, kind: u8, request: u8, value: u16, index: u16, data: &[u8]) -> i32 {
        let setup = Setup { kind, request, value, index, length: data.len() as u16 };
        match self.submit(0x00, setup, vec![], data.to_vec()).1.pop() {
            Some(Reply::Completed(it)) => it.status,
            other => panic!("a control transfer is answered at once: {other:?}"),
        }
    }

    fn start(&mut self, side: Side, rate: u32) {
        let (interface, endpoint) = address(side);
        assert_eq!(self.write(0x01, 11, 1, interface, &[]), 0);
        assert_eq!(self.write(0x22, 1, 0x0100, endpoint.into(), &rate.to_le_bytes()[..3]), 0);
    }

    fn play(&mut self, pcm: &[i16], per_packet: usize) -> u32 {
        let mut offset = 0;
        let packets = pcm
            .chunks(per_packet)
            .map(|it| {
                offset += it.len() as u32 * 2;
                Packet { offset: offset - it.len() as u32 * 2, length: it.len() as u32 * 2 }
            })
            .collect();
        self.submit(LOUDSPEAKER, Setup::default(), packets, bytes(pcm)).0
    }

    fn listen(&mut self, packets: u32) -> u32 {
        let packets = (0..packets).map(|at| Packet { offset: at * 98, length: 98 }).collect();
        self.submit(MICROPHONE, Setup::default(), packets, vec![]).0
    }

    /// What has been completed up to `time`, with the instant at which the bus wanted to be polled.
    fn until(&mut self, time: Time) -> Vec<(Time, Reply)> {
        let mut replies = Vec::new();
        while let Some(due) = self.bus.wake_at().filter(|it| *it <= time) {
            self.now = self.now.max(due);
            replies.extend(self.bus.poll(self.now).into_iter().map(|reply| (due, reply)));
        }
        self.now = time;
        replies
    }
}

fn address(side: Side) -> (u16, u8) {
    match side {
        Side::Loudspeaker => (1, LOUDSPEAKER),
        Side::Microphone => (2, MICROPHONE),
    }
}

fn completed(reply: Reply) -> Completed {
    match reply {
        Reply::Completed(it) => it,
        Reply::Unlinked { .. } => panic!("nothing was unlinked: {reply:?}"),
    }
}

#[test]
fn what_is_played_is_heard_bit_by_bit_and_each_transfer_takes_its_time() {
    for rate in RATES {
        let per_packet = rate as usize / 1000;
        let mut host = Host::new();
        host.start(Side::Loudspeaker, rate);
        host.bus.room.record(Side::Loudspeaker, Time::ZERO);
        let pcm = noise(per_packet * 30);
        for part in pcm.chunks(per_packet * 5) {
            host.play(part, per_packet);
        }
        let times: Vec<Time> = host.until(ms(100)).into_iter().map(|(due, _)| due).collect();
        assert_eq!(times, [5, 10, 15, 20, 25, 30].map(ms));
        let heard = host.bus.room.stop_recording(Side::Loudspeaker, ms(30), rate).unwrap().into_sound();
        assert_eq!(heard, Sound { rate, pcm });
    }
}

#[test]
fn what_is_said_is_captured_bit_by_bit_packed_without_gaps() {
    for rate in RATES {
        let mut host = Host::new();
        host.start(Side::Microphone, rate);
        let said = noise(rate as usize / 1000 * 24);
        host.bus.room.say(Sound { rate, pcm: said.clone() });
        for _ in 0..4 {
            host.listen(6);
        }
        let replies: Vec<Completed> = host.until(ms(100)).into_iter().map(|(_, it)| completed(it)).collect();
        let data: Vec<u8> = replies.iter().flat_map(|it| it.data.clone()).collect();
        assert_eq!(data, bytes(&said));
        for reply in &replies {
            let offsets: Vec<u32> = reply.packets.iter().map(|it| it.packet.offset).collect();
            assert_eq!(offsets, [0, 98, 196, 294, 392, 490], "descriptors keep the request's offsets");
            assert_eq!(reply.actual as usize, reply.data.len());
        }
    }
}

#[test]
fn a_fast_microphone_sends_a_sample_more_now_and_then() {
    let mut host = Host::new();
    host.start(Side::Microphone, 48_000);
    host.bus.set_skew(1.001);
    for _ in 0..1000 {
        host.listen(1);
    }
    let sizes: Vec<u32> = host.until(ms(2000)).into_iter().map(|(_, it)| completed(it).actual / 2).collect();
    assert_eq!(sizes.len(), 1000);
    assert_eq!(sizes.iter().sum::<u32>(), 48_048);
    assert_eq!((sizes.iter().min(), sizes.iter().max()), (Some(&48), Some(&49)));
}

#[test]
fn a_slow_bus_completes_later() {
    let mut host = Host::new();
    host.start(Side::Microphone, 48_000);
    host.bus.set_clock(0.5);
    host.listen(10);
    assert_eq!(host.until(ms(100))[0].0, ms(20));
}

#[test]
fn unlinking_tells_whether_the_transfer_was_stopped() {
    let mut host = Host::new();
    host.start(Side::Microphone, 48_000);
    let first = host.listen(1);
    let second = host.listen(1);
    host.now = ms(1);
    let replies = host.bus.handle(ms(1), Command::Unlink { sequence: 900, target: second });
    assert!(matches!(&replies[0], Reply::Completed(it) if it.sequence == first), "what is over comes first");
    assert_eq!(replies[1], Reply::Unlinked { sequence: 900, status: ECONNRESET });
    assert_eq!(host.bus.counts(Side::Microphone).taken_back, 1);
    let late = host.bus.handle(ms(1), Command::Unlink { sequence: 901, target: first });
    assert_eq!(late, [Reply::Unlinked { sequence: 901, status: 0 }]);
    assert_eq!(host.until(ms(50)), []);
}

#[test]
fn a_button_completes_the_transfer_that_waits_for_it() {
    let mut host = Host::new();
    let (first, nothing) = host.submit(BUTTONS, Setup::default(), vec![], vec![0; 2]);
    assert_eq!(nothing, []);
    assert_eq!(host.write(0x21, 9, 0x0203, 3, &[LAMP_REPORT, 1]), 0);
    let replies = host.until(ms(100));
    assert_eq!(replies.len(), 1);
    let reply = completed(replies[0].1.clone());
    assert_eq!((reply.sequence, reply.data), (first, vec![1, 1]));
    // Nobody waits now: the next press is kept for whoever comes, and does not keep the clock's thread busy.
    host.bus.device.telephone.press_hook(ms(100), &mut host.bus.device.events);
    assert_eq!(host.bus.wake_at(), Some(ms(3100)), "only the answer that is awaited");
    let (_, replies) = host.submit(BUTTONS, Setup::default(), vec![], vec![0; 2]);
    assert_eq!(replies.len(), 1);
}

#[test]
fn a_report_that_is_longer_than_asked_for_is_babble_and_cut() {
    let mut host = Host::new();
    host.bus.device.telephone.report(Time::ZERO, vec![2; 8]);
    let (_, replies) = host.submit(BUTTONS, Setup::default(), vec![], vec![0; 2]);
    let reply = completed(replies[0].clone());
    assert_eq!((reply.status, reply.actual, reply.data), (EOVERFLOW, 2, vec![2, 2]));
}

#[test]
fn streams_that_are_off_and_endpoints_that_do_not_exist_refuse() {
    let mut host = Host::new();
    let packet = vec![Packet { offset: 0, length: 98 }];
    let status = |replies: Vec<Reply>| completed(replies[0].clone()).status;
    let (_, off) = host.submit(MICROPHONE, Setup::default(), packet.clone(), vec![]);
    assert_eq!(status(off), EPIPE);
    host.start(Side::Microphone, 48_000);
    let (_, bulk) = host.submit(MICROPHONE, Setup::default(), vec![], vec![]);
    assert_eq!(status(bulk), EINVAL);
    let (_, other) = host.submit(0x84, Setup::default(), packet, vec![]);
    assert_eq!(status(other), EPIPE);
}

#[test]
fn faults_are_seen_by_the_host_and_end_when_they_are_over() {
    let mut host = Host::new();
    host.start(Side::Microphone, 48_000);
    host.bus.device.faults.lost = 1;
    host.bus.device.faults.short = 1;
    for _ in 0..3 {
        host.listen(1);
    }
    let packets: Vec<Done> = host.until(ms(3)).into_iter().map(|(_, it)| completed(it).packets[0]).collect();
    let seen: Vec<(i32, u32)> = packets.iter().map(|it| (it.status, it.actual)).collect();
    assert_eq!(seen, [(EXDEV, 0), (0, 48), (0, 96)]);
    host.bus.device.faults.stuck[Side::Microphone as usize] = true;
    host.listen(1);
    assert_eq!(host.until(ms(500)), []);
    host.bus.device.faults.stuck[Side::Microphone as usize] = false;
    assert_eq!(host.until(ms(501)).len(), 1);
}

#[test]
fn a_new_host_finds_a_device_out_of_its_box() {
    let mut host = Host::new();
    host.start(Side::Microphone, 16_000);
    host.listen(1);
    host.write(0x21, 9, 0x0203, 3, &[LAMP_REPORT, 7]);
    host.bus.detach(ms(1));
    host.bus.attach(ms(2));
    assert_eq!(host.until(ms(100)), [], "transfers of the old host are forgotten");
    assert_eq!(host.bus.device.setting(Side::Microphone).rate, 48_000);
    assert!(!host.bus.device.telephone.lamps().off_hook.on);
}

#[test]
fn the_microphone_is_left_open_unless_the_device_mutes_itself() {
    for mutes_itself in [false, true] {
        let mut host = Host::new();
        host.bus.mutes_itself = mutes_itself;
        host.write(0x21, 9, 0x0203, 3, &[LAMP_REPORT, 0b11]);
        host.start(Side::Microphone, 48_000);
        host.bus.room.say(Sound { rate: 48_000, pcm: vec![77; 48] });
        host.listen(1);
        let heard = completed(host.until(ms(1)).remove(0).1).data;
        assert_eq!(heard.iter().all(|it| *it == 0), mutes_itself);
    }
}

proptest! {
    /// Whatever a host sends, and whenever: no panic, and no transfer is answered twice.
    #[test]
    fn every_transfer_is_answered_once_at_most(
        steps in prop::collection::vec((0_u8..7, any::<u8>(), 0_u64..20, 0_u32..12), 1..60),
    ) {
        let mut host = Host::new();
        host.start(Side::Microphone, 48_000);
        host.start(Side::Loudspeaker, 16_000);
        let mut answered = std::collections::BTreeSet::new();
        let mut check = |replies: Vec<Reply>| {
            replies.iter().all(|it| match it {
                Reply::Completed(it) => answered.insert(it.sequence),
                Reply::Unlinked { .. } => true,
            })
        };
        for (what, byte, wait, count) in steps {
            let setup = Setup { kind: byte, request: count as u8, value: 0x0100, index: 1, length: 8 };
            let endpoint = [LOUDSPEAKER, MICROPHONE, BUTTONS, 0x00, 0x80, byte][usize::from(what.min(5))];
            let packets: Vec<Packet> = (0..count).map(|at| Packet { offset: at * 98, length: 98 }).collect();
            let replies = if what == 6 {
                host.bus.handle(host.now, Command::Unlink { sequence: 1_000_000, target: u32::from(byte) })
            } else {
                host.submit(endpoint, setup, packets, vec![byte; 98 * count as usize]).1
            };
            prop_assert!(check(replies));
            let then = host.now + ms(wait);
            let replies = host.until(then).into_iter().map(|(_, it)| it).collect();
            prop_assert!(check(replies));
        }
    }
}
