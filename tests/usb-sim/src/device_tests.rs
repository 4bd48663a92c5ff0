use super::*;
use proptest::prelude::*;
use std::time::Duration;

const NOW: Time = Duration::from_secs(1);

fn ask(device: &mut Device, kind: u8, request: u8, value: u16, index: u16, sent: &[u8]) -> Result<Vec<u8>, Stall> {
    let setup = Setup { kind, request, value, index, length: sent.len() as u16 };
    device.control(NOW, setup, sent).map(|(data, _)| data)
}

fn device() -> Device {
    Device::new(Model::default())
}

#[test]
fn volume_and_mute_are_kept_within_their_range() {
    let mut it = device();
    let unit = u16::from(LOUDSPEAKER_UNIT) << 8;
    assert_eq!(ask(&mut it, 0x21, 1, 0x0200, unit, &(-10_i16 * 256).to_le_bytes()), Ok(vec![]));
    assert_eq!(ask(&mut it, 0xA1, 0x81, 0x0200, unit, &[]), Ok((-10_i16 * 256).to_le_bytes().to_vec()));
    ask(&mut it, 0x21, 1, 0x0200, unit, &i16::MIN.to_le_bytes()).unwrap();
    assert_eq!(it.setting(Side::Loudspeaker).level.volume, -60 * 256);
    ask(&mut it, 0x21, 1, 0x0100, unit, &[1]).unwrap();
    assert!(it.setting(Side::Loudspeaker).level.muted);
    assert!(!it.setting(Side::Microphone).level.muted, "the other unit is another one");
    assert_eq!(ask(&mut it, 0xA1, 0x81, 0x0300, unit, &[]), Err(Stall), "there is no bass control");
    it.power_on();
    assert_eq!(it.setting(Side::Loudspeaker), IDLE, "without power nothing is remembered");
}

#[test]
fn a_rate_that_was_not_announced_is_refused() {
    let mut it = device();
    let set = |it: &mut Device, rate: u32| ask(it, 0x22, 1, 0x0100, MICROPHONE.into(), &rate.to_le_bytes()[..3]);
    assert_eq!(set(&mut it, 44_100), Err(Stall));
    assert_eq!(set(&mut it, 16_000), Ok(vec![]));
    assert_eq!((it.setting(Side::Microphone).rate, it.setting(Side::Loudspeaker).rate), (16_000, 48_000));
    assert_eq!(ask(&mut it, 0xA2, 0x81, 0x0100, MICROPHONE.into(), &[]), Ok(vec![0x80, 0x3E, 0]));
}

#[test]
fn interfaces_are_switched_and_say_how_they_are() {
    let mut it = device();
    let setup = Setup { kind: 1, request: 11, value: 1, index: 2, length: 0 };
    assert_eq!(it.control(NOW, setup, &[]), Ok((vec![], Some(Restarted(Side::Microphone)))));
    assert_eq!(ask(&mut it, 0x81, 10, 0, 2, &[]), Ok(vec![1]));
    assert_eq!(ask(&mut it, 0x01, 11, 2, 2, &[]), Err(Stall), "there is no setting 2");
    assert_eq!(ask(&mut it, 0x01, 11, 1, 3, &[]), Err(Stall), "buttons have one setting");
}

#[test]
fn a_device_without_a_microphone_has_nothing_of_it() {
    let mut it = Device::new(Model { has_microphone: false, ..Model::default() });
    let unit = u16::from(MICROPHONE_UNIT) << 8;
    assert_eq!(ask(&mut it, 0xA1, 0x81, 0x0200, unit, &[]), Err(Stall));
    assert_eq!(ask(&mut it, 0xA2, 0x81, 0x0100, MICROPHONE.into(), &[]), Err(Stall));
    assert_eq!(ask(&mut it, 0x21, 9, 0x0203, 2, &[LAMP_REPORT, 1]), Ok(vec![]), "its buttons are interface 2");
    assert!(it.telephone.lamps().off_hook.on);
}

#[test]
fn lamps_are_written_as_an_output_report_and_no_other() {
    let mut it = device();
    assert_eq!(ask(&mut it, 0x21, 9, 0x0203, 3, &[LAMP_REPORT, 0b101]), Ok(vec![]));
    assert_eq!(ask(&mut it, 0xA1, 1, 0x0203, 3, &[]), Ok(vec![LAMP_REPORT, 0b101]));
    assert_eq!(ask(&mut it, 0x21, 9, 0x0103, 3, &[LAMP_REPORT, 0]), Err(Stall), "an input report cannot be written");
    assert_eq!(ask(&mut it, 0x21, 9, 0x0203, 3, &[LAMP_REPORT]), Err(Stall), "too short");
    assert_eq!(it.telephone.lamp_bits(), 0b101);
}

#[test]
fn refused_requests_are_counted_down_and_enumeration_goes_on() {
    let mut it = device();
    it.faults.stall = 2;
    let unit = u16::from(LOUDSPEAKER_UNIT) << 8;
    assert!(ask(&mut it, 0x80, 6, 0x0100, 0, &[]).is_ok(), "standard requests are none of them");
    for expected in [Err(Stall), Err(Stall), Ok(vec![0, 0])] {
        assert_eq!(ask(&mut it, 0xA1, 0x81, 0x0200, unit, &[]), expected);
    }
}

proptest! {
    #[test]
    fn no_request_panics(
        kind: u8, request: u8, value: u16, index: u16,
        sent in prop::collection::vec(any::<u8>(), 0..8), has_microphone: bool,
    ) {
        let mut it = Device::new(Model { has_microphone, ..Model::default() });
        let _ = ask(&mut it, kind, request, value, index, &sent);
    }
}
