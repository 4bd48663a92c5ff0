//! Text to speech by espeak-ng, run as a program.

use std::{
    collections::HashMap,
    io::{self, Write as _},
    process::{Command, Output, Stdio},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use crate::resample;

/// Who speaks: one of espeak-ng's voices, and how.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Voice {
    /// espeak-ng's name of the voice, with an optional variant: `en-us`, `de`, `en-gb+f3`.
    pub name: String,
    /// Pace in words per minute; espeak-ng takes 80 to 450.
    pub words_per_minute: u16,
    /// Pitch, 0 to 99.
    pub pitch: u8,
}

impl Default for Voice {
    fn default() -> Self {
        Self { name: "en-us".to_owned(), words_per_minute: 170, pitch: 50 }
    }
}

/// Why there is no speech.
#[derive(Debug, thiserror::Error)]
pub enum SpeakError {
    /// The program is not there.
    #[error("espeak-ng is not installed: run `apt-get install espeak-ng`")]
    NotInstalled,
    /// The program could not be run or talked to.
    #[error("cannot run espeak-ng")]
    Run(#[source] io::Error),
    /// The program ended with an error, an unknown voice for example.
    #[error("espeak-ng refused to speak with voice {voice:?}: {complaint}")]
    Refused {
        /// The voice asked for.
        voice: String,
        /// What the program wrote to its standard error.
        complaint: String,
    },
    /// What came back is not the mono 16-bit WAV that espeak-ng writes.
    #[error("espeak-ng wrote something else than mono 16-bit WAV")]
    NotWav,
}

/// What was rendered before, at any rate: tests and simulators say the same few sentences again and again.
static RENDERED: LazyLock<Mutex<HashMap<Request, Arc<[i16]>>>> = LazyLock::new(Mutex::default);

type Request = (String, Voice, u32);

/// Speech for `text` as mono PCM at `rate_hz`, without silence before the first and after the last sound.
///
/// The same request gives the same samples. The first takes some ten milliseconds and a process; later ones
/// come from memory. Text without a sound (empty, blank) gives no samples.
pub fn speak(text: &str, voice: &Voice, rate_hz: u32) -> Result<Vec<i16>, SpeakError> {
    let request: Request = (text.to_owned(), voice.clone(), rate_hz);
    let known = RENDERED.lock().unwrap_or_else(PoisonError::into_inner).get(&request).cloned();
    if let Some(pcm) = known {
        return Ok(pcm.to_vec());
    }
    let (pcm, native_hz) = parse_wav(&run(text, voice)?.stdout).ok_or(SpeakError::NotWav)?;
    let pcm = resample(trim(&pcm), native_hz, rate_hz);
    RENDERED.lock().unwrap_or_else(PoisonError::into_inner).insert(request, pcm.clone().into());
    Ok(pcm)
}

fn run(text: &str, voice: &Voice) -> Result<Output, SpeakError> {
    let mut child = Command::new("espeak-ng")
        .args(["-v", &voice.name])
        .args(["-s", &voice.words_per_minute.to_string()])
        .args(["-p", &voice.pitch.to_string()])
        .args(["--stdin", "--stdout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => SpeakError::NotInstalled,
            _ => SpeakError::Run(error),
        })?;
    // espeak-ng reads all of its input before it writes, so neither side can wait for the other. Closing the pipe
    // ends the text. A broken pipe means that it gave up, and then its exit status and complaint say why.
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(text.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                return Err(SpeakError::Run(error));
            }
            _ => {}
        }
    }
    let output = child.wait_with_output().map_err(SpeakError::Run)?;
    if output.status.success() {
        return Ok(output);
    }
    let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(SpeakError::Refused { voice: voice.name.clone(), complaint })
}

/// Samples and rate of a mono 16-bit WAV.
///
/// Not left to a WAV library: espeak-ng writes to a pipe and cannot go back to fill in the lengths, so the data chunk
/// claims 2 GiB and truly ends with the stream.
fn parse_wav(wav: &[u8]) -> Option<(Vec<i16>, u32)> {
    if wav.is_empty() {
        return Some((Vec::new(), 22_050)); // no text, no file
    }
    let mut rest = wav.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WAVE")?;
    let mut rate = None;
    loop {
        let (id, length) = (rest.get(..4)?, u32_at(rest, 4)? as usize);
        let body = &rest[8..];
        match id {
            b"fmt " => {
                let mono_16_bit = body.get(2..4)? == [1, 0] && body.get(14..16)? == [16, 0];
                rate = mono_16_bit.then(|| u32_at(body, 4)).flatten();
            }
            b"data" => {
                let samples = &body[..length.min(body.len())];
                let pcm = samples.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
                return Some((pcm, rate?));
            }
            _ => {}
        }
        rest = body.get(length..)?;
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Cuts what nobody can hear (8 steps of 32768 are -72 dBFS) off both ends.
fn trim(pcm: &[i16]) -> &[i16] {
    let audible = |sample: &i16| sample.unsigned_abs() > 8;
    match (pcm.iter().position(audible), pcm.iter().rposition(audible)) {
        (Some(first), Some(last)) => &pcm[first..=last],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::rms_dbfs;

    #[test]
    fn the_same_words_sound_the_same_and_start_at_once() {
        let voice = Voice::default();
        let first = speak("Good morning.", &voice, 16_000).unwrap();
        let again = parse_wav(&run("Good morning.", &voice).unwrap().stdout).unwrap();
        assert_eq!(first, resample(trim(&again.0), again.1, 16_000));
        assert!((8_000..32_000).contains(&first.len()), "{} samples", first.len());
        assert!(rms_dbfs(&first) > -30.0);
        assert!(rms_dbfs(&first[..1_600]) > -60.0, "begins with silence");
    }

    #[test]
    fn the_duration_is_the_same_at_every_rate() {
        let seconds = |rate: u32| {
            speak("Do you have an appointment?", &Voice::default(), rate).unwrap().len() as f64 / f64::from(rate)
        };
        assert!((seconds(8_000) - seconds(24_000)).abs() < 0.001);
    }

    #[test]
    fn no_text_gives_no_samples() {
        assert!(speak("", &Voice::default(), 8_000).unwrap().is_empty());
        assert!(speak("  \n", &Voice::default(), 8_000).unwrap().is_empty());
    }

    #[test]
    fn an_unknown_voice_is_named_in_the_complaint() {
        let voice = Voice { name: "xx-nobody".to_owned(), ..Voice::default() };
        let error = speak("Hello.", &voice, 8_000).unwrap_err();
        assert!(error.to_string().contains("xx-nobody"), "{error}");
    }

    #[test]
    fn a_damaged_file_is_refused() {
        assert!(parse_wav(b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\xff").is_none());
        assert!(parse_wav(b"no wav at all").is_none());
    }
}
