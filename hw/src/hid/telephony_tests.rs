use super::*;
use crate::hid::samples::{ALL, BARE, MOMENTARY, SWITCH, TOGGLE};
use proptest::prelude::*;

const IDLE: Lamps = Lamps { off_hook: false, ring: false, mute: false };
const TALKING: Lamps = Lamps { off_hook: true, ring: false, mute: false };
const OFF: Pressed = Pressed { hook: Some(Hook::Off), mute: None };
const ON: Pressed = Pressed { hook: Some(Hook::On), mute: None };
const NOTHING: Pressed = Pressed { hook: None, mute: None };

fn mute(mute: bool) -> Pressed {
    Pressed { hook: None, mute: Some(mute) }
}

/// A device and the time.
struct World {
    telephony: Telephony,
    now: Instant,
}

impl World {
    /// Opened and settled.
    fn with(descriptor: &[u8], lamps: Lamps) -> Self {
        let now = Instant::now();
        let mut world = Self { telephony: Telephony::new(Layout::parse(descriptor).unwrap(), lamps, now), now };
        world.write();
        world.wait(1_000);
        world.write();
        world.wait(1_000);
        world
    }

    fn wait(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }

    /// Writes what is due and says it.
    fn write(&mut self) -> Vec<Vec<u8>> {
        let mut written = Vec::new();
        while let Some(Due(report)) = self.telephony.due(self.now) {
            written.push(report.to_vec());
            self.telephony.written(self.now);
        }
        written
    }

    fn show(&mut self, lamps: Lamps) -> Vec<Vec<u8>> {
        self.telephony.set_lamps(lamps);
        self.write()
    }

    fn report(&mut self, report: &[u8]) -> Pressed {
        self.telephony.input(report, self.now)
    }
}

#[test]
fn a_device_that_was_just_opened_goes_dark_and_then_shows_the_conversation() {
    let now = Instant::now();
    let mut telephony = Telephony::new(Layout::parse(SWITCH).unwrap(), TALKING, now);
    assert_eq!(telephony.due(now), Some(Due(&[3, 0])));
    telephony.written(now);
    assert_eq!(telephony.due(now), None);
    assert_eq!(telephony.wake_at(), Some(now + SETTLE));
    assert_eq!(telephony.due(now + SETTLE), Some(Due(&[3, 1])));
    assert_eq!(telephony.wake_at(), None);
}

#[test]
fn a_press_while_the_device_settles_is_answered_at_once() {
    let now = Instant::now();
    let mut telephony = Telephony::new(Layout::parse(SWITCH).unwrap(), TALKING, now);
    telephony.written(now);
    assert_eq!(telephony.input(&[1, 2], now), mute(true));
    assert_eq!(telephony.due(now), Some(Due(&[3, 0b011])));
}

#[test]
fn lamps_that_share_a_report_do_not_clear_each_other() {
    let mut world = World::with(SWITCH, IDLE);
    assert_eq!(world.show(Lamps { ring: true, ..IDLE }), [[3, 0b100]]);
    assert_eq!(world.show(TALKING), [[3, 0b001]]);
    assert_eq!(world.show(Lamps { mute: true, ..TALKING }), [[3, 0b011]]);
    assert_eq!(world.show(Lamps { mute: true, ring: true, ..TALKING }), [[3, 0b111]]);
    assert_eq!(world.show(Lamps { mute: true, ring: true, ..TALKING }), [[0; 2]; 0]);
    assert_eq!(world.show(IDLE), [[3, 0]]);
}

#[test]
fn only_the_reports_whose_lamps_change_are_written() {
    let mut world = World::with(TOGGLE, IDLE);
    assert_eq!(world.show(Lamps { ring: true, ..IDLE }), [[10, 2]]);
    assert_eq!(world.show(Lamps { mute: true, ..TALKING }), [[10, 1], [11, 1]]);
    assert_eq!(world.show(TALKING), [[11, 0]]);
}

#[test]
fn lamps_of_an_array_are_named_in_its_slots() {
    let mut world = World::with(MOMENTARY, IDLE);
    assert_eq!(world.show(TALKING), [[2, 0x01, 0]]);
    assert_eq!(world.show(Lamps { mute: true, ..TALKING }), [[2, 0x21, 0]]);
    assert_eq!(world.show(Lamps { mute: true, ..IDLE }), [[2, 0x02, 0]]);
}

#[test]
fn a_switch_begins_and_ends_a_conversation() {
    let mut world = World::with(SWITCH, IDLE);
    assert_eq!(world.report(&[1, 1]), OFF);
    world.wait(20);
    assert_eq!(world.show(TALKING), [[3, 1]]);
    world.wait(5_000);
    // The mute bit changes; the hook stays where it is.
    assert_eq!(world.report(&[1, 3]), mute(true));
    assert_eq!(world.report(&[1, 1]), NOTHING);
    assert_eq!(world.report(&[1, 0]), ON);
    assert_eq!(world.show(IDLE), [[3, 0]]);
}

#[test]
fn a_toggle_begins_and_ends_a_conversation() {
    let mut world = World::with(TOGGLE, IDLE);
    assert_eq!([world.report(&[8, 1]), world.report(&[8, 0])], [OFF, NOTHING]);
    world.show(TALKING);
    world.wait(5_000);
    assert_eq!([world.report(&[8, 1]), world.report(&[8, 0])], [ON, NOTHING]);
}

#[test]
fn a_press_means_what_the_lamps_showed_however_often_it_is_repeated() {
    let mut world = World::with(TOGGLE, IDLE);
    for _ in 0..3 {
        assert_eq!([world.report(&[8, 1]), world.report(&[8, 0])], [OFF, NOTHING]);
        world.wait(300);
    }
}

#[test]
fn a_switch_that_answers_our_own_lamp_is_not_a_press() {
    let mut world = World::with(SWITCH, IDLE);
    world.show(TALKING);
    // Late as well: some answer when their radio link is up.
    world.wait(2_000);
    assert_eq!(world.report(&[1, 1]), NOTHING);
    world.wait(2_000);
    world.show(IDLE);
    world.wait(30);
    assert_eq!(world.report(&[1, 0]), NOTHING);
    assert_eq!(world.telephony.ignored().echoes, 2);
}

#[test]
fn a_late_answer_to_a_state_that_is_over_is_not_a_press() {
    let mut world = World::with(SWITCH, IDLE);
    world.show(TALKING);
    world.wait(200);
    world.show(IDLE);
    world.wait(100);
    assert_eq!(world.report(&[1, 1]), NOTHING);
    assert_eq!(world.report(&[1, 0]), NOTHING);
    world.wait(1_000);
    assert_eq!(world.report(&[1, 1]), OFF);
}

#[test]
fn a_user_who_ends_what_the_host_has_just_begun_is_heard() {
    let mut world = World::with(SWITCH, IDLE);
    world.show(TALKING);
    world.wait(50);
    assert_eq!(world.report(&[1, 1]), NOTHING);
    world.wait(200);
    assert_eq!(world.report(&[1, 0]), ON);
}

#[test]
fn a_toggle_that_answers_our_own_lamp_is_not_a_press() {
    let mut world = World::with(TOGGLE, IDLE);
    world.show(TALKING);
    world.wait(100);
    assert_eq!(world.report(&[8, 1]), NOTHING);
    assert_eq!(world.report(&[8, 0]), NOTHING);
    world.show(Lamps { mute: true, ..TALKING });
    world.wait(100);
    assert_eq!(world.report(&[8, 4]), NOTHING);
    assert_eq!(world.report(&[8, 0]), NOTHING);
    world.wait(500);
    assert_eq!(world.report(&[8, 4]), mute(false));
}

#[test]
fn mute_is_answered_at_once_and_pressed_again_at_once() {
    for descriptor in [SWITCH, TOGGLE] {
        let mut world = World::with(descriptor, TALKING);
        let toggle = descriptor == TOGGLE;
        let press = if toggle { [8, 4] } else { [1, 2] };
        let release = [press[0], 0];
        let lit = if toggle { [11, 1] } else { [3, 3] };
        let dark = if toggle { [11, 0] } else { [3, 1] };
        for (new, answer) in [(true, lit), (false, dark), (true, lit)] {
            assert_eq!(world.report(&press), mute(new));
            assert_eq!(world.write(), [answer]);
            world.wait(60);
            assert_eq!(world.report(&release), NOTHING);
            assert!(world.write().is_empty());
            world.wait(60);
        }
    }
}

#[test]
fn a_mute_switch_is_followed_however_fast_it_is_moved() {
    let mut world = World::with(&two_switches(), IDLE);
    // The report with the mute lamp is written, and the lamp does not change: nothing to answer.
    world.show(TALKING);
    for state in [true, false, true, false] {
        assert_eq!(world.report(&[1, u8::from(state) << 1]), mute(state));
        assert_eq!(world.write(), [[3, 1 | u8::from(state) << 1]]);
        world.wait(60);
    }
    world.show(Lamps { mute: true, ..TALKING });
    assert_eq!(world.report(&[1, 2]), NOTHING);
}

#[test]
fn mute_repeated_in_a_second_report_counts_once() {
    let mut world = World::with(TOGGLE, TALKING);
    assert_eq!(world.report(&[8, 4]), mute(true));
    world.wait(3);
    assert_eq!(world.report(&[9, 1]), NOTHING);
    assert_eq!(world.report(&[8, 0]), NOTHING);
    assert_eq!(world.report(&[9, 0]), NOTHING);
    world.wait(100);
    assert_eq!(world.report(&[8, 4]), mute(false));
}

#[test]
fn two_mute_keys_of_one_report_that_contradict_each_other_are_one_press() {
    // Two signed fields of two bits; the report says on with one and off with the other.
    let descriptor = [0x05, 0x0B, 0x15, 0xFF, 0x25, 1, 0x75, 2, 0x95, 1, 0x09, 0x2F, 0x81, 6, 0x09, 0x2F, 0x81, 6];
    let mut world = World::with(&descriptor, IDLE);
    assert_eq!(world.report(&[0b1101]), mute(true));
    assert!(world.telephony.lamps().mute);
    assert_eq!(world.telephony.ignored().echoes, 1);
}

#[test]
fn two_way_mute_and_a_hook_in_an_array_without_lamps() {
    let mut world = World::with(BARE, IDLE);
    assert_eq!(world.report(&[0, 0, 1]), OFF);
    world.show(TALKING);
    assert_eq!(world.report(&[0, 0, 0]), NOTHING);
    assert_eq!(world.report(&[0b01, 0, 0]), mute(true));
    assert_eq!(world.report(&[0b00, 0, 0]), NOTHING);
    world.wait(100);
    assert_eq!(world.report(&[0b01, 0, 0]), NOTHING);
    assert_eq!(world.report(&[0b11, 0, 0]), mute(false));
    assert_eq!(world.report(&[0b00, 2, 1]), ON);
}

#[test]
fn a_momentary_key_may_be_let_go_late() {
    let mut world = World::with(MOMENTARY, IDLE);
    assert_eq!(world.report(&[1, 1]), OFF);
    world.show(TALKING);
    world.wait(2_000);
    assert_eq!(world.report(&[1, 0]), NOTHING);
    world.wait(2_000);
    assert_eq!(world.report(&[1, 1]), ON);
}

#[test]
fn a_momentary_key_that_means_a_state_ends_the_conversation_as_well() {
    let mut world = World::with(MOMENTARY, IDLE);
    assert_eq!(world.report(&[1, 1]), OFF);
    world.show(TALKING);
    world.wait(10_000);
    assert_eq!(world.report(&[1, 0]), ON);
}

#[test]
fn foreign_short_and_empty_reports_are_counted() {
    let mut world = World::with(TOGGLE, IDLE);
    let reports: [&[u8]; 5] = [&[77, 255, 255], &[5; 32], &[], &[8], &[0]];
    for report in reports {
        assert_eq!(world.report(report), NOTHING);
    }
    assert_eq!(world.telephony.ignored(), Ignored { foreign: 5, ..Ignored::default() });

    let mut bare = World::with(BARE, IDLE);
    // The mute field is there, the hook's array is not whole.
    assert_eq!(bare.report(&[0b01, 1]), mute(true));
    assert_eq!(bare.telephony.ignored(), Ignored { short: 1, ..Ignored::default() });
}

#[test]
fn a_report_that_is_refused_is_not_offered_again_until_it_changes() {
    let mut world = World::with(SWITCH, IDLE);
    world.telephony.set_lamps(TALKING);
    assert!(world.telephony.due(world.now).is_some());
    world.telephony.refused();
    assert_eq!(world.telephony.due(world.now), None);
    assert_eq!(world.telephony.ignored().refused, 1);
    assert_eq!(world.show(IDLE), [[3, 0]]);
}

/// Its mute key a switch as well.
fn two_switches() -> Vec<u8> {
    let mut descriptor = SWITCH.to_vec();
    let flags = descriptor.windows(2).position(|item| item == [0x81, 0x06]).unwrap() + 1;
    descriptor[flags] = 0x22;
    descriptor
}

/// A hook switch that tells its state and no lamps: a receiver on its hook.
const RECEIVER: &[u8] = &[0x05, 0x0B, 0x15, 0, 0x25, 1, 0x75, 1, 0x95, 1, 0x09, 0x20, 0x81, 0x22, 0x95, 7, 0x81, 3];

#[test]
fn a_receiver_begins_by_being_lifted_and_ends_by_being_put_down_and_never_the_other_way() {
    for (descriptor, report) in [(SWITCH, &[1, 0][..]), (RECEIVER, &[0][..])] {
        let mut world = World::with(descriptor, IDLE);
        let move_to = |world: &mut World, lifted: bool| {
            let mut report = report.to_vec();
            *report.last_mut().unwrap() = u8::from(lifted);
            world.report(&report)
        };
        assert_eq!(move_to(&mut world, true), OFF);
        world.show(TALKING);
        world.wait(60_000);
        assert_eq!(move_to(&mut world, false), ON);
        world.show(IDLE);
        world.wait(60_000);
        // The agent says goodbye, and the receiver is put down when the visitor has packed their things.
        assert_eq!(move_to(&mut world, true), OFF);
        world.show(TALKING);
        world.wait(60_000);
        world.show(IDLE);
        world.wait(10_000);
        assert_eq!(move_to(&mut world, false), NOTHING);
        world.wait(60_000);
        // A voice begins the next one, and then the receiver is lifted.
        world.show(TALKING);
        world.wait(10_000);
        assert_eq!(move_to(&mut world, true), NOTHING);
        world.wait(10_000);
        assert_eq!(move_to(&mut world, false), ON);
    }
}

#[test]
fn a_mute_switch_that_does_not_follow_its_lamp_needs_one_press_after_it_was_unmuted() {
    let mut world = World::with(&two_switches(), TALKING);
    assert_eq!(world.report(&[1, 2]), mute(true));
    world.write();
    world.wait(60_000);
    world.show(TALKING);
    world.wait(60_000);
    assert_eq!(world.report(&[1, 0]), mute(true));
    assert_eq!(world.write(), [[3, 3]]);
    // The lamp of this press may bring it into step again.
    world.wait(100);
    assert_eq!(world.report(&[1, 2]), NOTHING);
    world.wait(1_000);
    assert_eq!(world.report(&[1, 0]), mute(false));
}

#[test]
fn a_press_that_the_device_takes_back_unanswered_is_one_press() {
    let mut world = World::with(SWITCH, IDLE);
    assert_eq!(world.report(&[1, 1]), OFF);
    world.wait(1_500);
    assert_eq!(world.report(&[1, 0]), NOTHING);
    world.wait(60_000);
    assert_eq!(world.report(&[1, 1]), OFF);
}

#[test]
fn a_mute_switch_without_a_lamp_is_a_toggle() {
    // Hook switch and mute, absolute without a preferred state, and no output report.
    let descriptor =
        [0x05, 0x0B, 0x15, 0, 0x25, 1, 0x75, 1, 0x95, 2, 0x09, 0x20, 0x09, 0x2F, 0x81, 0x22, 0x95, 6, 0x81, 3];
    let mut world = World::with(&descriptor, IDLE);
    assert_eq!(world.report(&[0b01]), OFF);
    world.show(TALKING);
    world.wait(1_000);
    assert_eq!(world.report(&[0b11]), mute(true));
    world.wait(1_000);
    // The agent ends it, which unmutes.
    world.show(IDLE);
    world.wait(1_000);
    assert_eq!(world.report(&[0b10]), NOTHING, "the receiver is put down");
    world.wait(1_000);
    assert_eq!(world.report(&[0b11]), OFF);
    world.show(TALKING);
    world.wait(1_000);
    assert_eq!(world.report(&[0b01]), mute(true));
    world.wait(20);
    assert_eq!(world.report(&[0b11]), NOTHING, "a bounce");
    world.wait(1_000);
    assert_eq!(world.report(&[0b01]), mute(false));
}

#[derive(Debug, Clone)]
enum Act {
    Report(Vec<u8>),
    Show(Lamps),
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let report = (prop::sample::select(vec![0u8, 1, 2, 8, 9, 77]), prop::collection::vec(0u8..8, 0..4))
        .prop_map(|(id, rest)| Act::Report([vec![id], rest].concat()));
    let show = any::<(bool, bool, bool)>().prop_map(|(off_hook, ring, mute)| Act::Show(Lamps { off_hook, ring, mute }));
    prop_oneof![4 => report, 2 => show, 2 => (0u64..800).prop_map(Act::Wait)]
}

proptest! {
    #[test]
    fn what_was_written_last_shows_all_lamps(which in 0usize..6, acts in prop::collection::vec(act(), 0..60)) {
        let mut world = World::with(ALL[which], IDLE);
        let mut shown = std::collections::BTreeMap::new();
        for act in acts {
            match act {
                Act::Wait(ms) => world.wait(ms),
                Act::Show(lamps) => world.telephony.set_lamps(lamps),
                Act::Report(report) => {
                    let before = world.telephony.lamps();
                    let pressed = world.report(&report);
                    // A press turns what was there, and nothing but a press does.
                    prop_assert_eq!(pressed.mute.unwrap_or(before.mute), world.telephony.lamps().mute);
                    prop_assert!(pressed.mute != Some(before.mute));
                    let hook = if before.off_hook { Hook::On } else { Hook::Off };
                    prop_assert!(pressed.hook.is_none_or(|asked| asked == hook));
                }
            }
            for report in world.write() {
                shown.insert(report[0], report[1..].to_vec());
            }
            let lamps = world.telephony.lamps();
            for control in &world.telephony.layout.lamps {
                if let Some(report) = shown.get(&control.report) {
                    prop_assert_eq!(control.place.read(report), Some(i64::from(lamps.lit(control.lamp))));
                }
            }
        }
    }
}
