//! Whole configurations, as a technician writes them and gets them wrong.

mod clinic;
mod knowledge;

use std::collections::BTreeMap;

use super::*;
use frontdesk_core::desk::reception::Wake;
use frontdesk_hw::device::DeviceSpec;
use proptest::prelude::*;

const SHIPPED: &str = include_str!("../../../images/config/config.toml");

const SHIPPED_CLINIC: &str = include_str!("../../../images/config/clinic.toml");

const MINIMAL: &str = r#"[clinic]
name = "Riverside Clinic"
time_zone = "Europe/Berlin"
[phone]
public_url = "https://desk.example.com"
number = "+15550100100"
"#;

const SECRETS: [(&str, &str); 3] = [
    ("GEMINI_API_KEY", "made-up-key"),
    ("TWILIO_ACCOUNT_SID", "AC00000000000000000000000000000001"),
    ("TWILIO_AUTH_TOKEN", "made-up-token"),
];

/// A directory with a configuration in it.
struct Desk {
    directory: tempfile::TempDir,
    environment: BTreeMap<String, String>,
}

impl Desk {
    fn with(config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("config.toml"), config).unwrap();
        let environment = SECRETS.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { directory, environment }
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn load(&self) -> Result<Loaded, ConfigErrors> {
        load(&self.directory.path().join("config.toml"), &|name| self.environment.get(name).cloned())
    }

    /// The complaints, without the directory.
    fn complaints(&self) -> Vec<String> {
        let errors = self.load().unwrap_err();
        let directory = format!("{}/", self.directory.path().display());
        errors.0.iter().map(|complaint| complaint.to_string().replace(&directory, "")).collect()
    }
}

fn minimal_with(more: &str) -> Desk {
    Desk::with(&format!("{MINIMAL}{more}"))
}

#[test]
fn four_keys_and_three_secrets_are_enough() {
    let loaded = minimal_with("").load().unwrap();
    let Config { clinic, gemini, phone, desk, calendar, mail, google, admin, control, store, backups, log } =
        loaded.config;
    assert_eq!(clinic.time_zone.iana_name(), Some("Europe/Berlin"));
    assert_eq!(gemini.endpoint, "wss://generativelanguage.googleapis.com");
    assert_eq!(gemini.access, GeminiAccess::ApiKey(Secret::new("made-up-key")));
    assert_eq!(gemini.rotate_after.as_secs(), 480);
    assert_eq!((phone.max_calls, phone.lead.as_millis(), phone.fallback_number), (50, 200, None));
    assert_eq!(phone.account_sid.as_str(), "AC00000000000000000000000000000001");
    assert_eq!((desk.device, desk.wake, desk.echo), (DeviceSpec::Auto, Wake::Button, None));
    assert_eq!(mail.backend, MailBackend::Folder { path: "/var/lib/frontdesk/outbox".into(), keep_days: 30 });
    assert_eq!((google.login, google.endpoint), (None, None));
    assert_eq!(calendar.backend, CalendarBackend::Local);
    assert_eq!(calendar.feed.to_str(), Some("/var/lib/frontdesk/calendar.ics"));
    assert_eq!((admin.listen.to_string(), admin.token), ("127.0.0.1:8090".to_owned(), None));
    assert_eq!(control.socket.to_str(), Some("/run/frontdesk/control.sock"));
    assert_eq!((store.keep_days, backups), (365, 7));
    assert_eq!(log.level, log::LevelFilter::Info);
    assert_eq!(loaded.advice, []);
}

/// The shipped file with its four required keys written.
fn shipped_and_complete() -> String {
    let mut text = SHIPPED.to_owned();
    for key in ["name", "time_zone", "public_url", "number"] {
        text = text.replace(&format!("\n#{key} = "), &format!("\n{key} = "));
    }
    text
}

#[test]
fn the_shipped_file_shows_the_built_in_defaults() {
    let shipped = Desk::with(&shipped_and_complete()).load().unwrap();
    let mut built_in = minimal_with("").load().unwrap().config;
    // Each has a directory of its own, in which the texts are looked for.
    built_in.clinic.knowledge.clone_from(&shipped.config.clinic.knowledge);
    assert_eq!(shipped.config, built_in);
}

#[test]
fn the_shipped_file_alone_asks_for_what_only_the_clinic_knows() {
    let asked: Vec<_> = Desk::with(SHIPPED).load().unwrap_err().0.into_iter().map(|c| c.key).collect();
    assert_eq!(asked, ["[clinic] name", "[clinic] time_zone", "[phone] public_url", "[phone] number"]);
}

#[test]
fn the_shipped_file_documents_every_key() {
    let mut out = Complaints::default();
    let text = format!("{MINIMAL}[gemini.vertex]\n[calendar.calendars]\n[phone.tls]\n[admin.tls]\n");
    let tables = file::parse(Path::new("config.toml"), &text, &mut out);
    check::check(
        tables,
        Path::new("config.toml"),
        secrets::Secrets::new(&|_| None, &[]),
        Timestamp::UNIX_EPOCH,
        &mut out,
    );
    assert!(out.known.len() > 35, "{:?}", out.known);
    for (section, key) in out.known {
        let section = section.split('.').next().unwrap().trim_end_matches(']');
        let body = SHIPPED.split(&format!("\n{section}]")).nth(1).unwrap().split("\n[").next().unwrap();
        let documented = body.lines().any(|line| {
            line.trim_start_matches('#').starts_with(&format!("{key} = ")) || line.contains(&format!(" {key} = \""))
        });
        assert!(documented, "{section}] {key}");
    }
}

#[test]
fn the_examples_of_the_shipped_file_are_accepted() {
    let mut text = String::new();
    for line in SHIPPED.lines() {
        let example = line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
        text.push_str(example.unwrap_or(line));
        text.push('\n');
    }
    let mut desk = Desk::with(&text);
    for file in [
        "extra-ca.pem",
        "prompt.txt",
        "phone-cert.pem",
        "phone-key.pem",
        "mail-ca.pem",
        "calendar-ca.pem",
        "admin-cert.pem",
        "admin-key.pem",
    ] {
        desk.write(file, "text");
    }
    desk.write("clinic.toml", SHIPPED_CLINIC);
    desk.write("knowledge/parking.md", "Behind the house.");
    // An example of a place of one's own, which this machine has not.
    let templates = desk.directory.path().join("mail");
    std::fs::create_dir(&templates).unwrap();
    let text = text.replace("/etc/frontdesk/mail", templates.to_str().unwrap());
    let text = text.replace("backend = \"file\"", "backend = \"smtp\"");
    desk.write("config.toml", text);
    desk.environment.insert("SMTP_PASSWORD".to_owned(), "made-up".to_owned());
    desk.write("google.json", "{}");
    let google = desk.directory.path().join("google.json").display().to_string();
    desk.environment.insert("GOOGLE_APPLICATION_CREDENTIALS".to_owned(), google);
    let config = desk.load().unwrap().config;
    assert!(matches!(config.gemini.access, GeminiAccess::Vertex { .. }));
    assert_eq!(config.gemini.instruction.unwrap().fill(|_| unreachable!()), "text");
    assert_eq!(config.clinic.data.unwrap().practitioners.len(), 3);
    let MailBackend::Smtp(server) = config.mail.backend else { panic!("the example is a server") };
    assert_eq!(server.login.unwrap().1, Secret::new("made-up"));
    assert_eq!(config.phone.tls.unwrap().key, desk.directory.path().join("phone-key.pem"));
}

#[test]
fn every_complaint_names_file_line_key_and_remedy() {
    let desk = minimal_with(
        "max_calls = 5000\nlead_ms = \"200\"\nlisten = \"desk:80\"\nfallback_numbr = \"+15550100900\"\n\
         [gemini]\nvoice = \"Sulafta\"\nrotate_after = \"8 minutes\"\nmodel = 3\n[log]\nlevel = \"loud\"\n",
    );
    let complaints = desk.complaints();
    for (complaint, start) in complaints.iter().zip([
        "config.toml:14: [gemini] model = 3: expected a text in quotes",
        "config.toml:12: [gemini] voice = \"Sulafta\": did you mean Sulafat? voices are Achernar, ",
        "config.toml:13: [gemini] rotate_after = \"8 minutes\": write a length of time such as \"15s\"",
        "config.toml:9: [phone] listen = \"desk:80\": write an IP address and a port such as",
        "config.toml:7: [phone] max_calls = 5000: choose a whole number from 1 to 1000",
        "config.toml:8: [phone] lead_ms = \"200\": choose a whole number from 100 to 400, without quotes",
        "config.toml:10: [phone] fallback_numbr is not a known key: did you mean fallback_number?",
        "config.toml:16: [log] level = \"loud\": choose one of error, warn, info, debug, trace",
    ]) {
        assert!(complaint.starts_with(start), "{complaint}\nis not\n{start}");
    }
    assert_eq!(complaints.len(), 8, "{complaints:#?}");
}

#[test]
fn a_section_of_a_later_version_is_refused_plainly() {
    let sections =
        "[clinic], [gemini], [phone], [desk], [calendar], [mail], [google], [admin], [control], [store], [log]";
    let desk = minimal_with("[doorbell]\nring = \"auto\"\n[amdin]\n[phone.tls]\ncerts = \"x\"\n");
    assert_eq!(
        desk.complaints(),
        [
            "config.toml: [phone.tls] cert is missing: name the PEM file of the certificate chain".to_owned(),
            "config.toml: [phone.tls] key is missing: name the PEM file of the private key".to_owned(),
            "config.toml:11: [phone.tls] certs is not a known key: did you mean cert?".to_owned(),
            format!(
                "config.toml:9: [amdin] is not known to this version: did you mean [admin]? sections are {sections}"
            ),
            format!("config.toml:7: [doorbell] is not known to this version: sections are {sections}"),
        ]
    );
    let outside = Desk::with(&format!("max_calls = 5\n{MINIMAL}"));
    assert_eq!(
        outside.complaints(),
        [format!("config.toml:1: max_calls stands outside a section: move it into one of {sections}")]
    );
    let scalar = Desk::with(&format!("log = \"debug\"\n{MINIMAL}"));
    assert_eq!(scalar.complaints(), ["config.toml:1: log = \"debug\": write a section [log] with keys in it"]);
}

#[test]
fn every_syntax_error_is_reported_with_its_line_and_nothing_is_guessed() {
    let desk = Desk::with("[clinic]\nname = Riverside\n[phone]\nmax_calls = \n");
    let complaints = desk.complaints();
    assert!(complaints[0].starts_with("config.toml:2: is not TOML here: "), "{complaints:#?}");
    assert!(complaints.iter().any(|c| c.starts_with("config.toml:4: ")), "{complaints:#?}");
    assert!(complaints.iter().all(|c| c.contains("is not TOML here")), "{complaints:#?}");
}

#[test]
fn drop_ins_are_laid_over_in_order_and_named_in_complaints() {
    let desk = minimal_with("max_calls = 10\ntls = { cert = \"a.pem\", key = \"a.key\" }\n");
    desk.write("config.d/20-late.toml", "[phone]\nmax_calls = 30\n");
    desk.write("config.d/10-early.toml", "[phone]\nmax_calls = 20\ndrain_seconds = 5\n[phone.tls]\nkey = \"b.key\"\n");
    desk.write("config.d/README", "not read");
    for file in ["a.pem", "b.key"] {
        desk.write(file, "");
    }
    let loaded = desk.load().unwrap();
    assert_eq!((loaded.config.phone.max_calls, loaded.config.phone.drain.as_secs()), (30, 5));
    let tls = loaded.config.phone.tls.unwrap();
    assert!(tls.cert.ends_with("a.pem") && tls.key.ends_with("b.key"));
    assert_eq!(loaded.files.len(), 3);

    desk.write("config.d/20-late.toml", "\n[phone]\nmax_calls = 0\n");
    let said = "config.d/20-late.toml:3: [phone] max_calls = 0: choose a whole number from 1 to 1000";
    assert_eq!(desk.complaints(), [said]);
}

#[test]
fn unreadable_files_are_named() {
    let desk = minimal_with("");
    std::fs::remove_file(desk.directory.path().join("config.toml")).unwrap();
    let said = "config.toml: cannot be read (No such file or directory (os error 2)): create it, or name another with \
                --config";
    assert_eq!(desk.complaints(), [said]);
    desk.write("config.toml", b"[clinic]\nname = \"\xff\"\n");
    assert_eq!(desk.complaints(), ["config.toml:2: is not UTF-8: save the file as UTF-8"]);
    desk.write("config.toml", "#".repeat(1024 * 1024 + 1));
    assert_eq!(desk.complaints(), ["config.toml: has more than 1 MiB: name a configuration file"]);
}

#[test]
fn missing_secrets_are_complaints_too() {
    let mut desk = minimal_with("");
    desk.environment.clear();
    let complaints = desk.complaints();
    assert_eq!(complaints.len(), 3, "{complaints:#?}");
    for (complaint, (variable, _)) in complaints.iter().zip(SECRETS) {
        let id = variable.to_lowercase().replace('_', "-");
        let said = format!(
            "no systemd credential {id} (no credentials were passed), and no environment variable {variable}: pass one \
             of the two"
        );
        assert_eq!(*complaint, said);
    }
    desk.environment.extend(SECRETS.map(|(name, value)| (name.to_owned(), value.to_owned())));
    desk.environment.insert("TWILIO_ACCOUNT_SID".to_owned(), "SK00000000000000000000000000000001".to_owned());
    let said = "twilio-account-sid / TWILIO_ACCOUNT_SID: no account SID: expected AC and 32 hexadecimal digits";
    assert_eq!(desk.complaints(), [said]);
}

/// In a shell on a box: no variables, no credentials passed, but files from which systemd would pass them.
#[test]
fn a_provisioned_box_is_complete_also_when_it_is_checked_in_a_shell() {
    let mut desk = minimal_with("");
    let home = desk.directory.path().to_owned();
    desk.write("config.toml", format!("{MINIMAL}[store]\npath = '{}/frontdesk.db'\n", home.display()));
    desk.environment.clear();
    let inspect = |desk: &Desk| {
        let stores = [home.join("credstore")];
        inspect(&home.join("config.toml"), &|name| desk.environment.get(name).cloned(), &stores)
    };
    assert_eq!(inspect(&desk).unwrap_err().0.len(), 3, "there is nothing yet");
    desk.write("credstore/gemini-api-key", "made-up-key\n");
    desk.write("credstore/twilio-account-sid", SECRETS[1].1);
    desk.write("credstore.encrypted/twilio-auth-token", "scrambled");
    let loaded = inspect(&desk).unwrap();
    assert_eq!(loaded.config.gemini.access, GeminiAccess::ApiKey(Secret::new("made-up-key")));
    assert_eq!((loaded.secrets.len(), loaded.unseen.len()), (2, 1), "{loaded:?}");
    assert!(loaded.unseen[0].contains("credstore.encrypted/twilio-auth-token: encrypted"), "{loaded:?}");

    desk.write("credstore.encrypted/google-credentials", "scrambled");
    let text = std::fs::read_to_string(home.join("config.toml")).unwrap();
    desk.write("config.toml", text.clone() + "[gemini]\nvertex = { project = \"p-1\", location = \"us-central1\" }\n");
    assert_eq!(inspect(&desk).unwrap().unseen.len(), 2);

    desk.write("config.toml", text.replace("/frontdesk.db", "/missing/frontdesk.db"));
    let said = inspect(&desk).unwrap_err().to_string();
    assert!(said.starts_with("[store] path is in ") && said.contains("create the directory and give it to"), "{said}");
}

#[test]
fn a_secret_in_the_file_is_pointed_out_and_not_repeated() {
    let desk = minimal_with("auth_token = \"0123456789abcdef\"\n");
    let said = "config.toml:7: [phone] auth_token is not a known key: secrets are not kept in this file: pass a systemd \
                credential or an environment variable";
    assert_eq!(desk.complaints(), [said]);
}

#[test]
fn phone_numbers_are_not_repeated_and_must_not_loop() {
    let desk = minimal_with("fallback_number = \"0301234567\"\n");
    let said = "config.toml:7: [phone] fallback_number has a value that will not do: not an E.164 number: it must begin \
                with + and the country code";
    assert_eq!(desk.complaints(), [said]);
    let looping = minimal_with("fallback_number = \"+15550100100\"\n");
    let said = "config.toml:7: [phone] fallback_number is the clinic's own number: name a line that does not lead back to \
                this box";
    assert_eq!(looping.complaints(), [said]);
}

#[test]
fn the_public_address_has_one_spelling() {
    let address = |url: &str| Desk::with(&MINIMAL.replace("https://desk.example.com", url));
    for url in ["https://desk.example.com/clinic", "http://127.0.0.1:8091", "http://localhost:8091"] {
        assert_eq!(address(url).load().unwrap().advice, [], "{url}");
    }
    for (url, remedy) in [
        ("http://desk.example.com", "begin it with https://: Twilio streams audio over TLS only"),
        ("https://desk.example.com:443", "leave :443 out: Twilio may sign the address without it"),
        ("https://desk.example.com/", "leave out the slash at its end"),
    ] {
        assert_eq!(address(url).complaints(), [format!("config.toml:5: [phone] public_url = \"{url}\": {remedy}")]);
    }
    let advice = address("https://desk.example.com:8443").load().unwrap().advice;
    assert!(advice[0].to_string().contains("[phone] public_url names port 8443: use port 443"), "{}", advice[0]);
}

#[test]
fn the_admin_listener_leaves_this_machine_only_with_a_token() {
    let mut desk = minimal_with("[admin]\nlisten = \"0.0.0.0:8090\"\n");
    let said = "config.toml:8: [admin] listen = \"0.0.0.0:8090\" can be reached from the network, and there is no admin \
                token: pass the credential admin-token or the variable FRONTDESK_ADMIN_TOKEN, or listen on 127.0.0.1";
    assert_eq!(desk.complaints(), [said]);
    desk.environment.insert("FRONTDESK_ADMIN_TOKEN".to_owned(), "made-up".to_owned());
    let loaded = desk.load().unwrap();
    assert!(loaded.config.admin.token.unwrap().matches(b"made-up"));
    assert!(loaded.advice[0].to_string().contains("without TLS"), "{}", loaded.advice[0]);
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let desk = minimal_with("no_input_seconds = 30\ngoodbye_seconds = 20\n[admin]\nlisten = \"127.0.0.1:8091\"\n");
    assert_eq!(
        desk.complaints(),
        [
            "config.toml:7: [phone] no_input_seconds = 30 is not below goodbye_seconds = 20: ask first, say goodbye later",
            "[admin] listen = \"127.0.0.1:8091\" is also [phone] listen: give [phone] and [admin] addresses of their own: \
             the public listener serves nothing else",
        ]
    );
}

#[test]
fn two_listeners_may_both_ask_for_a_free_port() {
    let desk = minimal_with("listen = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n");
    assert_eq!(desk.load().unwrap().advice, []);
}

#[test]
fn vertex_brings_its_own_address_and_credentials() {
    let mut desk = minimal_with("[gemini]\nvertex = { project = \"p-1\", location = \"us-central1\" }\n");
    desk.environment.remove("GEMINI_API_KEY");
    assert!(desk.complaints()[0].starts_with("no systemd credential google-credentials"));
    desk.write("google-credentials", "{\"type\": \"service_account\"}");
    let directory = desk.directory.path().display().to_string();
    desk.environment.insert("CREDENTIALS_DIRECTORY".to_owned(), directory);
    let gemini = desk.load().unwrap().config.gemini;
    assert_eq!(gemini.endpoint, "wss://us-central1-aiplatform.googleapis.com");
    assert_eq!(gemini.api_version, "v1beta1");
    let unencrypted = minimal_with("[gemini]\nendpoint = \"ws://10.0.0.1:9000\"\n").load().unwrap();
    assert!(unencrypted.advice[0].to_string().contains("[gemini] endpoint is not encrypted"));
}

#[test]
fn a_loaded_configuration_prints_no_secret_and_no_number() {
    let printed = format!("{:?}", minimal_with("").load().unwrap());
    assert!(!printed.contains("made-up") && !printed.contains("5550100100"), "{printed}");
}

/// Every key of the shipped file that is written there.
fn shipped_keys() -> Vec<(usize, String)> {
    let text = shipped_and_complete();
    let keys = text.lines().enumerate().filter_map(|(n, line)| {
        let (key, _) = line.split_once(" = ")?;
        key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_').then(|| (n, key.to_owned()))
    });
    keys.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_key_misspelt_by_one_letter_is_suggested(
        pick in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), letter in "[q-z]", how in 0..3,
    ) {
        let keys = shipped_keys();
        let (line, key) = pick.get(&keys);
        let mut letters: Vec<String> = key.chars().map(String::from).collect();
        let at = place.index(letters.len());
        match how {
            0 => letters[at] = letter,
            1 => letters.insert(at, letter),
            _ => drop(letters.remove(at)),
        }
        let wrong = letters.concat();
        prop_assume!(keys.iter().all(|(_, known)| *known != wrong));
        let mut lines: Vec<String> = shipped_and_complete().lines().map(str::to_owned).collect();
        lines[*line] = lines[*line].replacen(key.as_str(), &wrong, 1);
        let complaints = Desk::with(&lines.join("\n")).complaints();
        let said = format!("{wrong} is not a known key: did you mean {key}?");
        prop_assert!(complaints.iter().any(|complaint| complaint.ends_with(&said)), "{complaints:#?}");
    }

    #[test]
    fn no_bytes_panic_the_loader(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[a-z\\[\\]{}=\"#.\n 0-9]{0,200}") {
        let desk = Desk::with("");
        desk.write("config.toml", bytes);
        prop_assert!(desk.load().is_err());
        desk.write("config.toml", text);
        let _ = desk.load();
    }
}
