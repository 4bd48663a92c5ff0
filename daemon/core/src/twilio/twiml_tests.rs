//! Documents are compared with kept files, so that a change of what Twilio is told is seen in review.

use super::*;
use proptest::prelude::*;

fn dial() -> Fallback {
    Fallback::Dial {
        say: "One moment, I am connecting you to the front desk.".to_owned(),
        language: "en-US".to_owned(),
        number: PhoneNumber::parse("+15550100900").unwrap(),
        caller_id: PhoneNumber::parse("+15550100100").unwrap(),
        action_url: None,
    }
}

fn dial_then_ask() -> Fallback {
    let Fallback::Dial { say, language, number, caller_id, .. } = dial() else { unreachable!() };
    let action_url = Some("https://desk.example.com/twilio/after".to_owned());
    Fallback::Dial { say, language, number, caller_id, action_url }
}

fn voicemail() -> Fallback {
    Fallback::Voicemail {
        say: "Niemand da: bitte sprechen Sie nach dem Ton – Müller & Söhne.".to_owned(),
        language: "de-DE".to_owned(),
        action_url: "https://desk.example.com/twilio/voicemail".to_owned(),
        recording_status_url: "https://desk.example.com/twilio/voicemail".to_owned(),
        max_length: Duration::from_mins(2),
        goodbye: "Ich habe nichts gehört. Auf Wiederhören.".to_owned(),
    }
}

const TARGET: StreamTarget<'_> = StreamTarget {
    url: "wss://desk.example.com/twilio/media/6f1c0a52e9d04b7f",
    parameters: &[("token", "6f1c0a52e9d04b7f")],
    status_callback: Some("https://desk.example.com/twilio/stream"),
};

fn is_well_formed(xml: &str) -> bool {
    roxmltree::Document::parse(xml).is_ok()
}

#[test]
fn documents_are_the_kept_ones() {
    for (made, kept) in [
        (answer(&TARGET, &dial()).unwrap(), include_str!("../../tests/data/twiml/answer_then_dial.xml")),
        (answer(&TARGET, &voicemail()).unwrap(), include_str!("../../tests/data/twiml/answer_then_voicemail.xml")),
        (fallback_only(&dial_then_ask()).unwrap(), include_str!("../../tests/data/twiml/dial.xml")),
        (fallback_only(&voicemail()).unwrap(), include_str!("../../tests/data/twiml/voicemail.xml")),
        (hang_up(), include_str!("../../tests/data/twiml/hang_up.xml")),
        (reject_busy(), include_str!("../../tests/data/twiml/reject_busy.xml")),
    ] {
        assert_eq!(made, kept);
        assert!(is_well_formed(&made), "{made}");
    }
}

#[test]
fn the_fallback_stands_behind_the_stream_so_that_it_runs_when_the_stream_ends() {
    let xml = answer(&TARGET, &dial()).unwrap();
    let document = roxmltree::Document::parse(&xml).unwrap();
    let verbs: Vec<_> =
        document.root_element().children().filter(roxmltree::Node::is_element).map(|n| n.tag_name().name()).collect();
    assert_eq!(verbs, ["Connect", "Say", "Dial"]);
}

#[test]
fn text_and_attributes_are_escaped() {
    let say = "\"a\" < b & c > 'd'\u{0}\u{8}\n\u{ffff}é👋";
    let fallback = match dial() {
        Fallback::Dial { number, caller_id, .. } => Fallback::Dial {
            say: say.to_owned(),
            language: "\"><Dial>+1\"".to_owned(),
            number,
            caller_id,
            action_url: None,
        },
        Fallback::Voicemail { .. } => unreachable!(),
    };
    let xml = fallback_only(&fallback).unwrap();
    let document = roxmltree::Document::parse(&xml).unwrap();
    let spoken = document.descendants().find(|node| node.has_tag_name("Say")).unwrap();
    assert_eq!(spoken.text(), Some("\"a\" < b & c > 'd'    é👋"));
    assert_eq!(spoken.attribute("language"), Some("\"><Dial>+1\""));
}

#[test]
fn a_stream_address_that_twilio_cannot_use_is_refused() {
    for url in ["", "https://desk.example.com/m", "wss://", "wss:///m", "wss://d/m?x=1", "wss://d/m#x", "wss://d/m m"] {
        let target = StreamTarget { url, ..TARGET };
        assert_eq!(answer(&target, &dial()), Err(TwimlError::StreamUrl), "{url:?}");
    }
}

#[test]
fn limits_of_twilio_are_kept() {
    let value = "x".repeat(MAX_PARAMETER_CHARS - 5);
    let parameters = [("token", &*value)];
    let target = StreamTarget { parameters: &parameters, ..TARGET };
    let error = TwimlError::Parameter { name: "token".to_owned(), chars: MAX_PARAMETER_CHARS };
    assert_eq!(answer(&target, &dial()), Err(error));

    let many = vec![("name", "x"); 2_000];
    let target = StreamTarget { parameters: &many, ..TARGET };
    assert!(matches!(answer(&target, &dial()), Err(TwimlError::TooLong(_))));

    let mut long = voicemail();
    if let Fallback::Voicemail { say, .. } = &mut long {
        *say = "é".repeat(MAX_SAY_CHARS);
        assert!(fallback_only(&long).is_ok());
    }
    if let Fallback::Voicemail { say, .. } = &mut long {
        *say = "é".repeat(MAX_SAY_CHARS + 1);
        assert_eq!(fallback_only(&long), Err(TwimlError::SayTooLong(MAX_SAY_CHARS + 1)));
    }
}

#[test]
fn callbacks_must_be_absolute() {
    let mut relative = voicemail();
    if let Fallback::Voicemail { action_url, .. } = &mut relative {
        *action_url = "/twilio/voicemail".to_owned();
    }
    let error = TwimlError::CallbackUrl("the voicemail's action");
    assert_eq!(fallback_only(&relative), Err(error));
    let target = StreamTarget { status_callback: Some("/twilio/stream"), ..TARGET };
    assert_eq!(answer(&target, &dial()), Err(TwimlError::CallbackUrl("the stream's status callback")));
}

proptest! {
    #[test]
    fn whatever_is_said_the_document_is_well_formed_and_says_it(
        text in "\\PC{0,200}", language in any::<String>(), name in any::<String>(), value in any::<String>(),
    ) {
        let mut fallback = voicemail();
        if let Fallback::Voicemail { say, language: spoken_in, .. } = &mut fallback {
            say.clone_from(&text);
            *spoken_in = language;
        }
        let parameters = [(&*name, &*value)];
        let target = StreamTarget { parameters: &parameters, ..TARGET };
        let xml = answer(&target, &fallback).unwrap();
        let document = roxmltree::Document::parse(&xml).unwrap();
        let spoken = document.descendants().find(|node| node.has_tag_name("Say")).unwrap();
        prop_assert_eq!(spoken.text().unwrap_or_default(), text);
    }
}
