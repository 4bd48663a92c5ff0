//! A tar archive (POSIX 1003.1, ustar), compressed by gzip(1), which every Debian has.

use std::io::{self, Read as _, Write as _};
use std::process::{Command, Stdio};

const BLOCK: usize = 512;

/// A file of the archive.
pub(super) struct Member {
    pub(super) name: String,
    /// For whoever is asked whether it may be sent.
    pub(super) what: &'static str,
    pub(super) text: String,
}

/// The archive, whose files lie in a folder of the name `folder` and were written at `time` (seconds since 1970).
pub(super) fn tar(folder: &str, members: &[Member], time: u64) -> Vec<u8> {
    let mut out = Vec::new();
    for Member { name, text, .. } in members {
        out.extend(header(&format!("{folder}/{name}"), text.len(), time));
        out.extend(text.as_bytes());
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    // Two empty blocks end it.
    out.resize(out.len() + 2 * BLOCK, 0);
    out
}

fn header(name: &str, size: usize, time: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    put(0, &name.as_bytes()[..name.len().min(100)]);
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, format!("{time:011o}\0").as_bytes());
    // The sum is taken with blanks in its own place.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// The same, smaller.
pub(super) fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut child = Command::new("gzip")
        .args(["-9", "--no-name"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (mut to, mut from) = (child.stdin.take(), child.stdout.take());
    let mut out = Vec::new();
    // Both pipes are small: it is fed while its output is taken.
    let read = std::thread::scope(|scope| {
        let feeding = scope.spawn(move || to.as_mut().map_or(Ok(()), |pipe| pipe.write_all(bytes)));
        let read = from.as_mut().map_or(Ok(0), |pipe| pipe.read_to_end(&mut out));
        feeding.join().unwrap_or(Ok(())).and(read)
    });
    let status = child.wait()?;
    read?;
    if status.success() { Ok(out) } else { Err(io::Error::other(format!("gzip ended with {status}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The system's own tar reads it.
    #[test]
    fn an_archive_is_unpacked_as_it_was_packed() {
        let member = |name: &str, text: &str| Member { name: name.to_owned(), what: "", text: text.to_owned() };
        let long = "x".repeat(200_000);
        let members = [member("a.txt", "one"), member("empty", ""), member("long", &long)];
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("bundle.tar.gz");
        std::fs::write(&path, gzip(&tar("bundle", &members, 1_795_788_000)).unwrap()).unwrap();
        let done = Command::new("tar").arg("-xzf").arg(&path).arg("-C").arg(home.path()).output().unwrap();
        assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
        for Member { name, text, .. } in &members {
            assert_eq!(&std::fs::read_to_string(home.path().join("bundle").join(name)).unwrap(), text);
        }
    }
}
