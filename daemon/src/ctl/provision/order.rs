//! What is to be on a new box, read from a folder or from one file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::network::Network;
use super::table::{Table, Value, complaint};
use super::{keys, unreadable};
use crate::config::{Complaint, Secret};
use crate::ctl::files::read_text;
use crate::ctl::secrets::known::{self, Known};

/// No file of ours is larger; the configuration's own limit.
const MOST_BYTES: u64 = 1024 * 1024;
/// A folder with more is not what was meant.
const MOST_FILES: usize = 500;
/// What other systems leave in every folder.
const LITTER: [&str; 3] = ["Thumbs.db", "desktop.ini", "System Volume Information"];
/// Below the root.
pub(super) const CONFIG: &str = "etc/frontdesk";
const KEYS: &str = "root/.ssh/authorized_keys";
const KEYFILE: &str = "etc/NetworkManager/system-connections/frontdesk.nmconnection";
pub(super) const COUNTRY: &str = "etc/frontdesk/wifi-country";
/// What a single file says of the configuration is laid over the shipped one.
const PROVISIONED: &str = "etc/frontdesk/config.d/50-provisioned.toml";

/// All that is to be.
#[derive(Debug, Default)]
pub(super) struct Order {
    pub(super) texts: Vec<Text>,
    pub(super) secrets: Vec<(Known, Secret)>,
    /// Files that hold a secret in plain.
    pub(super) plain: Vec<PathBuf>,
}

/// A text for the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    /// Below the root.
    pub(super) to: PathBuf,
    /// Where it was written.
    pub(super) from: PathBuf,
    pub(super) content: String,
    pub(super) private: bool,
}

impl Order {
    /// Reads a folder, or one TOML file; everything that is wrong with it.
    pub(super) fn read(from: &Path) -> Result<Self, Vec<Complaint>> {
        let mut reader = Reader { order: Self::default(), out: Vec::new() };
        match fs::metadata(from) {
            Err(error) => reader.out.push(unreadable(from, &error)),
            Ok(about) if about.is_dir() => reader.folder(from),
            Ok(_) => reader.single(from),
        }
        let Reader { order, mut out } = reader;
        if out.is_empty() && order.texts.is_empty() && order.secrets.is_empty() {
            let remedy = "docs/provisioning.md says what may be there";
            out.push(complaint(from, None, "", "holds nothing for a box".to_owned(), remedy));
        }
        if out.is_empty() { Ok(order) } else { Err(out) }
    }
}

struct Reader {
    order: Order,
    out: Vec<Complaint>,
}

impl Reader {
    fn folder(&mut self, folder: &Path) {
        for path in self.listed(folder) {
            let name = name_of(&path);
            match name.as_str() {
                "config.toml" | "clinic.toml" => self.text(&path, Path::new(CONFIG).join(&name)),
                "config.d" => self.each(&path, "toml"),
                "knowledge" => self.each(&path, "md"),
                "secrets.toml" => self.secrets_file(&path),
                "secrets" => self.secrets_folder(&path),
                "authorized_keys" => self.authorized_keys(&path),
                "network.toml" => self.network_file(&path),
                _ => {
                    let remedy = "docs/provisioning.md lists the names; it may be misspelt";
                    self.out.push(complaint(&path, None, "", "is not known here".to_owned(), remedy));
                }
            }
        }
    }

    /// Entries of a folder by name; without those that other systems leave there.
    fn listed(&mut self, folder: &Path) -> Vec<PathBuf> {
        let listed = fs::read_dir(folder).and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<BTreeSet<_>, _>>()
        });
        match listed {
            Ok(paths) if paths.len() > MOST_FILES => {
                let found = format!("holds more than {MOST_FILES} files");
                self.out.push(complaint(folder, None, "", found, "name the folder that is meant for the box"));
                Vec::new()
            }
            Ok(paths) => {
                let is_meant = |name: String| !name.starts_with('.') && !LITTER.contains(&name.as_str());
                paths.into_iter().filter(|path| is_meant(name_of(path))).collect()
            }
            Err(error) => {
                self.out.push(unreadable(folder, &error));
                Vec::new()
            }
        }
    }

    fn each(&mut self, folder: &Path, extension: &str) {
        for path in self.listed(folder) {
            if path.extension().is_none_or(|found| found != extension) {
                let remedy = format!("only files whose names end in .{extension} are read there");
                self.out.push(complaint(&path, None, "", "would not be read".to_owned(), &remedy));
                continue;
            }
            self.text(&path, Path::new(CONFIG).join(name_of(folder)).join(name_of(&path)));
        }
    }

    /// The content of a regular file.
    fn content(&mut self, path: &Path) -> Option<String> {
        let regular = |about: fs::Metadata| {
            if about.is_file() {
                Ok(())
            } else {
                Err(std::io::Error::other("it is no regular file; links are not followed"))
            }
        };
        let read = fs::symlink_metadata(path).and_then(regular).and_then(|()| read_text(path, MOST_BYTES));
        read.map_err(|error| self.out.push(unreadable(path, &error))).ok()
    }

    fn text(&mut self, path: &Path, to: PathBuf) {
        if let Some(text) = self.content(path) {
            let content = text.trim_start_matches('\u{feff}').to_owned();
            self.order.texts.push(Text { to, from: path.to_owned(), content, private: false });
        }
    }

    fn secrets_file(&mut self, path: &Path) {
        self.order.plain.push(path.to_owned());
        if let Some(text) = self.content(path) {
            let table = Table::parse(path, text.trim_start_matches('\u{feff}'), &mut self.out);
            self.secrets(path, table);
        }
    }

    fn secrets(&mut self, path: &Path, table: Table) {
        for (name, line, text) in table.into_texts(&mut self.out) {
            self.secret(path, Some(line), &name, &text);
        }
    }

    fn secrets_folder(&mut self, folder: &Path) {
        for path in self.listed(folder) {
            self.order.plain.push(path.clone());
            if let Some(text) = self.content(&path) {
                // A document keeps its ending when it is downloaded.
                let name = name_of(&path);
                let name = name.strip_suffix(".json").or_else(|| name.strip_suffix(".txt")).unwrap_or(&name);
                self.secret(&path, None, name, &text);
            }
        }
    }

    fn secret(&mut self, path: &Path, line: Option<usize>, name: &str, text: &str) {
        let known = match known::find(name) {
            Ok(known) => known,
            Err(nearest) => {
                let remedy = format!("the nearest secret is {nearest}");
                return self.out.push(complaint(path, line, name, "is unknown".to_owned(), &remedy));
            }
        };
        if self.order.secrets.iter().any(|(other, _)| *other == known) {
            let remedy = "write it once, in secrets.toml or as a file";
            return self.out.push(complaint(path, line, name, "is there twice".to_owned(), remedy));
        }
        match known.read(text) {
            Ok(secret) => self.order.secrets.push((known, secret)),
            Err(unfit) => self.out.push(complaint(path, line, unfit.credential, unfit.found, unfit.remedy)),
        }
    }

    fn authorized_keys(&mut self, path: &Path) {
        if let Some(text) = self.content(path) {
            let content = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
            keys::check(path, &content, &mut self.out);
            self.order.texts.push(Text { to: KEYS.into(), from: path.to_owned(), content, private: true });
        }
    }

    fn network_file(&mut self, path: &Path) {
        if let Some(text) = self.content(path) {
            let table = Table::parse(path, text.trim_start_matches('\u{feff}'), &mut self.out);
            self.network(path, table);
        }
    }

    fn network(&mut self, path: &Path, table: Table) {
        let before = self.out.len();
        let network = Network::read(table, &mut self.out);
        if self.out.len() > before {
            return;
        }
        if network.has_secret() && !self.order.plain.contains(&path.to_owned()) {
            self.order.plain.push(path.to_owned());
        }
        let from = path.to_owned();
        self.order.texts.push(Text {
            to: KEYFILE.into(),
            from: from.clone(),
            content: network.keyfile(),
            private: true,
        });
        if let Some(country) = network.country {
            self.order.texts.push(Text { to: COUNTRY.into(), from, content: format!("{country}\n"), private: false });
        }
    }

    /// Everything in one file.
    fn single(&mut self, path: &Path) {
        let Some(text) = self.content(path) else { return };
        let text = text.trim_start_matches('\u{feff}');
        let mut table = Table::parse(path, text, &mut self.out);
        if !self.out.is_empty() {
            return;
        }
        if let Some(secrets) = table.table("secrets", &mut self.out) {
            self.order.plain.push(path.to_owned());
            self.secrets(path, secrets);
        }
        if let Some(network) = table.table("network", &mut self.out) {
            self.network(path, network);
        }
        if let Some(mut ssh) = table.table("ssh", &mut self.out) {
            let listed = ssh.texts("authorized_keys", |key| Ok(key.trim().to_owned()), &mut self.out);
            ssh.finish(&mut self.out);
            let content = listed.join("\n") + "\n";
            keys::check(path, &content, &mut self.out);
            self.order.texts.push(Text { to: KEYS.into(), from: path.to_owned(), content, private: true });
        }
        if let Some((line, value)) = table.take("config") {
            if let (Value::Table(_), Some(content)) = (value, config_of(text)) {
                self.order.texts.push(Text { to: PROVISIONED.into(), from: path.to_owned(), content, private: false });
            } else {
                let remedy =
                    "write the configuration under [config.clinic], [config.phone] and so on, each on its own line";
                self.out.push(complaint(path, Some(line), "config", "is written otherwise".to_owned(), remedy));
            }
        }
        table.finish(&mut self.out);
    }
}

/// The lines of the tables below `[config]`, as a configuration; all others are empty, so that each keeps its number. `None`
/// if they are not all that the file says of it.
fn config_of(text: &str) -> Option<String> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        let bare = line.trim_start();
        let header = bare.strip_prefix("[config.").map(|rest| format!("[{rest}"));
        let header = header.or_else(|| bare.strip_prefix("[[config.").map(|rest| format!("[[{rest}")));
        match header {
            Some(header) => {
                inside = true;
                lines.push(header);
            }
            None if is_header(bare) => {
                inside = false;
                lines.push(String::new());
            }
            None => lines.push(if inside { line.to_owned() } else { String::new() }),
        }
    }
    let made = lines.join("\n") + "\n";
    let whole: toml::Table = text.parse().ok()?;
    let (part, wanted) = (made.parse::<toml::Table>().ok()?, whole.get("config")?.as_table()?);
    (&part == wanted).then_some(made)
}

/// A line that begins a table; within a list or a text it may look the same, which the comparison afterwards finds.
fn is_header(line: &str) -> bool {
    line.starts_with('[') && line.trim_end().ends_with(']') && !line.contains(',') && !line.contains('"')
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
