//! Who may log in by SSH: `authorized_keys`, as sshd(8) reads it.

use std::path::Path;

use base64::Engine as _;

use super::table::complaint;
use crate::config::Complaint;

const KINDS: [&str; 8] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-ed448",
];
const REMEDY: &str = "paste the whole line of a public key, such as that of ~/.ssh/id_ed25519.pub";

/// Complains of every line that is no public key, and of a file without any.
pub(super) fn check(file: &Path, text: &str, out: &mut Vec<Complaint>) {
    let mut keys = 0;
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        keys += 1;
        if let Some(found) = fault(line) {
            out.push(complaint(file, Some(n + 1), "", found.to_owned(), REMEDY));
        }
    }
    if keys == 0 {
        out.push(complaint(file, None, "", "holds no key".to_owned(), REMEDY));
    }
}

fn fault(line: &str) -> Option<&'static str> {
    if line.contains("PRIVATE KEY") {
        return Some("is a private key, which no other machine may have");
    }
    // Options may stand in front.
    let mut words = line.split_whitespace().skip_while(|word| !KINDS.contains(word));
    let Some(kind) = words.next() else { return Some("is no public key") };
    let blob = words.next().and_then(|blob| base64::engine::general_purpose::STANDARD.decode(blob).ok());
    // RFC 4253, 6.6: the blob begins with its kind, as a string with its length in front.
    let begins = |blob: Vec<u8>| blob.get(4..4 + kind.len()) == Some(kind.as_bytes()) && blob.len() > 4 + kind.len();
    (!blob.is_some_and(begins)).then_some("is cut or broken")
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g anna@desk";

    #[test]
    fn a_line_is_a_public_key_or_is_complained_of() {
        let complaints = |text: &str| {
            let mut out = Vec::new();
            check(Path::new("authorized_keys"), text, &mut out);
            out.iter().map(Complaint::to_string).collect::<Vec<_>>()
        };
        assert_eq!(complaints(&format!("# staff\n\n{KEY}\nno-pty,from=\"10.0.0.0/8\" {KEY}\n")), [""; 0]);
        let said = complaints(&format!("{KEY}\n{}\nssh-dss AAAA\n-----BEGIN OPENSSH PRIVATE KEY-----\n", &KEY[..50]));
        for (said, expected) in said.iter().zip([":2: is cut", ":3: is no public key", ":4: is a private key"]) {
            assert!(said.contains(expected.trim_start_matches(':')), "{said}");
            assert!(said.starts_with(&format!("authorized_keys{}", &expected[..3])), "{said}");
        }
        assert_eq!(said.len(), 3);
        assert!(complaints("# nobody\n")[0].contains("holds no key"));
    }
}
