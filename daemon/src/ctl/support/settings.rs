//! The configuration as it may be shown to strangers: keys that say how the box works, with their values; of all others only
//! that they are set. And everything else that the clinic has written, which nobody outside may read.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::ctl::files::read_text;

const MOST_BYTES: u64 = 1024 * 1024;
/// Every machine calls itself so.
const LOCAL: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];
/// They say how the box works, and nothing of anybody.
const HARMLESS: [&str; 37] = [
    "clinic.time_zone",
    "clinic.language",
    "gemini.api_version",
    "gemini.model",
    "gemini.voice",
    "gemini.rotate_after",
    "gemini.vertex.location",
    "phone.listen",
    "phone.max_calls",
    "phone.lead_ms",
    "phone.max_call_minutes",
    "phone.no_input_seconds",
    "phone.goodbye_seconds",
    "phone.drain_seconds",
    "desk.device",
    "desk.wake",
    "desk.echo",
    "desk.volume_percent",
    "desk.no_input_seconds",
    "desk.goodbye_seconds",
    "desk.max_minutes",
    "calendar.backend",
    "calendar.poll_seconds",
    "mail.backend",
    "mail.smtp_port",
    "mail.smtp_security",
    "google.login",
    "google.publishing",
    "admin.listen",
    "control.socket",
    "store.path",
    "store.keep_days",
    "store.backups",
    "log.level",
    "gemini.endpoint",
    "phone.twilio_api",
    "clinic.knowledge",
];

/// What is written in the clinic's files.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// Fit for strangers.
    pub(super) shown: String,
    /// Every text that is not.
    pub(super) private: Vec<String>,
}

impl Settings {
    /// Reads the configuration, its drop-ins and the clinic's data, as far as they can be read.
    pub(super) fn read(config: &Path) -> Self {
        let mut settings = Self::default();
        for path in files(config) {
            let _ = writeln!(settings.shown, "# {}", path.display());
            match read_text(&path, MOST_BYTES).map(|text| text.parse::<Table>()) {
                Ok(Ok(table)) => settings.add("", &table),
                Ok(Err(error)) => {
                    let line = error.span().map_or(0, |span| span.start);
                    let _ = writeln!(settings.shown, "# it is not TOML, from byte {line} on");
                }
                Err(error) => {
                    let _ = writeln!(settings.shown, "# it cannot be read: {error}");
                }
            }
        }
        let data = config.with_file_name("clinic.toml");
        if let Ok(Ok(table)) = read_text(&data, MOST_BYTES).map(|text| text.parse::<Table>()) {
            let _ = writeln!(settings.shown, "# {}", data.display());
            for (key, value) in &table {
                let many = value.as_array().map_or(1, Vec::len);
                let _ = writeln!(settings.shown, "# {key}: {many}");
                settings.hide(value);
            }
        }
        settings
    }

    fn add(&mut self, section: &str, table: &Table) {
        for (key, value) in table {
            let path = if section.is_empty() { key.clone() } else { format!("{section}.{key}") };
            match value {
                Value::Table(inner) => self.add(&path, inner),
                value if HARMLESS.contains(&path.as_str()) => {
                    let _ = writeln!(self.shown, "{path} = {value}");
                }
                value => {
                    let _ = writeln!(self.shown, "{path} is set");
                    self.hide(value);
                }
            }
        }
    }

    fn hide(&mut self, value: &Value) {
        match value {
            Value::String(text) => {
                self.private.push(text.clone());
                // The host of an address is as telling as the address.
                let host = url::Url::parse(text).ok().and_then(|url| url.host_str().map(str::to_owned));
                self.private.extend(host.filter(|host| !LOCAL.contains(&host.as_str())));
            }
            Value::Array(items) => items.iter().for_each(|item| self.hide(item)),
            Value::Table(table) => table.values().for_each(|item| self.hide(item)),
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
        }
    }
}

fn files(config: &Path) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(config.with_extension("d"));
    let entries = folder.into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let mut drop_ins: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    drop_ins.sort();
    std::iter::once(config.to_owned()).chain(drop_ins).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_harmless_is_shown() {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("config.toml");
        let text = "[clinic]\nname = \"Riverside Clinic\"\ntime_zone = \"Europe/Berlin\"\n[phone]\nmax_calls = 7\n\
                    public_url = \"https://desk.example.com\"\nnumber = \"+15550100100\"\nunheard_of = \"x\"\n";
        std::fs::write(&config, text).unwrap();
        std::fs::write(home.path().join("clinic.toml"), "[[practitioner]]\nname = \"Dr. Lindqvist\"\n").unwrap();
        let settings = Settings::read(&config);
        for shown in
            ["clinic.time_zone = \"Europe/Berlin\"", "phone.max_calls = 7", "phone.number is set", "practitioner: 1"]
        {
            assert!(settings.shown.contains(shown), "{}", settings.shown);
        }
        for hidden in ["Riverside Clinic", "+15550100100", "desk.example.com", "Dr. Lindqvist", "x"] {
            assert!(settings.private.iter().any(|text| text == hidden), "{:?}", settings.private);
            assert!(hidden == "x" || !settings.shown.contains(hidden), "{}", settings.shown);
        }
    }
}
