//! `frontdeskd` as a process that cannot start: what `systemctl status` shows, what the log says, and the exit code, by
//! which systemd knows whether to try again.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use super::fakes::certificates;
use super::world::{ACCOUNT, TOKEN};

/// The configuration is wrong: systemd does not try again.
const CONFIGURATION: Option<i32> = Some(78);
/// Something else is: it does.
const FAILURE: Option<i32> = Some(1);

/// A box with one thing wrong.
struct Start {
    home: tempfile::TempDir,
    phone: String,
    more: String,
    credentials: Vec<(&'static str, &'static str)>,
}

impl Start {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("ca.pem"), certificates().ca).unwrap();
        let credentials =
            vec![("gemini-api-key", "a-key"), ("twilio-account-sid", ACCOUNT), ("twilio-auth-token", TOKEN)];
        Self { home, phone: "listen = \"127.0.0.1:0\"".into(), more: String::new(), credentials }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self) {
        let text = format!(
            "[clinic]\nname = \"Riverside Clinic\"\ntime_zone = \"UTC\"\n[gemini]\nca_file = \"ca.pem\"\n\
             [phone]\npublic_url = \"https://desk.example.com\"\nnumber = \"+15550100100\"\n{}\n[desk]\ndevice = \"none\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n[control]\nsocket = '{}'\n[store]\npath = '{}'\n{}\n",
            self.phone,
            self.path("control.sock").display(),
            self.path("frontdesk.db").display(),
            self.more,
        );
        std::fs::write(self.path("config.toml"), text).unwrap();
    }

    /// Starts the daemon under a service manager of ours; what it told that one last, and how it ended.
    fn run(&self) -> (String, Output) {
        let manager = UnixDatagram::bind(self.path("notify")).unwrap();
        let directory = self.path("credentials");
        std::fs::create_dir_all(&directory).unwrap();
        for (name, secret) in &self.credentials {
            std::fs::write(directory.join(name), secret).unwrap();
        }
        let ended = Command::new(env!("CARGO_BIN_EXE_frontdeskd"))
            .env_clear()
            .env("NOTIFY_SOCKET", self.path("notify"))
            .env("CREDENTIALS_DIRECTORY", directory)
            .arg("--config")
            .arg(self.path("config.toml"))
            .output()
            .unwrap();
        // It has ended: whatever it had to tell is there.
        manager.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut buffer = [0; 4096];
        let length = manager.recv(&mut buffer).expect("systemd is told why");
        (String::from_utf8(buffer[..length].to_vec()).unwrap(), ended)
    }

    /// Asserts that it ends with `code`, with `status` begun and `errno` told to systemd, and each of `parts` in the log.
    #[track_caller]
    fn ends(&self, code: Option<i32>, status: &str, errno: &str, parts: &[&str]) {
        let (told, ended) = self.run();
        let log = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), code, "{log}");
        assert!(told.starts_with(&format!("STATUS={status}")) && told.contains(errno), "{told}");
        for part in parts {
            assert!(log.contains(part), "{part:?} is not in:\n{log}");
        }
    }
}

#[test]
fn a_secret_that_is_missing_or_empty_is_named_with_the_places_where_it_was_looked_for() {
    let mut start = Start::new();
    start.write();
    start.credentials[0] = ("unrelated", "x");
    start.ends(CONFIGURATION, "the configuration cannot be used: ", "ERRNO=22", &["gemini-api-key", "GEMINI_API_KEY"]);
    let mut start = Start::new();
    start.write();
    start.credentials[2] = ("twilio-auth-token", " \n");
    start.ends(CONFIGURATION, "the configuration cannot be used: ", "ERRNO=22", &["twilio-auth-token", "empty"]);
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_reason() {
    let start = Start::new();
    start.ends(
        CONFIGURATION,
        "the configuration cannot be used: ",
        "ERRNO=22",
        &["config.toml: cannot be read", "No such file"],
    );
    let start = Start::new();
    // The one unreadable file that root meets, too.
    std::fs::create_dir(start.path("config.toml")).unwrap();
    start.ends(
        CONFIGURATION,
        "the configuration cannot be used: ",
        "ERRNO=22",
        &["config.toml: cannot be read", "Is a directory"],
    );
}

#[test]
fn of_many_mistakes_systemd_shows_the_first_and_the_log_all() {
    let mut start = Start::new();
    start.phone += "\nmax_calls = 0\nfallback_numbr = \"+15550100900\"";
    start.write();
    let status = format!("the configuration cannot be used: {}:", start.path("config.toml").display());
    start.ends(
        CONFIGURATION,
        &status,
        "(and 1 more: frontdeskd check lists them)",
        &["max_calls = 0", "fallback_numbr"],
    );
}

#[test]
fn a_port_that_somebody_has_is_named_and_worth_another_try() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut start = Start::new();
    start.phone = format!("listen = \"{address}\"");
    start.write();
    let status = format!("cannot listen on {address}, which is [phone] listen (is another program");
    start.ends(FAILURE, &status, "ERRNO=98", &["Address already in use"]);
}

#[test]
fn a_file_that_is_no_store_of_ours_is_left_alone_and_not_tried_again() {
    let start = Start::new();
    start.write();
    let foreign = rusqlite::Connection::open(start.path("frontdesk.db")).unwrap();
    foreign.execute_batch("CREATE TABLE notes (text); PRAGMA application_id = 7;").unwrap();
    drop(foreign);
    start.ends(
        CONFIGURATION,
        &start.path("frontdesk.db").display().to_string(),
        "ERRNO=22",
        &["not a Frontdesk store"],
    );
}

#[test]
fn a_certificate_that_is_none_is_a_matter_of_the_configuration() {
    let start = Start::new();
    start.write();
    std::fs::write(start.path("ca.pem"), "").unwrap();
    start.ends(CONFIGURATION, "", "ERRNO=22", &["ca.pem", "no PEM certificate"]);
}
