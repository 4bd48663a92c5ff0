//! Recordings as WAV files, 16 bit: for people to listen to, and for spoken material of their own.

use std::{fs::File, io::BufWriter, path::Path};

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

/// Why a recording could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    /// The file cannot be opened, or is no WAV.
    #[error("{path}")]
    File {
        /// The file.
        path: String,
        /// What went wrong.
        #[source]
        source: hound::Error,
    },
    /// A WAV, but of another kind.
    #[error("{path}: need mono with 16-bit samples, found {channels} channel(s) of {bits} bits")]
    Kind {
        /// The file.
        path: String,
        /// Its channels.
        channels: u16,
        /// Its bits per sample.
        bits: u16,
    },
}

/// Samples and rate of a mono 16-bit file.
pub fn read_mono(path: &Path) -> Result<(Vec<i16>, u32), WavError> {
    let mut reader = WavReader::open(path).map_err(in_file(path))?;
    let spec = reader.spec();
    if (spec.channels, spec.bits_per_sample, spec.sample_format) != (1, 16, SampleFormat::Int) {
        let path = path.display().to_string();
        return Err(WavError::Kind { path, channels: spec.channels, bits: spec.bits_per_sample });
    }
    let pcm = reader.samples().collect::<Result<_, _>>().map_err(in_file(path))?;
    Ok((pcm, spec.sample_rate))
}

/// Writes a mono file.
pub fn write_mono(path: &Path, pcm: &[i16], rate_hz: u32) -> Result<(), WavError> {
    write(path, 1, rate_hz, pcm.iter().copied())
}

/// Writes two parties to one file, the first on the left. The shorter one is followed by silence.
pub fn write_stereo(path: &Path, left: &[i16], right: &[i16], rate_hz: u32) -> Result<(), WavError> {
    let at = |pcm: &[i16], frame: usize| pcm.get(frame).copied().unwrap_or(0);
    let frames = 0..left.len().max(right.len());
    write(path, 2, rate_hz, frames.flat_map(|frame| [at(left, frame), at(right, frame)]))
}

fn write(path: &Path, channels: u16, rate_hz: u32, samples: impl Iterator<Item = i16>) -> Result<(), WavError> {
    let spec = WavSpec { channels, sample_rate: rate_hz, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let save = |mut writer: WavWriter<BufWriter<File>>| {
        for sample in samples {
            writer.write_sample(sample)?;
        }
        writer.finalize()
    };
    WavWriter::create(path, spec).and_then(save).map_err(in_file(path))
}

fn in_file(path: &Path) -> impl Fn(hound::Error) -> WavError {
    move |source| WavError::File { path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mono.wav");
        write_mono(&path, &[1, -2, i16::MIN], 16_000).unwrap();
        assert_eq!(read_mono(&path).unwrap(), (vec![1, -2, i16::MIN], 16_000));
    }

    #[test]
    fn two_parties_share_a_file_and_the_shorter_is_padded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stereo.wav");
        write_stereo(&path, &[1, 2, 3], &[9], 8_000).unwrap();
        let samples: Vec<i16> = WavReader::open(&path).unwrap().into_samples().map(Result::unwrap).collect();
        assert_eq!(samples, [1, 9, 2, 0, 3, 0]);
        assert!(matches!(read_mono(&path), Err(WavError::Kind { channels: 2, .. })));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read_mono(Path::new("/nowhere/at-all.wav")).unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/at-all.wav");
    }
}
