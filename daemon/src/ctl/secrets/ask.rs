//! A secret from whoever types it, without showing it; or from a pipe.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::process::{Command, Stdio};

/// A secret is a line, or a small JSON document.
const MOST_BYTES: u64 = 64 * 1024;
const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const BACKSPACE: [u8; 2] = [8, 127];
const CTRL_U: u8 = 21;

/// Reads it: typed unseen when somebody sits there, all of standard input otherwise. `None` when whoever types gives up.
pub(super) fn ask(prompt: &str) -> io::Result<Option<String>> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        let mut text = String::new();
        stdin.lock().take(MOST_BYTES + 1).read_to_string(&mut text)?;
        return if text.len() as u64 > MOST_BYTES { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(Some(text)) };
    }
    let mut screen = io::stderr();
    write!(screen, "{prompt}: ")?;
    screen.flush()?;
    let typed = {
        let _unseen = Unseen::begin()?;
        line(&mut stdin.lock())
    };
    writeln!(screen)?;
    typed
}

/// The terminal shows nothing and passes on each key, until this is dropped. Ctrl-C is a key, too: the program must not end
/// with the terminal like that.
struct Unseen {
    /// As stty(1) writes it down for itself.
    before: String,
}

impl Unseen {
    fn begin() -> io::Result<Self> {
        let before = stty(&["-g"])?;
        stty(&["-echo", "-icanon", "-isig", "min", "1", "time", "0"])?;
        Ok(Self { before })
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // A terminal that has gone shows nothing.
        let _ = stty(&[&self.before]);
    }
}

/// Sets the terminal that standard input is; part of every Debian (coreutils).
fn stty(arguments: &[&str]) -> io::Result<String> {
    let out = Command::new("stty").args(arguments).stdin(Stdio::inherit()).stderr(Stdio::null()).output()?;
    if !out.status.success() {
        return Err(io::Error::other("stty cannot keep the terminal from showing what is typed"));
    }
    Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

fn line(keys: &mut impl io::Read) -> io::Result<Option<String>> {
    let mut typed = Vec::new();
    let mut key = [0];
    while keys.read(&mut key)? == 1 {
        match key[0] {
            b'\n' | b'\r' => break,
            CTRL_C => return Ok(None),
            CTRL_D if typed.is_empty() => return Ok(None),
            CTRL_D => break,
            CTRL_U => typed.clear(),
            key if BACKSPACE.contains(&key) => {
                // A letter may be several bytes.
                while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            key => typed.push(key),
        }
    }
    String::from_utf8(typed).map(Some).map_err(|_| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_make_a_line() {
        let typed = |keys: &[u8]| line(&mut &keys[..]).unwrap();
        assert_eq!(typed(b"abc\ndef").unwrap(), "abc");
        assert_eq!(typed("aü\x7f\x7fb\r".as_bytes()).unwrap(), "b");
        assert_eq!(typed(b"wrong\x15right\x04").unwrap(), "right");
        assert_eq!(typed(b"abc\x03"), None);
        assert_eq!(typed(b"\x04"), None);
    }
}
