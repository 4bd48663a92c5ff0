//! Requests as Twilio sends them, and what a stranger might send instead.

use super::*;
use proptest::prelude::*;

const IDS: &str = "AccountSid=AC00000000000000000000000000000001&CallSid=CA00000000000000000000000000000001";

fn with_ids(rest: &str) -> String {
    format!("{IDS}&{rest}")
}

fn voice(rest: &str) -> Result<VoiceRequest, WebhookError> {
    let body = with_ids(rest);
    VoiceRequest::parse(&Form::parse(body.as_bytes()).unwrap())
}

const RINGING: &str =
    "CallStatus=ringing&From=%2B15550100200&To=%2B15550100100&Direction=inbound&ApiVersion=2010-04-01";

#[test]
fn an_incoming_call_is_read() {
    let request = voice(RINGING).unwrap();
    assert_eq!(request.call_sid.as_str(), "CA00000000000000000000000000000001");
    assert_eq!(request.account_sid.as_str(), "AC00000000000000000000000000000001");
    assert_eq!(request.from, CallerId::parse("+15550100200"));
    assert_eq!(request.to, Some(PhoneNumber::parse("+15550100100").unwrap()));
    assert_eq!(request.direction, Direction::Inbound);
    assert_eq!(request.forwarded_from, None);
}

#[test]
fn a_forwarding_line_in_national_form_is_no_number() {
    let forwarded = |value: &str| voice(&format!("{RINGING}&ForwardedFrom={value}")).unwrap().forwarded_from;
    assert_eq!(forwarded("%2B15550100300"), Some(PhoneNumber::parse("+15550100300").unwrap()));
    assert_eq!(forwarded("0301234567"), None);
    assert_eq!(forwarded(""), None);
}

#[test]
fn a_dial_of_ours_that_a_forwarding_sends_back_is_recognised() {
    let number = |text: &str| PhoneNumber::parse(text).unwrap();
    let call =
        |from: &str, rest: &str| voice(&format!("CallStatus=ringing&From=%2B{from}&To=%2B15550100100&{rest}")).unwrap();
    let (ours, front_desk) = (number("+15550100100"), number("+15550100900"));
    let returned = call("15550100100", "Direction=inbound");
    assert!(returned.is_our_own_dial(&ours) && !returned.comes_from(&front_desk));
    assert!(!call("15550100100", "Direction=outbound-api").is_our_own_dial(&ours), "a call that we were told to make");
    let carriers_habit = call("15550100200", "Direction=inbound&ForwardedFrom=%2B15550100100");
    assert!(!carriers_habit.is_our_own_dial(&ours), "a caller of flesh and blood");
    for forwarded in [
        call("15550100200", "Direction=inbound&ForwardedFrom=%2B15550100900"),
        call("15550100900", "Direction=inbound"),
    ] {
        assert!(forwarded.comes_from(&front_desk) && !forwarded.is_our_own_dial(&ours));
    }
}

#[test]
fn a_withheld_caller_and_a_sip_destination_have_no_number() {
    let request = voice("CallStatus=ringing&From=%2B266696687&To=sip%3Adesk%40example.com&Direction=inbound").unwrap();
    assert_eq!(request.from, CallerId::Withheld);
    assert_eq!(request.to, None);
}

#[test]
fn a_request_prints_no_whole_number() {
    let printed = format!("{:?}", voice(RINGING).unwrap());
    assert!(!printed.contains("15550100"), "{printed}");
    let body = with_ids(RINGING);
    let printed = format!("{:?}", Form::parse(body.as_bytes()).unwrap());
    assert!(printed.contains("\"From\"") && !printed.contains("15550100"), "{printed}");
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let form = Form::parse(b"CallSid=CA1&From=x").unwrap();
    let error = VoiceRequest::parse(&form).unwrap_err();
    assert_eq!(error.to_string(), "CallSid is no call SID: expected CA and 32 hexadecimal digits");
    assert_eq!(error.field(), "CallSid");
    let body = with_ids("");
    let error = StatusRequest::parse(&Form::parse(body.as_bytes()).unwrap()).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.field()), ("the form has no CallStatus", "CallStatus"));
}

/// No word of Twilio's that we have not heard of may cost a caller the call.
#[test]
fn a_call_is_read_from_its_identifiers_alone_and_unknown_words_are_kept() {
    let bare = voice("").unwrap();
    assert_eq!((bare.from, bare.direction.as_str()), (CallerId::Withheld, "unknown"));
    let odd = voice("Direction=sideways&CallStatus=singing&From=%2B15550100200").unwrap();
    assert_eq!(odd.direction, Direction::Other("sideways".into()));
    let body = with_ids("CallStatus=singing");
    let status = StatusRequest::parse(&Form::parse(body.as_bytes()).unwrap()).unwrap().status;
    assert_eq!((status.as_str(), status.is_final()), ("singing", false));
}

#[test]
fn a_status_callback_counts_seconds_not_billed_minutes() {
    let body = with_ids("CallStatus=completed&CallDuration=61&Duration=2&SequenceNumber=3&SipResponseCode=200");
    let request = StatusRequest::parse(&Form::parse(body.as_bytes()).unwrap()).unwrap();
    assert_eq!(request.status, CallStatus::Completed);
    assert_eq!(request.duration, Some(Duration::from_secs(61)));
    assert_eq!((request.sequence, request.sip_code, request.error_code), (Some(3), Some(200), None));
    assert!(!request.has_failed());
}

#[test]
fn a_garbled_count_is_an_error_an_empty_one_is_absent() {
    let status = |rest: &str| {
        let body = with_ids(&format!("CallStatus=completed&{rest}"));
        StatusRequest::parse(&Form::parse(body.as_bytes()).unwrap())
    };
    assert_eq!(status("CallDuration=").unwrap().duration, None);
    let said = status("CallDuration=-1").unwrap_err().to_string();
    assert_eq!(said, "CallDuration is \"-1\", expected a whole number");
}

#[test]
fn every_status_reads_back_and_five_are_final() {
    for status in CallStatus::ALL {
        assert_eq!(CallStatus::read(status.as_str()), status);
    }
    assert_eq!(CallStatus::ALL.iter().filter(|status| status.is_final()).count(), 5);
}

#[test]
fn a_dial_that_was_screened_away_did_not_reach_anybody() {
    let dial = |rest: &str| {
        let body = with_ids(rest);
        DialRequest::parse(&Form::parse(body.as_bytes()).unwrap()).unwrap()
    };
    assert!(dial("DialCallStatus=completed&DialBridged=true").bridged);
    assert!(!dial("DialCallStatus=completed&DialBridged=false").bridged);
    assert!(dial("DialCallStatus=answered").bridged);
    let unanswered = dial("DialCallStatus=no-answer");
    assert_eq!((unanswered.status, unanswered.bridged), (CallStatus::NoAnswer, false));
}

#[test]
fn a_message_is_reported_when_spoken_and_when_its_file_is_final() {
    let recording = |rest: &str| {
        let body = with_ids(&format!("RecordingSid=RE00000000000000000000000000000001&{rest}"));
        RecordingRequest::parse(&Form::parse(body.as_bytes()).unwrap())
    };
    let spoken = recording("RecordingUrl=https%3A%2F%2Fapi.twilio.com%2Fr&RecordingDuration=12&Digits=hangup").unwrap();
    assert_eq!(spoken.status, RecordingStatus::Recorded);
    assert_eq!(spoken.url.as_deref(), Some("https://api.twilio.com/r"));
    assert_eq!(spoken.duration, Some(Duration::from_secs(12)));
    assert_eq!(recording("RecordingStatus=completed").unwrap().status, RecordingStatus::Completed);
    assert_eq!(recording("RecordingStatus=absent").unwrap().status, RecordingStatus::Absent);
    assert!(recording("RecordingStatus=lost").is_err());
}

#[test]
fn a_stream_that_could_not_connect_says_why() {
    let stream = |rest: &str| {
        let body = with_ids(&format!("StreamSid=MZ00000000000000000000000000000001&{rest}"));
        StreamRequest::parse(&Form::parse(body.as_bytes()).unwrap())
    };
    let error = stream("StreamEvent=stream-error&StreamError=31920+handshake").unwrap().event;
    assert_eq!(error, StreamEvent::Error("31920 handshake".to_owned()));
    assert_eq!(stream("StreamEvent=stream-started").unwrap().event, StreamEvent::Started);
    assert_eq!(stream("StreamEvent=stream-stopped").unwrap().event, StreamEvent::Stopped);
    assert!(stream("StreamEvent=stream-paused").is_err());
}

#[test]
fn of_a_foreign_word_no_more_than_a_few_characters_are_kept() {
    let endless = "é".repeat(10_000);
    let body = with_ids(&format!("CallStatus=completed&CallDuration={endless}"));
    let error = StatusRequest::parse(&Form::parse(body.as_bytes()).unwrap()).unwrap_err();
    let WebhookError::Value { found, .. } = &error else { panic!("{error}") };
    assert_eq!((found.chars().count(), error.field()), (40, "CallDuration"));
    assert_eq!(CallStatus::read(&endless).as_str().chars().count(), 40);
}

proptest! {
    #[test]
    fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(form) = Form::parse(&body) {
            let _ = VoiceRequest::parse(&form);
            let _ = StatusRequest::parse(&form);
            let _ = DialRequest::parse(&form);
            let _ = RecordingRequest::parse(&form);
            let _ = StreamRequest::parse(&form);
        }
    }
}
