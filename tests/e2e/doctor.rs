//! The technician's tool on a box: it finds what is wrong and names what mends it; what it writes for strangers tells nothing of
//! anybody. Faults are produced, not pretended: ports are taken, certificates are wrong, credentials are empty, disks are full.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod machine;

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use frontdesk_tests::daemon::{Daemon, NUMBER};
use serde_json::{Value, json};

use machine::{KEY, Machine, free_port, write};

fn findings<'a>(said: &'a Value, check: &str) -> Vec<&'a Value> {
    let checks = said["checks"].as_array().unwrap();
    let found = checks.iter().find(|it| it["name"] == check).unwrap_or_else(|| panic!("no {check} in {said:#}"));
    found["findings"].as_array().unwrap().iter().collect()
}

fn all_wrong(said: &Value) -> Vec<String> {
    let checks = said["checks"].as_array().unwrap();
    let wrong = |it: &Value| it["findings"].as_array().unwrap().iter().any(|finding| finding["outcome"] == "wrong");
    checks.iter().filter(|it| wrong(it)).map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

/// A fault: its name, how it is produced, the check that must find it, a part of what is said, and of what mends it.
type Fault = (&'static str, fn(&mut Machine) -> Guard, &'static str, &'static str, &'static str);
/// What has to be held, and what is undone, for the time of the fault.
type Guard = Box<dyn std::any::Any>;

fn nothing() -> Guard {
    Box::new(())
}

const FAULTS: [Fault; 16] = [
    (
        "a misspelt key",
        |it| {
            it.line("phone", "max_cals = 5");
            nothing()
        },
        "config",
        "max_cals",
        "sudo nano +",
    ),
    (
        "an empty credential",
        |it| {
            it.plan.auth_token = " ".into();
            nothing()
        },
        "secrets",
        "twilio-auth-token",
        "sudo frontdeskctl secrets set twilio-auth-token",
    ),
    (
        "a credential that everybody may read",
        |it| {
            let path = it.home.path().join("machine/etc/credstore/admin-token");
            write(&path, "0123456789abcdef-of-the-clinic");
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
            nothing()
        },
        "secrets",
        "can be read by others than root",
        "chmod 600",
    ),
    (
        "a port that is taken",
        |it| {
            let config = std::fs::read_to_string(it.plan.home.join("config.toml")).unwrap();
            let address =
                config.lines().find_map(|line| line.strip_prefix("listen = ")).unwrap().trim_matches('"').to_owned();
            Box::new(std::net::TcpListener::bind(address).unwrap())
        },
        "ports",
        "another program has that port",
        "ss -ltnp",
    ),
    (
        "a name that nobody knows",
        |it| {
            it.plan.gemini = "wss://no-such-host.invalid".into();
            it.plan.write().unwrap();
            nothing()
        },
        "dns",
        "no-such-host.invalid cannot be looked up",
        "getent hosts no-such-host.invalid",
    ),
    (
        "an authority that is not trusted",
        |it| {
            it.plan.gemini_ca = None;
            it.plan.write().unwrap();
            nothing()
        },
        "gemini-tls",
        "signed by nobody that this box trusts",
        "ca-certificates",
    ),
    (
        "a closed port at Gemini",
        |it| {
            it.plan.gemini = format!("wss://127.0.0.1:{}", free_port());
            it.plan.write().unwrap();
            nothing()
        },
        "gemini-tls",
        "cannot be reached",
        "nc -vz 127.0.0.1",
    ),
    (
        "a key that Gemini refuses",
        |it| {
            it.plan.gemini_key = "AIza-of-another-project-0123".into();
            nothing()
        },
        "gemini-key",
        "refuses the key",
        "secrets set gemini-api-key",
    ),
    (
        "a number that leads elsewhere",
        |it| {
            it.outside.number.lock().unwrap()["voice_url"] = json!("https://old.example.com/voice");
            nothing()
        },
        "webhooks",
        "https://old.example.com/voice",
        "--voice-url",
    ),
    (
        "a tunnel without a daemon behind it",
        |it| {
            *it.outside.health.lock().unwrap() = (502, "bad gateway");
            nothing()
        },
        "public-url",
        "does not reach the daemon",
        "systemctl status frontdeskd",
    ),
    (
        "a speakerphone that is not plugged in",
        |it| {
            it.line("desk", "device = \"usb:0b0e:0422\"");
            nothing()
        },
        "speakerphone",
        "0b0e:0422",
        "lsusb",
    ),
    (
        "a store that nobody has copied for a week",
        |it| {
            let copy = it.plan.home.join("backups/frontdesk-2026-01-01.db");
            write(&copy, "");
            let week = SystemTime::now() - Duration::from_hours(7 * 24);
            std::fs::File::options().write(true).open(copy).unwrap().set_modified(week).unwrap();
            nothing()
        },
        "backup",
        "is 7 d",
        "journalctl",
    ),
    (
        "a worn card",
        |it| {
            it.machine("sys/block/mmcblk0/device/life_time", "0x0b 0x01\n");
            nothing()
        },
        "card",
        "mmcblk0 is worn out",
        "flash a new card",
    ),
    (
        "no memory left",
        |it| {
            it.machine("proc/meminfo", "MemTotal: 1900000 kB\nMemAvailable: 9000 kB\n");
            nothing()
        },
        "memory",
        "hardly any memory",
        "ps -eo",
    ),
    (
        "a supply that is too weak",
        |it| {
            it.machine("sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n");
            nothing()
        },
        "temperature",
        "too weak just now",
        "supply",
    ),
    (
        "a service that has refused its configuration",
        |it| {
            let script = "printf 'LoadState=loaded\\nActiveState=failed\\nResult=exit-code\\nExecMainStatus=78\\n'";
            it.program("systemctl", script);
            nothing()
        },
        "service",
        "refused its configuration",
        "sudo frontdeskd check",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_of_sixteen_faults_is_found_and_its_remedy_named() {
    for (fault, produce, check, what, fix) in FAULTS {
        let mut it = Machine::healthy().await;
        let held = produce(&mut it);
        let (code, said) = it.doctor().await;
        drop(held);
        let found = findings(&said, check);
        let is_it = |finding: &&Value| {
            finding["outcome"] == "wrong"
                && finding["what"].as_str().unwrap().contains(what)
                && finding["fix"].as_str().unwrap().contains(fix)
        };
        assert!(found.iter().any(is_it), "{fault}: {found:#?}");
        assert_eq!((code, &said["well"]), (Some(1), &json!(false)), "{fault}");
    }
}

/// Nothing but that the daemon does not run: it is told, and everything else is found to be well.
#[tokio::test(flavor = "multi_thread")]
async fn a_box_on_which_all_is_well_gives_no_finding() {
    let mut it = Machine::healthy().await;
    let (code, said) = it.doctor().await;
    assert_eq!((code, all_wrong(&said)), (Some(1), vec!["daemon".to_owned()]), "{said:#}");

    it.daemon = Some(Daemon::start(&it.plan).await.unwrap());
    let (code, said) = it.doctor().await;
    assert_eq!((code, all_wrong(&said)), (Some(0), Vec::new()), "{said:#}");
    for check in [
        "config",
        "secrets",
        "daemon",
        "ports",
        "clock",
        "gemini-tls",
        "gemini-key",
        "twilio-tls",
        "webhooks",
        "public-url",
        "outbox",
    ] {
        let found = findings(&said, check);
        assert!(found.iter().all(|finding| finding["outcome"] == "ok"), "{check}: {found:#?}");
    }
    let out = it.run(&["doctor", "--list"]).await;
    let listed = String::from_utf8(out.stdout).unwrap();
    assert_eq!(listed.lines().count(), said["checks"].as_array().unwrap().len());
    let out = it.run(&["doctor", "--only", "dns,outbox"]).await;
    let shown = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success() && shown.lines().count() == 4 && shown.contains("nothing is wrong"), "{shown}");
}

/// As root, who may mount: a disk of one page.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_found() {
    let mut it = Machine::healthy().await;
    let place = it.home.path().join("disk");
    std::fs::create_dir(&place).unwrap();
    let mount = |program: &str, arguments: &[&str]| {
        let done = std::process::Command::new(program).args(arguments).arg(&place).output();
        done.is_ok_and(|done| done.status.success())
    };
    if !mount("mount", &["-t", "tmpfs", "-o", "size=4k", "tmpfs"]) {
        return;
    }
    it.line("store", &format!("path = '{}'", place.join("frontdesk.db").display()));
    let (_, said) = it.doctor().await;
    assert!(mount("umount", &[]));
    let found = findings(&said, "disk");
    assert!(found[0]["what"].as_str().unwrap().contains("is full: 0 MB are free"), "{found:#?}");
    assert!(found[0]["fix"].as_str().unwrap().contains("sudo du -xh"), "{found:#?}");
}

/// Names, numbers, addresses and keys of the clinic and of callers are in the files and in the journal; in the bundle none is.
#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_for_strangers_tells_nothing_of_anybody() {
    const PRIVATE: [&str; 9] = [
        "Riverside Clinic",
        "Lindqvist",
        NUMBER,
        "15550100100",
        "+15550177777",
        "ben.meyer@example.com",
        KEY,
        "0123456789abcdef0123456789abcdef",
        "desk.riverside.example",
    ];
    let mut it = Machine::healthy().await;
    it.line("phone", "fallback_say = \"Dr. Lindqvist is coming.\"");
    it.line("phone", "public_url = \"https://desk.riverside.example\"");
    let entry =
        |message: &str| json!({"MESSAGE": message, "PRIORITY": "4", "_HOSTNAME": "x", "CALLER": "+15550177777"});
    let journal: Vec<String> = [
        format!("key {KEY} was refused by a.riverside.example"),
        "a call of +15550177777, for Lindqvist, at Riverside Clinic".to_owned(),
        "a letter to ben.meyer@example.com; token 0123456789abcdef0123456789abcdef".to_owned(),
        "https://desk.riverside.example answers; the number is 15550100100".to_owned(),
    ]
    .iter()
    .map(|message| entry(message).to_string())
    .collect();
    let lines = it.home.path().join("journal");
    write(&lines, &journal.join("\n"));
    it.program("journalctl", &format!("cat '{}'", lines.display()));
    it.daemon = Some(Daemon::start(&it.plan).await.unwrap());

    let bundle: PathBuf = it.home.path().join("bundle.tar.gz");
    let out = it.run(&["support-bundle", "--output", bundle.to_str().unwrap()]).await;
    assert_eq!(out.status.code(), Some(2), "nobody can be asked: {out:?}");
    assert!(!bundle.exists());
    let out = it.run(&["support-bundle", "--yes", "--output", bundle.to_str().unwrap()]).await;
    let shown = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success() && shown.contains("journal.jsonl") && shown.contains("were taken out"), "{shown}");
    assert_eq!(std::fs::metadata(&bundle).unwrap().permissions().mode() & 0o777, 0o600);

    let text = std::process::Command::new("tar").arg("-xzOf").arg(&bundle).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    for private in PRIVATE {
        assert!(!text.contains(private), "{private} is in the bundle:\n{}", around(&text, private));
    }
    for useful in
        ["\"status\"", "# TYPE frontdesk_", "frontdeskctl 0", "phone.number is set", "(number)", "(address)", "(key)"]
    {
        assert!(text.contains(useful), "{useful} is not in the bundle");
    }
    let out = it.run(&["support-bundle", "--show"]).await;
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.contains("==== doctor.txt") && PRIVATE.iter().all(|private| !text.contains(private)), "{text}");
}

fn around<'a>(text: &'a str, part: &str) -> &'a str {
    text.lines().find(|line| line.contains(part)).unwrap_or_default()
}

/// The journal's own program is run, with what was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn the_journal_is_asked_as_a_technician_would() {
    let it = Machine::healthy().await;
    it.program("journalctl", "echo \"journalctl $*\"");
    let sid = "CA0123456789abcdef0123456789abcdef";
    let expected = format!("journalctl --unit=frontdeskd --since=-2h --priority=warning CALL_SID={sid}\n");
    for more in [&[][..], &["--show-command"]] {
        let arguments = [&["logs", "--call", sid, "--since", "2h", "--errors"], more].concat();
        let out = it.run(&arguments).await;
        assert_eq!(String::from_utf8(out.stdout).unwrap(), expected);
    }
}
