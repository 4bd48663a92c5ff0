use super::*;

fn ms(ms: u64) -> Time {
    Duration::from_millis(ms)
}

const OFF_HOOK: u8 = 1;
const MUTE: u8 = 2;
const RING: u8 = 4;

/// A telephone and what it says, in virtual time.
#[derive(Default)]
struct Desk {
    phone: Telephone,
    events: Events,
}

impl Desk {
    fn in_a_call() -> Self {
        let mut desk = Self::default();
        desk.phone.write_lamps(ms(0), OFF_HOOK, &mut desk.events);
        assert_eq!(desk.reports(1000), [[1, 1]], "the switch follows the lamp");
        desk
    }

    fn host_writes(&mut self, at: u64, bits: u8) {
        self.phone.write_lamps(ms(at), bits, &mut self.events);
    }

    fn mute_key(&mut self, at: u64) -> Result<(), NotInCall> {
        self.phone.press_mute(ms(at), &mut self.events)
    }

    fn hook_key(&mut self, at: u64) {
        self.phone.press_hook(ms(at), &mut self.events);
    }

    /// Everything that has been reported by then.
    fn reports(&mut self, by: u64) -> Vec<Vec<u8>> {
        self.phone.poll(ms(by), &mut self.events);
        std::iter::from_fn(|| self.phone.next_report(ms(by))).collect()
    }

    fn log(&self) -> Vec<String> {
        self.events.since(Time::ZERO).map(|(_, event)| event.to_string()).collect()
    }
}

#[test]
fn a_mute_press_that_the_host_answers_stays() {
    let mut desk = Desk::in_a_call();
    desk.mute_key(2000).unwrap();
    assert!(desk.phone.is_muted(), "the device shows it at once");
    assert_eq!(desk.reports(2000), [[1, 0b11]]);
    desk.host_writes(2040, OFF_HOOK | MUTE);
    assert_eq!(desk.reports(5000), [[1, 0b01]], "let go");
    assert!(desk.phone.is_muted());
    assert!(desk.log().contains(&"mute accepted on after=40.0ms".to_owned()), "{:?}", desk.log());
}

#[test]
fn a_mute_press_that_nobody_answers_is_taken_back() {
    let mut desk = Desk::in_a_call();
    desk.mute_key(2000).unwrap();
    // Another lamp is no answer.
    desk.host_writes(2100, OFF_HOOK | RING);
    desk.phone.poll(ms(2299), &mut desk.events);
    assert!(desk.phone.is_muted());
    assert_eq!(desk.phone.wake_at(false), Some(ms(2300)));
    desk.phone.poll(ms(2300), &mut desk.events);
    assert!(!desk.phone.is_muted());
    assert_eq!(desk.log().last().unwrap(), "mute taken-back on");
}

#[test]
fn the_mute_key_says_nothing_outside_a_call() {
    let mut desk = Desk::default();
    assert_eq!(desk.mute_key(0), Err(NotInCall));
    assert!(!desk.phone.is_muted());
    assert_eq!(desk.reports(1000), Vec::<Vec<u8>>::new());
}

#[test]
fn the_hook_switch_is_pressed_and_answered_without_an_echo() {
    let mut desk = Desk::default();
    desk.hook_key(0);
    assert_eq!(desk.reports(0), [[1, 1]]);
    desk.host_writes(50, OFF_HOOK);
    assert_eq!(desk.reports(10_000), Vec::<Vec<u8>>::new(), "it is where the lamp wants it");
    desk.hook_key(11_000);
    assert_eq!(desk.reports(11_000), [[1, 0]]);
    desk.host_writes(11_100, 0);
    assert_eq!(desk.reports(20_000), Vec::<Vec<u8>>::new());
}

#[test]
fn a_hook_press_that_nobody_answers_is_taken_back() {
    let mut desk = Desk::default();
    desk.hook_key(0);
    assert_eq!(desk.reports(2999), [[1, 1]]);
    desk.host_writes(2999, RING);
    assert_eq!(desk.reports(3000), [[1, 0]]);
    assert!(!desk.phone.is_off_hook());
}

#[test]
fn a_host_that_changes_the_lamp_is_answered_as_if_somebody_had_pressed() {
    let mut desk = Desk::in_a_call();
    desk.host_writes(2000, 0);
    assert_eq!(desk.reports(2019), Vec::<Vec<u8>>::new());
    assert_eq!(desk.reports(2020), [[1, 0]]);
}

#[test]
fn lamps_know_since_when() {
    let mut desk = Desk::in_a_call();
    desk.host_writes(3000, OFF_HOOK | RING);
    desk.host_writes(4000, OFF_HOOK | RING | MUTE);
    let Lamps { off_hook, mute, ring } = desk.phone.lamps();
    assert_eq!((off_hook.since, mute.since, ring.since), (ms(0), ms(4000), ms(3000)));
    assert!(off_hook.on && mute.on && ring.on);
    assert_eq!(desk.phone.lamp_bits(), 0b111);
}

#[test]
fn volume_keys_are_pressed_and_let_go() {
    let mut desk = Desk::default();
    desk.phone.press_volume(ms(0), Volume::Up, &mut desk.events);
    desk.phone.press_volume(ms(500), Volume::Down, &mut desk.events);
    assert_eq!(desk.reports(1000), [[2, 1], [2, 0], [2, 2], [2, 0]]);
}

#[test]
fn a_host_that_fetches_no_reports_costs_no_memory() {
    let mut desk = Desk::default();
    (0..1000).for_each(|at| desk.phone.report(ms(at), vec![1, at as u8]));
    let kept = desk.reports(2000);
    assert_eq!((kept.len(), kept.last().unwrap()[1]), (64, 999_u16 as u8));
}
