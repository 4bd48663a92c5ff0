use std::fs;

use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g anna@desk";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const CONFIG: &str = "[clinic]\nname = \"Riverside Clinic\"\ntime_zone = \"Europe/Berlin\"\n\n[phone]\n\
                      public_url = \"https://desk.example.com\"\nnumber = \"+15550100100\"\n";

/// A card with a folder on it, and the root of a new box.
struct Bench {
    home: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("boot/frontdesk-provision/secrets")).unwrap();
        fs::create_dir(home.path().join("root")).unwrap();
        let bench = Self { home };
        bench.write("config.toml", CONFIG);
        bench.write("secrets.toml", &secrets());
        bench.write("authorized_keys", &format!("{KEY}\n"));
        bench.write("network.toml", "[wifi]\nssid = \"Clinic\"\npsk = \"long enough\"\ncountry = \"DE\"\n");
        bench.write("knowledge/parking.md", "# Parking\n\nBehind the house.\n");
        bench.write("Thumbs.db", "");
        bench
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("boot/frontdesk-provision")
    }

    fn root(&self) -> PathBuf {
        self.home.path().join("root")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn there(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn result(&self) -> String {
        fs::read_to_string(self.home.path().join("boot").join(RESULT)).unwrap()
    }

    fn options(&self, from: PathBuf) -> Options {
        Options { from, check: false, keep: false, boot: false, root: self.root() }
    }

    fn run(options: &Options) -> Result<Verdict, CtlError> {
        let mut out = Vec::new();
        run(options, &mut View { out: &mut out, zone: &jiff::tz::TimeZone::UTC, json: false })
    }

    /// What is said of a folder with something wrong in it, after which nothing may have changed.
    fn refused(name: &str, text: &str) -> String {
        let bench = Self::new();
        bench.write(name, text);
        let before = bench.listing();
        let error = Bench::run(&bench.options(bench.folder())).unwrap_err();
        assert_eq!(fs::read_dir(bench.root()).unwrap().count(), 0, "{name}: nothing is written");
        assert_eq!(bench.listing(), before, "{name}: nothing is erased");
        crate::logging::chain(&error).to_string().replace(&bench.folder().display().to_string(), "")
    }

    fn listing(&self) -> Vec<(PathBuf, String)> {
        let read = |entry: Result<fs::DirEntry, _>| {
            let path = entry.unwrap().path();
            (path.clone(), fs::read_to_string(path).unwrap_or_default())
        };
        let mut files: Vec<_> = fs::read_dir(self.folder()).unwrap().map(read).collect();
        files.sort();
        files
    }
}

fn secrets() -> String {
    format!(
        "gemini-api-key = \"AIza-0123456789-0123456789\"\ntwilio-account-sid = \"AC{TOKEN}\"\ntwilio-auth-token = \"{TOKEN}\"\n"
    )
}

#[test]
fn a_box_is_told_everything_and_the_card_keeps_no_secret() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::new();
    assert_eq!(Bench::run(&bench.options(bench.folder())).unwrap(), Verdict::Well);
    assert_eq!(bench.there("etc/frontdesk/config.toml"), CONFIG);
    assert_eq!(bench.there("etc/frontdesk/wifi-country"), "DE\n");
    assert!(bench.there("etc/frontdesk/knowledge/parking.md").contains("Behind"));
    assert!(bench.there("etc/NetworkManager/system-connections/frontdesk.nmconnection").contains("psk=long enough"));
    assert_eq!(bench.there("root/.ssh/authorized_keys"), format!("{KEY}\n"));
    assert_eq!(bench.there("etc/credstore/twilio-auth-token"), TOKEN);
    for private in [
        "etc/credstore/twilio-auth-token",
        "root/.ssh/authorized_keys",
        "etc/NetworkManager/system-connections/frontdesk.nmconnection",
    ] {
        let mode = fs::metadata(bench.root().join(private)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{private}");
    }
    assert!(!bench.folder().join("secrets.toml").exists() && !bench.folder().join("network.toml").exists());
    assert!(bench.folder().join("config.toml").exists(), "what is no secret stays");
    let said = bench.result();
    assert!(
        said.contains("Frontdesk was provisioned") && said.contains("stored the secret twilio-auth-token"),
        "{said}"
    );
    for value in [TOKEN, "AIza", "long enough", "Clinic\""] {
        assert!(!said.contains(value), "{said}");
    }
}

#[test]
fn the_first_start_leaves_the_result_alone_on_the_card() {
    let bench = Bench::new();
    let options = Options { boot: true, ..bench.options(bench.folder()) };
    Bench::run(&options).unwrap();
    let left: Vec<_> =
        fs::read_dir(bench.home.path().join("boot")).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, [RESULT]);

    let bench = Bench::new();
    bench.write("secrets.toml", "gemini-api-key = 5\n");
    let options = Options { boot: true, ..bench.options(bench.folder()) };
    Bench::run(&options).unwrap_err();
    assert!(bench.folder().join("secrets.toml").exists(), "it is there to be mended");
    let said = bench.result();
    assert!(said.contains("NOT provisioned") && said.contains("secrets.toml:1: gemini-api-key is a number"), "{said}");
}

#[test]
fn a_check_writes_and_erases_nothing() {
    let bench = Bench::new();
    let before = bench.listing();
    Bench::run(&Options { check: true, ..bench.options(bench.folder()) }).unwrap();
    assert_eq!(bench.listing(), before);
    assert_eq!(fs::read_dir(bench.root()).unwrap().count(), 0);
    assert!(!bench.home.path().join("boot").join(RESULT).exists());
    Bench::run(&Options { keep: true, ..bench.options(bench.folder()) }).unwrap();
    assert_eq!(bench.listing(), before, "they are kept when that is wished");
}

#[test]
fn whatever_is_wrong_is_told_with_its_place_and_nothing_changes() {
    for (name, text, said) in [
        ("config.toml", CONFIG.replace("number", "numbr").as_str(), "/config.toml:7: [phone] numbr"),
        ("config.toml", "[clinic\n", "/config.toml:1: is not TOML here"),
        ("config.d/10-x.toml", "[phone]\nmax_calls = 5000\n", "/config.d/10-x.toml:2: [phone] max_calls"),
        ("clinic.toml", "[[service]]\nid = 5\n", "/clinic.toml:"),
        (
            "secrets.toml",
            "gemini-api-kee = \"AIza-0123456789-0123456789\"\n",
            "/secrets.toml:1: gemini-api-kee is unknown: the nearest secret is gemini-api-key",
        ),
        ("secrets.toml", &secrets().replace("AC0", "AC"), "/secrets.toml:2: twilio-account-sid is no account SID"),
        ("secrets.toml", "gemini-api-key = \"AIza-0123456789-0123456789\"\n", "twilio-auth-token"),
        ("secrets/smtp-password", " \n", "/secrets/smtp-password: smtp-password is empty"),
        ("secrets/twilio-auth-token.txt", TOKEN, "twilio-auth-token is there twice"),
        (
            "secrets/google-client.json",
            "{\"web\": {}}",
            "/secrets/google-client.json: google-client has no installed.client_id",
        ),
        ("authorized_keys", "ssh-ed25519 AAAA\n", "/authorized_keys:1: is cut or broken"),
        ("network.toml", "[wifi]\nssid = \"Clinic\"\npsk = \"short\"\n", "/network.toml:3: [wifi] psk will not do"),
        ("confg.toml", "", "/confg.toml: is not known here"),
        ("knowledge/parking.docx", "", "/knowledge/parking.docx: would not be read"),
    ] {
        let error = Bench::refused(name, text);
        assert!(error.contains(said), "{name}: expected {said}\nin {error}");
        assert!(error.contains("nothing was changed"), "{error}");
        assert!(!error.contains(TOKEN) && !error.contains("/dev/shm"), "{error}");
    }
}

/// The configuration that a package brings is not complete, and a technician begins with the network.
#[test]
fn a_network_alone_is_told_to_a_box_that_knows_no_clinic_yet() {
    let bench = Bench::new();
    for name in ["config.toml", "secrets.toml", "authorized_keys", "knowledge/parking.md"] {
        fs::remove_file(bench.folder().join(name)).unwrap();
    }
    Bench::run(&bench.options(bench.folder())).unwrap();
    assert_eq!(bench.there("etc/frontdesk/wifi-country"), "DE\n");
}

#[test]
fn one_file_says_the_same_and_keeps_its_line_numbers() {
    let bench = Bench::new();
    let config = CONFIG.replace("[clinic]", "[config.clinic]").replace("[phone]", "[config.phone]");
    let text = format!("[ssh]\nauthorized_keys = [\"{KEY}\"]\n\n[secrets]\n{}\n{config}", secrets());
    let file = bench.home.path().join("boot/desk.toml");
    fs::write(&file, &text).unwrap();
    fs::create_dir_all(bench.root().join("etc/frontdesk")).unwrap();
    fs::write(bench.root().join("etc/frontdesk/config.toml"), "[phone]\nmax_calls = 7\n").unwrap();
    Bench::run(&bench.options(file.clone())).unwrap();
    assert!(!file.exists(), "it held secrets");
    let drop_in = bench.there("etc/frontdesk/config.d/50-provisioned.toml");
    assert!(drop_in.contains("[clinic]\nname = \"Riverside Clinic\"") && !drop_in.contains("secrets"), "{drop_in}");
    assert_eq!(bench.there("etc/frontdesk/config.toml"), "[phone]\nmax_calls = 7\n", "what is there is laid over");

    fs::write(&file, text.replace("+15550100100", "12")).unwrap();
    let error = crate::logging::chain(&Bench::run(&bench.options(file.clone())).unwrap_err()).to_string();
    let line = 1 + text.lines().position(|line| line.starts_with("number")).unwrap();
    assert!(error.contains(&format!("desk.toml:{line}: [phone] number")), "{error}");
}
