use super::*;

#[test]
fn without_a_device_nothing_is_composed_and_nothing_taken() {
    let (_rt, mut ends, mut net) = crate::rings::make();
    let knobs = Knobs::new();
    let speech = Speech { epoch: knobs.epoch(), end: 240, last: true, len: 240, pcm: [9; 240] };
    assert!(net.speech.enqueue(speech).is_ok());
    let mut speaker = Speaker::new();
    assert!(speaker.compose(&mut ends.speech, &knobs, true).is_none());
    assert_eq!(ends.speech.len(), 1);
}

#[test]
fn a_stall_is_silence_only_when_the_device_needs_it() {
    let (_rt, mut ends, mut net) = crate::rings::make();
    let knobs = Knobs::new();
    let mut speaker = Speaker::new();
    speaker.follow(480, 0);
    let speech = Speech { epoch: knobs.epoch(), end: 240, last: false, len: 240, pcm: [9; 240] };
    assert!(net.speech.enqueue(speech).is_ok());
    assert!(speaker.compose(&mut ends.speech, &knobs, false).is_some_and(|it| it.epoch.is_some()));
    assert!(speaker.compose(&mut ends.speech, &knobs, false).is_none(), "the next speech may still come");
    assert!(speaker.compose(&mut ends.speech, &knobs, true).is_some());
}
