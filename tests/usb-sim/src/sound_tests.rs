use super::*;

const RATE: u32 = 48_000;
const OPEN: Level = Level { muted: false, volume: 0 };

fn ms(ms: u64) -> Time {
    Duration::from_millis(ms)
}

/// A sound in which every sample differs from its neighbours.
fn sound(count: usize, rate: u32) -> Sound {
    Sound { rate, pcm: (0..count).map(|at| ((at * 7919 + 13) % 60_000) as i16).collect() }
}

/// Frames of 1 ms from `from` to `to`: the loudspeaker plays `pcm` as far as it goes, the microphone hears.
fn run(room: &mut Room, from: u64, to: u64, pcm: &[i16], level: Level) -> Vec<i16> {
    let mut played = pcm.chunks(48);
    let mut heard = Vec::new();
    for frame in from..to {
        let mut packet = played.next().unwrap_or_default().to_vec();
        packet.resize(48, 0);
        room.play(ms(frame + 1), packet, RATE, level);
        heard.extend(room.hear(ms(frame + 1), 48, RATE, OPEN));
    }
    heard
}

fn recorded(room: &mut Room, side: Side, now: u64) -> Sound {
    room.stop_recording(side, ms(now), RATE).expect("it runs").into_sound()
}

#[test]
fn what_is_said_is_heard_bit_by_bit_one_after_the_other() {
    let mut room = Room::default();
    let (first, second) = (sound(1000, RATE), sound(500, RATE));
    room.say(first.clone());
    room.say(second.clone());
    assert_eq!(room.left_to_say(), Duration::from_micros(31_250));
    let heard = run(&mut room, 0, 100, &[], OPEN);
    assert_eq!(&heard[..1500], [first.pcm, second.pcm].concat());
    assert!(heard[1500..].iter().all(|it| *it == 0));
    assert!(room.left_to_say().is_zero());
}

#[test]
fn the_person_waits_while_nobody_listens_and_goes_on_at_another_rate() {
    let mut room = Room::default();
    room.say(sound(4800, RATE));
    room.hear(ms(1), 48, RATE, OPEN);
    room.hear(ms(60_000), 16, 16_000, OPEN);
    assert_eq!(room.left_to_say(), Duration::from_millis(98), "two frames of 1 ms are gone");
    room.hush();
    assert_eq!(room.hear(ms(60_001), 16, 16_000, OPEN), [0; 16]);
}

#[test]
fn a_recording_runs_in_the_rooms_time_with_silence_where_no_stream_ran() {
    let mut room = Room::default();
    room.record(Side::Loudspeaker, ms(1000));
    let said = sound(480, RATE);
    run(&mut room, 1500, 1510, &said.pcm, OPEN);
    run(&mut room, 1600, 1610, &said.pcm, OPEN);
    let heard = recorded(&mut room, Side::Loudspeaker, 2000);
    assert_eq!(heard.pcm.len(), 48_000);
    assert_eq!(heard.pcm[24_000..24_480], said.pcm);
    assert_eq!(heard.pcm[28_800..29_280], said.pcm);
    assert_eq!(heard.pcm.iter().filter(|it| **it != 0).count(), 2 * said.pcm.iter().filter(|it| **it != 0).count());
    assert!(room.stop_recording(Side::Loudspeaker, ms(2000), RATE).is_none(), "it has ended");
}

#[test]
fn a_recording_of_nothing_is_silence_of_its_length() {
    let mut room = Room::default();
    room.record(Side::Microphone, ms(0));
    assert_eq!(recorded(&mut room, Side::Microphone, 250).pcm, vec![0; 12_000]);
}

#[test]
fn a_recording_across_rates_keeps_the_first_one() {
    let mut room = Room::default();
    room.record(Side::Loudspeaker, ms(0));
    for frame in 0..100 {
        room.play(ms(frame + 1), vec![1000; 16], 16_000, OPEN);
    }
    for frame in 100..200 {
        room.play(ms(frame + 1), vec![1000; 48], RATE, OPEN);
    }
    let heard = recorded(&mut room, Side::Loudspeaker, 200);
    assert_eq!((heard.rate, heard.pcm.len()), (16_000, 3200));
    // Each piece is converted by itself: a millisecond around the seam fades.
    let even = |range: std::ops::Range<usize>| heard.pcm[range].iter().all(|it| (990..1010).contains(it));
    assert!(even(0..1584) && even(1616..3180), "no level has changed");
}

#[test]
fn a_recording_ends_by_itself_before_it_fills_the_memory() {
    let mut room = Room::default();
    room.record(Side::Loudspeaker, ms(0));
    room.play(ms(100_000_000), vec![5; 48], RATE, OPEN);
    room.play(ms(100_000_001), vec![5; 48], RATE, OPEN);
    assert_eq!(recorded(&mut room, Side::Loudspeaker, 100_000_002).pcm.len(), 900 * 48_000);
}

#[test]
fn volume_is_heard_and_mute_is_silence() {
    let mut room = Room::default();
    for (level, expected) in [
        (OPEN, 10_000),
        (Level { muted: false, volume: -6 * 256 }, 5012),
        (Level { muted: false, volume: -60 * 256 }, 10),
        (Level { muted: true, volume: 0 }, 0),
    ] {
        room.record(Side::Loudspeaker, ms(0));
        room.play(ms(1), vec![10_000; 48], RATE, level);
        assert_eq!(recorded(&mut room, Side::Loudspeaker, 1).pcm, [expected; 48]);
    }
}

#[test]
fn the_echo_comes_after_its_delay_at_its_gain_without_a_seam() {
    let mut room = Room::default();
    room.set_echo(Some(Echo { gain: 0.5, delay: ms(60) }));
    let said = sound(4800, RATE);
    let heard = run(&mut room, 0, 300, &said.pcm, OPEN);
    let half: Vec<i16> = said.pcm.iter().map(|it| (f64::from(*it) * 0.5).round() as i16).collect();
    assert_eq!(heard[60 * 48..160 * 48], half, "60 ms, to the sample");
    assert!(heard[..60 * 48].iter().chain(&heard[160 * 48..]).all(|it| *it == 0));
}

#[test]
fn the_echo_keeps_its_delay_when_transfers_are_coarse_and_streams_stand_still() {
    let mut room = Room::default();
    room.set_echo(Some(Echo { gain: 1.0, delay: ms(20) }));
    let mut heard = Vec::new();
    let mut click = |at: u64, room: &mut Room| {
        // The loudspeaker's transfers are 6 ms long, its samples known at their end; the microphone's 1 ms.
        for transfer in 0..10 {
            for frame in 0..6 {
                heard.extend(room.hear(ms(at + transfer * 6 + frame + 1), 48, RATE, OPEN));
            }
            for frame in 0..6 {
                let mut packet = vec![0; 48];
                packet[0] = if (transfer, frame) == (2, 0) { 9000 } else { 0 };
                room.play(ms(at + transfer * 6 + frame + 1), packet, RATE, OPEN);
            }
        }
        let place = heard.iter().position(|it| *it == 9000);
        heard.clear();
        place
    };
    // Played with the frame that begins at 12 ms.
    assert_eq!(click(0, &mut room), Some((12 + 20) * 48));
    assert_eq!(click(5000, &mut room), Some((12 + 20) * 48), "after five seconds without any stream");
}

#[test]
fn an_echo_is_added_to_speech_and_never_wraps() {
    let mut room = Room::default();
    room.set_echo(Some(Echo { gain: 1.0, delay: ms(10) }));
    room.say(Sound { rate: RATE, pcm: vec![30_000; 4800] });
    let heard = run(&mut room, 0, 50, &[30_000; 2400], OPEN);
    assert!(heard[..480].iter().all(|it| *it == 30_000));
    assert!(heard[480..2400].iter().all(|it| *it == i16::MAX));
}
