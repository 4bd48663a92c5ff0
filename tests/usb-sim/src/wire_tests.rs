use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn setup() -> impl Strategy<Value = Setup> {
    any::<(u8, u8, u16, u16, u16)>().prop_map(|(kind, request, value, index, length)| Setup {
        kind,
        request,
        value,
        index,
        length,
    })
}

/// A transfer as a host builds it: packets lie one behind the other.
fn submit() -> impl Strategy<Value = Submit> {
    let packets = vec(0_u32..200, 0..12);
    (any::<(u32, u32)>(), 0_u8..16, any::<bool>(), 0_u32..300, setup(), packets).prop_map(
        |((sequence, device), number, incoming, spare, setup, lengths)| {
            let mut offset = 0;
            let packets: Vec<Packet> = lengths
                .into_iter()
                .map(|length| {
                    offset += length;
                    Packet { offset: offset - length, length }
                })
                .collect();
            let length = offset + spare;
            let data = if incoming { vec![] } else { (0..length).map(|at| at as u8).collect() };
            let endpoint = number | if incoming { 0x80 } else { 0 };
            Submit { sequence, device, endpoint, length, setup, packets, data }
        },
    )
}

fn command() -> impl Strategy<Value = Command> {
    let unlink = any::<(u32, u32)>().prop_map(|(sequence, target)| Command::Unlink { sequence, target });
    prop_oneof![submit().prop_map(Command::Submit), unlink]
}

fn reply() -> impl Strategy<Value = Reply> {
    let unlinked = any::<(u32, i32)>().prop_map(|(sequence, status)| Reply::Unlinked { sequence, status });
    let done = any::<(u32, u32, u32, i32)>().prop_map(|(offset, length, actual, status)| Done {
        packet: Packet { offset, length },
        actual,
        status,
    });
    let completed = (any::<(u32, i32, u32)>(), vec(done, 0..12), vec(any::<u8>(), 0..300)).prop_map(
        |((sequence, status, start_frame), packets, data)| {
            let actual = data.len() as u32;
            Reply::Completed(Completed { sequence, status, actual, start_frame, packets, data })
        },
    );
    prop_oneof![unlinked, completed]
}

proptest! {
    #[test]
    fn commands_come_back_as_they_were_sent(commands in vec(command(), 1..5)) {
        let bytes: Vec<u8> = commands.iter().flat_map(Command::encode).collect();
        let (mut read, mut at) = (Vec::new(), 0);
        while let Some((command, length)) = Command::decode(&bytes[at..]).unwrap() {
            read.push(command);
            at += length;
        }
        prop_assert_eq!((read, at), (commands, bytes.len()));
    }

    #[test]
    fn a_command_that_is_cut_waits_for_the_rest(command in command(), cut in any::<prop::sample::Index>()) {
        let bytes = command.encode();
        prop_assert_eq!(Command::decode(&bytes[..cut.index(bytes.len())]), Ok(None));
    }

    #[test]
    fn replies_come_back_as_they_were_sent(reply in reply()) {
        let bytes = reply.encode();
        prop_assert_eq!(Reply::decode(&bytes, |_| true), Ok(Some((reply, bytes.len()))));
    }

    #[test]
    fn garbage_is_refused_or_waited_for_and_never_panics(bytes in vec(any::<u8>(), 0..400)) {
        let _ = Request::decode(&bytes);
        let _ = Command::decode(&bytes);
        let _ = Reply::decode(&bytes, |sequence| sequence % 2 == 0);
    }

    /// Bytes that look like a command until the header's last field, which random ones almost never do.
    #[test]
    fn damaged_commands_never_panic_and_never_read_too_much(
        command in command(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = command.encode();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(Some((_, length))) = Command::decode(&bytes) {
            prop_assert!(length <= bytes.len());
        }
    }

    #[test]
    fn requests_come_back_as_they_were_sent(id in "[0-9a-z.-]{0,31}") {
        for request in [Request::List, Request::Import(id)] {
            let bytes = request.encode();
            prop_assert_eq!(Request::decode(&bytes), Ok(Some((request, bytes.len()))));
        }
    }
}

#[test]
fn what_no_kernel_asks_for_is_refused_before_memory_is_taken() {
    let submit = |length: u32, packets: u32| {
        let mut bytes = words(&[1, 7, 0, 0, 1, 0, length, 0, packets, 0]);
        bytes.extend([0; 8]);
        bytes
    };
    assert_eq!(Command::decode(&submit(u32::MAX, 0)), Err(WireError::TransferSize(u32::MAX)));
    assert_eq!(Command::decode(&submit(8, 5000)), Err(WireError::Packets(5000)));
    let mut outside = submit(8, 1);
    outside.extend([0; 8]);
    outside.extend(words(&[4, 5, 0, 0]));
    assert_eq!(Command::decode(&outside), Err(WireError::PacketOutside { offset: 4, length: 5 }));
    assert_eq!(Request::decode(&[1, 6, 0x80, 5, 0, 0, 0, 0]), Err(WireError::Version(0x0106)));
    assert_eq!(Request::decode(&[1, 0x11, 0x80, 9, 0, 0, 0, 0]), Err(WireError::Code(0x8009)));
}

#[test]
fn a_transfer_that_is_not_isochronous_may_say_so_in_two_ways() {
    for packets in [0, u32::MAX] {
        let mut bytes = words(&[1, 9, 0, 1, 3, 0, 8, 0, packets, 4]);
        bytes.extend([0; 8]);
        let (command, length) = Command::decode(&bytes).unwrap().unwrap();
        assert_eq!(length, 48);
        assert!(matches!(command, Command::Submit(Submit { endpoint: 0x83, packets, .. }) if packets.is_empty()));
    }
}

#[test]
fn lists_and_answers_have_the_lengths_that_linux_reads() {
    let device = Listed { bus_id: "1-1".into(), ids: (0x1209, 1), interfaces: vec![[1, 1, 0], [3, 0, 0]] };
    assert_eq!(DEVICE, 312);
    assert_eq!(list(std::slice::from_ref(&device)).len(), 12 + 312 + 8);
    assert_eq!(import(Some(&device)).len(), 8 + 312);
    assert_eq!(import(None), [1, 0x11, 0, 3, 0, 0, 0, 1]);
}
