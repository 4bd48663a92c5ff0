use super::*;
use proptest::prelude::*;

const TICK: Duration = Duration::from_millis(10);

/// A device that plays what it was handed, `delay` blocks behind.
struct Device {
    now: Instant,
    leg: DeskLeg,
    waiting: VecDeque<(u32, u64)>,
    epoch: u32,
    delay: usize,
    played: u64,
    heard: Vec<u64>,
}

impl Device {
    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn new(delay: usize) -> Self {
        let now = Instant::now();
        Self { now, leg: DeskLeg::new(now, 0), waiting: VecDeque::new(), epoch: 0, delay, played: 0, heard: Vec::new() }
    }

    /// 10 ms pass, in which nobody makes a sound.
    fn tick(&mut self) {
        self.tick_with(0, None);
    }

    /// 10 ms pass, in which the microphone has `level`.
    fn tick_with(&mut self, level: i16, voice: Option<VoiceEvent>) {
        self.now += TICK;
        while let Some(order) = self.leg.next_order() {
            if order == DeskOrder::Flush {
                self.epoch += 1;
                self.waiting.clear();
            }
        }
        while self.waiting.len() <= self.delay {
            let Some(block) = self.leg.next_block(self.now) else { break };
            self.waiting.push_back((self.epoch, block.end));
        }
        if let Some((_, end)) = self.waiting.pop_front() {
            self.played = end;
            self.heard.push(end);
        }
        self.leg.hear(self.now, &[level; 160], voice, self.played);
    }
}

fn tone(blocks: usize) -> Vec<i16> {
    (0..blocks * BLOCK).map(|n| ((n as f32 * 0.1).sin() * 8_000.0) as i16).collect()
}

#[test]
fn a_reply_is_heard_to_its_last_sample_and_then_confirmed() {
    let mut device = Device::new(3);
    device.leg.play(&tone(10)[..10 * BLOCK - 17]);
    device.tick();
    assert!(!device.leg.is_confirmed());
    device.leg.complete_reply();
    for _ in 0..12 {
        device.tick();
    }
    assert_eq!(device.played, 10 * BLOCK as u64 - 17);
    assert!(device.leg.is_confirmed());
    assert_eq!(device.leg.heard(device.now), device.leg.end());
}

#[test]
fn the_last_block_says_so_even_when_the_end_is_known_later() {
    let mut device = Device::new(0);
    device.leg.play(&tone(1));
    let block = device.leg.next_block(device.now).unwrap();
    assert!(!block.last && block.pcm.len() == BLOCK);
    assert!(device.leg.next_block(device.now).is_none());
    device.leg.complete_reply();
    let block = device.leg.next_block(device.now).unwrap();
    assert!(block.last && block.pcm.is_empty());
    assert!(device.leg.next_block(device.now).is_none(), "once");
}

#[test]
fn a_flush_keeps_what_was_heard_and_the_next_reply_goes_on_from_there() {
    let mut device = Device::new(4);
    device.leg.play(&tone(50));
    for _ in 0..20 {
        device.tick();
    }
    let before = device.leg.heard(device.now);
    let heard = device.leg.flush(device.now);
    assert_eq!(heard, before);
    assert_eq!(device.leg.end(), heard, "nothing is left to be heard");
    device.tick();
    assert_eq!(device.leg.heard(device.now), heard, "what the device had already does not count");
    device.leg.play(&tone(5));
    device.leg.complete_reply();
    for _ in 0..10 {
        device.tick();
    }
    assert_eq!(device.leg.heard(device.now).0, heard.0 + 5 * BLOCK as u64 / PER_POSITION);
    assert_eq!(device.leg.end(), device.leg.heard(device.now));
}

#[test]
fn sound_is_audible_until_it_has_left_the_loudspeaker_and_silence_never_is() {
    let mut device = Device::new(3);
    device.leg.play(&[0; 10 * BLOCK]);
    for _ in 0..5 {
        device.tick();
    }
    assert_eq!(device.leg.audible_until(), None);
    device.leg.play(&tone(10));
    device.leg.complete_reply();
    let mut ticks = 0;
    while device.leg.audible_until().is_none_or(|until| until > device.now) {
        device.tick();
        ticks += 1;
        assert!(ticks < 100);
    }
    assert!(device.leg.is_confirmed(), "not before its last sample");
}

/// What the conversation gets in the last of `ticks` of a microphone that always has `level`.
fn passed(device: &mut Device, ticks: usize, level: i16, voice: Option<VoiceEvent>) -> Vec<i16> {
    for n in 0..ticks {
        device.leg.audio_taken();
        device.tick_with(level, voice.filter(|_| n == 0));
    }
    device.leg.heard_audio().to_vec()
}

#[test]
fn what_is_left_of_an_echo_is_silence_and_a_person_over_it_is_heard_from_the_beginning() {
    let mut device = Device::new(3);
    assert_eq!(passed(&mut device, 1, 7, None), [7; 160], "nobody speaks: everything is passed");
    device.leg.play(&tone(400));
    device.tick();
    assert_eq!(passed(&mut device, 40, 8, None), [0; 160]);
    let first = passed(&mut device, 1, 9, Some(VoiceEvent::Onset));
    assert_eq!(first.len(), KEPT + 160, "what came before the detector was sure goes ahead");
    assert!(first.ends_with(&[9; 160]) && first[0] == 8 && first[KEPT - 1] == 8);
    assert_eq!(passed(&mut device, 5, 9, None), [9; 160], "and then what is said");
    let voiced = Duration::from_millis(300);
    assert_eq!(passed(&mut device, 5, 8, Some(VoiceEvent::End { voiced })), [0; 160]);
}

/// Lets blocks of `level` pass until the first that is no silence; how many were, and what came then.
fn opened(device: &mut Device, level: i16) -> (usize, Vec<i16>) {
    for silent in 0..60 {
        let passed = passed(device, 1, level, None);
        if silent > 10 && passed.iter().any(|&sample| sample != 0) {
            return (silent, passed);
        }
    }
    panic!("still closed");
}

#[test]
fn the_microphone_is_open_again_soon_after_the_agents_last_sound() {
    let mut device = Device::new(3);
    device.leg.play(&tone(10));
    device.leg.complete_reply();
    let (silent, first) = opened(&mut device, 8);
    assert!((25..60).contains(&silent), "open after {silent} blocks: not before the echo's tail");
    assert_eq!(first, [8; UNSURE + 160], "and what may have been the beginning of an answer goes ahead");
    assert_eq!(passed(&mut device, 1, 8, None), [8; 160]);
}

/// "Yes", said right behind the agent's last word: the detector is sure of it only when the echo's time is over.
#[test]
fn a_quick_answer_is_heard_from_its_first_sound() {
    let mut device = Device::new(3);
    device.leg.play(&tone(10));
    device.leg.complete_reply();
    while device.leg.audible_until().is_none_or(|until| until > device.now) {
        device.leg.audio_taken();
        device.tick();
    }
    // 150 ms of nothing, 100 ms of a voice that is not found yet, then the onset.
    let mut heard = Vec::new();
    for n in 0..40 {
        device.leg.audio_taken();
        device.tick_with(if n < 15 { 1 } else { 9 }, (n == 29).then_some(VoiceEvent::Onset));
        heard.extend_from_slice(device.leg.heard_audio());
    }
    assert_eq!(heard.iter().filter(|&&sample| sample == 9).count(), 25 * 160, "nothing of it is lost or said twice");
}

#[test]
fn ducking_is_told_once_and_a_flush_ends_it() {
    let mut device = Device::new(1);
    let now = device.now;
    device.leg.duck(now);
    device.leg.duck(now);
    assert_eq!(device.leg.next_order(), Some(DeskOrder::Duck(true)));
    assert_eq!(device.leg.next_order(), None);
    device.leg.flush(now);
    assert_eq!(device.leg.next_order(), Some(DeskOrder::Flush));
    assert_eq!(device.leg.next_order(), Some(DeskOrder::Duck(false)));
}

proptest! {
    /// Whatever is said, dropped and played in whatever order: the ear never goes back, and never ahead of what was said.
    #[test]
    fn the_ear_only_moves_forward(steps in proptest::collection::vec((0u8..5, 1usize..4_000), 1..80), delay in 0usize..6) {
        let mut device = Device::new(delay);
        let mut ear = Position(0);
        for (step, size) in steps {
            match step {
                0 => device.leg.play(&vec![5_000; size]),
                1 => device.leg.complete_reply(),
                2 => { device.leg.flush(device.now); }
                _ => device.tick(),
            }
            let heard = device.leg.heard(device.now);
            prop_assert!(heard >= ear, "{heard:?} behind {ear:?}");
            prop_assert!(heard <= device.leg.end());
            ear = heard;
        }
        device.leg.complete_reply();
        for _ in 0..1_500 {
            device.tick();
        }
        prop_assert_eq!(device.leg.heard(device.now), device.leg.end());
        prop_assert!(device.leg.is_confirmed());
        prop_assert!(device.leg.audible_until().is_none_or(|until| until <= device.now));
    }
}
