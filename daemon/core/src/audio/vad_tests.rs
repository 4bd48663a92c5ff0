use super::*;
use crate::audio::g711;
use crate::audio::resample::Resampler;
use crate::units::SampleRate;
use VoiceEvent::{End, Onset, Sustained};

const CALLER: &[u8] = include_bytes!("../../tests/data/voice/caller.ulaw");
const STOP: &[u8] = include_bytes!("../../tests/data/voice/stop.ulaw");
const QUESTION: &[u8] = include_bytes!("../../tests/data/voice/question.ulaw");
const AGENT: &[u8] = include_bytes!("../../tests/data/voice/agent.ulaw");
/// One media message of Twilio's.
const PACKET: usize = 160;
const PACKET_SPAN: Duration = Duration::from_millis(20);

fn decoded(mulaw: &[u8]) -> Vec<i16> {
    mulaw.iter().map(|&byte| g711::decode(byte)).collect()
}

fn noise(level: Dbfs, samples: usize) -> Vec<i16> {
    // Uniform noise has a third of the square of its peak.
    let peak = (3.0 * level.mean_square()).sqrt();
    let mut seed = 7u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..samples).map(|_| (next() * peak) as i16).collect()
}

fn tones(hz: &[f64], level: Dbfs, samples: usize) -> Vec<i16> {
    let amplitude = f64::from((2.0 * level.mean_square()).sqrt()) / (hz.len() as f64).sqrt();
    let at = |n: usize| hz.iter().map(|hz| (2.0 * std::f64::consts::PI * hz * n as f64 / 8_000.0).sin()).sum::<f64>();
    (0..samples).map(|n| (amplitude * at(n)) as i16).collect()
}

fn louder(pcm: &[i16], db: f32) -> Vec<i16> {
    pcm.iter().map(|&sample| crate::units::Gain::from_db(db).apply(sample)).collect()
}

/// Events with the time at which the packet that told them had arrived, as a phone leg would see them.
fn listen(narrow: &[i16], agent_heard: bool) -> Vec<(Duration, VoiceEvent)> {
    let (mut vad, mut up) = (Vad::new(), Resampler::new(SampleRate::TELEPHONY, SampleRate::LISTENING));
    let (mut wide, mut events) = (Vec::new(), Vec::new());
    for (n, packet) in narrow.chunks(PACKET).enumerate() {
        // Through the codec, as on the line.
        let packet: Vec<i16> = packet.iter().map(|&sample| g711::decode(g711::encode(sample))).collect();
        wide.clear();
        up.push(&packet, &mut wide);
        vad.push(&wide, agent_heard, |event| events.push((PACKET_SPAN * (n as u32 + 1), event)));
    }
    events
}

fn kinds(events: &[(Duration, VoiceEvent)]) -> Vec<VoiceEvent> {
    events.iter().map(|(_, event)| *event).collect()
}

/// Where the voice is loud for the first time: 5 ms at -30 dBFS or more.
fn first_loud(narrow: &[i16]) -> usize {
    let loud = narrow.windows(40).position(|piece| level::dbfs(piece).0 >= -30.0);
    loud.expect("every clip has a loud voice")
}

#[test]
fn an_onset_is_told_within_60_ms_of_the_first_loud_sample() {
    let mut worst = Duration::ZERO;
    for clip in [CALLER, STOP, QUESTION] {
        for agent_heard in [false, true] {
            // Every position of the voice among packets and frames: their common period is 80 ms.
            for lead in (0..640).step_by(16) {
                let mut line = noise(Dbfs(-62.0), 2_000 + lead);
                let loud = line.len() + first_loud(&decoded(clip));
                line.extend(decoded(clip));
                let events = listen(&line, agent_heard);
                let (at, event) = events[0];
                assert_eq!(event, Onset);
                let spoken = SampleRate::TELEPHONY.duration_of(loud);
                worst = worst.max(at.saturating_sub(spoken));
            }
        }
    }
    assert!(worst <= Duration::from_millis(60), "{worst:?}");
}

#[test]
fn what_is_no_voice_is_none() {
    let second = 8_000;
    let cases = [
        ("silence", vec![0; 5 * second]),
        ("mains hum", tones(&[50.0, 100.0, 150.0], Dbfs(-35.0), 5 * second)),
        ("white noise", noise(Dbfs(-45.0), 20 * second)),
        ("white noise at the gate", noise(Dbfs(-48.0), 20 * second)),
        ("white noise below it", noise(Dbfs(-50.0), 20 * second)),
    ];
    for (name, line) in cases {
        for agent_heard in [false, true] {
            let events = listen(&line, agent_heard);
            assert!(events.is_empty(), "{name}, agent heard {agent_heard}: {events:?}");
        }
    }
}

#[test]
fn a_key_is_too_short_to_be_taken_for_words() {
    // A key's tone is steady and loud: the detector takes it for the beginning of a voice.
    let key = [noise(Dbfs(-62.0), 4_000), tones(&[770.0, 1_336.0], Dbfs(-12.0), 800), vec![0; 8_000]].concat();
    for agent_heard in [false, true] {
        for (_, event) in listen(&key, agent_heard) {
            match event {
                Onset => {}
                End { voiced } => assert!(voiced < Duration::from_millis(150), "{voiced:?}"),
                Sustained => panic!("100 ms are not 400"),
            }
        }
    }
}

#[test]
fn the_agents_echo_is_no_caller_while_it_is_heard() {
    let echo = louder(&decoded(AGENT), -30.0);
    assert_eq!(listen(&echo, true), []);
    assert_eq!(
        kinds(&listen(&louder(&decoded(QUESTION), -10.0), true))[0],
        Onset,
        "a quiet caller is heard all the same"
    );
}

#[test]
fn behind_a_canceller_a_quiet_caller_counts_over_the_agent_and_sooner() {
    let mut wide = Vec::new();
    let quiet = louder(&decoded(CALLER), -18.0);
    Resampler::new(SampleRate::TELEPHONY, SampleRate::LISTENING).push(&quiet, &mut wide);
    let events = |mut vad: Vad, agent_heard: bool| {
        let (mut events, mut frames) = (Vec::new(), 0);
        for frame in wide.chunks(FRAME) {
            frames += 1;
            vad.push(frame, agent_heard, |event| events.push((frames, event)));
        }
        events
    };
    let sustained = |events: &[(i32, VoiceEvent)]| events.iter().find(|it| it.1 == Sustained).map(|it| it.0);
    let behind = events(Vad::behind_canceller(), true);
    assert!(sustained(&events(Vad::new(), true)).is_none(), "a phone's gate lets it through");
    assert!(sustained(&behind) < sustained(&events(Vad::behind_canceller(), false)));
    assert!(sustained(&behind).is_some());
    assert_eq!(events(Vad::behind_canceller(), false), events(Vad::new(), false));
}

#[test]
fn a_sentence_is_sustained_once_and_ends_a_quarter_of_a_second_behind_its_last_sound() {
    let voice = decoded(QUESTION);
    let line = [noise(Dbfs(-62.0), 4_000), voice.clone(), noise(Dbfs(-62.0), 8_000)].concat();
    let events = listen(&line, false);
    let [(onset, Onset), (sustained, Sustained), (ended, End { voiced })] = events[..] else { panic!("{events:?}") };
    let took = sustained.saturating_sub(onset);
    assert!((Duration::from_millis(360)..Duration::from_millis(560)).contains(&took), "{took:?}");
    let last = voice.windows(40).rposition(|piece| level::dbfs(piece).0 >= -45.0).unwrap();
    let behind = ended.saturating_sub(SampleRate::TELEPHONY.duration_of(4_000 + last));
    assert!((HANGOVER..HANGOVER + Duration::from_millis(150)).contains(&behind), "{behind:?}");
    assert!(voiced > Duration::from_millis(1_500), "{voiced:?} of 2.2 s");
}

#[test]
fn a_noise_that_takes_over_from_a_voice_ends_it_all_the_same() {
    let voice = [decoded(CALLER), decoded(CALLER)].concat();
    let line = [voice.clone(), noise(Dbfs(-45.0), 24_000)].concat();
    for agent_heard in [false, true] {
        let events = listen(&line, agent_heard);
        let &(ended, End { voiced }) = events.last().unwrap() else { panic!("{events:?}") };
        let behind = ended.saturating_sub(SampleRate::TELEPHONY.duration_of(voice.len()));
        // The detector itself takes the first 400 ms of it for a voice.
        assert!(behind < Duration::from_millis(400) + HANGOVER + FRAME_SPAN * TRUSTED as u32, "{behind:?}: {events:?}");
        assert!(voiced < ended);
    }
}

#[test]
fn a_voice_that_goes_on_is_confirmed_now_and_then_only() {
    let (mut vad, mut up) = (Vad::new(), Resampler::new(SampleRate::TELEPHONY, SampleRate::LISTENING));
    let mut wide = Vec::new();
    up.push(&[decoded(CALLER), decoded(CALLER)].concat(), &mut wide);
    let (mut loud, mut asked) = (0, 0);
    for frame in wide.as_chunks::<FRAME>().0 {
        vad.push(frame, false, |_| {});
        if vad.stretch.as_ref().is_some_and(|stretch| stretch.sustained) {
            loud += usize::from(level::mean_square(frame) >= vad.gates[0]);
            asked += usize::from(vad.skipped.is_empty());
        }
    }
    assert!(loud > 200 && asked * 3 < loud, "asked for {asked} of {loud} loud frames");
}

#[test]
fn the_gate_spares_the_detector_a_silent_line() {
    let mut vad = Vad::new();
    vad.push(&noise(Dbfs(-60.0), 16_000), false, |_| {});
    assert_eq!(vad.skipped.len(), CONTEXT, "nothing passed on");
    vad.push(&noise(Dbfs(-30.0), FRAME), false, |_| {});
    assert!(vad.skipped.is_empty(), "and nothing held back once it matters");
}
