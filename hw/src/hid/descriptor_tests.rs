use super::*;
use crate::hid::parser::MAX_PUSHES;
use crate::hid::samples::{ALL, BARE, KEYBOARD, MOMENTARY, MOUSE, SWITCH, TOGGLE};
use proptest::prelude::*;

fn bit(offset: u32) -> Place {
    Place::Field { offset, size: 1, signed: false }
}

fn key(layout: &Layout, key: Key) -> Vec<(u8, Kind, Place)> {
    layout.keys.iter().filter(|it| it.key == key).map(|it| (it.report, it.kind, it.place)).collect()
}

fn lamps(layout: &Layout) -> Vec<(Lamp, u8, Place)> {
    layout.lamps.iter().map(|it| (it.lamp, it.report, it.place)).collect()
}

#[test]
fn a_speakerphone_with_a_switch() {
    let layout = Layout::parse(SWITCH).unwrap();
    assert_eq!(key(&layout, Key::HookSwitch), [(1, Kind::Switch, bit(0))]);
    assert_eq!(key(&layout, Key::PhoneMute), [(1, Kind::Toggle, bit(1))]);
    assert_eq!(key(&layout, Key::VolumeUp), [(2, Kind::Momentary, bit(0))]);
    assert_eq!(key(&layout, Key::VolumeDown), [(2, Kind::Momentary, bit(1))]);
    assert_eq!(lamps(&layout), [(Lamp::OffHook, 3, bit(0)), (Lamp::Mute, 3, bit(1)), (Lamp::Ring, 3, bit(2))]);
    assert_eq!(layout.outputs, BTreeMap::from([(3, 1)]));
    assert!(layout.input_ids);
    assert_eq!(layout.longest_input, 2);
    assert!(layout.is_telephone());
}

#[test]
fn a_speakerphone_with_toggles_and_lamps_in_two_reports() {
    let layout = Layout::parse(TOGGLE).unwrap();
    assert_eq!(key(&layout, Key::HookSwitch), [(8, Kind::Toggle, bit(0))]);
    assert_eq!(key(&layout, Key::Flash), [(8, Kind::Toggle, bit(1))]);
    assert_eq!(key(&layout, Key::PhoneMute), [(8, Kind::Toggle, bit(2)), (9, Kind::Toggle, bit(0))]);
    assert_eq!(lamps(&layout), [(Lamp::OffHook, 10, bit(0)), (Lamp::Ring, 10, bit(1)), (Lamp::Mute, 11, bit(0))]);
    assert_eq!(layout.outputs, BTreeMap::from([(10, 1), (11, 1)]));
}

#[test]
fn arrays_and_signed_fields_without_report_ids() {
    let layout = Layout::parse(BARE).unwrap();
    let slots = |index| Place::Slots { offset: 8, size: 8, count: 2, index, none: 0 };
    assert_eq!(key(&layout, Key::HookSwitch), [(0, Kind::Momentary, slots(1))]);
    assert_eq!(key(&layout, Key::Flash), [(0, Kind::Momentary, slots(2))]);
    let two = Place::Field { offset: 0, size: 2, signed: true };
    assert_eq!(key(&layout, Key::PhoneMute), [(0, Kind::TwoWay, two)]);
    assert!(!layout.input_ids && layout.lamps.is_empty() && layout.outputs.is_empty());
    assert_eq!(layout.longest_input, 3);

    let lit = Layout::parse(MOMENTARY).unwrap();
    let slots = |index| Place::Slots { offset: 0, size: 4, count: 3, index, none: 0 };
    assert_eq!(lamps(&lit), [(Lamp::OffHook, 2, slots(1)), (Lamp::Mute, 2, slots(2)), (Lamp::Ring, 2, slots(3))]);
}

#[test]
fn keyboards_and_mice_are_no_telephones() {
    for descriptor in [KEYBOARD, MOUSE] {
        assert_eq!(Layout::parse(descriptor), Ok(Layout::default()));
        assert!(!Layout::parse(descriptor).unwrap().is_telephone());
    }
}

#[test]
fn usages_may_bring_their_page_or_get_it_late_or_stand_in_a_delimiter() {
    let with_page = [0x0B, 0x20, 0, 0x0B, 0, 0x75, 1, 0x95, 1, 0x81, 0x22];
    // The page that counts is the one at the main item (HID 1.11, 6.2.2.8).
    let late = [0x09, 0x20, 0x05, 0x0B, 0x75, 1, 0x95, 1, 0x81, 0x22];
    let delimited = [0x05, 0x0B, 0xA9, 1, 0x09, 0x20, 0x09, 0x2F, 0xA9, 0, 0x75, 1, 0x95, 1, 0x81, 0x22];
    for descriptor in [&with_page[..], &late, &delimited] {
        let layout = Layout::parse(descriptor).unwrap();
        assert_eq!(key(&layout, Key::HookSwitch), [(0, Kind::Switch, bit(0))], "{descriptor:x?}");
        assert_eq!(layout.keys.len(), 1, "{descriptor:x?}");
    }
}

#[test]
fn globals_are_saved_and_restored() {
    let descriptor =
        [0x05, 0x0B, 0x75, 1, 0x95, 1, 0xA4, 0x05, 1, 0x75, 8, 0x09, 0x20, 0x81, 2, 0xB4, 0x09, 0x20, 0x81, 0x22];
    assert_eq!(key(&Layout::parse(&descriptor).unwrap(), Key::HookSwitch), [(0, Kind::Switch, bit(8))]);
}

#[test]
fn a_field_without_an_id_beside_reports_with_ids_cannot_be_reached() {
    let descriptor = [0x05, 0x0B, 0x75, 1, 0x95, 1, 0x09, 0x2F, 0x81, 6, 0x85, 4, 0x09, 0x20, 0x81, 0x22];
    let layout = Layout::parse(&descriptor).unwrap();
    assert_eq!(layout.keys.iter().map(|it| (it.key, it.report)).collect::<Vec<_>>(), [(Key::HookSwitch, 4)]);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    use DescriptorError as E;
    let deep = [0xA1, 1].repeat(MAX_DEPTH + 1);
    let pushed = [0xA4].repeat(MAX_PUSHES + 1);
    let cases: &[(&[u8], E)] = &[
        (&[], E::Empty),
        (&[0; MAX_DESCRIPTOR + 1], E::TooLong { len: MAX_DESCRIPTOR + 1 }),
        (&[0x05, 0x0B, 0x26, 0xFF], E::Truncated { at: 2 }),
        (&[0xA1, 1, 0xA1, 0, 0xC0], E::Unclosed { open: 1 }),
        (&[0xA1, 1, 0xC0, 0xC0], E::NotOpen { at: 3 }),
        (&deep, E::TooDeep { at: 2 * MAX_DEPTH }),
        (&[0xB4], E::Unbalanced { at: 0 }),
        (&pushed, E::Unbalanced { at: MAX_PUSHES }),
        (&[0x85, 0], E::ReportId { at: 0, id: 0 }),
        (&[0x86, 0, 1], E::ReportId { at: 0, id: 256 }),
        (&[0x77, 1, 1, 1, 1, 0x95, 1, 0x81, 2], E::FieldSize { at: 7, size: 0x0101_0101, count: 1 }),
        (&[0x75, 1, 0x97, 255, 255, 255, 255, 0x81, 2], E::FieldSize { at: 7, size: 1, count: u32::MAX }),
        (&[0x85, 7, 0x75, 32, 0x96, 0, 0x10, 0x81, 3, 0x81, 3], E::ReportSize { at: 9, id: 7 }),
    ];
    for (descriptor, error) in cases {
        assert_eq!(Layout::parse(descriptor).as_ref(), Err(error), "{error}");
    }
}

#[test]
fn usage_ranges_of_four_thousand_million_cost_nothing() {
    // Fourteen bytes each; other parsers write all of it out.
    let range = [0x05, 0x0B, 0x1B, 0, 0, 0, 0, 0x2B, 0xFF, 0xFF, 0xFF, 0xFF, 0x81, 2];
    assert_eq!(Layout::parse(&range), Ok(Layout::default()));
    let within = [0x05, 0x0B, 0x19, 0, 0x2A, 0xFF, 0xFF, 0x75, 1, 0x96, 0, 0x30, 0x81, 0x22];
    assert_eq!(key(&Layout::parse(&within).unwrap(), Key::HookSwitch), [(0, Kind::Switch, bit(32))]);
}

#[test]
fn every_truncation_is_an_error_or_a_smaller_device() {
    for descriptor in ALL {
        let whole = Layout::parse(descriptor).unwrap();
        for len in 0..descriptor.len() {
            if let Ok(layout) = Layout::parse(&descriptor[..len]) {
                assert!(layout.keys.len() <= whole.keys.len() && layout.lamps.len() <= whole.lamps.len());
                assert!(whole.keys.starts_with(&layout.keys) && whole.lamps.starts_with(&layout.lamps));
            }
        }
    }
}

/// What whoever composes and reads reports relies on.
fn is_sound(layout: &Layout) {
    for key in &layout.keys {
        assert_eq!(key.report != 0, layout.input_ids);
        let report = vec![0; layout.longest_input];
        assert!(key.place.read(&report[usize::from(layout.input_ids)..]).is_some(), "{key:?}");
    }
    for lamp in &layout.lamps {
        let bytes = layout.outputs[&lamp.report];
        assert!(bytes <= MAX_REPORT && lamp.place.end() as usize <= bytes * 8, "{lamp:?}");
    }
    assert!(layout.longest_input <= MAX_REPORT + 1);
}

/// Items that a parser trips over, in any order.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let item = prop_oneof![
        Just(vec![0x05, 0x0B]),
        Just(vec![0x05, 0x08]),
        Just(vec![0xA1, 0x01]),
        Just(vec![0xC0]),
        Just(vec![0xA4]),
        Just(vec![0xB4]),
        (0u8..3).prop_map(|id| vec![0x85, id]),
        any::<u8>().prop_map(|size| vec![0x75, size & 63]),
        any::<u16>().prop_map(|count| [vec![0x96], (count & 0x3FFF).to_le_bytes().to_vec()].concat()),
        any::<u32>().prop_map(|count| [vec![0x97], count.to_le_bytes().to_vec()].concat()),
        prop::sample::select(vec![0x20u8, 0x2F, 0x17, 0x09, 0x18]).prop_map(|usage| vec![0x09, usage]),
        any::<(u16, u16)>().prop_map(|(a, b)| {
            [vec![0x1A], a.to_le_bytes().to_vec(), vec![0x2A], b.to_le_bytes().to_vec()].concat()
        }),
        any::<(i8, i16)>().prop_map(|(a, b)| [vec![0x15, a as u8, 0x26], b.to_le_bytes().to_vec()].concat()),
        any::<u8>().prop_map(|flags| vec![0x81, flags]),
        any::<u8>().prop_map(|flags| vec![0x91, flags]),
        any::<u8>().prop_map(|flags| vec![0x91, flags & !1]),
    ];
    prop::collection::vec(item, 0..60).prop_map(|items| items.concat())
}

proptest! {
    #[test]
    fn any_bytes_give_a_sound_layout_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(layout) = Layout::parse(&bytes) {
            is_sound(&layout);
        }
    }

    #[test]
    fn hostile_items_give_a_sound_layout_or_an_error(bytes in hostile()) {
        if let Ok(layout) = Layout::parse(&bytes) {
            is_sound(&layout);
        }
    }

    #[test]
    fn a_real_descriptor_with_one_byte_changed_gives_a_sound_layout_or_an_error(which in 0usize..6, at: prop::sample::Index, byte: u8) {
        let mut bytes = ALL[which].to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(layout) = Layout::parse(&bytes) {
            is_sound(&layout);
        }
    }
}
