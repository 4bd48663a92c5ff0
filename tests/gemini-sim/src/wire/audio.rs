//! The fast path for the one message that comes fifty times a second.
//!
//! A client writes every audio message the same way: some bytes, the base64 text, some bytes. After one such message
//! was read in full, the ones that share its frame of bytes need no JSON parser. Whatever differs takes the slow path.

use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

const TOLERANT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD_TOLERANT: GeneralPurpose = GeneralPurpose::new(&STANDARD, TOLERANT);
const URL_SAFE_TOLERANT: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, TOLERANT);

/// Decodes either alphabet, padded or not.
pub(crate) fn decode_base64(text: &[u8], into: &mut Vec<u8>) -> Result<(), base64::DecodeError> {
    into.clear();
    STANDARD_TOLERANT.decode_vec(text, into).or_else(|_| {
        into.clear();
        URL_SAFE_TOLERANT.decode_vec(text, into)
    })
}

/// Little-endian bytes as samples; a last odd byte is dropped.
pub(crate) fn samples(bytes: &[u8]) -> impl Iterator<Item = i16> {
    bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
}

/// Sample rate of `audio/pcm` with or without a rate, or `None` for anything else.
pub(crate) fn pcm_rate(mime_type: &str) -> Option<u32> {
    let mut parts = mime_type.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("audio/pcm") {
        return None;
    }
    let rate = parts.find_map(|part| part.strip_prefix("rate="));
    match rate {
        None => Some(16_000),
        Some(rate) => rate.parse().ok().filter(|rate| (4_000..=96_000).contains(rate)),
    }
}

/// Reads audio messages that look like the one before.
#[derive(Default)]
pub(crate) struct FastReader {
    frame: Option<Frame>,
    bytes: Vec<u8>,
}

struct Frame {
    before: Vec<u8>,
    after: Vec<u8>,
    rate_hz: u32,
}

impl FastReader {
    /// Appends the samples of `message` to `pcm` and tells their rate, or leaves `pcm` alone: take the slow path.
    pub(crate) fn read(&mut self, message: &[u8], pcm: &mut Vec<i16>) -> Option<u32> {
        let frame = self.frame.as_ref()?;
        // The data cannot reach past its closing quote, because a quote is in neither alphabet.
        let data = message.strip_prefix(&*frame.before)?.strip_suffix(&*frame.after)?;
        decode_base64(data, &mut self.bytes).ok()?;
        // An odd byte deserves the complaint that only the slow path makes.
        if !self.bytes.len().is_multiple_of(2) {
            return None;
        }
        pcm.extend(samples(&self.bytes));
        Some(frame.rate_hz)
    }

    /// Remembers how this client writes: `message` was read in full, it is audio alone, and `data` is its base64.
    pub(crate) fn learn(&mut self, message: &[u8], data: &str, rate_hz: u32) {
        // Escapes within the text would make it differ from the bytes; base64 has none unless someone insists.
        let found = message.windows(data.len().max(1)).position(|window| window == data.as_bytes());
        self.frame = found.filter(|_| data.len() >= 16).map(|at| Frame {
            before: message[..at].to_vec(),
            after: message[at + data.len()..].to_vec(),
            rate_hz,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: &str = "AAABAP7/AQAAAAEA/v8BAA==";

    fn message(data: &str) -> Vec<u8> {
        format!(r#"{{"realtimeInput":{{"audio":{{"data":"{data}","mimeType":"audio/pcm;rate=16000"}}}}}}"#).into()
    }

    #[test]
    fn a_second_message_of_the_same_make_is_read_at_once() {
        let mut reader = FastReader::default();
        let mut pcm = Vec::new();
        assert_eq!(reader.read(&message(DATA), &mut pcm), None);
        reader.learn(&message(DATA), DATA, 16_000);
        assert_eq!(reader.read(&message(DATA), &mut pcm), Some(16_000));
        assert_eq!(reader.read(&message("/38"), &mut pcm), Some(16_000));
        assert_eq!(pcm, [0, 1, -2, 1, 0, 1, -2, 1, 0x7fff]);
    }

    #[test]
    fn anything_else_takes_the_slow_path() {
        let mut reader = FastReader::default();
        reader.learn(&message(DATA), DATA, 16_000);
        let mut pcm = Vec::new();
        for odd in [
            message("AA=="),                          // one byte
            message(r#"AAAA","mimeType":"x","y":""#), // another key inside
            message("A%AA"),
            b"{}".to_vec(),
            message(DATA)[..20].to_vec(),
        ] {
            assert_eq!(reader.read(&odd, &mut pcm), None);
        }
        assert!(pcm.is_empty());
    }

    #[test]
    fn both_alphabets_with_and_without_padding() {
        let mut bytes = Vec::new();
        for text in ["+/8=", "-_8=", "+/8", "-_8"] {
            decode_base64(text.as_bytes(), &mut bytes).unwrap();
            assert_eq!(bytes, [0xfb, 0xff], "{text}");
        }
        assert!(decode_base64(b"+_8=", &mut bytes).is_err());
    }

    #[test]
    fn rates_are_declared_in_the_mime_type() {
        assert_eq!(pcm_rate("audio/pcm;rate=16000"), Some(16_000));
        assert_eq!(pcm_rate("audio/PCM; rate=8000"), Some(8_000));
        assert_eq!(pcm_rate("audio/pcm"), Some(16_000));
        for bad in ["audio/wav", "audio/x-mulaw;rate=8000", "audio/pcm;rate=0", "audio/pcm;rate=fast", ""] {
            assert_eq!(pcm_rate(bad), None, "{bad}");
        }
    }
}
