use super::*;
use proptest::prelude::*;

const LOUD: f32 = 1.0e6;
const QUIET: f32 = 1.0;

/// Blocks of the agent with an echo that is taken down by so much.
fn blocks(convergence: &mut Convergence, count: u32, erle_db: f32) {
    for _ in 0..count {
        convergence.push(LOUD, LOUD, LOUD / 10f32.powf(erle_db / 10.0), true);
    }
}

fn seconds(convergence: &mut Convergence, count: u32, erle_db: f32) {
    blocks(convergence, count * WINDOW, erle_db);
}

/// Blocks of the agent that the microphone does not hear.
fn unheard(convergence: &mut Convergence, count: u32) {
    for _ in 0..count {
        convergence.push(LOUD, QUIET, QUIET, false);
    }
}

#[test]
fn four_bad_seconds_close_the_microphone_and_a_good_one_opens_it() {
    let mut convergence = Convergence::default();
    seconds(&mut convergence, 1, 20.0);
    assert!(convergence.is_failing(), "a new one has to learn first");
    seconds(&mut convergence, 1, 20.0);
    assert!(!convergence.is_failing());
    seconds(&mut convergence, 3, 1.0);
    assert!(!convergence.is_failing());
    seconds(&mut convergence, 1, 1.0);
    assert!(convergence.is_failing() && convergence.has_failed());
    seconds(&mut convergence, 1, 9.0);
    assert!(convergence.is_failing(), "between the two thresholds nothing changes");
    seconds(&mut convergence, 1, 20.0);
    assert!(!convergence.is_failing());
}

#[test]
fn a_loud_echo_that_was_never_under_control_keeps_the_microphone_closed() {
    for erle_db in [0.0, 5.0, 11.0] {
        let mut convergence = Convergence::default();
        seconds(&mut convergence, 3, erle_db);
        assert!(convergence.is_failing() && !convergence.has_failed(), "it may still be learning");
        seconds(&mut convergence, 60, erle_db);
        assert!(convergence.is_failing() && convergence.has_failed(), "{erle_db} dB");
        seconds(&mut convergence, 1, 20.0);
        assert!(!convergence.is_failing(), "a slow one is believed in the end");
    }
}

#[test]
fn a_person_over_the_first_words_delays_the_open_microphone_until_one_second_without_them() {
    let mut convergence = Convergence::default();
    blocks(&mut convergence, 350, 0.0);
    assert!(convergence.is_failing());
    // The second that they left in the middle of is spoilt.
    blocks(&mut convergence, 149, 25.0);
    assert!(convergence.is_failing());
    blocks(&mut convergence, 1, 25.0);
    assert!(!convergence.is_failing());
}

#[test]
fn an_echo_that_is_loud_now_and_then_is_measured_all_the_same() {
    for (erle_db, works) in [(1.0, false), (25.0, true)] {
        let mut convergence = Convergence::default();
        for _ in 0..250 {
            blocks(&mut convergence, 1, erle_db);
            unheard(&mut convergence, 4);
            assert!(convergence.is_failing() || works);
        }
        assert_eq!(!convergence.is_failing(), works, "{erle_db} dB");
    }
}

#[test]
fn a_device_that_cancels_for_itself_is_not_deaf_for_those_who_talk_over_the_agent() {
    let mut convergence = Convergence::default();
    // From the first word on, and for longer than it takes to be found failing.
    seconds(&mut convergence, 6, 0.0);
    assert!(convergence.has_failed());
    unheard(&mut convergence, LEARNING);
    assert!(!convergence.is_failing(), "it was no echo");
    // Short interruptions, hours of them: their windows are no proof of an echo.
    for _ in 0..100 {
        blocks(&mut convergence, 50, 0.0);
        assert!(!convergence.is_failing());
        unheard(&mut convergence, 2 * LEARNING);
    }
}

#[test]
fn a_door_while_it_learns_delays_a_device_without_an_echo_and_no_more() {
    let mut convergence = Convergence::default();
    unheard(&mut convergence, 150);
    blocks(&mut convergence, 5, 0.0);
    unheard(&mut convergence, 99);
    assert!(convergence.is_failing());
    unheard(&mut convergence, 1);
    assert!(!convergence.is_failing());
}

#[test]
fn a_canceller_that_holds_everything_back_has_proven_nothing() {
    let mut convergence = Convergence::default();
    for _ in 0..5 * WINDOW {
        convergence.push(LOUD, LOUD, QUIET, false);
        assert!(convergence.is_failing());
    }
    convergence.push(LOUD, LOUD, QUIET, true);
    assert!(!convergence.is_failing(), "it has found the echo");
}

#[test]
fn the_noise_of_a_waiting_room_is_no_echo() {
    // After that much of the agent, with an echo of this level.
    let closed = |echo: f32, agent: u32| {
        let mut convergence = Convergence::default();
        convergence.push(QUIET, 0.0, 0.0, false);
        // It comes and goes by 6 dB.
        let noise = |n: u32| LOUD * [1.0, 0.5, 0.25][n as usize % 3];
        for n in 0..200 {
            convergence.push(QUIET, noise(n), noise(n), false);
        }
        for n in 0..agent {
            convergence.push(LOUD, noise(n) + echo, noise(n), false);
        }
        convergence.is_failing()
    };
    assert!(closed(0.0, LEARNING - 1), "it has to learn all the same");
    assert!(!closed(0.0, LEARNING));
    assert!(closed(10.0 * LOUD, 10 * LEARNING), "an echo above it counts");
}

#[test]
fn a_talker_over_the_agent_closes_nothing() {
    let mut convergence = Convergence::default();
    seconds(&mut convergence, 2, 25.0);
    for _ in 0..20 {
        seconds(&mut convergence, 3, 0.0);
        seconds(&mut convergence, 1, 25.0);
        assert!(!convergence.is_failing());
    }
}

proptest! {
    #[test]
    fn silence_of_either_side_is_no_evidence(far in 0f32..100.0, near in 0f32..1.0e6, blocks in 0u32..2_000) {
        let mut convergence = Convergence::default();
        for _ in 0..blocks {
            prop_assert_eq!(convergence.push(far, near, near, true), None);
        }
        prop_assert!(convergence.is_failing(), "nothing was learnt");
    }

    /// Whatever is heard: the microphone is open only behind a time, and a proof or as much time without an echo.
    #[test]
    fn nobody_is_believed_for_nothing(
        spans in prop::collection::vec((0u32..300, 0u8..4, -10f32..30.0, any::<bool>()), 0..20),
    ) {
        let mut convergence = Convergence::default();
        let (mut spoken, mut quiet, mut best, mut works) = (0, 0, f32::MIN, false);
        for (count, what, erle_db, found) in spans {
            let (far, before) = [(LOUD, LOUD), (LOUD, LOUD), (LOUD, QUIET), (QUIET, QUIET)][usize::from(what)];
            for _ in 0..count {
                let erle = convergence.push(far, before, before / 10f32.powf(erle_db / 10.0), found);
                spoken += u32::from(far == LOUD);
                quiet += u32::from(far == LOUD && before == QUIET);
                best = erle.map_or(best, |erle| erle.max(best));
                works |= found && best >= WORKS_FROM;
                let earned = spoken >= LEARNING && (works || quiet >= LEARNING);
                prop_assert!(convergence.is_failing() || earned);
            }
        }
        // And nothing that was closes it for good.
        unheard(&mut convergence, LEARNING);
        prop_assert!(!convergence.is_failing());
    }
}
