//! Media Streams on the wire: what Twilio sends, and the three messages we may send.
//!
//! Parsing borrows from the text and allocates nothing for media. Counters come as strings or numbers, unknown events
//! and fields are normal (protocol description of Media Streams, and captures of 2025-2026).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use std::borrow::Cow;
use std::fmt;

/// What went wrong with a message of the peer's.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Not JSON, or not an object of the protocol. Shown shortened: the parser's words may repeat the peer's.
    #[error("the message is not of the Media Streams protocol: {:.120}", .0.to_string())]
    Malformed(#[from] serde_json::Error),
    /// The event needs a part that is missing.
    #[error("the {event} message has no {part}")]
    Incomplete {
        /// Which event it is.
        event: &'static str,
        /// What it lacks.
        part: &'static str,
    },
    /// The audio cannot be decoded.
    #[error("the media payload is not base64")]
    Payload,
}

/// One message from Twilio.
#[derive(Debug, PartialEq)]
pub enum Inbound<'a> {
    /// The socket speaks the protocol.
    Connected,
    /// The stream begins.
    Start(Start<'a>),
    /// Caller audio: base64 of mu-law.
    Media {
        /// Base64; usually 20 ms.
        payload: Cow<'a, str>,
    },
    /// A key was pressed.
    Dtmf {
        /// `0-9`, `*`, `#`, perhaps `A-D`.
        digit: char,
    },
    /// One of our marks has been played, or cleared: nothing tells which.
    Mark {
        /// The name we gave it.
        name: Cow<'a, str>,
    },
    /// The stream is over; the call may go on.
    Stop,
    /// An event that this version does not know, or audio of another track.
    Other,
}

/// How a stream introduces itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start<'a> {
    /// `AC…`
    pub account_sid: Cow<'a, str>,
    /// `CA…`
    pub call_sid: Cow<'a, str>,
    /// The single-use token from the TwiML's parameter, if it came back.
    pub token: Option<Cow<'a, str>>,
    /// Codec of both directions.
    pub format: MediaFormat<'a>,
}

/// Codec of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaFormat<'a> {
    /// `audio/x-mulaw`
    pub encoding: Cow<'a, str>,
    /// Hertz.
    pub sample_rate: u64,
    /// Channels.
    pub channels: u64,
}

impl MediaFormat<'_> {
    /// Whether it is mono mu-law at 8 kHz, the only format ever promised.
    pub fn is_telephony(&self) -> bool {
        self.encoding == "audio/x-mulaw" && self.sample_rate == 8_000 && self.channels == 1
    }
}

/// A parsed message and the stream it names; only `connected` names none.
#[derive(Debug)]
pub struct Envelope<'a> {
    /// `MZ…`
    pub stream_sid: Option<Cow<'a, str>>,
    /// What it says.
    pub message: Inbound<'a>,
}

impl<'a> Envelope<'a> {
    /// Parses one text message.
    pub fn parse(text: &'a str) -> Result<Self, MessageError> {
        let wire: Wire<'a> = serde_json::from_str(text)?;
        let message = match &*wire.event.0 {
            "media" => media(wire.media)?,
            "mark" => {
                let mark = wire.mark.ok_or(MessageError::Incomplete { event: "mark", part: "mark" })?;
                Inbound::Mark { name: mark.name.0 }
            }
            "start" => Inbound::Start(start(wire.start)?),
            "dtmf" => {
                let digit = wire.dtmf.and_then(|dtmf| dtmf.digit.0.chars().next());
                Inbound::Dtmf { digit: digit.ok_or(MessageError::Incomplete { event: "dtmf", part: "digit" })? }
            }
            "stop" => Inbound::Stop,
            "connected" => Inbound::Connected,
            _ => Inbound::Other,
        };
        Ok(Self { stream_sid: wire.stream_sid.map(|sid| sid.0), message })
    }
}

fn media(media: Option<WireMedia<'_>>) -> Result<Inbound<'_>, MessageError> {
    let media = media.ok_or(MessageError::Incomplete { event: "media", part: "media" })?;
    if media.track.is_some_and(|track| track.0 != "inbound") {
        return Ok(Inbound::Other);
    }
    Ok(Inbound::Media { payload: media.payload.0 })
}

fn start(start: Option<WireStart<'_>>) -> Result<Start<'_>, MessageError> {
    let lacks = |part| MessageError::Incomplete { event: "start", part };
    let start = start.ok_or(lacks("start"))?;
    let format = start.media_format.ok_or(lacks("mediaFormat"))?;
    Ok(Start {
        account_sid: start.account_sid.ok_or(lacks("accountSid"))?.0,
        call_sid: start.call_sid.ok_or(lacks("callSid"))?.0,
        token: start.custom_parameters.and_then(|custom| custom.token).map(|token| token.0),
        format: MediaFormat {
            encoding: format.encoding.0,
            sample_rate: format.sample_rate.0,
            channels: format.channels.0,
        },
    })
}

/// Decodes a media payload into `mulaw`, which is cleared first.
pub fn decode_payload(payload: &str, mulaw: &mut Vec<u8>) -> Result<(), MessageError> {
    mulaw.clear();
    STANDARD.decode_vec(payload, mulaw).map_err(|_| MessageError::Payload)
}

/// Writes the messages of one stream. The buffer is taken back once its messages have left: no allocation per message.
#[derive(Debug)]
pub struct Writer {
    stream_sid: String,
    buffer: BytesMut,
}

impl Writer {
    /// A writer for the stream that `start` named.
    pub fn new(stream_sid: &str) -> Self {
        Self { stream_sid: stream_sid.to_owned(), buffer: BytesMut::with_capacity(4 * 1_024) }
    }

    /// `media` with `mulaw`.
    pub fn media(&mut self, mulaw: &[u8]) -> Bytes {
        let encoded = mulaw.len().div_ceil(3) * 4;
        self.begin("media", encoded + 32);
        self.buffer.put_slice(b",\"media\":{\"payload\":\"");
        let at = self.buffer.len();
        self.buffer.resize(at + encoded, 0);
        let written =
            STANDARD.encode_slice(mulaw, &mut self.buffer[at..]).expect("the room was computed from the same length");
        self.buffer.truncate(at + written);
        self.buffer.put_slice(b"\"}}");
        self.buffer.split().freeze()
    }

    /// `mark` with `name`, which must need no escaping.
    pub fn mark(&mut self, name: &impl fmt::Display) -> Bytes {
        use fmt::Write as _;
        self.begin("mark", 96);
        self.buffer.put_slice(b",\"mark\":{\"name\":\"");
        write!(self.buffer, "{name}").expect("a growing buffer takes everything");
        self.buffer.put_slice(b"\"}}");
        self.buffer.split().freeze()
    }

    /// `clear`: the far end drops what it has queued.
    pub fn clear(&mut self) -> Bytes {
        self.begin("clear", 4);
        self.buffer.put_slice(b"}");
        self.buffer.split().freeze()
    }

    fn begin(&mut self, event: &str, body: usize) {
        self.buffer.reserve(body + self.stream_sid.len() + 48);
        self.buffer.put_slice(b"{\"event\":\"");
        self.buffer.put_slice(event.as_bytes());
        self.buffer.put_slice(b"\",\"streamSid\":\"");
        self.buffer.put_slice(self.stream_sid.as_bytes());
        self.buffer.put_slice(b"\"");
    }
}

/// Text borrowed from the message when it holds no escapes. (`Option<Cow>` alone would always be copied by serde.)
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    event: Text<'a>,
    #[serde(borrow, rename = "streamSid")]
    stream_sid: Option<Text<'a>>,
    #[serde(borrow)]
    start: Option<WireStart<'a>>,
    #[serde(borrow)]
    media: Option<WireMedia<'a>>,
    #[serde(borrow)]
    mark: Option<WireMark<'a>>,
    #[serde(borrow)]
    dtmf: Option<WireDtmf<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireStart<'a> {
    #[serde(borrow)]
    account_sid: Option<Text<'a>>,
    #[serde(borrow)]
    call_sid: Option<Text<'a>>,
    #[serde(borrow)]
    media_format: Option<WireFormat<'a>>,
    #[serde(borrow)]
    custom_parameters: Option<WireParameters<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireFormat<'a> {
    #[serde(borrow)]
    encoding: Text<'a>,
    sample_rate: Number,
    channels: Number,
}

#[derive(Deserialize)]
struct WireParameters<'a> {
    #[serde(borrow)]
    token: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct WireMedia<'a> {
    #[serde(borrow)]
    track: Option<Text<'a>>,
    #[serde(borrow)]
    payload: Text<'a>,
}

#[derive(Deserialize)]
struct WireMark<'a> {
    #[serde(borrow)]
    name: Text<'a>,
}

#[derive(Deserialize)]
struct WireDtmf<'a> {
    #[serde(borrow)]
    digit: Text<'a>,
}

/// A number, also when it comes as a string.
struct Number(u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number(number))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(text: &str) -> Inbound<'_> {
        Envelope::parse(text).unwrap().message
    }

    #[test]
    fn start_is_read_with_everything_that_is_checked() {
        let text = r#"{"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{"accountSid":"AC1","streamSid":"MZ1",
            "callSid":"CA1","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},
            "customParameters":{"token":"6f1c","other":"x"}}}"#;
        let envelope = Envelope::parse(text).unwrap();
        assert_eq!(envelope.stream_sid.as_deref(), Some("MZ1"));
        let Inbound::Start(start) = envelope.message else { panic!("{envelope:?}") };
        assert_eq!((&*start.account_sid, &*start.call_sid, start.token.as_deref()), ("AC1", "CA1", Some("6f1c")));
        assert!(start.format.is_telephony());
    }

    #[test]
    fn media_borrows_its_payload() {
        let text = r#"{"event":"media","sequenceNumber":"2","streamSid":"MZ1","media":{"track":"inbound","chunk":"1",
            "timestamp":"140","payload":"/////w=="}}"#;
        let Inbound::Media { payload: Cow::Borrowed(payload) } = message(text) else { panic!("copied or not media") };
        let mut mulaw = Vec::new();
        decode_payload(payload, &mut mulaw).unwrap();
        assert_eq!(mulaw, [0xFF; 4]);
    }

    #[test]
    fn numbers_may_be_strings_and_the_order_of_keys_is_free() {
        let text = r#"{"start":{"mediaFormat":{"channels":"1","sampleRate":"8000","encoding":"audio/x-mulaw"},
            "callSid":"CA1","accountSid":"AC1"},"streamSid":"MZ1","event":"start"}"#;
        let Inbound::Start(start) = message(text) else { panic!() };
        assert!(start.format.is_telephony());
        assert_eq!(start.token, None);
    }

    #[test]
    fn the_rest_of_the_protocol() {
        assert_eq!(message(r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#), Inbound::Connected);
        assert_eq!(
            message(r#"{"event":"dtmf","dtmf":{"track":"inbound_track","digit":"5"}}"#),
            Inbound::Dtmf { digit: '5' }
        );
        assert_eq!(message(r#"{"event":"mark","mark":{"name":"g1:160"}}"#), Inbound::Mark { name: "g1:160".into() });
        assert_eq!(message(r#"{"event":"stop","stop":{}}"#), Inbound::Stop);
        assert_eq!(message(r#"{"event":"something new","x":[1]}"#), Inbound::Other);
        assert_eq!(message(r#"{"event":"media","media":{"track":"outbound","payload":""}}"#), Inbound::Other);
    }

    #[test]
    fn what_is_missing_is_named() {
        for (text, what) in [
            (r#"{"event":"media"}"#, "the media message has no media"),
            (r#"{"event":"mark"}"#, "the mark message has no mark"),
            (r#"{"event":"dtmf","dtmf":{"digit":""}}"#, "the dtmf message has no digit"),
            (
                r#"{"event":"start","start":{"accountSid":"AC1","callSid":"CA1"}}"#,
                "the start message has no mediaFormat",
            ),
        ] {
            assert_eq!(Envelope::parse(text).unwrap_err().to_string(), what);
        }
        for text in ["", "[]", "{}", "nonsense", r#"{"event":5}"#] {
            assert!(Envelope::parse(text).is_err(), "{text}");
        }
        assert!(decode_payload("%%%", &mut Vec::new()).is_err());
    }

    #[test]
    fn a_message_that_makes_no_sense_takes_one_short_line_of_the_log() {
        let text = format!(r#"{{"event":"start","start":"{}"}}"#, "x".repeat(10_000));
        let said = Envelope::parse(&text).unwrap_err().to_string();
        assert!(said.len() < 200 && said.contains("invalid type: string"), "{said}");
    }

    #[test]
    fn what_we_send_is_exactly_the_protocol() {
        let mut writer = Writer::new("MZ1");
        assert_eq!(
            &*writer.media(&[0xFF; 4]),
            br#"{"event":"media","streamSid":"MZ1","media":{"payload":"/////w=="}}"#
        );
        assert_eq!(&*writer.mark(&"g1:160"), br#"{"event":"mark","streamSid":"MZ1","mark":{"name":"g1:160"}}"#);
        assert_eq!(&*writer.clear(), br#"{"event":"clear","streamSid":"MZ1"}"#);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,300}") {
            let _ = Envelope::parse(&text);
        }

        #[test]
        fn audio_survives_the_round_trip(mulaw in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let sent = Writer::new("MZ1").media(&mulaw);
            let text = std::str::from_utf8(&sent).unwrap();
            let Inbound::Media { payload } = message(text) else { panic!() };
            let mut back = Vec::new();
            decode_payload(&payload, &mut back).unwrap();
            prop_assert_eq!(back, mulaw);
        }
    }
}
